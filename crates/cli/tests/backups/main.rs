//! `backup`, `restore` and `undo` from outside: the real binary on hosts in folders.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops, and says what it counted or skipped"
)]

#[path = "../support/mod.rs"]
mod support;

mod archives;
mod encrypted;
mod interrupted;
mod prune;
mod restore;
mod undo;

use support::{FileState, Tree};

const RENEW: [&str; 3] = ["renew", "all", "--yes"];
const AGAIN: [&str; 4] = ["renew", "all", "--force", "--yes"];
const UNDO: [&str; 2] = ["undo", "--yes"];
const BACKUPS: &str = "/var/lib/kubepki/backups";

/// The run that an output names.
#[track_caller]
fn run_of(output: &support::Output) -> String {
    let line = output
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("run "));
    line.and_then(|line| line.split(':').next())
        .expect("a run is named")
        .to_owned()
}

/// When a file of the host was last changed.
fn modified(tree: &Tree, path: &str) -> std::time::SystemTime {
    tree.path(path).metadata().unwrap().modified().unwrap()
}

/// Contents, mode and owner of a file.
fn state(tree: &Tree, path: &str) -> FileState {
    tree.snapshot()[std::path::Path::new(path)].clone()
}
