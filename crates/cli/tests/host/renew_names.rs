//! What can be named: kubeadm's names, the kubelet's two, paths; and what cannot.

use crate::support::Tree;
use std::path::PathBuf;

/// Paths that change when this name is renewed.
fn changed_by(name: &str) -> Vec<String> {
    let tree = Tree::kubeadm().expired(30).super_admin().build();
    let before = tree.snapshot();
    tree.kubepki(&["renew", name, "--yes"]).expect(0);
    let changed = tree.changed(&before);
    changed
        .iter()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_name_of_kubeadm_renews_its_own_files() {
    for (name, base) in [
        ("apiserver", "apiserver"),
        ("apiserver-kubelet-client", "apiserver-kubelet-client"),
        ("apiserver-etcd-client", "apiserver-etcd-client"),
        ("front-proxy-client", "front-proxy-client"),
        ("etcd-server", "etcd/server"),
        ("etcd-peer", "etcd/peer"),
        ("etcd-healthcheck-client", "etcd/healthcheck-client"),
    ] {
        let files = ["crt", "key"].map(|ending| format!("/etc/kubernetes/pki/{base}.{ending}"));
        assert_eq!(changed_by(name), files, "{name}");
    }
    for name in ["admin", "super-admin", "controller-manager", "scheduler"] {
        let name = format!("{name}.conf");
        assert_eq!(changed_by(&name), [format!("/etc/kubernetes/{name}")]);
    }
}

#[test]
fn the_kubelets_names_renew_its_certificate_store() {
    for kind in ["client", "server"] {
        let changed = changed_by(&format!("kubelet-{kind}"));
        let prefix = format!("/var/lib/kubelet/pki/kubelet-{kind}-2");
        assert_eq!(changed.len(), 2, "{changed:?}");
        assert!(changed[0].starts_with(&prefix), "{changed:?}");
        assert!(
            changed[1].ends_with(&format!("kubelet-{kind}-current.pem")),
            "{changed:?}"
        );
    }
    assert_eq!(changed_by("kubelet.conf").len(), 2);
}

#[test]
fn a_path_is_a_name() {
    let pair = ["crt", "key"].map(|ending| format!("/etc/kubernetes/pki/etcd/peer.{ending}"));
    assert_eq!(changed_by("/etc/kubernetes/pki/etcd/peer.crt"), pair);
    assert_eq!(changed_by("/etc/kubernetes/pki/etcd/peer.key"), pair);
    assert_eq!(
        changed_by("/etc/kubernetes/admin.conf"),
        ["/etc/kubernetes/admin.conf"]
    );
    assert_eq!(changed_by("/etc/kubernetes/kubelet.conf").len(), 2);
    assert_eq!(
        changed_by("/var/lib/kubelet/pki/kubelet-client-current.pem").len(),
        2
    );
}

#[test]
fn several_names_are_one_plan_and_a_name_twice_is_one_name() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let words = [
        "renew",
        "apiserver",
        "etcd-peer",
        "/etc/kubernetes/pki/apiserver.crt",
        "--yes",
    ];
    let run = tree.kubepki(&words).expect(0);
    assert!(run.stderr.contains("2 certificates"), "{run}");
    let expected = [
        "apiserver.crt",
        "apiserver.key",
        "etcd/peer.crt",
        "etcd/peer.key",
    ];
    let expected = expected.map(|name| PathBuf::from(format!("/etc/kubernetes/pki/{name}")));
    assert_eq!(tree.changed(&before), expected);
}

#[test]
fn an_unknown_name_is_told_the_known_ones() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let run = tree
        .kubepki(&["renew", "api-server", "apiserver", "--yes"])
        .expect(1);
    assert!(run.stderr.contains("no certificate `api-server`"), "{run}");
    for name in [
        "admin.conf",
        "apiserver-etcd-client",
        "kubelet-server",
        "scheduler.conf",
    ] {
        assert!(run.stderr.contains(name), "{name}: {run}");
    }
    let run = tree
        .kubepki(&["renew", "all", "apiserver", "--yes"])
        .expect(2);
    assert!(run.stderr.contains("`all` stands alone"), "{run}");
    tree.kubepki(&["renew"]).expect(2);
    tree.assert_unchanged(&before);
}

#[test]
fn an_authority_is_no_leaf() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    for name in ["ca", "etcd-ca", "/etc/kubernetes/pki/front-proxy-ca.crt"] {
        let run = tree.kubepki(&["renew", name, "--yes"]).expect(1);
        assert!(run.stderr.contains("certification authority"), "{run}");
        assert!(run.stderr.contains("--renew-expired-ca"), "{run}");
    }
    tree.assert_unchanged(&before);
}

#[test]
fn a_missing_certificate_is_told_by_name() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.remove("/etc/kubernetes/pki/apiserver.crt");
    let before = tree.snapshot();
    let run = tree.kubepki(&["renew", "apiserver", "--yes"]).expect(1);
    assert!(run.stderr.contains("cannot renew apiserver"), "{run}");
    assert!(
        run.stderr.contains("/etc/kubernetes/pki/apiserver.crt"),
        "{run}"
    );
    tree.assert_unchanged(&before);
}
