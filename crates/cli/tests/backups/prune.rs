//! Old runs are forgotten: never the one that an undoing needs, never one that is not finished.

use crate::support::Tree;
use crate::support::points::{kill, points};
use crate::{AGAIN, BACKUPS, RENEW, UNDO, run_of};

const JOURNALS: &str = "/var/lib/kubepki/journal";

fn prune(words: &[&str]) -> Vec<String> {
    let mut all = vec!["backup".to_owned(), "prune".to_owned()];
    all.extend(words.iter().map(|word| (*word).to_owned()));
    all
}

/// Journals and archives by the runs that they are named after, and other names.
fn left(tree: &Tree) -> Vec<String> {
    let mut names = [tree.list(JOURNALS), tree.list(BACKUPS)].concat();
    names.sort();
    names
}

#[track_caller]
fn pruned(tree: &Tree, words: &[&str]) -> Vec<String> {
    let words = prune(&[words, &["--yes", "-o", "json"]].concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = tree.kubepki(&words).expect(0).json();
    assert_eq!(told["kind"], "BackupPrune");
    let removed = told["removed"].as_array().unwrap().iter();
    removed
        .map(|run| run["run"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn snapshots_of_etcd_are_kept_as_runs_are_and_counted_by_themselves() {
    const SNAPSHOTS: &str = "/var/lib/kubepki/snapshots";
    let tree = Tree::kubeadm().expired(30).build();
    let run = run_of(&tree.kubepki(&RENEW).expect(0));
    for name in [
        "etcd-20240101T000000Z-00000001.db",
        "etcd-20240102T000000Z-00000002.db",
        "etcd-20240103T000000Z-00000003.db",
        "before-the-upgrade.db",
        ".proof-20240101T000000Z-00000001",
    ] {
        tree.write_with_mode(format!("{SNAPSHOTS}/{name}"), "every secret", 0o600);
    }
    let gone = pruned(&tree, &["--keep", "2"]);
    assert_eq!(
        gone,
        ["20240101T000000Z-00000001"],
        "the run is no snapshot"
    );
    assert!(!tree.exists(format!("{SNAPSHOTS}/etcd-20240101T000000Z-00000001.db")));
    let words = [
        "backup",
        "prune",
        "--older-than",
        "1d",
        "--yes",
        "-o",
        "json",
    ];
    let told = tree.kubepki(&words).expect(0).json();
    let removed = told["removed"].as_array().unwrap();
    assert_eq!(removed.len(), 2, "{told}");
    assert!(
        removed.iter().all(|it| it["verb"] == "etcd-snapshot"),
        "{told}"
    );
    assert_eq!(tree.list(SNAPSHOTS).len(), 2, "what has another name stays");
    assert!(tree.exists(format!("{JOURNALS}/{run}.jsonl")));
}

#[test]
fn the_newest_stay_and_so_does_the_one_that_undo_needs() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.snapshot();
    let first = run_of(&tree.kubepki(&RENEW).expect(0));
    let renewed = tree.snapshot();
    let second = run_of(&tree.kubepki(&AGAIN).expect(0));
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&renewed);
    tree.write_with_mode(format!("{BACKUPS}/before-the-upgrade.tar"), "mine", 0o600);
    assert_eq!(left(&tree).len(), 7);

    let asked = tree.kubepki(&["backup", "prune", "--keep", "1"]);
    assert_ne!(asked.code, 0, "{asked}");
    assert_eq!(left(&tree).len(), 7, "nothing goes without a yes");

    // The undoing is the newest, and the first run is what undoing would take next.
    assert_eq!(pruned(&tree, &["--keep", "1"]), [second.as_str()]);
    assert_eq!(left(&tree).len(), 5);
    assert!(left(&tree).iter().all(|name| !name.starts_with(&second)));
    assert!(pruned(&tree, &["--keep", "1"]).is_empty());
    tree.kubepki(&UNDO).expect(0);
    tree.assert_unchanged(&old);
    assert_eq!(pruned(&tree, &["--keep", "1"])[0], first);
    let nothing = tree.kubepki(&UNDO);
    assert!(
        nothing.stderr.contains("no run is left to undo"),
        "{nothing}"
    );
    assert!(tree.exists(format!("{BACKUPS}/before-the-upgrade.tar")));
}

#[test]
fn age_is_counted_from_when_a_run_began() {
    let tree = Tree::kubeadm().expired(30).build();
    // Runs are dated by the clock, whatever `--now` says.
    let runs = [RENEW.as_slice(), &AGAIN].map(|words| run_of(&tree.kubepki(words).expect(0)));
    let of_age = |age: &str, now: &str| pruned(&tree, &["--older-than", age, "--now", now]);
    let in_ten_days = tree.day(10).to_string();
    assert!(of_age("11d", &in_ten_days).is_empty());
    assert_eq!(of_age("9d", &in_ten_days), [runs[0].as_str()]);
    assert!(left(&tree).iter().all(|name| name.starts_with(&runs[1])));
}

#[test]
fn an_interrupted_run_is_never_forgotten() {
    let tree = Tree::kubeadm().expired(30).build();
    let all = points(&tree.copied(), &RENEW);
    let point = all
        .iter()
        .find(|point| point.effect.starts_with("rename "))
        .unwrap();
    tree.kubepki(&["backup", "create"]).expect(0);
    kill(&tree, &RENEW, point);
    let before = left(&tree);
    let words = ["--older-than", "0s", "--now", "2099-01-01"];
    let removed = pruned(&tree, &words);
    assert_eq!(removed.len(), 1);
    let mut stays = before;
    stays.retain(|name| !name.starts_with(&removed[0]));
    assert_eq!(left(&tree), stays);
    tree.kubepki(&RENEW).expect(0);
    tree.assert_unchanged(&tree.snapshot());
}
