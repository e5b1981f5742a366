//! `kubepki kubeconfig`.

use super::support::{Workplace, assert_valid, field_of};
use serde_json::Value;

/// A PKI in `pki`, and `kubepki kubeconfig` for jane with it.
struct Office {
    here: Workplace,
}

impl Office {
    fn new() -> Self {
        let here = Workplace::new();
        here.made(&["--key-type", "ecdsa:p256", "--cluster-name", "prod"]);
        Self { here }
    }

    fn jane(&self, words: &[&str]) -> super::support::Outcome {
        let base = [
            "kubeconfig",
            "--ca-dir",
            "pki",
            "--user",
            "jane",
            "--key-type",
            "ecdsa:p256",
        ];
        self.here.kubepki(&[&base[..], words].concat())
    }
}

#[test]
fn a_user_with_groups_goes_to_standard_output_or_a_file_of_its_own() {
    let office = Office::new();
    let groups = ["--group", "developers", "--group", "on-call"];
    let printed = office.jane(&groups);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let written = office.jane(&[&groups[..], &["--out", "jane.conf"]].concat());
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert_eq!(written.stdout, "");
    assert_eq!(office.here.mode("jane.conf"), 0o600);
    office.here.write("printed.conf", printed.stdout);
    for file in ["jane.conf", "printed.conf"] {
        office.here.take_out(file, "jane");
        office.here.verify("pki/ca.crt", "jane.crt", "sslclient");
        assert_eq!(
            office.here.shown("jane.crt", &["-subject"]),
            "subject=CN=jane,O=developers+O=on-call"
        );
        assert_eq!(office.here.text("jane.ca"), office.here.text("pki/ca.crt"));
        let public = office.here.openssl(&["pkey", "-in", "jane.key", "-pubout"]);
        assert_eq!(
            public,
            office
                .here
                .openssl(&["x509", "-in", "jane.crt", "-noout", "-pubkey"])
        );
        let text = office.here.text(file);
        assert_eq!(
            field_of(&text, "server"),
            "https://10.0.0.5:6443",
            "as admin.conf has it"
        );
        assert_eq!(field_of(&text, "current-context"), "jane@prod");
    }
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let office = Office::new();
    office.here.write("jane.conf", "precious");
    let refused = office.jane(&["--out", "jane.conf"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(office.here.text("jane.conf"), "precious");
    let forced = office.jane(&["--out", "jane.conf", "--force"]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    assert_eq!(office.here.mode("jane.conf"), 0o600);
    assert!(
        office
            .here
            .text("jane.conf")
            .starts_with("apiVersion: v1\n")
    );
    let names: Vec<String> = office.here.files("").into_keys().collect();
    assert!(
        names.iter().all(|name| !name.starts_with(".jane")),
        "{names:?}"
    );
}

#[test]
fn the_result_is_told_to_programs() {
    let office = Office::new();
    let server = [
        "--server",
        "https://k8s.example.com:6443",
        "--cluster-name",
        "test",
    ];
    let told = office.jane(&[&server[..], &["--out", "jane.conf", "-o", "json"]].concat());
    assert_eq!(told.code, 0, "{}", told.stderr);
    let result: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_valid("kubeconfig-result.json", &result);
    assert_eq!(result["subject"], "CN=jane");
    assert_eq!(result["server"], "https://k8s.example.com:6443");
    let text = office.here.text("jane.conf");
    assert_eq!(field_of(&text, "current-context"), "jane@test");
    let both = office.jane(&["-o", "json"]);
    assert_eq!(both.code, 2, "{}", both.stdout);
}

#[test]
fn the_end_is_that_asked_for_but_never_after_the_authoritys() {
    let office = Office::new();
    let dated = office.jane(&["--validity", "2036-01-01", "--out", "a.conf"]);
    assert_eq!(dated.code, 0, "{}", dated.stderr);
    office.here.take_out("a.conf", "a");
    assert_eq!(
        office.here.shown("a.crt", &["-enddate"]),
        "notAfter=Jan  1 00:00:00 2036 GMT"
    );
    let long = office.jane(&["--validity", "100y", "--out", "b.conf"]);
    assert!(long.stderr.contains("ends with its CA"), "{}", long.stderr);
    office.here.take_out("b.conf", "b");
    let end = |file: &str| office.here.shown(file, &["-enddate"]);
    assert_eq!(end("b.crt"), end("pki/ca.crt"));
    let empty = office.jane(&["--validity", "2001-01-01"]);
    assert_eq!(empty.code, 2, "{}", empty.stderr);
    let ended = office.jane(&["--now", "2090-01-01"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("not at 2090"), "{}", ended.stderr);
}

#[test]
fn the_powerful_group_is_not_given_without_a_word() {
    let office = Office::new();
    let outcome = office.jane(&["--group", "system:masters", "--out", "jane.conf"]);
    assert!(
        outcome.stderr.contains("pass every authorization"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn without_a_server_or_a_key_it_says_what_is_missing() {
    let office = Office::new();
    std::fs::create_dir(office.here.path("alone")).unwrap();
    for file in ["ca.crt", "ca.key"] {
        let contents = office.here.text(&format!("pki/{file}"));
        office.here.write(&format!("alone/pki/{file}"), contents);
    }
    let words = [
        "kubeconfig",
        "--root",
        "alone",
        "--ca-dir",
        "/pki",
        "--user",
        "jane",
    ];
    let lost = office.here.kubepki(&words);
    assert_eq!(lost.code, 2, "{}", lost.stderr);
    assert!(
        lost.stderr.contains("--server is needed"),
        "{}",
        lost.stderr
    );
    // A host without kubeadm's kubeconfigs still says where its API server is.
    office.here.write("alone/etc/hostname", "cp1\n");
    office.here.write(
        "alone/etc/kubernetes/manifests/kube-apiserver.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver}\nspec:\n  containers:\n\
         \x20 - name: kube-apiserver\n    command: [kube-apiserver, '--advertise-address=fd00::7', \
         --secure-port=8443]\n",
    );
    let found = office.here.kubepki(&words);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert_eq!(field_of(&found.stdout, "server"), "https://[fd00::7]:8443");
    std::fs::remove_file(office.here.path("pki/ca.key")).unwrap();
    let keyless = office.jane(&[]);
    assert_eq!(keyless.code, 1);
    assert!(keyless.stderr.contains("ca.key"), "{}", keyless.stderr);
}
