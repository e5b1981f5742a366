//! What `kubepki init` refuses, and what it leaves behind then: nothing.

use super::support::{HOST, Workplace};

#[test]
fn nothing_that_is_there_is_overwritten() {
    let here = Workplace::new();
    here.made(&["--key-type", "ecdsa:p256"]);
    let before = here.files("");
    let again = here.init(&["--key-type", "ecdsa:p256"]);
    assert_eq!(again.code, 1);
    assert!(
        again
            .stderr
            .contains("19 files that exist would be overwritten"),
        "{}",
        again.stderr
    );
    for name in ["apiserver.key", "etcd/peer.crt", "admin.conf"] {
        assert!(again.stderr.contains(name), "{name}: {}", again.stderr);
    }
    assert!(
        !again.stderr.contains("pki/ca.key"),
        "a CA is used again: {}",
        again.stderr
    );
    assert_eq!(here.files(""), before);

    let object = here.init(&["--key-type", "ecdsa:p256", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_str(&object.stderr).unwrap();
    assert_eq!(object["code"], "already-exists");
}

#[test]
fn a_dangling_link_is_something_too() {
    let here = Workplace::new();
    std::fs::create_dir(here.path("pki")).unwrap();
    std::os::unix::fs::symlink("nowhere", here.path("pki/apiserver.crt")).unwrap();
    let refused = here.init(&["--key-type", "ecdsa:p256"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("a file that exists"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_fails_half_way_is_taken_back() {
    let here = Workplace::new();
    here.write("pki/notes.txt", "mine");
    // Certificates come first and can be written; in /proc no folder can be made.
    let failed = here.init(&[
        "--key-type",
        "ecdsa:p256",
        "--kubeconfig-dir",
        "/proc/kubepki",
    ]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("/proc/kubepki"), "{}", failed.stderr);
    let left: Vec<String> = here.files("").into_keys().collect();
    assert_eq!(left, ["pki/notes.txt"]);
    assert!(
        !here.path("pki/etcd").exists(),
        "a folder that was made is left"
    );
}

#[test]
fn without_a_terminal_a_confirmation_is_needed_first() {
    let here = Workplace::new();
    let asked = here.kubepki(&[&["init", "--cert-dir", "pki"], HOST].concat());
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    assert!(
        asked.stdout.contains("etcd-healthcheck-client"),
        "the list comes before the question"
    );
    assert!(here.files("").is_empty());
}

#[test]
fn nonsense_is_a_usage_error() {
    let here = Workplace::new();
    for words in [
        &["--node-name", "not a name"][..],
        &["--service-cidr", "10.96.0.0"],
        &["--kubernetes-version", "stable"],
        &["--key-type", "rsa:1024"],
        &["--external-ca"],
        &["--ca-key", "x.key"],
        &["--csr-dir", "a", "--install", "b"],
        &["--control-plane-endpoint", "https://lb:6443"],
    ] {
        let run = [
            &[
                "init",
                "--yes",
                "--cert-dir",
                "pki",
                "--advertise-address",
                "10.0.0.5",
            ],
            words,
        ];
        let refused = here.kubepki(&run.concat());
        assert_eq!(refused.code, 2, "{words:?}: {}", refused.stderr);
    }
    assert!(here.files("").is_empty());
}

#[test]
fn an_authority_that_cannot_sign_is_named() {
    let here = Workplace::new();
    here.made(&["--key-type", "ecdsa:p256", "--only", "authorities"]);
    let text = here.text("pki/etcd/ca.key");
    here.write("pki/ca.key", &text);
    let refused = here.init(&["--key-type", "ecdsa:p256"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused
            .stderr
            .contains("does not belong to any certificate"),
        "{}",
        refused.stderr
    );

    std::fs::remove_file(here.path("pki/ca.crt")).unwrap();
    let refused = here.init(&["--key-type", "ecdsa:p256"]);
    assert!(
        refused.stderr.contains("but no certificate"),
        "{}",
        refused.stderr
    );

    here.write("pki/ca.crt", "not a certificate");
    let refused = here.init(&["--key-type", "ecdsa:p256"]);
    assert!(
        refused.stderr.contains("cannot read certificates from"),
        "{}",
        refused.stderr
    );
    assert_eq!(here.files("pki").len(), 6);
}

#[test]
fn an_authority_that_has_ended_signs_nothing() {
    let here = Workplace::new();
    let kind = ["--key-type", "ecdsa:p256"];
    here.made(
        &[
            &kind[..],
            &["--only", "authorities", "--ca-validity", "30d"],
        ]
        .concat(),
    );
    let later = here.init(&[&kind[..], &["--now", "2090-01-01"]].concat());
    assert_eq!(later.code, 1);
    assert!(
        later.stderr.contains("not at 2090-01-01T00:00:00Z"),
        "{}",
        later.stderr
    );
    assert_eq!(here.files("").len(), 6);
}
