//! The options of `renew`, one by one.

use crate::support::{Issue, Tree};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::Certificate;

const CRT: &str = "/etc/kubernetes/pki/apiserver.crt";
const KEY: &str = "/etc/kubernetes/pki/apiserver.key";

/// `renew apiserver --yes` with more words.
#[track_caller]
pub(crate) fn renew(tree: &Tree, words: &[&str]) -> Certificate {
    let all = [&["renew", "apiserver", "--yes"], words].concat();
    tree.kubepki(&all).expect(0);
    tree.assert_pair(CRT, KEY);
    tree.certificate(CRT)
}

#[track_caller]
fn assert_close(found: Timestamp, expected: Timestamp) {
    let difference = found.duration_since(expected).abs();
    assert!(
        difference < SignedDuration::from_secs(120),
        "{found} instead of {expected}"
    );
}

#[test]
fn validity_is_a_length_of_time_or_a_date() {
    let tree = Tree::kubeadm().expired(30).build();
    let end = renew(&tree, &["--validity", "90d"]).validity().not_after;
    assert_close(end, Timestamp::now() + SignedDuration::from_hours(90 * 24));
    let end = renew(&tree, &["--validity", "2y"]).validity().not_after;
    assert_close(end, Timestamp::now() + SignedDuration::from_hours(2 * 8760));
    let date = tree.day(700).strftime("%Y-%m-%d").to_string();
    let end = renew(&tree, &["--validity", &date]).validity().not_after;
    assert_eq!(end.to_string(), format!("{date}T00:00:00Z"));
}

#[test]
fn an_end_after_the_authoritys_is_moved_to_it_with_a_notice() {
    let tree = Tree::kubeadm().expired(30).build();
    let run = tree
        .kubepki(&["renew", "apiserver", "--validity", "10y", "--yes"])
        .expect(0);
    assert!(
        run.stdout.contains("apiserver: ends with its CA at"),
        "{run}"
    );
    let ca_end = tree
        .certificate("/etc/kubernetes/pki/ca.crt")
        .validity()
        .not_after;
    assert_eq!(tree.certificate(CRT).validity().not_after, ca_end);
}

#[test]
fn a_start_may_lie_in_the_past() {
    let tree = Tree::kubeadm().expired(30).build();
    let start = renew(&tree, &["--not-before", "-365d"])
        .validity()
        .not_before;
    assert_close(
        start,
        Timestamp::now() - SignedDuration::from_hours(365 * 24),
    );
    let start = renew(&tree, &["--not-before", "2020-02-29"])
        .validity()
        .not_before;
    assert_eq!(start.to_string(), "2020-02-29T00:00:00Z");
}

#[test]
fn a_validity_that_is_empty_or_nonsense_is_refused() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let empty = ["renew", "apiserver", "--validity", "2019-01-01", "--yes"];
    let run = tree.kubepki(&empty).expect(1);
    assert!(run.stderr.contains("before it begins"), "{run}");
    let run = tree
        .kubepki(&["renew", "apiserver", "--validity", "soon", "--yes"])
        .expect(2);
    assert!(
        run.stderr.contains("expected a length of time such as 1y"),
        "{run}"
    );
    tree.assert_unchanged(&before);
}

#[test]
fn a_key_that_is_reused_stays_byte_for_byte() {
    let tree = Tree::kubeadm().expired(30).build();
    let (old, key) = (tree.certificate(CRT), tree.text(KEY));
    let admin_key = tree.kubeconfig_value("/etc/kubernetes/admin.conf", "client-key-data");
    tree.kubepki(&["renew", "all", "--key", "reuse", "--yes"])
        .expect(0);
    let new = tree.certificate(CRT);
    assert_ne!(old, new);
    assert_eq!(old.public_key(), new.public_key());
    assert_eq!(key, tree.text(KEY));
    let new_admin_key = tree.kubeconfig_value("/etc/kubernetes/admin.conf", "client-key-data");
    assert!(admin_key == new_admin_key);
    tree.assert_sound();
}

#[test]
fn a_key_that_does_not_match_cannot_be_reused() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.copy("/etc/kubernetes/pki/etcd/server.key", KEY);
    let before = tree.snapshot();
    let run = tree
        .kubepki(&["renew", "apiserver", "--key", "reuse", "--yes"])
        .expect(1);
    assert!(
        run.stderr.contains("belongs to another certificate"),
        "{run}"
    );
    assert!(run.stderr.contains("--key reuse"), "{run}");
    tree.assert_unchanged(&before);
    tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
    tree.assert_pair(CRT, KEY);
}

#[test]
fn every_type_of_key_can_be_had() {
    let tree = Tree::kubeadm().expired(30).build();
    for (word, shown, label) in [
        ("rsa:2048", "RSA-2048", "RSA PRIVATE KEY"),
        ("rsa:3072", "RSA-3072", "RSA PRIVATE KEY"),
        ("ecdsa:p256", "ECDSA-P256", "EC PRIVATE KEY"),
        ("ecdsa:p384", "ECDSA-P384", "EC PRIVATE KEY"),
        ("ed25519", "Ed25519", "PRIVATE KEY"),
        ("rsa:4096", "RSA-4096", ""),
    ] {
        let certificate = renew(&tree, &["--key-type", word]);
        assert_eq!(certificate.public_key().algorithm().to_string(), shown);
        tree.assert_signed(CRT, "/etc/kubernetes/pki/ca.crt");
        if !label.is_empty() {
            let first = tree.text(KEY).lines().next().unwrap().to_owned();
            assert_eq!(first, format!("-----BEGIN {label}-----"), "{word}");
        }
    }
    let run = tree
        .kubepki(&["renew", "apiserver", "--key-type", "dsa", "--yes"])
        .expect(2);
    assert!(run.stderr.contains("ecdsa:p256"), "{run}");
    let both = [
        "renew",
        "apiserver",
        "--key",
        "reuse",
        "--key-type",
        "ed25519",
        "--yes",
    ];
    tree.kubepki(&both).expect(2);
}

