//! Archives encrypted for an age recipient.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use crate::{BACKUPS, UNDO};
use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use std::fs;

/// An identity, in a file of the user's.
struct Keeper {
    recipient: String,
    file: String,
}

impl Keeper {
    fn new(tree: &Tree, name: &str) -> Self {
        let identity = Identity::generate();
        let file = tree.scratch().join(name);
        let text = format!(
            "# created: today\n{}\n",
            identity.to_string().expose_secret()
        );
        fs::write(&file, text).unwrap();
        Self {
            recipient: identity.to_public().to_string(),
            file: file.to_str().unwrap().to_owned(),
        }
    }
}

#[test]
fn only_the_identity_opens_what_was_saved_for_its_recipient() {
    let tree = Tree::kubeadm().expired(30).build();
    let (keeper, stranger) = (Keeper::new(&tree, "keeper"), Keeper::new(&tree, "stranger"));
    let old = tree.snapshot();
    let key = tree.text("/etc/kubernetes/pki/apiserver.key");
    tree.kubepki(&[
        "renew",
        "all",
        "--yes",
        "--backup-recipient",
        &keeper.recipient,
    ])
    .expect(0);
    let new = tree.snapshot();
    let name = tree.list(BACKUPS)[0].clone();
    assert!(name.ends_with(".tar.age"), "{name}");
    let bytes = tree.read(format!("{BACKUPS}/{name}"));
    let line = key.lines().nth(1).unwrap().as_bytes();
    assert!(!bytes.windows(line.len()).any(|window| window == line));
    assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"));
    let list = tree
        .kubepki(&["backup", "list", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(list["items"][0]["encrypted"], true);

    let mut ledger = Ledger::default();
    let mut refused = |case: &str, words: &[&str]| {
        let output = tree.kubepki(words).expect(1);
        tree.assert_unchanged(&new);
        let shown: Vec<&str> = words
            .iter()
            .map(|it| it.rsplit('/').next().unwrap())
            .collect();
        ledger.note(case, &shown, &output);
    };
    refused("no identity", &UNDO);
    refused("no identity", &["restore", "--yes"]);
    refused(
        "another identity",
        &["undo", "--yes", "--identity", &stranger.file],
    );
    refused(
        "another identity",
        &["backup", "diff", "--identity", &stranger.file],
    );
    let letter = tree.scratch().join("letter");
    fs::write(&letter, "Dear Sir\n").unwrap();
    refused(
        "no identity in the file",
        &["undo", "--yes", "--identity", letter.to_str().unwrap()],
    );
    ledger.compare("encrypted");

    tree.kubepki(&["backup", "diff", "--identity", &keeper.file])
        .expect(0);
    tree.kubepki(&["undo", "--yes", "--identity", &keeper.file])
        .expect(0);
    tree.assert_unchanged(&old);
}

/// The archive that was not there before.
fn added(tree: &Tree, before: &[String]) -> String {
    let mut archives = tree.list(BACKUPS).into_iter();
    archives.find(|name| !before.contains(name)).unwrap()
}

/// An undoing saves what it replaces no less protected than what it brings back was.
#[test]
fn what_undo_and_restore_save_is_encrypted_as_what_they_bring_back_was() {
    let tree = Tree::kubeadm().expired(30).build();
    let (keeper, other) = (Keeper::new(&tree, "keeper"), Keeper::new(&tree, "other"));
    let renew = ["renew", "all", "--yes", "--backup-recipient"];
    tree.kubepki(&[&renew[..], &[&keeper.recipient]].concat())
        .expect(0);
    let (renewed, before) = (tree.snapshot(), tree.list(BACKUPS));
    let undone = tree
        .kubepki(&["undo", "--yes", "--identity", &keeper.file])
        .expect(0);
    assert!(
        undone.stderr.contains("encrypted for the identity"),
        "{undone}"
    );
    // Whoever could undo can undo the undoing.
    let undoing = added(&tree, &before).split_once('.').unwrap().0.to_owned();
    tree.kubepki(&["undo", &undoing, "--yes", "--identity", &keeper.file])
        .expect(0);
    tree.assert_unchanged(&renewed);
    let before = tree.list(BACKUPS);
    let restore = ["restore", "--yes", "--identity", &keeper.file];
    tree.kubepki(&[&restore[..], &["--backup-recipient", &other.recipient]].concat())
        .expect(0);
    let saved = tree.list(BACKUPS);
    assert_eq!(saved.len(), 4);
    for name in &saved {
        assert!(name.ends_with(".tar.age"), "{saved:?}");
    }
    let last = format!("{BACKUPS}/{}", added(&tree, &before));
    tree.kubepki(&["backup", "diff", &last, "--identity", &keeper.file])
        .expect(1);
    tree.kubepki(&["backup", "diff", &last, "--identity", &other.file])
        .expect(0);
}

#[test]
fn a_backup_for_two_is_opened_by_each() {
    let tree = Tree::kubeadm().valid(200).build();
    let (one, other) = (Keeper::new(&tree, "one"), Keeper::new(&tree, "other"));
    let old = tree.snapshot();
    let words = [
        "backup",
        "create",
        "--recipient",
        &one.recipient,
        "--recipient",
        &other.recipient,
    ];
    tree.kubepki(&words).expect(0);
    for keeper in [one, other] {
        tree.remove("/etc/kubernetes/pki");
        tree.kubepki(&["restore", "--yes", "--identity", &keeper.file])
            .expect(0);
        tree.assert_unchanged(&old);
    }
}

/// A recipient that cannot be read is told before anything happens, and is not repeated: people
/// paste the wrong half.
#[test]
fn a_recipient_that_is_none() {
    let tree = Tree::kubeadm().expired(30).build();
    let secret = Identity::generate().to_string();
    let mut ledger = Ledger::default();
    for (case, recipient) in [
        ("a secret key", secret.expose_secret()),
        ("a word", "bob@example.com"),
        ("an SSH key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"),
    ] {
        let before = tree.snapshot();
        let output = tree.kubepki(&["renew", "all", "--yes", "--backup-recipient", recipient]);
        assert_eq!(output.code, 1, "{output}");
        ledger.nothing_changed(case, &tree, &before);
        assert!(!output.stderr.contains(recipient), "{output}");
        ledger.note(
            case,
            &["renew", "all", "--yes", "--backup-recipient", "..."],
            &output,
        );
    }
    ledger.compare("recipients");
}
