//! What people see: whole outputs, with what differs from run to run replaced.

use super::support::{Issue, SERVER_EXTENSIONS, Workplace, redacted};
use std::os::unix::fs::symlink;

fn host() -> Workplace {
    let here = Workplace::new();
    here.ca("pki/ca", "/CN=kubernetes");
    here.issue(
        "pki/apiserver",
        &Issue {
            subject: "/CN=kube-apiserver",
            by: Some("pki/ca"),
            until: "20260611000000Z",
            extensions: SERVER_EXTENSIONS,
            ..Issue::default()
        },
    );
    here.issue(
        "pki/front-proxy-client",
        &Issue {
            subject: "/CN=front-proxy-client",
            by: Some("pki/ca"),
            until: "20260529000000Z",
            key: "rsa:2048",
            ..Issue::default()
        },
    );
    here.key("pki/front-proxy-client", "rsa:2048");
    here.key("pki/sa", "rsa:2048");
    here.openssl("pkey -in pki/sa.key -pubout -out pki/sa.pub");
    std::fs::remove_file(here.path("pki/ca.csr")).unwrap();
    std::fs::remove_file(here.path("pki/front-proxy-client.csr")).unwrap();
    symlink("apiserver.crt", here.path("pki/current.pem")).unwrap();
    here
}

fn shown(here: &Workplace, words: &[&str]) -> String {
    let outcome = here.inspect(words);
    format!(
        "{}--- stderr\n{}--- exit {}\n",
        outcome.stdout, outcome.stderr, outcome.code
    )
}

#[test]
fn a_folder_is_a_table() {
    let here = host();
    redacted().bind(|| insta::assert_snapshot!("folder_table", shown(&here, &["pki"])));
}

#[test]
fn one_file_is_shown_in_full() {
    let here = host();
    redacted().bind(|| {
        insta::assert_snapshot!("one_certificate", shown(&here, &["pki/apiserver.crt"]));
        let words = ["pki/front-proxy-client.crt", "pki/ca.crt", "-o", "wide"];
        insta::assert_snapshot!("wide_with_mismatch", shown(&here, &words));
    });
}

#[test]
fn a_kubeconfig_in_full() {
    let here = host();
    here.write(
        "admin.conf",
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: admin@one\nclusters:\n\
             - name: one\n  cluster: {{server: 'https://10.0.0.1:6443', certificate-authority-data: {}}}\n\
             contexts:\n- name: admin@one\n  context: {{cluster: one, user: admin}}\n\
             users:\n- name: admin\n  user: {{client-certificate-data: {}}}\n",
            here.base64("pki/ca.crt"),
            here.base64("pki/front-proxy-client.crt"),
        ),
    );
    redacted().bind(|| insta::assert_snapshot!("kubeconfig", shown(&here, &["admin.conf"])));
}

#[test]
fn requests_keys_and_errors() {
    let here = host();
    here.write("junk", "junk");
    let words = [
        "pki/apiserver.csr",
        "pki/sa.key",
        "junk",
        "missing.crt",
        "-o",
        "wide",
    ];
    redacted().bind(|| insta::assert_snapshot!("requests_keys_errors", shown(&here, &words)));
}

#[test]
fn colour_is_for_terminals_and_on_request() {
    let here = host();
    let plain = here.inspect(&["pki"]);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'));
    let coloured = here.inspect(&["pki", "--color", "always"]);
    assert!(
        coloured.stdout.contains("\u{1b}[31m"),
        "{:?}",
        coloured.stdout
    );
    let without = anstream::adapter::strip_str(&coloured.stdout).to_string();
    assert_eq!(without, plain.stdout, "colour changes nothing else");
}

#[test]
fn quiet_leaves_the_result() {
    let here = host();
    let outcome = here.inspect(&["pki", "--quiet"]);
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.stdout, here.inspect(&["pki"]).stdout);
}

#[test]
fn yaml_says_what_json_says() {
    let here = host();
    let (json, _) = here.json(&["pki"]);
    let yaml = here.inspect(&["pki", "-o", "yaml"]).stdout;
    let yaml: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(yaml, json);
}
