//! The findings of `status`: each code where it belongs, and what cannot be read is a row or a gap.

use crate::support::{Issue, KeyKind, Tree};
use serde_json::Value;

const CRT: &str = "/etc/kubernetes/pki/apiserver.crt";
const KEY: &str = "/etc/kubernetes/pki/apiserver.key";

fn codes(row: &Value) -> Vec<(String, String)> {
    let findings = row["findings"].as_array().unwrap();
    let word = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|it| (word(it, "code"), word(it, "severity")))
        .collect()
}

#[track_caller]
fn assert_codes(tree: &Tree, name: &str, expected: &[(&str, &str)]) {
    let row = tree.row(name);
    let expected: Vec<_> = expected
        .iter()
        .map(|(code, severity)| ((*code).to_owned(), (*severity).to_owned()))
        .collect();
    assert_eq!(codes(&row), expected, "{row:#}");
}

fn apiserver(tree: &Tree, issue: Issue<'_>) {
    tree.remove(KEY);
    let issue = Issue {
        subject: "/CN=kube-apiserver",
        by: Some("/etc/kubernetes/pki/ca"),
        extensions: "authorityKeyIdentifier=keyid\nsubjectAltName=DNS:cp1",
        ..issue
    };
    tree.issue_into(CRT, KEY, &issue);
}

#[test]
fn times() {
    let tree = Tree::kubeadm().valid(90).build();
    for (from_days, until_days, expected) in [
        (-10, -1, Some(("expired", "critical"))),
        (1, 90, Some(("not-yet-valid", "critical"))),
        (-10, 6, Some(("expires-soon", "critical"))),
        (-10, 20, Some(("expires-soon", "warning"))),
        (-10, 40, None),
    ] {
        apiserver(
            &tree,
            Issue {
                from_days,
                until_days,
                ..Issue::default()
            },
        );
        assert_codes(&tree, "apiserver", expected.as_slice());
    }
    apiserver(
        &tree,
        Issue {
            until_days: 3300,
            ..Issue::default()
        },
    );
    assert_codes(&tree, "apiserver", &[("outlives-ca", "warning")]);
}

#[test]
fn keys() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.copy("/etc/kubernetes/pki/etcd/peer.key", KEY);
    assert_codes(&tree, "apiserver", &[("key-mismatch", "critical")]);
    tree.remove(KEY);
    assert_codes(&tree, "apiserver", &[("key-missing", "critical")]);
    tree.write(KEY, "nothing\n");
    assert_codes(&tree, "apiserver", &[("key-unusable", "critical")]);
    let tree = Tree::kubeadm().valid(90).build();
    tree.set_mode(KEY, 0o644);
    assert_codes(&tree, "apiserver", &[("key-readable-by-others", "warning")]);
    tree.set_mode("/etc/kubernetes/pki/ca.key", 0o604);
    assert_codes(&tree, "ca", &[("key-readable-by-others", "warning")]);
    tree.set_mode("/etc/kubernetes/admin.conf", 0o644);
    assert_codes(
        &tree,
        "admin.conf",
        &[("key-readable-by-others", "warning")],
    );
}

#[test]
fn weak_cryptography_is_told() {
    let tree = Tree::kubeadm().valid(90).build();
    apiserver(
        &tree,
        Issue {
            key: KeyKind::Rsa(1024),
            until_days: 90,
            ..Issue::default()
        },
    );
    assert_codes(&tree, "apiserver", &[("weak-key", "warning")]);
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
    assert!(run.stdout.contains("rsa:2048 instead"), "{run}");
    assert_codes(&tree, "apiserver", &[]);
}

#[test]
fn a_missing_certificate_is_a_row() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.remove(CRT);
    assert_codes(&tree, "apiserver", &[("missing", "critical")]);
    let row = tree.row("apiserver");
    assert_eq!(row["missing"], true);
    assert_eq!(row["expirationDate"], Value::Null);
    assert_eq!(row["residualTime"], 0);
    tree.kubepki(&["status"]).expect(4);
}

#[test]
fn what_nobody_names_is_missed_by_nobody() {
    let tree = Tree::kubeadm().expired(30).build();
    let pair = "/etc/kubernetes/pki/etcd/healthcheck-client";
    for path in [
        "/etc/kubernetes/admin.conf",
        &format!("{pair}.crt"),
        &format!("{pair}.key"),
    ] {
        tree.remove(path);
    }
    for name in ["admin.conf", "etcd-healthcheck-client"] {
        assert_codes(&tree, name, &[("missing", "info")]);
        assert_eq!(tree.row(name)["missing"], true);
    }
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn a_missing_authority_is_a_row() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.remove("/etc/kubernetes/pki/front-proxy-ca.crt");
    assert_codes(&tree, "front-proxy-ca", &[("missing", "critical")]);
    tree.kubepki(&["status"]).expect(4);
}

