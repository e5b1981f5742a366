//! The product's own folder: missing, not a folder, elsewhere, or with journals that it cannot read.

use crate::support::Tree;
use crate::support::ledger::Ledger;

const ALL: [&str; 3] = ["renew", "all", "--yes"];
const STATE: &str = "/var/lib/kubepki";
const JOURNALS: &str = "/var/lib/kubepki/journal";

/// What is wrong with a host.
type Damage = fn(&Tree);

/// What becomes of a journal's text.
type Distortion = fn(&str) -> String;

#[test]
fn a_state_folder_that_is_something_else() {
    let host = Tree::kubeadm().expired(30).build();
    let mut ledger = Ledger::default();
    let cases: [(&str, Damage); 3] = [
        ("the state folder is a file", |tree| tree.write(STATE, "")),
        ("the lock is a folder", |tree| {
            tree.write("/var/lib/kubepki/lock/inside", "")
        }),
        ("the journals are a file", |tree| tree.write(JOURNALS, "")),
    ];
    for (case, damage) in cases {
        let tree = host.copied();
        damage(&tree);
        ledger.refused(case, &tree, &ALL);
    }
    ledger.compare("state");
}

#[test]
fn a_state_folder_that_is_a_link_is_followed_within_the_root() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.symlink(STATE, "/srv/kubepki");
    std::fs::create_dir_all(tree.path("/srv/kubepki")).unwrap();
    tree.kubepki(&ALL).expect(0);
    assert_eq!(tree.list("/srv/kubepki"), ["backups", "journal", "lock"]);
    tree.kubepki(&["undo", "--yes"]).expect(0);
}

#[test]
fn no_var_at_all_is_made() {
    let tree = Tree::kubeadm().expired(30).build();
    assert!(!tree.exists(STATE));
    tree.kubepki(&ALL).expect(0);
    assert!(tree.exists(STATE));
}

/// The journal of a renewal that was done, with its last line cut off: as if it were interrupted.
fn interrupted(host: &Tree) -> (Tree, String) {
    let tree = host.copied();
    let journal = format!("{JOURNALS}/{}", tree.list(JOURNALS)[0]);
    let text = tree.text(&journal);
    let end = text.trim_end().rfind('\n').unwrap();
    tree.write(&journal, &text[..=end]);
    (tree, journal)
}

#[test]
fn a_journal_that_cannot_be_read_stops_everything_that_changes() {
    let host = Tree::kubeadm().expired(30).build();
    tree_renewed(&host);
    let mut ledger = Ledger::default();
    let cases: [(&str, Distortion); 3] = [
        ("the journal is of a newer version", |text| {
            text.replacen("\"version\":1", "\"version\":7", 1)
        }),
        ("a line of the journal is damaged", |text| {
            text.replacen("{\"event\":\"committing\"", "{\"event\":\"comm", 1)
        }),
        ("the journal lacks its beginning", |text| {
            text.split_once('\n').unwrap().1.to_owned()
        }),
    ];
    for (case, damage) in cases {
        let (tree, journal) = interrupted(&host);
        let text = tree.text(&journal);
        let damaged = damage(&text);
        assert_ne!(text, damaged, "{case}");
        tree.write(&journal, damaged);
        let before = tree.snapshot();
        for words in [&ALL[..], &["undo", "--yes"], &["restore", "--yes"]] {
            let output = tree.kubepki(words);
            assert_eq!(output.code, 1, "{case}: {output}");
            tree.assert_unchanged(&before);
            ledger.note(case, words, &output);
        }
        let status = tree.kubepki(&["status"]).expect(0);
        ledger.note(case, &["status"], &status);
    }
    ledger.compare("journals");
}

fn tree_renewed(tree: &Tree) {
    tree.kubepki(&ALL).expect(0);
}

#[test]
fn a_journal_whose_last_line_is_torn_is_an_interrupted_run() {
    let host = Tree::kubeadm().expired(30).build();
    let old = host.snapshot();
    tree_renewed(&host);
    let (tree, journal) = interrupted(&host);
    let text = tree.text(&journal);
    tree.write(&journal, format!("{text}{{\"event\":\"finis"));
    let status = tree.kubepki(&["status"]).expect(0);
    assert!(
        status.stderr.contains("was interrupted while carrying on"),
        "{status}"
    );
    tree.kubepki(&["undo", "--yes"]).expect(0);
    tree.assert_unchanged(&old);
}

#[test]
fn a_first_line_that_is_torn_is_no_run() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.write(
        format!("{JOURNALS}/20260101T000000Z-00000000.jsonl"),
        "{\"event\":\"beg",
    );
    let status = tree.kubepki(&["status"]).expect(4);
    assert!(!status.stderr.contains("interrupted"), "{status}");
    tree.kubepki(&ALL).expect(0);
    assert_eq!(tree.list(JOURNALS).len(), 1);
}

#[test]
fn an_interrupted_run_is_settled_only_after_a_yes_and_no_plan_is_made_of_it() {
    let host = Tree::kubeadm().expired(30).build();
    tree_renewed(&host);
    let (tree, _) = interrupted(&host);
    let mut ledger = Ledger::default();
    let before = tree.snapshot();
    let words = ["renew", "all", "--plan-out", "plan.json", "--yes"];
    let output = tree.kubepki(&words).expect(1);
    ledger.note("a plan of a half-changed host", &words, &output);
    assert!(!tree.scratch().join("plan.json").exists());
    for words in [["renew", "all"].as_slice(), &["undo"]] {
        let output = tree.kubepki(words).expect(2);
        ledger.note("nobody says yes", words, &output);
    }
    tree.assert_unchanged(&before);
    ledger.compare("interrupted");
}
