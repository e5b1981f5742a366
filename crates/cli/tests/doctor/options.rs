//! What is told, what is accepted, and what is refused.

use crate::files::attention;
use crate::forge::{Forged, PKI, forge};
use crate::support::Tree;

/// A host with two things to say: an expired certificate, and a key that others may read.
fn broken() -> Tree {
    let tree = Tree::kubeadm().valid(300).build();
    forge(
        &tree,
        &Forged {
            days: (-400, -1),
            ..Forged::default()
        },
    );
    tree.set_mode(format!("{PKI}/sa.key"), 0o644);
    tree
}

fn codes(tree: &Tree, words: &[&str], exit: i32) -> Vec<String> {
    let output = tree
        .kubepki(&[&["doctor", "-o", "json"], words].concat())
        .expect(exit);
    attention(&output)
        .into_iter()
        .map(|(code, ..)| code)
        .collect()
}

#[test]
fn only_what_was_asked_for_is_told_and_counted() {
    let tree = broken();
    assert_eq!(codes(&tree, &[], 4), ["expired", "key-readable-by-others"]);
    let only = |code| {
        codes(
            &tree,
            &["--only", code],
            if code == "expired" { 4 } else { 3 },
        )
    };
    assert_eq!(only("expired"), ["expired"]);
    assert_eq!(only("key-readable-by-others"), ["key-readable-by-others"]);
    assert!(codes(&tree, &["--only", "weak-key,broken-link"], 0).is_empty());
    assert_eq!(
        codes(&tree, &["--only", "key-*"], 3),
        ["key-readable-by-others"]
    );
}

#[test]
fn what_is_accepted_is_not_told_but_kept() {
    let tree = broken();
    let words = ["--ignore", "expired"];
    assert_eq!(codes(&tree, &words, 3), ["key-readable-by-others"]);
    let output = tree
        .kubepki(&["doctor", "-o", "json", "--ignore", "expired"])
        .expect(3);
    let ignored = output.json()["ignored"].clone();
    assert_eq!(ignored[0]["code"], "expired");
    assert_eq!(ignored[0]["acceptedBy"], "--ignore");
    let elsewhere = ["--ignore", "expired@/etc/kubernetes/pki/ca.crt"];
    assert_eq!(codes(&tree, &elsewhere, 4).len(), 2);
    let here = ["--ignore", "expired@/etc/kubernetes/pki/apiserver.crt"];
    assert_eq!(codes(&tree, &here, 3).len(), 1);
    let both = ["--ignore", "expired", "--ignore", "key-*@/etc/*"];
    assert!(codes(&tree, &both, 0).is_empty());
    let human = tree
        .kubepki(&["doctor", "--ignore", "expired"])
        .expect(3)
        .stdout;
    assert!(human.contains("1 finding is accepted"), "{human}");
}

fn risks(rows: &str) -> String {
    format!("apiVersion: kubepki.dev/v1alpha1\nkind: AcceptedRisks\nrisks:\n{rows}")
}

#[test]
fn a_file_of_accepted_risks_is_read_from_its_place_or_where_it_is_named() {
    let tree = broken();
    let file = risks("- {code: expired, reason: it moves on Monday}\n");
    let named = tree.scratch().join("risks.yaml");
    std::fs::write(&named, &file).unwrap();
    let words = ["--accepted-risks", named.to_str().unwrap()];
    assert_eq!(codes(&tree, &words, 3), ["key-readable-by-others"]);
    // the host's own
    tree.write("/etc/kubepki/accepted-risks.yaml", &file);
    let output = tree.kubepki(&["doctor", "-o", "json"]).expect(3);
    let by = output.json()["ignored"][0]["acceptedBy"].clone();
    assert_eq!(by, "/etc/kubepki/accepted-risks.yaml: it moves on Monday");
    // a risk that has ended is told again, and that it has
    let ended = risks("- {code: expired, reason: x, until: 2020-01-01}\n");
    tree.write("/etc/kubepki/accepted-risks.yaml", ended);
    let output = tree.kubepki(&["doctor", "-o", "json"]).expect(4);
    assert_eq!(attention(&output).len(), 2, "{output}");
    assert!(output.stdout.contains("accepted-risk-ended"), "{output}");
}

#[test]
fn a_wrong_file_of_accepted_risks_says_what_is_wrong() {
    let tree = broken();
    let path = "/etc/kubepki/accepted-risks.yaml";
    for (text, code, part) in [
        (
            risks("- {code: expird, reason: x}\n"),
            "unknown-finding",
            "did you mean expired?",
        ),
        (
            risks("- {code: expired}\n"),
            "accepted-risks-malformed",
            "reason",
        ),
        ("kind: List\n".to_owned(), "accepted-risks-malformed", path),
    ] {
        tree.write(path, text);
        let output = tree.kubepki(&["doctor", "-o", "json"]).expect(1);
        assert!(output.stdout.is_empty(), "{output}");
        assert!(output.stderr.contains(code), "{output}");
        assert!(output.stderr.contains(part), "{output}");
        assert!(output.stderr.contains(path), "{output}");
    }
    tree.remove(path);
    let output = tree
        .kubepki(&["doctor", "--accepted-risks", "/nowhere.yaml"])
        .expect(1);
    assert!(output.stderr.contains("/nowhere.yaml"), "{output}");
}

#[test]
fn thresholds_are_the_users() {
    let tree = Tree::kubeadm().valid(20).build();
    assert!(
        codes(&tree, &[], 3)
            .iter()
            .all(|code| code == "expires-soon")
    );
    assert!(codes(&tree, &["--warn", "10d"], 0).is_empty());
    assert!(!codes(&tree, &["--critical", "25d"], 4).is_empty());
    let later = tree.day(21).to_string();
    let expired = codes(&tree, &["--now", &later], 4);
    assert!(expired.contains(&"expired".to_owned()), "{expired:?}");
}

#[test]
fn what_cannot_be_obeyed_is_refused_before_anything_is_looked_at() {
    let tree = Tree::empty();
    for (words, part) in [
        (vec!["--only", "expird"], "did you mean expired?"),
        (vec!["--ignore", "expird@/x"], "did you mean expired?"),
        (vec!["--ignore", "expired@"], "@"),
        (vec!["--warn", "soon"], "30d"),
        (vec!["--endpoints", "nowhere"], "HOST:PORT"),
        (vec!["--endpoints", "exposed"], "--api"),
        (vec!["--kubeconfig", "/x"], "--api"),
        (vec!["--api"], "--kubeconfig"),
        (vec!["--explain", "nothing-like-it"], "kubepki explain"),
    ] {
        let output = tree.kubepki(&[vec!["doctor"], words].concat()).expect(2);
        assert!(output.stdout.is_empty(), "{output}");
        assert!(output.stderr.contains(part), "{part}: {output}");
    }
    let output = tree.kubepki(&["doctor"]).expect(1);
    assert!(
        output
            .stderr
            .contains("no certificate of a Kubernetes cluster"),
        "{output}"
    );
}
