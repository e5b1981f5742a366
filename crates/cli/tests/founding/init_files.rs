//! What `kubepki init` makes by default, against kubeadm's table.

use super::support::{Workplace, field_of};
use std::collections::{BTreeMap, BTreeSet};

/// File, signer, subject, names, extended key usages.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const SERVER: &str = "TLS Web Server Authentication";
const CLIENT: &str = "TLS Web Client Authentication";
const BOTH: &str = "TLS Web Server Authentication, TLS Web Client Authentication";
const APISERVER_NAMES: &str = "DNS:cp1, DNS:kubernetes, DNS:kubernetes.default, \
    DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, \
    IP Address:10.96.0.1, IP Address:10.0.0.5";
const ETCD_NAMES: &str =
    "DNS:cp1, DNS:localhost, IP Address:10.0.0.5, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1";

/// kubeadm's table (certlist.go, kubeconfig.go) as of 1.29.
const TABLE: &[Row] = &[
    (
        "pki/apiserver",
        "ca",
        "CN=kube-apiserver",
        APISERVER_NAMES,
        SERVER,
    ),
    (
        "pki/apiserver-kubelet-client",
        "ca",
        "CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins",
        "",
        CLIENT,
    ),
    (
        "pki/front-proxy-client",
        "front-proxy-ca",
        "CN=front-proxy-client",
        "",
        CLIENT,
    ),
    ("pki/etcd/server", "etcd/ca", "CN=cp1", ETCD_NAMES, BOTH),
    ("pki/etcd/peer", "etcd/ca", "CN=cp1", ETCD_NAMES, BOTH),
    (
        "pki/etcd/healthcheck-client",
        "etcd/ca",
        "CN=kube-etcd-healthcheck-client",
        "",
        CLIENT,
    ),
    (
        "pki/apiserver-etcd-client",
        "etcd/ca",
        "CN=kube-apiserver-etcd-client",
        "",
        CLIENT,
    ),
    (
        "admin.conf",
        "ca",
        "CN=kubernetes-admin,O=kubeadm:cluster-admins",
        "",
        CLIENT,
    ),
    (
        "super-admin.conf",
        "ca",
        "CN=kubernetes-super-admin,O=system:masters",
        "",
        CLIENT,
    ),
    (
        "controller-manager.conf",
        "ca",
        "CN=system:kube-controller-manager",
        "",
        CLIENT,
    ),
    (
        "scheduler.conf",
        "ca",
        "CN=system:kube-scheduler",
        "",
        CLIENT,
    ),
    (
        "kubelet.conf",
        "ca",
        "CN=system:node:cp1,O=system:nodes",
        "",
        CLIENT,
    ),
];

/// Where 1.28 and before differ.
const BEFORE_129: &[(&str, &str)] = &[
    (
        "pki/apiserver-kubelet-client",
        "CN=kube-apiserver-kubelet-client,O=system:masters",
    ),
    (
        "pki/etcd/healthcheck-client",
        "CN=kube-etcd-healthcheck-client,O=system:masters",
    ),
    (
        "pki/apiserver-etcd-client",
        "CN=kube-apiserver-etcd-client,O=system:masters",
    ),
    ("admin.conf", "CN=kubernetes-admin,O=system:masters"),
];

const AUTHORITIES: &[(&str, &str)] = &[
    ("ca", "kubernetes"),
    ("etcd/ca", "etcd-ca"),
    ("front-proxy-ca", "front-proxy-ca"),
];

/// Takes kubeconfigs apart, so that every certificate of the table is a file `NAME.crt`.
fn take_out(here: &Workplace, row: &Row) -> String {
    if row.0.ends_with(".conf") {
        here.take_out(row.0, row.0);
    }
    format!("{}.crt", row.0)
}

