//! Transactions, their recovery and backups, on real files below a temporary root.
//!
//! Every test has its own folder; nothing outside it is touched, except that some tests mount file
//! systems of their own inside it, and say why when they may not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and says what it counted or skipped"
)]

mod backups;
mod crash;
mod journals;
mod links;
mod locks;
mod mounts;
mod old_keys;
mod power_loss;
mod refusals;
mod scene;
