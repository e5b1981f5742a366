//! Kubeconfigs: the data values of one user change, and everything else stays byte for byte.

use crate::support::{Tree, base64};

const ADMIN: &str = "/etc/kubernetes/admin.conf";
const CA: &str = "/etc/kubernetes/pki/ca.crt";

/// The text with the value of every `…-data` field taken out.
fn skeleton(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let Some((field, value)) = line.split_once("-data:") else {
            return line.to_owned();
        };
        let kept: String = value
            .chars()
            .filter(|c| !(c.is_ascii_alphanumeric() || "+/=".contains(*c)))
            .collect();
        format!("{field}-data:{kept}")
    });
    lines.collect()
}

#[track_caller]
fn renew_admin(tree: &Tree) {
    tree.kubepki(&["renew", "admin.conf", "--yes"]).expect(0);
    let (certificate, key) = tree.kubeconfig_pair(ADMIN);
    tree.assert_pair(&certificate, &key);
    tree.assert_signed(&certificate, CA);
}

#[test]
fn only_data_values_change() {
    let tree = Tree::kubeadm().expired(30).build();
    let old = tree.text(ADMIN);
    renew_admin(&tree);
    let new = tree.text(ADMIN);
    assert_ne!(old, new);
    assert_eq!(skeleton(&old), skeleton(&new));
}

#[test]
fn comments_order_quotes_and_other_users_stay() {
    let tree = Tree::kubeadm().expired(30).build();
    let value = |field: &str| base64(tree.kubeconfig_value(ADMIN, field));
    let (ca, certificate, key) = (
        value("certificate-authority-data"),
        value("client-certificate-data"),
        value("client-key-data"),
    );
    let text = format!(
        "# managed by hand, do not touch\nkind: Config\nusers:\n\
         - name: somebody  # a colleague\n  user: {{token: \"abc: def\"}}\n\
         - user:\n    # the key comes first here\n    client-key-data: \"{key}\"  # secret\n    \
         client-certificate-data: '{certificate}'\n  name: kubernetes-admin\n\
         current-context: here\napiVersion: v1\n\
         clusters:\n- name: elsewhere\n  cluster: {{server: 'https://example.org', insecure-skip-tls-verify: true}}\n\
         - name: kubernetes\n  cluster:\n    server: https://10.77.0.1:6443\n    \
         certificate-authority-data: {ca}\n    extensions: [{{name: x, extension: {{a: 1}}}}]\n\
         contexts:\n- {{name: there, context: {{user: somebody, cluster: elsewhere}}}}\n\
         - name: here\n  context:\n    user: kubernetes-admin\n    cluster: kubernetes\n    namespace: kube-system\n\
         preferences: {{}}\n# the end"
    );
    tree.write(ADMIN, &text);
    renew_admin(&tree);
    let new = tree.text(ADMIN);
    assert_ne!(new, text);
    assert_eq!(skeleton(&new), skeleton(&text));
}

#[test]
fn windows_line_ends_stay() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = tree.text(ADMIN).replace('\n', "\r\n");
    tree.write(ADMIN, &text);
    renew_admin(&tree);
    let new = tree.text(ADMIN);
    assert_eq!(skeleton(&new), skeleton(&text));
    assert_eq!(new.matches('\n').count(), new.matches("\r\n").count());
}

#[test]
fn a_kubeconfig_in_json_stays_json() {
    let tree = Tree::kubeadm().expired(30).build();
    let value = |field: &str| base64(tree.kubeconfig_value(ADMIN, field));
    let text = serde_json::json!({
        "kind": "Config", "apiVersion": "v1", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {
            "server": "https://10.77.0.1:6443",
            "certificate-authority-data": value("certificate-authority-data")}}],
        "contexts": [{"name": "c", "context": {"user": "u", "cluster": "k"}}],
        "users": [{"name": "u", "user": {
            "client-certificate-data": value("client-certificate-data"),
            "client-key-data": value("client-key-data")}}],
    });
    tree.write(ADMIN, serde_json::to_string_pretty(&text).unwrap());
    tree.kubepki(&["renew", "admin.conf", "--yes"]).expect(0);
    let new: serde_json::Value = serde_json::from_str(&tree.text(ADMIN)).unwrap();
    assert_ne!(new["users"], text["users"]);
    assert_eq!(new["clusters"], text["clusters"]);
    tree.kubepki(&["status"]).expect(4);
    assert_eq!(tree.row("admin.conf")["keyMatches"], true);
}

fn authority_data(tree: &Tree, kubeconfig: &str) -> String {
    let data = tree.kubeconfig_value(kubeconfig, "certificate-authority-data");
    String::from_utf8(data).unwrap()
}

