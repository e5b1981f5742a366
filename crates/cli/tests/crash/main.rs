//! `kill -9` at every effect of `renew`, `undo`, `restore` and of the recovery from a crash, on the
//! real binary: what the next verb makes of the host it leaves.
//!
//! Points are not listed anywhere: an undisturbed run with injected counting names its effects. No
//! effect here is a restart, since nothing runs below `--root`; those are walked in the engine's own
//! tests and in the lab.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and says what it counted or skipped"
)]

#[path = "../support/mod.rs"]
mod support;

mod judge;
mod scene;

mod again;
mod backwards;
mod edits;
mod renewal;
