//! Transactions, their recovery and backups, on real files below a temporary root.
//!
//! Every test has its own folder; nothing outside it is touched, except that some tests mount file
//! systems of their own inside it, and say why when they may not.

mod backups;
mod crash;
mod journals;
mod links;
mod locks;
mod power_loss;
mod refusals;
mod scene;
