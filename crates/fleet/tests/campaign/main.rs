//! Campaigns in values: hosts are sessions in memory that write down what they are asked, and fail
//! where they are told to.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its shared functions are no tests themselves"
)]

mod encrypted;
mod failures;
mod gates;
mod hosts;
mod lost;
mod order;
mod plans;
mod signing;
