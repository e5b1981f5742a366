//! What people see of a host: snapshots of an expired, a healthy and a broken one.

use crate::support::Tree;

const NOW: &str = "2026-06-01T00:00:00Z";

/// Standard output of `status` as of [`NOW`], with further words.
fn shown(tree: &Tree, words: &[&str], code: i32) -> String {
    let all = [&["status", "--now", NOW], words].concat();
    tree.kubepki(&all).expect(code).stdout
}

fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn an_expired_host() {
    let tree = Tree::kubeadm().at(NOW).expired(30).super_admin().build();
    assert_snapshot("status_expired", &shown(&tree, &[], 4));
}

#[test]
fn a_healthy_host() {
    let tree = Tree::kubeadm()
        .at(NOW)
        .valid(300)
        .self_signed_kubelet()
        .build();
    assert_snapshot("status_healthy", &shown(&tree, &[], 0));
    assert_snapshot("status_healthy_wide", &shown(&tree, &["-o", "wide"], 0));
}

#[test]
fn a_broken_host() {
    let tree = Tree::kubeadm()
        .at(NOW)
        .valid(20)
        .authorities_end(15)
        .build();
    let pki = "/etc/kubernetes/pki";
    tree.remove(format!("{pki}/apiserver-etcd-client.crt"));
    tree.copy(
        format!("{pki}/etcd/peer.key"),
        format!("{pki}/etcd/server.key"),
    );
    tree.remove(format!("{pki}/front-proxy-ca.key"));
    tree.write(format!("{pki}/apiserver.crt"), "nothing\n");
    tree.set_mode("/etc/kubernetes/admin.conf", 0o644);
    tree.write("/etc/kubernetes/manifests/broken.yaml", "a: [");
    assert_snapshot("status_broken", &shown(&tree, &[], 4));
}

#[test]
fn colour_is_only_for_terminals_and_those_who_ask() {
    let tree = Tree::kubeadm().at(NOW).expired(30).build();
    assert!(!shown(&tree, &[], 4).contains('\u{1b}'));
    let coloured = shown(&tree, &["--color", "always"], 4);
    assert!(coloured.contains("\u{1b}["));
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, shown(&tree, &[], 4));
}

#[test]
fn a_plan() {
    let tree = Tree::kubeadm().at(NOW).expired(30).build();
    let run = tree
        .kubepki(&["renew", "all", "--validity", "20y", "--now", NOW, "--yes"])
        .expect(0);
    let plan = run.stdout.replace(
        run.stdout.split_whitespace().nth(1).unwrap(),
        "0123456789abcdef",
    );
    assert_snapshot("plan", &plan);
}