/// A second CA certificate in `ca.crt`, as in the middle of a rotation.
fn second_authority(tree: &Tree) {
    let authority = Tree::kubeadm().authority("/CN=kubernetes");
    tree.issue("/made/ca", &authority);
    let both = [tree.read(CA), tree.read("/made/ca.crt")].concat();
    tree.write(CA, both);
}

#[test]
fn authority_data_becomes_the_whole_bundle() {
    let tree = Tree::kubeadm().expired(30).build();
    second_authority(&tree);
    let stale = tree.row("admin.conf");
    assert!(
        codes(&stale).contains(&"ca-data-stale".to_owned()),
        "{stale:#}"
    );
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    for name in ["admin", "controller-manager", "scheduler", "kubelet"] {
        let path = format!("/etc/kubernetes/{name}.conf");
        assert_eq!(authority_data(&tree, &path), tree.text(CA), "{path}");
    }
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn stale_authority_data_alone_is_brought_up_to_date_without_new_certificates() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    second_authority(&tree);
    let before = tree.snapshot();
    let old = tree.kubeconfig_certificate(ADMIN);
    let renewed = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(renewed.stdout.contains("admin.conf: CA data"), "{renewed}");
    assert_eq!(old, tree.kubeconfig_certificate(ADMIN));
    let changed: Vec<_> = tree.changed(&before);
    let names = ["admin", "controller-manager", "kubelet", "scheduler"];
    let expected = names.map(|name| format!("/etc/kubernetes/{name}.conf").into());
    assert_eq!(changed, Vec::<std::path::PathBuf>::from(expected));
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn authority_data_of_another_authority_is_left_alone() {
    // Behind a proxy with a certificate of its own: the cluster's CA would be the wrong one.
    let tree = Tree::kubeadm().expired(30).build();
    tree.issue(
        "/made/proxy-ca",
        &Tree::kubeadm().authority("/CN=company proxy"),
    );
    let proxy = tree.text("/made/proxy-ca.crt");
    let ours = base64(tree.kubeconfig_value(ADMIN, "certificate-authority-data"));
    tree.replace(ADMIN, &ours, &base64(&proxy));
    renew_admin(&tree);
    assert_eq!(authority_data(&tree, ADMIN), proxy);
}

#[test]
fn a_user_with_an_insecure_second_cluster_is_renewed() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = tree.text(ADMIN);
    let text = text
        .replace(
            "contexts:\n",
            "- cluster:\n    insecure-skip-tls-verify: true\n    server: https://127.0.0.1:6443\n  name: direct\ncontexts:\n- context:\n    cluster: direct\n    user: kubernetes-admin\n  name: direct\n",
        );
    tree.write(ADMIN, &text);
    renew_admin(&tree);
    assert_eq!(skeleton(&tree.text(ADMIN)), skeleton(&text));
}

#[test]
fn files_that_a_kubeconfig_names_are_renewed_in_place() {
    let tree = Tree::kubeadm().expired(30).build();
    let (certificate, key) = tree.kubeconfig_pair(ADMIN);
    tree.write(
        "/etc/kubernetes/client/admin.pem",
        tree.read_outside(&certificate),
    );
    tree.write_with_mode(
        "/etc/kubernetes/client/admin-key.pem",
        tree.read_outside(&key),
        0o600,
    );
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        clusters:\n- {name: k, cluster: {server: 'https://10.77.0.1:6443', certificate-authority: pki/ca.crt}}\n\
        contexts:\n- {name: c, context: {user: admin, cluster: k}}\n\
        users:\n- name: admin\n  user:\n    client-certificate: client/admin.pem\n    client-key: /etc/kubernetes/client/admin-key.pem\n";
    tree.write(ADMIN, text);
    let row = tree.row("admin.conf");
    assert_eq!(row["path"], "/etc/kubernetes/client/admin.pem", "{row:#}");
    let old = tree.certificate("/etc/kubernetes/client/admin.pem");
    tree.kubepki(&["renew", "admin.conf", "--yes"]).expect(0);
    assert_eq!(tree.text(ADMIN), text);
    assert_ne!(old, tree.certificate("/etc/kubernetes/client/admin.pem"));
    tree.assert_pair(
        "/etc/kubernetes/client/admin.pem",
        "/etc/kubernetes/client/admin-key.pem",
    );
}

#[test]
fn a_token_needs_no_renewal() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        clusters:\n- {name: k, cluster: {server: 'https://10.77.0.1:6443'}}\n\
        contexts:\n- {name: c, context: {user: admin, cluster: k}}\n\
        users:\n- {name: admin, user: {token: abc}}\n";
    tree.write(ADMIN, text);
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_eq!(tree.text(ADMIN), text);
}

fn codes(row: &serde_json::Value) -> Vec<String> {
    let findings = row["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|it| it["code"].as_str().unwrap().to_owned())
        .collect()
}
