//! CAs whose keys are kept elsewhere: requests go out, certificates come back, each one checked.

use crate::support::{Issue, Tree};
use std::fs;

pub(crate) const REQUESTS: &str = "/root/requests";

/// A control plane whose CAs' keys are elsewhere: in `/elsewhere`, which the product never looks at.
pub(crate) fn external() -> Tree {
    let tree = Tree::kubeadm().expired(30).build();
    for name in ["ca", "front-proxy-ca", "etcd/ca"] {
        let base = format!("/etc/kubernetes/pki/{name}");
        tree.copy(format!("{base}.crt"), format!("/elsewhere/{name}.crt"));
        tree.rename(format!("{base}.key"), format!("/elsewhere/{name}.key"));
    }
    tree
}

pub(crate) fn request(tree: &Tree, name: &str) {
    tree.kubepki(&["renew", name, "--csr-dir", REQUESTS, "--yes"])
        .expect(0);
}

/// Has a request signed by a CA, as the request asks or otherwise.
pub(crate) fn sign(tree: &Tree, name: &str, by: &str, issue: &Issue<'_>) {
    let request = tree.path(format!("{REQUESTS}/{name}.csr"));
    let by = format!("/elsewhere/{by}");
    let issue = Issue {
        by: Some(&by),
        from_days: -1,
        subject: issue.subject,
        until_days: issue.until_days,
        key: issue.key,
        extensions: issue.extensions,
        serial: None,
        as_requested: issue.as_requested,
    };
    let certificate = tree.sign(request.to_str().unwrap(), None, &issue);
    tree.write(format!("{REQUESTS}/{name}.crt"), certificate);
}

pub(crate) fn as_asked<'a>() -> Issue<'a> {
    Issue {
        until_days: 365,
        extensions: "authorityKeyIdentifier=keyid",
        as_requested: true,
        ..Issue::default()
    }
}

#[test]
fn the_authority_is_told_to_be_external() {
    let tree = external();
    let row = tree.row("apiserver");
    assert_eq!(row["externallyManaged"], true, "{row:#}");
    assert_eq!(row["renewable"], false, "{row:#}");
    assert!(
        row["notRenewableReason"]
            .to_string()
            .contains("external CA"),
        "{row:#}"
    );
    assert_eq!(tree.row("ca")["externallyManaged"], true);
    let before = tree.snapshot();
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
    assert!(run.stderr.contains("/etc/kubernetes/pki/ca.key"), "{run}");
    assert!(run.stderr.contains("--csr-dir"), "{run}");
    tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    tree.assert_unchanged(&before);
}

#[test]
fn what_has_its_authority_here_is_renewed_and_the_rest_is_told() {
    let tree = external();
    tree.rename("/elsewhere/etcd/ca.key", "/etc/kubernetes/pki/etcd/ca.key");
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(
        run.stdout.contains("apiserver, apiserver-kubelet-client"),
        "{run}"
    );
    assert!(
        run.stdout
            .contains("scheduler.conf: not renewed: external CA"),
        "{run}"
    );
    assert!(run.stderr.contains("4 certificates"), "{run}");
    tree.assert_signed(
        "/etc/kubernetes/pki/etcd/server.crt",
        "/etc/kubernetes/pki/etcd/ca.crt",
    );
}

#[test]
fn requests_carry_subject_names_and_usages() {
    let tree = external();
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--csr-dir", REQUESTS, "--yes"])
        .expect(0);
    let changed = tree.changed(&before);
    assert!(
        changed.iter().all(|path| path.starts_with(REQUESTS)),
        "{changed:?}"
    );
    assert_eq!(changed.len(), 24, "{changed:?}");
    let show = |name: &str| {
        let path = tree.path(format!("{REQUESTS}/{name}.csr"));
        tree.openssl(&[
            "req",
            "-in",
            path.to_str().unwrap(),
            "-noout",
            "-text",
            "-verify",
        ])
    };
    let text = show("apiserver");
    for word in [
        "Subject: CN = kube-apiserver",
        "DNS:kubernetes.default.svc.cluster.local",
        "IP Address:10.96.0.1",
        "TLS Web Server Authentication",
        "Digital Signature, Key Encipherment",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("Key Identifier"), "{text}");
    let text = show("etcd-peer");
    assert!(
        text.contains("TLS Web Server Authentication, TLS Web Client Authentication"),
        "{text}"
    );
    assert!(show("kubelet-client").contains("O = system:nodes, CN = system:node:cp1"));
    assert!(show("admin.conf").contains("O = system:masters, CN = kubernetes-admin"));
    for name in tree.list(REQUESTS) {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(tree.path(format!("{REQUESTS}/{name}")))
            .unwrap()
            .permissions();
        let expected = if name.ends_with(".key") { 0o600 } else { 0o644 };
        assert_eq!(mode.mode() & 0o777, expected, "{name}");
    }
}

#[test]
fn an_earlier_request_is_not_overwritten() {
    let tree = external();
    request(&tree, "apiserver");
    let before = tree.snapshot();
    let again = ["renew", "apiserver", "--csr-dir", REQUESTS, "--yes"];
    let run = tree.kubepki(&again).expect(1);
    assert!(
        run.stderr.contains("apiserver.key is there already"),
        "{run}"
    );
    tree.assert_unchanged(&before);
}

#[test]
fn asking_and_installing_are_two_runs() {
    let tree = external();
    let both = [
        "renew",
        "apiserver",
        "--csr-dir",
        REQUESTS,
        "--install",
        REQUESTS,
        "--yes",
    ];
    tree.kubepki(&both).expect(2);
}
