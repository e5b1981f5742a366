//! `undo` after an interrupted run: taken back, finished, or given up, and nothing else undone.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use crate::support::points::{Point, kill, points};
use crate::{AGAIN, RENEW, UNDO, run_of};

/// A host whose renewal was killed before the last effect of this kind.
fn killed_before(host: &Tree, words: &[&str], effect: &str) -> Tree {
    let all = points(&host.copied(), words);
    let is_wanted = |point: &&Point| point.mode == "before" && point.effect.starts_with(effect);
    let point = all.iter().rfind(is_wanted).unwrap();
    let tree = host.copied();
    kill(&tree, words, point);
    tree
}

#[test]
fn what_was_only_staged_is_taken_back_and_no_earlier_run_is_undone_with_it() {
    let host = Tree::kubeadm().expired(30).build();
    let old = host.snapshot();
    host.kubepki(&RENEW).expect(0);
    let renewed = host.snapshot();
    let tree = killed_before(&host, &AGAIN, "create /etc/kubernetes/pki");
    assert!(!tree.changed(&renewed).is_empty(), "something is staged");
    let mut ledger = Ledger::default();
    let output = tree.kubepki(&UNDO).expect(0);
    ledger.note("only staged", &UNDO, &output);
    tree.assert_unchanged(&renewed);
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&old);
    ledger.compare("taken_back");
}

#[test]
fn a_run_that_is_undone_meanwhile_is_one_question() {
    let host = Tree::kubeadm().expired(30).build();
    let old = host.snapshot();
    let tree = killed_before(&host, &RENEW, "rename /etc/kubernetes/pki");
    let mut ledger = Ledger::default();
    let output = tree.kubepki(&UNDO).expect(0);
    ledger.note("half changed", &UNDO, &output);
    tree.assert_unchanged(&old);
    ledger.compare("half_undone");
}

#[test]
fn another_run_is_undone_only_after_the_interrupted_one_is_finished() {
    let host = Tree::kubeadm().expired(30).build();
    let old = host.snapshot();
    let first = run_of(&host.kubepki(&RENEW).expect(0));
    let tree = killed_before(&host, &AGAIN, "rename /etc/kubernetes/pki");
    let output = tree.kubepki(&["undo", &first, "--yes"]).expect(0);
    assert!(output.stderr.contains("is finished"), "{output}");
    // What the later run added to the kubelet's stores is not the first one's to remove.
    let left = tree.changed(&old);
    let is_added = |path: &std::path::PathBuf| path.starts_with("/var/lib/kubelet/pki");
    assert!(left.iter().all(is_added), "{left:?}");
}

#[test]
fn without_a_backup_an_interrupted_run_is_finished_by_renew() {
    let host = Tree::kubeadm().expired(30).build();
    let words = ["renew", "all", "--yes", "--no-backup"];
    let tree = killed_before(&host, &words, "rename /etc/kubernetes/pki");
    let before = tree.snapshot();
    let mut ledger = Ledger::default();
    let output = tree.kubepki(&UNDO).expect(1);
    ledger.note("interrupted, without a backup", &UNDO, &output);
    tree.assert_unchanged(&before);
    tree.kubepki(&RENEW).expect(0);
    tree.assert_sound();
    ledger.compare("interrupted_without_backup");
}

/// What cannot be finished can still be undone.
#[test]
fn a_run_that_cannot_be_finished_is_undone() {
    let host = Tree::kubeadm().expired(30).build();
    let old = host.snapshot();
    let half = killed_before(&host, &RENEW, "rename /etc/kubernetes/pki");
    let mut ledger = Ledger::default();

    let tree = half.copied();
    let staged = tree.list("/etc/kubernetes/pki");
    let staged = staged
        .iter()
        .find(|name| name.contains(".kubepki-"))
        .unwrap();
    tree.remove(format!("/etc/kubernetes/pki/{staged}"));
    stuck(&mut ledger, &tree, "a staged file is gone");
    tree.assert_unchanged(&old);

    let tree = half;
    // The one whose turn it was.
    tree.write(
        "/etc/kubernetes/pki/front-proxy-client.crt",
        "somebody's own\n",
    );
    stuck(&mut ledger, &tree, "a file was changed by somebody else");
    tree.assert_unchanged(&old);
    ledger.compare("stuck");
}

fn stuck(ledger: &mut Ledger, tree: &Tree, case: &str) {
    let before = tree.snapshot();
    let output = tree.kubepki(&RENEW).expect(1);
    ledger.note(case, &RENEW, &output);
    tree.assert_unchanged(&before);
    let undone = tree.kubepki(&UNDO).expect(0);
    ledger.note(case, &UNDO, &undone);
}

#[test]
fn after_an_interrupted_undo_undo_finishes_it_and_undoes_nothing_more() {
    let host = Tree::kubeadm().expired(30).build();
    host.kubepki(&RENEW).expect(0);
    let first = host.snapshot();
    host.kubepki(&AGAIN).expect(0);
    for effect in ["rename /etc/kubernetes/pki", "create /etc/kubernetes/pki"] {
        let tree = killed_before(&host, &UNDO, effect);
        tree.kubepki(&UNDO).expect(0);
        tree.assert_unchanged(&first);
    }
}