#[test]
fn what_cannot_be_read_is_a_row_or_a_gap() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.write(
        CRT,
        "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n",
    );
    assert_codes(&tree, "apiserver", &[("unreadable", "critical")]);
    tree.remove("/etc/kubernetes/pki/etcd/peer.crt");
    std::fs::create_dir(tree.path("/etc/kubernetes/pki/etcd/peer.crt")).unwrap();
    assert_codes(&tree, "etcd-peer", &[("unreadable", "critical")]);
    tree.symlink("/etc/kubernetes/pki/etcd/server.crt", "server.crt");
    assert_codes(&tree, "etcd-server", &[("unreadable", "critical")]);
    tree.write("/etc/kubernetes/scheduler.conf", "users: [");
    assert_codes(&tree, "scheduler.conf", &[("unreadable", "critical")]);
    tree.write("/etc/kubernetes/pki/front-proxy-ca.crt", "");
    assert_codes(&tree, "front-proxy-ca", &[("unreadable", "critical")]);
    tree.write("/var/lib/kubelet/config.yaml", "{");
    tree.write("/etc/kubernetes/manifests/broken.yaml", "a: [");
    let run = tree.kubepki(&["status", "-o", "json"]).expect(4);
    let status = run.json();
    let gaps: Vec<&str> = status["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["object"].as_str().unwrap())
        .collect();
    for path in [
        "/var/lib/kubelet/config.yaml",
        "/etc/kubernetes/manifests/broken.yaml",
    ] {
        assert!(gaps.contains(&path), "{path}: {gaps:?}");
    }
    let human = tree.kubepki(&["status"]).expect(4);
    assert!(
        human
            .stdout
            .contains("not seen /var/lib/kubelet/config.yaml"),
        "{human}"
    );
    // The others are shown all the same.
    assert_codes(&tree, "admin.conf", &[]);
}

#[test]
fn a_file_without_permission_is_told() {
    let tree = Tree::kubeadm().valid(90).build();
    tree.set_mode(KEY, 0o000);
    if std::fs::read(tree.path(KEY)).is_ok() {
        // Root reads everything; other users' runs test this.
        return;
    }
    assert_codes(&tree, "apiserver", &[("key-unreadable", "warning")]);
    let row = tree.row("apiserver");
    assert!(
        row["findings"].to_string().contains("ermission denied"),
        "{row:#}"
    );
    tree.set_mode(KEY, 0o600);
}

#[test]
fn the_kubelets_peculiarities() {
    let tree = Tree::kubeadm().valid(90).build();
    let link = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let contents = tree.read(link);
    tree.remove(link);
    tree.write_with_mode(link, contents, 0o600);
    assert_codes(&tree, "kubelet-client", &[("not-a-symlink", "warning")]);
    tree.remove(link);
    tree.symlink(link, "/var/lib/kubelet/pki/gone.pem");
    assert_codes(&tree, "kubelet-client", &[("unreadable", "critical")]);
    tree.remove(link);
    assert_codes(&tree, "kubelet-client", &[("missing", "critical")]);
}

#[test]
fn manifests_of_others_and_hidden_files_do_not_matter() {
    let tree = Tree::kubeadm().valid(90).build();
    let folder = "/etc/kubernetes/manifests";
    tree.write(format!("{folder}/.kube-apiserver.yaml.swp"), "a: [");
    tree.write(
        format!("{folder}/proxy.yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: p\n    image: haproxy\n    args: [--tls-cert-file=/x]\n",
    );
    let status = tree.kubepki(&["status", "-o", "json"]).expect(0).json();
    assert_eq!(status["gaps"].as_array().unwrap().len(), 1, "{status:#}");
    assert_eq!(status["certificates"].as_array().unwrap().len(), 12);
}

#[test]
fn a_large_file_is_read_and_a_larger_one_is_refused() {
    let tree = Tree::kubeadm().valid(90).build();
    let text = tree.text(CRT);
    let filler = "# nothing to see\n".repeat(9 << 16);
    assert!(filler.len() > 9 << 20);
    tree.write(CRT, format!("{filler}{text}"));
    assert_codes(&tree, "apiserver", &[]);
    tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
    tree.assert_pair(CRT, KEY);
    assert!(tree.text(CRT).starts_with(&filler));
    let sparse = std::fs::OpenOptions::new()
        .write(true)
        .open(tree.path(CRT))
        .unwrap();
    sparse.set_len(1 << 30).unwrap();
    assert_codes(&tree, "apiserver", &[("unreadable", "critical")]);
}
