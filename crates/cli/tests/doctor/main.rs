//! `doctor` and `explain`, tested from outside: the real binary on the files of a host that OpenSSL
//! made, broken in one way at a time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and its shared functions are no tests themselves"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../founding/components.rs"]
mod components;

mod breakages;
mod catalogue;
mod endpoints;
mod files;
mod forge;
mod options;
mod output;
mod real_api;
mod status;
