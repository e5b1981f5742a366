//! Verbs over the hosts of a cluster document, tested from outside: the real binary, with an agent of
//! its own for every host; hosts are folders whose certificates OpenSSL made.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and its shared functions are no tests themselves"
)]

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod doctor;
mod fan_out;
mod readme;
mod renew;
mod rescue;
mod schemas;
mod status;
