//! What is undone, in which order, and what it brings back.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use crate::{AGAIN, BACKUPS, RENEW, UNDO, modified, run_of, state};
use std::os::unix::fs::chown;

const KEY: &str = "/etc/kubernetes/pki/apiserver.key";

#[test]
fn runs_are_undone_from_the_newest_to_the_oldest() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    tree.kubepki(&RENEW).expect(0);
    let first = tree.snapshot();
    tree.kubepki(&AGAIN).expect(0);
    let second = tree.snapshot();
    assert!(!tree.changed(&first).is_empty());
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&first);
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&old);
    let mut ledger = Ledger::default();
    let nothing = tree.kubepki(&UNDO).expect(1);
    ledger.note("everything is undone", &UNDO, &nothing);
    tree.assert_unchanged(&old);
    ledger.compare("nothing_to_undo");
    assert!(second != old);
}

#[test]
fn an_undoing_can_be_undone_and_then_no_longer_counts() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    tree.kubepki(&RENEW).expect(0);
    let new = tree.snapshot();
    let undoing = run_of(&tree.kubepki(&UNDO).expect(0));
    tree.assert_unchanged(&old);
    let again = run_of(&tree.kubepki(&["undo", &undoing, "--yes"]).expect(0));
    tree.assert_unchanged(&new);
    // Named or not, each is undone in its turn.
    tree.kubepki(&["undo", &again, "--yes"]).expect(0);
    tree.assert_unchanged(&old);
    let last = tree.kubepki(&UNDO);
    assert!(last.stderr.contains("no run is left to undo"), "{last}");

    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    tree.kubepki(&RENEW).expect(0);
    let undoing = run_of(&tree.kubepki(&UNDO).expect(0));
    tree.kubepki(&["undo", &undoing, "--yes"]).expect(0);
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&old);
}

#[test]
fn an_earlier_run_is_undone_by_its_name() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    let first = run_of(&tree.kubepki(&RENEW).expect(0));
    tree.kubepki(&["renew", "admin.conf", "--force", "--yes"])
        .expect(0);
    tree.kubepki(&["undo", &first, "--yes"]).expect(0);
    tree.assert_unchanged(&old);
}

#[test]
fn without_a_backup_there_is_nothing_to_bring_back_and_no_other_run_is_undone_instead() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    let first = run_of(&tree.kubepki(&RENEW).expect(0));
    let words = [&AGAIN[..], &["--no-backup"]].concat();
    let second = tree.kubepki(&words).expect(0);
    assert!(!second.stderr.contains("the old files are in"), "{second}");
    assert_eq!(tree.list(BACKUPS).len(), 1);
    let new = tree.snapshot();
    let mut ledger = Ledger::default();
    let refused = tree.kubepki(&UNDO).expect(1);
    ledger.note("the last run made no backup", &UNDO, &refused);
    tree.assert_unchanged(&new);
    let words = ["undo", "20260101T000000Z-00000000", "--yes"];
    let unknown = tree.kubepki(&words).expect(1);
    ledger.note("there is no such run", &words, &unknown);
    tree.assert_unchanged(&new);
    tree.kubepki(&["undo", &first, "--yes"]).expect(0);
    // What the later run added to the kubelet's stores is not the first one's to remove.
    let left = tree.changed(&old);
    assert!(
        left.iter()
            .all(|path| path.starts_with("/var/lib/kubelet/pki")),
        "{left:?}"
    );
    ledger.compare("undo_refused");
}

#[test]
fn mode_owner_and_time_come_back() {
    let tree = Tree::kubeadm().expired(30).build();
    let (before, at) = (state(&tree, KEY), modified(&tree, KEY));
    std::thread::sleep(std::time::Duration::from_millis(20));
    tree.kubepki(&RENEW).expect(0);
    assert_ne!(modified(&tree, KEY), at);
    tree.set_mode(KEY, 0o640);
    let is_root = chown(tree.path(KEY), Some(12), Some(34)).is_ok();
    tree.kubepki(&UNDO).expect(0);
    assert_eq!(state(&tree, KEY), before, "root: {is_root}");
    assert_eq!(modified(&tree, KEY), at);
}

#[test]
fn files_behind_links_come_back() {
    let tree = Tree::kubeadm().expired(30).build();
    for name in ["apiserver.crt", "etcd"] {
        let path = format!("/etc/kubernetes/pki/{name}");
        tree.rename(&path, format!("/srv/pki/{name}"));
        tree.symlink(path, format!("/srv/pki/{name}"));
    }
    let old = tree.snapshot();
    tree.kubepki(&RENEW).expect(0);
    assert!(!tree.changed(&old).is_empty());
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&old);
}

#[test]
fn requests_for_another_ca_are_removed() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    let words = ["renew", "apiserver", "--csr-dir", "/root/requests", "--yes"];
    tree.kubepki(&words).expect(0);
    assert_eq!(
        tree.list("/root/requests"),
        ["apiserver.csr", "apiserver.key"]
    );
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&old);
}

/// What becomes of the archive at this path.
type Damage = fn(&Tree, &str);

#[test]
fn a_backup_that_is_gone_or_damaged_undoes_nothing() {
    let host = Tree::kubeadm().expired(30).build();
    tree_renewed(&host);
    let mut ledger = Ledger::default();
    let cases: [(&str, Damage); 2] = [
        ("the archive is gone", |tree, path| tree.remove(path)),
        ("the archive is cut short", |tree, path| {
            let bytes = tree.read(path);
            tree.write(path, &bytes[..bytes.len() / 2]);
        }),
    ];
    for (case, damage) in cases {
        let tree = host.copied();
        let archive = format!("{BACKUPS}/{}", tree.list(BACKUPS)[0]);
        damage(&tree, &archive);
        let before = tree.snapshot();
        let output = tree.kubepki(&UNDO).expect(1);
        ledger.note(case, &UNDO, &output);
        tree.assert_unchanged(&before);
    }
    ledger.compare("undo_without_archive");
}

fn tree_renewed(tree: &Tree) {
    tree.kubepki(&RENEW).expect(0);
}

/// Nothing runs below `--root`, and what was running there is not looked for.
#[test]
fn nothing_is_restarted_below_a_root() {
    let tree = Tree::kubeadm().expired(30).build();
    for words in [&RENEW[..], &UNDO] {
        let points = crate::support::points::points(&tree, words);
        for point in points {
            let operation = point.effect.split(' ').next().unwrap();
            assert!(!["restart", "stop"].contains(&operation), "{point:?}");
        }
    }
}
