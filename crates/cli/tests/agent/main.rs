//! `kubepki agent --stdio`, the real binary on a host in a folder, asked by the real client: what it
//! does, what it refuses, what it never says, and what becomes of a host when it is killed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

#[path = "../support/mod.rs"]
mod support;

mod client;

mod adopted_keys;
mod bounds;
mod carrying;
mod killed;
mod looking;
mod old_keys;
mod sealed_archives;
mod secrets;
mod shared_keys;
mod starting;
