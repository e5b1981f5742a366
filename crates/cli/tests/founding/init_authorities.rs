//! Authorities that are there already, that are above, or that are somebody else's.

use super::support::Workplace;

const KIND: [&str; 2] = ["--key-type", "ecdsa:p256"];

#[test]
fn the_next_host_gets_its_own_certificates_from_the_same_authorities() {
    let here = Workplace::new();
    here.made(&[&KIND[..], &["--only", "authorities,sa"]].concat());
    let authorities = here.files("pki");
    assert_eq!(authorities.len(), 8);
    let result = here.made_json(&KIND);
    assert_eq!(result["kept"].as_array().unwrap().len(), 8);
    for (name, contents) in authorities {
        assert_eq!(here.files("pki")[&name], contents, "{name} changed");
    }
    here.verify("pki/etcd/ca.crt", "pki/etcd/peer.crt", "sslserver");
}

#[test]
fn a_bundle_signs_with_the_certificate_of_the_key_and_is_trusted_whole() {
    let here = Workplace::new();
    here.ca("older", None, "300");
    here.made(&[&KIND[..], &["--only", "authorities"]].concat());
    let bundle = format!("{}{}", here.text("older.crt"), here.text("pki/ca.crt"));
    here.write("pki/ca.crt", &bundle);
    here.made(&KIND);
    assert_eq!(
        here.shown("pki/apiserver.crt", &["-issuer"]),
        "issuer=CN=kubernetes"
    );
    here.take_out("admin.conf", "admin");
    assert_eq!(here.text("admin.ca"), bundle);
    assert_eq!(here.text("pki/ca.crt"), bundle);
}

#[test]
fn authorities_below_another_carry_their_chain_and_never_the_root() {
    let here = Workplace::new();
    here.ca("root", None, "3000");
    here.ca("policy", Some("root"), "2000");
    let bundle = format!("{}{}", here.text("root.crt"), here.text("policy.crt"));
    here.write("bundle.pem", bundle);
    let above = ["--ca-cert", "bundle.pem", "--ca-key", "policy.key"];
    let outcome = here.made(&[&KIND[..], &above].concat());
    assert!(
        outcome
            .stdout
            .contains("read only the first certificate of a file")
    );

    let count = |file: &str| here.text(file).matches("BEGIN CERTIFICATE").count();
    assert_eq!(count("pki/ca.crt"), 1, "everything in a CA file is trusted");
    assert_eq!(count("pki/apiserver.crt"), 3);
    // Who trusts only the root verifies with what the server sends.
    let chain = ["-untrusted", "pki/apiserver.crt", "pki/apiserver.crt"];
    let verify = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        "root.crt",
    ];
    here.openssl(&[&verify[..], &chain].concat());
    // Who trusts the cluster's CA alone, as Kubernetes components do, verifies as well.
    let partial = [
        "verify",
        "-x509_strict",
        "-partial_chain",
        "-CAfile",
        "pki/etcd/ca.crt",
    ];
    here.openssl(&[&partial[..], &["pki/etcd/server.crt"]].concat());
    let other = here.try_openssl(&[&partial[..], &["pki/apiserver.crt"]].concat());
    assert_ne!(
        other.code, 0,
        "etcd must not trust what the cluster's CA signs"
    );
}

#[test]
fn an_end_entity_and_a_path_length_of_zero_sign_no_authority() {
    let here = Workplace::new();
    here.made(&KIND);
    let leaf = [
        "--ca-cert",
        "pki/apiserver.crt",
        "--ca-key",
        "pki/apiserver.key",
    ];
    let elsewhere = ["--cert-dir", "other/pki", "--kubeconfig-dir", "other"];
    let refused = here.kubepki(
        &[
            &["init", "--yes"],
            super::support::HOST,
            &KIND,
            &leaf,
            &elsewhere,
        ]
        .concat(),
    );
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("is not a CA"), "{}", refused.stderr);

    here.ca("root", None, "3000");
    here.write(
        "zero.extensions",
        "basicConstraints=critical,CA:true,pathlen:0\n",
    );
    here.openssl(&[
        "x509",
        "-in",
        "root.crt",
        "-signkey",
        "root.key",
        "-days",
        "99",
        "-extfile",
        "zero.extensions",
        "-out",
        "zero.crt",
    ]);
    let zero = ["--ca-cert", "zero.crt", "--ca-key", "root.key"];
    let refused = here.kubepki(
        &[
            &["init", "--yes"],
            super::support::HOST,
            &KIND,
            &zero,
            &elsewhere,
        ]
        .concat(),
    );
    assert!(
        refused.stderr.contains("its path length is 0"),
        "{}",
        refused.stderr
    );
    assert!(here.files("other").is_empty());
}

