//! Two runs at once: the second is turned away, and told by whom.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Write;

const LOCK: &str = "/var/lib/kubepki/lock";

/// As a first run holds it: the kernel's lock, and its name in the file.
fn hold(tree: &Tree) -> File {
    tree.write(LOCK, "");
    let mut file = File::options().write(true).open(tree.path(LOCK)).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    file.write_all(b"process 4711, `renew`, since 2026-06-01T12:00:00Z")
        .unwrap();
    file
}

#[test]
fn the_second_run_is_told_who_the_first_is() {
    let tree = Tree::kubeadm().expired(30).build();
    let mut ledger = Ledger::default();
    tree.kubepki(&["backup", "create", "--out", "/saved.tar"])
        .expect(0);
    tree.kubepki(&["renew", "all", "--yes", "--plan-out", "plan.json"])
        .expect(0);
    let held = hold(&tree);
    for words in [
        &["renew", "all", "--yes"][..],
        &["apply", "plan.json", "--yes"],
        &[
            "restore",
            "--archive",
            "/saved.tar",
            "--yes",
            "/etc/kubernetes/pki/apiserver.crt",
        ],
        &["backup", "create"],
    ] {
        ledger.refused("another run is going on", &tree, words);
    }
    // Who only looks is not stopped, and is told.
    let status = tree.kubepki(&["status"]).expect(4);
    ledger.note("looking is free", &["status"], &status);
    // What a dead run has written into the file holds nobody up.
    drop(held);
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_sound();
    ledger.compare("runs");
}

#[test]
fn of_two_runs_begun_together_both_leave_a_sound_host() {
    let host = Tree::kubeadm().expired(30).build();
    for _ in 0..5 {
        let tree = host.copied();
        let start = || {
            let mut command = tree.command(&["renew", "all", "--yes", "--force"]);
            command.stdout(std::process::Stdio::null());
            command
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        };
        let runs = [start(), start(), start()];
        let mut done = 0;
        for run in runs {
            let output = run.wait_with_output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            let is_refusal = told.contains("another run is going on: process")
                || told.contains("changed after the plan was made")
                || told.contains("was interrupted while");
            assert!(output.status.success() || is_refusal, "{told}");
            done += usize::from(output.status.success());
        }
        assert!(done > 0);
        tree.assert_sound();
    }
}
