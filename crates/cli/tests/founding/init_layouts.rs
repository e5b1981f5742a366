//! Declared layouts, through the program.

use super::support::{Workplace, assert_valid, documents, violations};
use serde_json::{Value, json};

fn example() -> String {
    documents()
        .join("examples/hand-made-layout.yaml")
        .display()
        .to_string()
}

#[test]
fn the_example_is_valid_and_all_of_it_is_made() {
    let text = std::fs::read_to_string(example()).unwrap();
    assert_valid("layout.json", &serde_saphyr::from_str(&text).unwrap());
    let here = Workplace::new();
    let words = [
        "init",
        "--yes",
        "--layout",
        &example(),
        "--cert-dir",
        "pki",
        "--key-type",
        "ecdsa:p384",
    ];
    let outcome = here.kubepki(&words);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(here.files("").len(), 23);
    for name in ["etcd-1", "kube-apiserver-etcd-client"] {
        here.verify("pki/etcd-ca.pem", &format!("pki/{name}.pem"), "sslclient");
    }
    here.verify("pki/ca.pem", "pki/kube-apiserver.pem", "sslserver");
    assert_eq!(
        here.shown("pki/ca.pem", &["-subject"]),
        "subject=CN=kubernetes-ca,O=example"
    );
    here.take_out("admin.kubeconfig", "admin");
    here.verify("pki/ca.pem", "admin.crt", "sslclient");
    let key = here.openssl(&["pkey", "-in", "admin.key", "-noout", "-text"]);
    assert!(
        key.contains("P-256"),
        "what the layout declares is stronger: {key}"
    );
    assert_eq!(
        here.openssl(&["pkey", "-in", "pki/service-account-key.pem", "-pubout"]),
        here.text("pki/service-account.pem")
    );
}

#[test]
fn the_layout_that_is_printed_makes_the_same_pki() {
    let here = Workplace::new();
    let host = super::support::HOST;
    let printed = here.kubepki(&[&["init", "--print-layout"], host].concat());
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let value: Value = serde_saphyr::from_str(&printed.stdout).unwrap();
    assert_valid("layout.json", &value);
    let as_json = here.kubepki(&[&["init", "--print-layout", "-o", "json"], host].concat());
    assert_eq!(
        serde_json::from_str::<Value>(&as_json.stdout).unwrap(),
        value
    );
    assert!(here.files("").is_empty());

    here.write("layout.yaml", printed.stdout);
    here.made(&["--key-type", "ecdsa:p256"]);
    let words = [
        "init",
        "--yes",
        "--layout",
        "layout.yaml",
        "--cert-dir",
        "again/pki",
    ];
    let outcome = here.kubepki(&[&words[..], &["--key-type", "ecdsa:p256"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let names: Vec<String> = here.files("again").into_keys().collect();
    assert_eq!(names.len(), 27);
    for name in names {
        assert!(here.path(&name).exists(), "{name}");
        if name.ends_with(".crt") {
            let fields = [
                "-subject",
                "-ext",
                "subjectAltName,extendedKeyUsage,keyUsage",
            ];
            assert_eq!(
                here.shown(&name, &fields),
                here.shown(&format!("again/{name}"), &fields)
            );
        }
    }
}

#[test]
fn certificate_and_key_can_share_a_file() {
    let here = Workplace::new();
    here.write(
        "layout.yaml",
        "apiVersion: kubepki.dev/v1alpha1\nkind: Layout\n\
         authorities: [{name: ca, subject: {commonName: ca}, certificate: ca.crt, key: ca.key}]\n\
         certificates: [{name: proxy, signer: ca, subject: {commonName: proxy}, names: [proxy], \
         usages: [serverAuth], certificate: proxy.pem, key: proxy.pem}]\n",
    );
    let words = [
        "init",
        "--yes",
        "--layout",
        "layout.yaml",
        "--cert-dir",
        "pki",
        "-o",
        "json",
    ];
    let outcome = here.kubepki(&words);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let result: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(result["files"][2]["kind"], "CertificateAndKey");
    assert_eq!(here.mode("pki/proxy.pem"), 0o600);
    let text = here.text("pki/proxy.pem");
    let certificate = text.find("BEGIN CERTIFICATE").unwrap();
    assert!(
        certificate < text.find("BEGIN RSA PRIVATE KEY").unwrap(),
        "certificate first"
    );
    here.verify("pki/ca.crt", "pki/proxy.pem", "sslserver");
}

#[test]
fn what_the_schema_refuses_the_program_refuses() {
    let here = Workplace::new();
    let base = json!({
        "apiVersion": "kubepki.dev/v1alpha1", "kind": "Layout",
        "authorities": [{
            "name": "ca", "subject": {"commonName": "ca"}, "certificate": "ca.crt", "key": "ca.key"
        }],
    });
    assert_valid("layout.json", &base);
    let with = |pointer: &str, value: Value| {
        let mut changed = base.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[key] = value;
        changed
    };
    for wrong in [
        with("/kind", json!("Plan")),
        with("/apiVersion", json!("v1")),
        with("/authorites", json!([])),
        with("/authorities/0/subject", json!({"commonName": ""})),
        with("/authorities/0/keyType", json!("rsa:1024")),
        with("/authorities/0/serial", json!(1)),
        with("/certificates", json!([{"name": "a"}])),
        with(
            "/serviceAccountKeys",
            json!([
                {"name": "sa", "private": "sa.key", "public": "sa.pub", "keyType": "ed25519"}
            ]),
        ),
    ] {
        assert!(!violations("layout.json", &wrong).is_empty(), "{wrong}");
        here.write("layout.json", wrong.to_string());
        let refused = here.kubepki(&[
            "init",
            "--yes",
            "--layout",
            "layout.json",
            "--cert-dir",
            "pki",
        ]);
        assert_eq!(refused.code, 1, "{wrong}: {}", refused.stderr);
        assert!(here.files("pki").is_empty());
    }
}

#[test]
fn a_layout_has_its_own_names() {
    let here = Workplace::new();
    let refused = here.kubepki(&["init", "--layout", &example(), "--node-name", "cp1"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let missing = here.kubepki(&["init", "--layout", "no.yaml"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("no.yaml"), "{}", missing.stderr);
}