#[test]
fn an_external_authority_gets_requests_and_its_certificates_come_back() {
    let here = Workplace::new();
    here.ca("external", None, "3000");
    here.write("pki/ca.crt", here.text("external.crt"));
    let refused = here.init(&KIND);
    assert_eq!(refused.code, 1);
    assert!(
        refused
            .stderr
            .contains("the key of authority ca is not here"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--csr-dir"), "{}", refused.stderr);

    let asked = here.made_json(&[&KIND[..], &["--csr-dir", "requests"]].concat());
    let kinds: Vec<&str> = asked["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "CertificationRequest")
            .count(),
        7
    );
    assert!(
        here.path("pki/etcd/peer.crt").exists(),
        "etcd's CA is here and signs"
    );
    assert!(!here.path("admin.conf").exists());
    assert_eq!(here.mode("requests/apiserver.key"), 0o600);
    let shown = here.openssl(&[
        "req",
        "-in",
        "requests/apiserver.csr",
        "-noout",
        "-text",
        "-verify",
    ]);
    for word in [
        "DNS:kubernetes.default.svc",
        "IP Address:10.96.0.1",
        "TLS Web Server",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }

    for name in [
        "apiserver",
        "apiserver-kubelet-client",
        "admin.conf",
        "super-admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kubelet.conf",
    ] {
        here.sign(name, "external");
    }
    let key = here.text("requests/apiserver.key");
    here.made(&["--install", "requests"]);
    here.verify("pki/ca.crt", "pki/apiserver.crt", "sslserver");
    assert_eq!(here.text("pki/apiserver.key"), key);
    here.take_out("admin.conf", "admin");
    here.verify("pki/ca.crt", "admin.crt", "sslclient");
    assert_eq!(here.text("admin.ca"), here.text("external.crt"));
}

#[test]
fn what_comes_back_is_checked_before_it_is_installed() {
    let here = Workplace::new();
    here.ca("external", None, "3000");
    here.ca("stranger", None, "3000");
    here.write("pki/ca.crt", here.text("external.crt"));
    let only = ["--only", "apiserver"];
    here.made(&[&KIND[..], &only, &["--csr-dir", "requests"]].concat());
    let install =
        |more: &[&str]| here.init(&[&only[..], &["--install", "requests"], more].concat());

    let refused = install(&[]);
    assert!(
        refused.stderr.contains("apiserver.crt"),
        "{}",
        refused.stderr
    );
    here.sign("apiserver", "stranger");
    let refused = install(&[]);
    assert!(
        refused.stderr.contains("does not lead to the authority"),
        "{}",
        refused.stderr
    );
    here.sign("apiserver", "external");
    let refused = install(&["--apiserver-san", "more.example.com"]);
    assert!(
        refused
            .stderr
            .contains("it lacks the names DNS:more.example.com"),
        "{}",
        refused.stderr
    );
    let refused = install(&["--now", "2090-01-01"]);
    assert!(
        refused.stderr.contains("it has expired already"),
        "{}",
        refused.stderr
    );
    let (right, wrong) = (
        here.text("requests/apiserver.key"),
        here.text("stranger.key"),
    );
    here.write("requests/apiserver.key", wrong);
    let refused = install(&[]);
    assert!(
        refused.stderr.contains("its key is not that of"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        here.files("pki").len(),
        1,
        "nothing is installed while anything is wrong"
    );
    here.write("requests/apiserver.key", right);
    assert_eq!(install(&[]).code, 0);
}

#[test]
fn the_clusters_own_authorities_can_be_somebody_elses_to_sign() {
    let here = Workplace::new();
    here.ca("corp", None, "3000");
    let above = ["--ca-cert", "corp.crt"];
    let refused = here.init(&[&KIND[..], &above, &["--csr-dir", "requests"]].concat());
    assert!(
        refused.stderr.contains("authority ca must be signed first"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("--only authorities"),
        "{}",
        refused.stderr
    );

    let authorities = ["--only", "authorities"];
    here.made(&[&KIND[..], &above, &authorities, &["--csr-dir", "requests"]].concat());
    for name in ["ca", "etcd-ca", "front-proxy-ca"] {
        here.sign(name, "corp");
    }
    here.made(&[&above[..], &authorities, &["--install", "requests"]].concat());
    here.made(&[&KIND[..], &above].concat());
    let chain = ["-untrusted", "pki/apiserver.crt", "pki/apiserver.crt"];
    here.openssl(
        &[
            &["verify", "-x509_strict", "-CAfile", "corp.crt"],
            &chain[..],
        ]
        .concat(),
    );
}
