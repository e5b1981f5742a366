//! `restore`: everything or some of it, with modes, owners and times.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use crate::{BACKUPS, RENEW, UNDO, modified, state};
use std::os::unix::fs::chown;

const CERTIFICATE: &str = "/etc/kubernetes/pki/apiserver.crt";
const KEY: &str = "/etc/kubernetes/pki/apiserver.key";
const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const ALL: [&str; 2] = ["restore", "--yes"];

#[test]
fn everything_comes_back_twice_is_once_and_it_can_be_undone() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    tree.kubepki(&RENEW).expect(0);
    let new = tree.snapshot();
    tree.kubepki(&ALL).expect(0);
    tree.assert_unchanged(&old);
    let second = tree.kubepki(&ALL).expect(0);
    assert!(
        second.stderr.contains("everything is as it was"),
        "{second}"
    );
    tree.assert_unchanged(&old);
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&new);
}

#[test]
fn some_paths_come_back_and_nothing_else() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    tree.kubepki(&RENEW).expect(0);
    let new = tree.snapshot();
    tree.kubepki(&["restore", "--yes", CERTIFICATE, KEY])
        .expect(0);
    let changed = tree.changed(&new);
    assert_eq!(changed, [CERTIFICATE, KEY].map(std::path::PathBuf::from));
    assert_eq!(state(&tree, KEY), old[std::path::Path::new(KEY)]);

    // A folder is everything that was in it.
    tree.kubepki(&["restore", "--yes", "/etc/kubernetes/pki/etcd"])
        .expect(0);
    let changed: Vec<_> = tree.changed(&old);
    assert!(
        changed
            .iter()
            .all(|path| !path.starts_with("/etc/kubernetes/pki/etcd")),
        "{changed:?}"
    );
    assert!(changed.len() > 5);
}

#[test]
fn what_was_lost_is_made_again_with_its_mode_owner_and_time() {
    let tree = Tree::kubeadm().valid(200).build();
    let is_root = chown(tree.path(KEY), Some(12), Some(34)).is_ok();
    tree.set_mode(CERTIFICATE, 0o640);
    let old = tree.snapshot();
    let at = modified(&tree, CERTIFICATE);
    tree.kubepki(&["backup", "create", "--out", "/root/saved.tar"])
        .expect(0);
    tree.kubepki(&["backup", "create"]).expect(0);
    for lost in [
        "/etc/kubernetes/pki",
        "/etc/kubernetes/admin.conf",
        "/var/lib/kubelet/pki",
    ] {
        tree.remove(lost);
    }
    tree.kubepki(&ALL).expect(0);
    tree.remove("/root/saved.tar");
    tree.assert_unchanged(&old);
    assert_eq!(modified(&tree, CERTIFICATE), at, "root: {is_root}");
}

#[test]
fn manifests_come_back_only_when_they_are_named() {
    let tree = Tree::kubeadm().valid(200).build();
    let old = tree.text(MANIFEST);
    tree.kubepki(&["backup", "create"]).expect(0);
    tree.replace(MANIFEST, "kube-apiserver", "kube-api-server");
    let edited = tree.text(MANIFEST);
    tree.kubepki(&ALL).expect(0);
    assert_eq!(tree.text(MANIFEST), edited);
    tree.kubepki(&["restore", "--yes", MANIFEST]).expect(0);
    assert_eq!(tree.text(MANIFEST), old);
    let names = tree.list("/etc/kubernetes/manifests");
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
}

#[test]
fn refusals() {
    let tree = Tree::kubeadm().valid(200).build();
    let mut ledger = Ledger::default();
    let mut refused = |tree: &Tree, case: &str, words: &[&str]| {
        let before = tree.snapshot();
        let output = tree.kubepki(words).expect(1);
        tree.assert_unchanged(&before);
        ledger.note(case, words, &output);
    };
    refused(&tree, "there is no backup", &ALL);
    refused(&tree, "there is no backup", &["backup", "diff"]);
    tree.kubepki(&["backup", "create"]).expect(0);
    refused(
        &tree,
        "not in the archive",
        &["restore", "--yes", "/etc/passwd"],
    );
    refused(
        &tree,
        "no such archive",
        &["restore", "--yes", "--archive", "/root/none.tar"],
    );
    let archive = format!("{BACKUPS}/{}", tree.list(BACKUPS)[0]);
    refused(
        &tree,
        "the place is taken",
        &["backup", "create", "--out", &archive],
    );
    refused(
        &tree,
        "the place is a folder",
        &["backup", "create", "--out", "/etc/kubernetes"],
    );
    // A folder has come to lie where a file was.
    tree.remove(CERTIFICATE);
    tree.write(format!("{CERTIFICATE}/inside"), "");
    refused(&tree, "a folder is in the way", &ALL);
    ledger.compare("restore_refused");
}