#[test]
fn every_certificate_is_kubeadms_and_strictly_valid() {
    let here = Workplace::new();
    here.made(&["--key-type", "ecdsa:p256"]);
    for row in TABLE {
        let certificate = take_out(&here, row);
        let ca = format!("pki/{}.crt", row.1);
        for (purpose, usage) in [("sslserver", SERVER), ("sslclient", CLIENT)] {
            if row.4.contains(usage) {
                here.verify(&ca, &certificate, purpose);
            }
        }
        assert_eq!(
            here.shown(&certificate, &["-subject"]),
            format!("subject={}", row.2)
        );
        let names = here.shown(&certificate, &["-ext", "subjectAltName"]);
        let expected = match row.3 {
            "" => String::new(),
            names => format!("X509v3 Subject Alternative Name: {names}"),
        };
        assert_eq!(names.trim_start_matches("No "), expected, "{}", row.0);
        assert_eq!(
            here.shown(&certificate, &["-ext", "extendedKeyUsage"]),
            format!("X509v3 Extended Key Usage: {}", row.4)
        );
        assert_eq!(
            here.shown(&certificate, &["-ext", "keyUsage,basicConstraints"]),
            "X509v3 Key Usage: critical Digital Signature, Key Encipherment \
             X509v3 Basic Constraints: critical CA:FALSE"
        );
    }
    for (file, name) in AUTHORITIES {
        let ca = format!("pki/{file}.crt");
        here.openssl(&["verify", "-x509_strict", "-CAfile", &ca, &ca]);
        assert_eq!(here.shown(&ca, &["-subject"]), format!("subject=CN={name}"));
        assert_eq!(
            here.shown(&ca, &["-ext", "keyUsage,basicConstraints,subjectAltName"]),
            format!(
                "X509v3 Key Usage: critical Digital Signature, Key Encipherment, Certificate Sign \
                 X509v3 Basic Constraints: critical CA:TRUE \
                 X509v3 Subject Alternative Name: DNS:{name}"
            )
        );
    }
}

#[test]
fn groups_are_those_of_the_version() {
    let here = Workplace::new();
    here.made(&[
        "--key-type",
        "ecdsa:p256",
        "--kubernetes-version",
        "v1.28.9",
    ]);
    let before: BTreeMap<_, _> = BEFORE_129.iter().copied().collect();
    assert!(!here.path("super-admin.conf").exists());
    for row in TABLE.iter().filter(|row| row.0 != "super-admin.conf") {
        let certificate = take_out(&here, row);
        let subject = before.get(row.0).unwrap_or(&row.2);
        assert_eq!(
            here.shown(&certificate, &["-subject"]),
            format!("subject={subject}")
        );
    }
}

#[test]
fn names_follow_the_cluster() {
    let here = Workplace::new();
    here.made(&[
        "--key-type",
        "ecdsa:p256",
        "--control-plane-endpoint",
        "k8s.example.com:8443",
        "--service-cidr",
        "10.32.0.0/24",
        "--dns-domain",
        "example.org",
        "--apiserver-san",
        "extra.example.com,192.0.2.7",
        "--etcd-san",
        "etcd.example.com",
        "--cluster-name",
        "prod",
    ]);
    assert_eq!(
        here.shown("pki/apiserver.crt", &["-ext", "subjectAltName"]),
        "X509v3 Subject Alternative Name: DNS:cp1, DNS:kubernetes, DNS:kubernetes.default, \
         DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.example.org, \
         DNS:k8s.example.com, DNS:extra.example.com, IP Address:10.32.0.1, IP Address:10.0.0.5, \
         IP Address:192.0.2.7"
    );
    for file in ["pki/etcd/server.crt", "pki/etcd/peer.crt"] {
        let names = here.shown(file, &["-ext", "subjectAltName"]);
        assert!(names.contains("DNS:etcd.example.com"), "{names}");
    }
    let admin = here.text("admin.conf");
    assert_eq!(field_of(&admin, "server"), "https://k8s.example.com:8443");
    assert_eq!(field_of(&admin, "current-context"), "kubernetes-admin@prod");
    let scheduler = here.text("scheduler.conf");
    assert_eq!(field_of(&scheduler, "server"), "https://10.0.0.5:6443");
}