#[test]
fn only_what_expires_soon_is_renewed() {
    let tree = Tree::kubeadm().valid(90).build();
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/etc/kubernetes/pki/ca"),
        until_days: 10,
        extensions: "authorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
        ..Issue::default()
    };
    tree.issue("/etc/kubernetes/pki/apiserver", &issue);
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--only-expiring", "30d", "--yes"])
        .expect(0);
    let changed = tree.changed(&before);
    assert_eq!(changed, [CRT, KEY].map(std::path::PathBuf::from));
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--only-expiring", "30d", "--yes"])
        .expect(0);
    tree.assert_unchanged(&before);
}

#[test]
fn what_is_fresh_is_left_alone_unless_forced_or_named() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let before = tree.snapshot();
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(run.stderr.contains("--force"), "{run}");
    tree.assert_unchanged(&before);
    let old = tree.certificate(CRT);
    let named = renew(&tree, &[]);
    assert_ne!(old, named);
    tree.kubepki(&["renew", "all", "--force", "--yes"])
        .expect(0);
    assert_ne!(named, tree.certificate(CRT));
    // Seven pairs, three kubeconfigs, and the kubelet's two stores with or without a new file.
    assert!(tree.changed(&before).len() >= 17 + 2);
    tree.assert_sound();
}

#[test]
fn short_lives_are_fresh_too() {
    // A certificate that lasts as long as was asked for needs no renewal, however short that is.
    let tree = Tree::kubeadm().expired(30).build();
    tree.kubepki(&["renew", "all", "--validity", "5d", "--yes"])
        .expect(0);
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--validity", "5d", "--yes"])
        .expect(0);
    tree.assert_unchanged(&before);
    // The default asks for more.
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_ne!(tree.snapshot(), before);
}

#[test]
fn under_an_authority_that_ends_soon_a_second_run_changes_nothing_either() {
    let tree = Tree::kubeadm().expired(30).authorities_end(10).build();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_unchanged(&before);
    tree.kubepki(&["status"]).expect(3);
}

#[test]
fn without_a_backup_there_is_nothing_to_undo() {
    let tree = Tree::kubeadm().expired(30).build();
    let run = tree
        .kubepki(&["renew", "apiserver", "--no-backup", "--yes"])
        .expect(0);
    assert!(!run.stderr.contains("kubepki undo"), "{run}");
    let list = tree
        .kubepki(&["backup", "list", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(list["items"].as_array().unwrap().len(), 0);
    let before = tree.snapshot();
    let undo = tree.kubepki(&["undo", "--yes"]).expect(1);
    assert!(undo.stderr.contains("no backup"), "{undo}");
    tree.assert_unchanged(&before);
}

#[test]
fn without_restarts_the_plan_names_no_component() {
    let tree = Tree::kubeadm().expired(30).build();
    let plan = |words: &[&str]| {
        let file = tree.scratch().join("plan.json");
        let _ = std::fs::remove_file(&file);
        let all = [
            &["renew", "all", "--plan-out", file.to_str().unwrap()],
            words,
        ]
        .concat();
        tree.kubepki(&all).expect(0);
        let text = std::fs::read_to_string(&file).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let components: Vec<_> = plan(&[])["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["component"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        components,
        [
            "kubelet",
            "etcd",
            "kube-apiserver",
            "kube-scheduler",
            "kube-controller-manager"
        ]
    );
    assert_eq!(
        plan(&["--no-restart"])["components"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn certificates_may_lie_in_another_folder() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/pki", "/srv/pki");
    tree.remove("/etc/kubernetes/manifests");
    tree.remove("/usr");
    tree.remove("/etc/systemd");
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
    assert!(run.stderr.contains("no certificate `apiserver`"), "{run}");
    tree.kubepki(&["status", "--ca-dir", "/srv/pki"]).expect(4);
    tree.kubepki(&["renew", "all", "--ca-dir", "/srv/pki", "--yes"])
        .expect(0);
    tree.assert_pair("/srv/pki/apiserver.crt", "/srv/pki/apiserver.key");
    tree.assert_signed("/srv/pki/etcd/server.crt", "/srv/pki/etcd/ca.crt");
    tree.kubepki(&["status", "--ca-dir", "/srv/pki"]).expect(0);
}

#[test]
fn another_time_is_taken_for_now() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.kubepki(&["status"]).expect(0);
    let later = tree.day(85).to_string();
    tree.kubepki(&["status", "--now", &later]).expect(4);
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--only-expiring", "30d", "--yes"])
        .expect(0);
    tree.assert_unchanged(&before);
    let words = [
        "renew",
        "apiserver",
        "--only-expiring",
        "30d",
        "--now",
        &later,
        "--yes",
    ];
    tree.kubepki(&words).expect(0);
    let validity = tree.certificate(CRT).validity();
    assert_close(validity.not_after, tree.day(85 + 365));
}
