//! What goes wrong on a host is told, and nothing is changed: the real binary, with `--root`.
//!
//! The words are snapshots (`snapshots/`): each must name the object, what was expected, what was
//! found, and what to do.

#[path = "../support/mod.rs"]
mod support;

mod ledger;

mod authorities;
mod disks;
mod files;
mod permissions;
mod runs;
mod secrets;
mod state;