#[test]
fn files_and_modes_are_kubeadms_and_the_result_tells_them_all() {
    let here = Workplace::new();
    let result = here.made_json(&["--key-type", "ecdsa:p256"]);
    let told: BTreeMap<String, &serde_json::Value> = result["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file))
        .collect();
    let files = here.files("");
    let there: BTreeSet<String> = files
        .keys()
        .map(|name| here.path(name).display().to_string())
        .collect();
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(files.len(), 27);
    for name in files.keys() {
        let mode = if name.ends_with(".crt") { 0o644 } else { 0o600 };
        assert_eq!(here.mode(name), mode, "{name}");
        let file = told[&here.path(name).display().to_string()];
        assert_eq!(file["mode"], format!("{mode:04o}"));
        assert_eq!(file["keyType"], "ECDSA-P256");
        if name.ends_with(".crt") {
            let fingerprint = here
                .shown(name, &["-fingerprint", "-sha256"])
                .replace(':', "");
            let (_, fingerprint) = fingerprint.split_once('=').unwrap();
            assert_eq!(file["fingerprintSha256"], fingerprint.to_lowercase());
        }
    }
    for folder in ["pki", "pki/etcd"] {
        assert_eq!(here.mode(folder), 0o755, "{folder}");
    }
}

#[test]
fn keys_are_of_the_kinds_asked_for_and_belong_to_their_certificates() {
    for (key_type, ca_key_type, label, ca_label, text) in [
        (
            "rsa:2048",
            "rsa:3072",
            "RSA PRIVATE KEY",
            "RSA PRIVATE KEY",
            "(2048 bit",
        ),
        (
            "ecdsa:p256",
            "rsa:2048",
            "EC PRIVATE KEY",
            "RSA PRIVATE KEY",
            "NIST CURVE: P-256",
        ),
        (
            "ecdsa:p384",
            "ecdsa:p256",
            "EC PRIVATE KEY",
            "EC PRIVATE KEY",
            "NIST CURVE: P-384",
        ),
        (
            "ed25519",
            "ecdsa:p256",
            "PRIVATE KEY",
            "EC PRIVATE KEY",
            "ED25519",
        ),
    ] {
        let here = Workplace::new();
        let outcome = here.made(&["--key-type", key_type, "--ca-key-type", ca_key_type]);
        for (file, label) in [("pki/apiserver", label), ("pki/ca", ca_label)] {
            let key = here.text(&format!("{file}.key"));
            assert!(
                key.starts_with(&format!("-----BEGIN {label}-----")),
                "{file}: {key_type}"
            );
            let public = here.openssl(&["pkey", "-in", &format!("{file}.key"), "-pubout"]);
            let certificate = format!("{file}.crt");
            let certified = here.openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]);
            assert_eq!(public, certified);
        }
        let shown = here.openssl(&["pkey", "-in", "pki/apiserver.key", "-noout", "-text"]);
        assert!(
            shown.to_uppercase().contains(&text.to_uppercase()),
            "{shown}"
        );
        here.verify("pki/ca.crt", "pki/apiserver.crt", "sslserver");
        assert_eq!(
            outcome
                .stdout
                .contains("kubeadm's tools read RSA and ECDSA"),
            key_type == "ed25519"
        );
        // Tokens are signed with RSA or ECDSA, whatever the rest has.
        let public = here.openssl(&["pkey", "-in", "pki/sa.key", "-pubout"]);
        assert_eq!(public, here.text("pki/sa.pub"));
        let is_rsa = here.text("pki/sa.key").starts_with("-----BEGIN RSA");
        assert_eq!(is_rsa, matches!(key_type, "rsa:2048" | "ed25519"));
    }
}

#[test]
fn validity_is_that_asked_for() {
    let here = Workplace::new();
    here.made(&[
        "--key-type",
        "ecdsa:p256",
        "--now",
        "2026-06-01T12:00:00Z",
        "--validity",
        "90d",
        "--ca-validity",
        "2060-01-01",
        "--not-before",
        "-1h",
    ]);
    assert_eq!(
        here.shown("pki/apiserver.crt", &["-dates"]),
        "notBefore=Jun  1 11:00:00 2026 GMT notAfter=Aug 30 12:00:00 2026 GMT"
    );
    assert_eq!(
        here.shown("pki/ca.crt", &["-dates"]),
        "notBefore=Jun  1 11:00:00 2026 GMT notAfter=Jan  1 00:00:00 2060 GMT"
    );
}

#[test]
fn a_leaf_ends_with_its_authority_and_that_is_said() {
    let here = Workplace::new();
    let outcome = here.made(&[
        "--key-type",
        "ecdsa:p256",
        "--now",
        "2026-06-01",
        "--validity",
        "10y",
        "--ca-validity",
        "1y",
    ]);
    assert!(
        outcome.stdout.contains("what it signs ends with it"),
        "{}",
        outcome.stdout
    );
    let dates = here.shown("pki/apiserver.crt", &["-enddate"]);
    assert_eq!(dates, "notAfter=Jun  1 00:00:00 2027 GMT");
}

#[test]
fn below_a_root_everything_is_below_it() {
    let here = Workplace::new();
    std::fs::create_dir(here.path("disk")).unwrap();
    let words = [
        "init",
        "--yes",
        "--root",
        "disk",
        "--key-type",
        "ecdsa:p256",
    ];
    let refused = here.kubepki(&words);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("--node-name"), "{}", refused.stderr);
    here.write("disk/etc/hostname", "CP7.Example.org\n");
    let refused = here.kubepki(&words);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("--advertise-address is needed"),
        "{}",
        refused.stderr
    );
    let made = here.kubepki(&[&words[..], &["--advertise-address", "fd00::5"]].concat());
    assert_eq!(made.code, 0, "{}", made.stderr);
    let names = here.shown(
        "disk/etc/kubernetes/pki/apiserver.crt",
        &["-ext", "subjectAltName"],
    );
    assert!(names.contains("DNS:cp7.example.org"), "{names}");
    let admin = here.text("disk/etc/kubernetes/admin.conf");
    assert_eq!(field_of(&admin, "server"), "https://[fd00::5]:6443");
}
