//! What comes back signed from elsewhere: put in place when it fits, refused with the reason when not.

use crate::renew_external_ca::{REQUESTS, as_asked, external, request, sign};
use crate::support::{Issue, LEAFS, Snapshot, Tree};
use std::path::Path;

const CRT: &str = "/etc/kubernetes/pki/apiserver.crt";

#[track_caller]
fn refused(tree: &Tree, words: &[&str]) {
    let before: Snapshot = tree.snapshot();
    let install = ["renew", "apiserver", "--install", REQUESTS, "--yes"];
    let run = tree.kubepki(&install).expect(1);
    for word in words {
        assert!(run.stderr.contains(word), "{word}: {run}");
    }
    assert!(run.stderr.contains("apiserver"), "{run}");
    tree.assert_unchanged(&before);
}

#[test]
fn what_comes_back_signed_is_put_in_place() {
    let tree = external();
    let old: Vec<_> = LEAFS
        .iter()
        .map(|leaf| tree.certificate(&format!("{}.crt", leaf.base)))
        .collect();
    tree.kubepki(&["renew", "all", "--csr-dir", REQUESTS, "--yes"])
        .expect(0);
    for name in tree.list(REQUESTS) {
        let Some(name) = name.strip_suffix(".csr") else {
            continue;
        };
        let by = LEAFS
            .iter()
            .find(|leaf| leaf.name == name)
            .map_or("ca", |leaf| {
                leaf.authority.strip_prefix("/etc/kubernetes/pki/").unwrap()
            });
        sign(&tree, name, by, &as_asked());
    }
    tree.kubepki(&["renew", "all", "--install", REQUESTS, "--yes"])
        .expect(0);
    tree.assert_sound();
    for (leaf, old) in LEAFS.iter().zip(&old) {
        let new = tree.certificate(&format!("{}.crt", leaf.base));
        assert_ne!(old.public_key(), new.public_key());
        assert_eq!(old.subject(), new.subject());
        assert_eq!(old.subject_alt_names(), new.subject_alt_names());
        assert_eq!(old.extended_key_usage(), new.extended_key_usage());
        assert_eq!(old.key_usage(), new.key_usage());
    }
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn a_chain_through_an_intermediate_is_installed_whole() {
    let tree = external();
    let authority = Tree::kubeadm().authority("/CN=intermediate");
    let intermediate = Issue {
        by: Some("/elsewhere/ca"),
        serial: None,
        extensions: "keyUsage=critical,keyCertSign\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid",
        ..authority
    };
    tree.issue("/elsewhere/intermediate", &intermediate);
    request(&tree, "apiserver");
    sign(&tree, "apiserver", "intermediate", &as_asked());
    refused(
        &tree,
        &["signed by CN=intermediate", "/etc/kubernetes/pki/ca.crt"],
    );
    let path = format!("{REQUESTS}/apiserver.crt");
    let chain = [tree.read(&path), tree.read("/elsewhere/intermediate.crt")].concat();
    tree.write(&path, chain);
    tree.kubepki(&["renew", "apiserver", "--install", REQUESTS, "--yes"])
        .expect(0);
    assert_eq!(tree.certificates(CRT).len(), 2);
    tree.assert_signed(CRT, "/etc/kubernetes/pki/ca.crt");
    tree.assert_pair(CRT, "/etc/kubernetes/pki/apiserver.key");
}

#[test]
fn another_key_is_refused() {
    let tree = external();
    request(&tree, "apiserver");
    sign(&tree, "apiserver", "ca", &as_asked());
    tree.write(
        format!("{REQUESTS}/apiserver.key"),
        tree.read("/etc/kubernetes/pki/sa.key"),
    );
    refused(&tree, &["its public key is not that of", "apiserver.key"]);
}

#[test]
fn a_missing_or_broken_file_is_named() {
    let tree = external();
    request(&tree, "apiserver");
    refused(&tree, &["apiserver.crt"]);
    tree.write(format!("{REQUESTS}/apiserver.crt"), "none yet\n");
    refused(&tree, &["apiserver.crt", "no certificate"]);
    sign(&tree, "apiserver", "ca", &as_asked());
    tree.remove(format!("{REQUESTS}/apiserver.key"));
    refused(&tree, &["apiserver.key"]);
}

#[test]
fn another_subject_is_refused() {
    let tree = external();
    request(&tree, "admin.conf");
    request(&tree, "apiserver");
    for ending in ["csr", "key"] {
        tree.copy(
            format!("{REQUESTS}/admin.conf.{ending}"),
            format!("{REQUESTS}/apiserver.{ending}"),
        );
    }
    sign(&tree, "apiserver", "ca", &as_asked());
    refused(
        &tree,
        &[
            "its subject is O=system:masters, CN=kubernetes-admin",
            "CN=kube-apiserver",
        ],
    );
}

#[test]
fn missing_names_are_refused_and_named() {
    let tree = external();
    request(&tree, "apiserver");
    let issue = Issue {
        until_days: 365,
        extensions: "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:cp1,DNS:kubernetes,DNS:extra",
        ..Issue::default()
    };
    sign(&tree, "apiserver", "ca", &issue);
    refused(
        &tree,
        &[
            "lacks the names DNS:kubernetes.default,",
            "IP:10.96.0.1",
            "DNS:extra",
        ],
    );
}

#[test]
fn missing_usages_are_refused() {
    let tree = external();
    let names = tree.x509(CRT, &["-ext", "subjectAltName"]);
    let names = names
        .lines()
        .nth(1)
        .unwrap()
        .trim()
        .replace("IP Address:", "IP:");
    request(&tree, "apiserver");
    for (usages, words) in [
        ("", "lacks the extended key usages serverAuth"),
        (
            "extendedKeyUsage=clientAuth",
            "lacks the extended key usages serverAuth",
        ),
        (
            "extendedKeyUsage=serverAuth\nkeyUsage=keyEncipherment",
            "lacks digitalSignature",
        ),
        (
            "extendedKeyUsage=serverAuth\nbasicConstraints=CA:TRUE",
            "is a CA certificate",
        ),
    ] {
        let extensions = format!("subjectAltName={names}\n{usages}");
        let issue = Issue {
            until_days: 365,
            extensions: &extensions,
            ..Issue::default()
        };
        sign(&tree, "apiserver", "ca", &issue);
        refused(&tree, &[words]);
    }
}

#[test]
fn another_authority_is_refused() {
    let tree = external();
    request(&tree, "apiserver");
    sign(&tree, "apiserver", "etcd/ca", &as_asked());
    refused(
        &tree,
        &["signed by CN=etcd-ca", "/etc/kubernetes/pki/ca.crt"],
    );
    // The same name is not the same authority.
    tree.issue(
        "/elsewhere/imposter",
        &Tree::kubeadm().authority("/CN=kubernetes"),
    );
    sign(&tree, "apiserver", "imposter", &as_asked());
    refused(
        &tree,
        &["signed by CN=kubernetes", "/etc/kubernetes/pki/ca.crt"],
    );
}

#[test]
fn what_is_not_valid_now_is_refused() {
    let tree = external();
    request(&tree, "apiserver");
    for (from_days, until_days, words) in [
        (-20, -10, "has expired already"),
        (10, 20, "not valid before"),
    ] {
        let issue = Issue {
            from_days,
            until_days,
            by: Some("/elsewhere/ca"),
            ..as_asked()
        };
        let request = tree.path(format!("{REQUESTS}/apiserver.csr"));
        let certificate = tree.sign(request.to_str().unwrap(), None, &issue);
        tree.write(format!("{REQUESTS}/apiserver.crt"), certificate);
        refused(&tree, &[words]);
        // However far back new certificates are to begin.
        let words_ = [
            "renew",
            "apiserver",
            "--install",
            REQUESTS,
            "--not-before",
            "-365d",
            "--yes",
        ];
        let run = tree.kubepki(&words_).expect(1);
        assert!(run.stderr.contains(words), "{run}");
    }
}

#[test]
fn a_new_client_certificate_of_the_kubelet_comes_from_elsewhere_too() {
    let tree = external();
    let store = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    tree.remove(tree.link_target(store));
    tree.remove(store);
    request(&tree, "kubelet-client");
    let other = Issue {
        until_days: 365,
        extensions: "extendedKeyUsage=serverAuth",
        ..Issue::default()
    };
    sign(&tree, "kubelet-client", "ca", &other);
    let install = ["renew", "kubelet-client", "--install", REQUESTS, "--yes"];
    let run = tree.kubepki(&install).expect(1);
    assert!(
        run.stderr
            .contains("lacks the extended key usages clientAuth"),
        "{run}"
    );
    sign(&tree, "kubelet-client", "ca", &as_asked());
    tree.kubepki(&install).expect(0);
    tree.assert_pair(store, store);
    tree.assert_signed(store, "/etc/kubernetes/pki/ca.crt");
    assert!(
        tree.link_target(store)
            .starts_with(Path::new("/var/lib/kubelet/pki"))
    );
}
