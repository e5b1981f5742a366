//! What goes wrong on a host is told, and nothing is changed: the real binary, with `--root`.
//!
//! The words are snapshots (`snapshots/`): each must name the object, what was expected, what was
//! found, and what to do.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and says what it counted or skipped"
)]

#[path = "../support/mod.rs"]
mod support;

mod authorities;
mod disks;
mod files;
mod permissions;
mod runs;
mod secrets;
mod state;
