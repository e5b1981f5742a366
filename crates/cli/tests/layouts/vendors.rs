//! Distributions that see to their certificates themselves: shown with what each is for, and never
//! written to.

use crate::maker::{Maker, assert_roles, roles};
use crate::support::Tree;

fn k3s_server(vendor: &str) -> Tree {
    let maker = Maker::on(Tree::empty(), 30);
    let base = format!("/var/lib/rancher/{vendor}");
    let tls = format!("{base}/server/tls");
    for (name, file) in [
        ("client-ca", "client-ca"),
        ("server-ca", "server-ca"),
        ("request-header-ca", "request-header-ca"),
        ("etcd-server-ca", "etcd/server-ca"),
        ("etcd-peer-ca", "etcd/peer-ca"),
    ] {
        maker.authority(
            name,
            &format!("/CN={vendor}-{name}@1700000000"),
            &format!("{tls}/{file}.crt"),
            Some(&format!("{tls}/{file}.key")),
        );
    }
    for (name, by, subject) in [
        (
            "client-admin",
            "client-ca",
            "/O=system:masters/CN=system:admin",
        ),
        (
            "client-controller",
            "client-ca",
            "/CN=system:kube-controller-manager",
        ),
        ("client-scheduler", "client-ca", "/CN=system:kube-scheduler"),
        (
            "client-kube-apiserver",
            "client-ca",
            "/O=system:masters/CN=system:apiserver",
        ),
        (
            "client-auth-proxy",
            "request-header-ca",
            "/CN=system:auth-proxy",
        ),
        ("serving-kube-apiserver", "server-ca", "/CN=kube-apiserver"),
        ("etcd/client", "etcd-server-ca", "/CN=etcd-client"),
        ("etcd/server-client", "etcd-server-ca", "/CN=etcd-server"),
        ("etcd/peer-server-client", "etcd-peer-ca", "/CN=etcd-peer"),
    ] {
        maker.crt(
            &format!("{tls}/{name}"),
            by,
            subject,
            "serverAuth,clientAuth",
        );
    }
    maker.crt(
        &format!("{tls}/client-{vendor}-controller"),
        "client-ca",
        &format!("/CN=system:{vendor}-controller"),
        "clientAuth",
    );
    for (name, by) in [
        ("client-kubelet", "client-ca"),
        ("serving-kubelet", "server-ca"),
    ] {
        let subject = "/O=system:nodes/CN=system:node:cp1";
        maker.crt(
            &format!("{base}/agent/{name}"),
            by,
            subject,
            "serverAuth,clientAuth",
        );
    }
    maker.embedding(
        &format!("/etc/rancher/{vendor}/{vendor}.yaml"),
        &format!("{tls}/server-ca.crt"),
        &format!("{tls}/client-admin.crt"),
        &format!("{tls}/client-admin.key"),
    );
    maker.made()
}

fn expected_of_rancher(vendor: &str) -> Vec<(String, &'static str)> {
    let base = format!("/var/lib/rancher/{vendor}");
    let mut expected: Vec<(String, &str)> = [
        ("server/tls/client-admin", "admin"),
        ("server/tls/client-controller", "controller-manager"),
        ("server/tls/client-scheduler", "scheduler"),
        (
            "server/tls/client-kube-apiserver",
            "apiserver-kubelet-client",
        ),
        ("server/tls/client-auth-proxy", "front-proxy-client"),
        ("server/tls/serving-kube-apiserver", "apiserver-serving"),
        ("server/tls/etcd/client", "apiserver-etcd-client"),
        ("server/tls/etcd/server-client", "etcd-server"),
        ("server/tls/etcd/peer-server-client", "etcd-peer"),
        ("agent/client-kubelet", "kubelet-client"),
        ("agent/serving-kubelet", "kubelet-serving"),
    ]
    .map(|(name, role)| (format!("{base}/{name}.crt"), role))
    .to_vec();
    expected.push((
        format!("{base}/server/tls/client-{vendor}-controller.crt"),
        "other",
    ));
    expected.push((format!("/etc/rancher/{vendor}/{vendor}.yaml"), "admin"));
    expected
}

/// Nothing is written, whatever is asked, and the vendor's own way is named.
#[track_caller]
fn assert_refused(tree: &Tree, command: &str) {
    let before = tree.snapshot();
    let (_, found) = roles(tree);
    let one = found.keys().next().unwrap().clone();
    for words in [
        vec!["renew", "all", "--yes"],
        vec!["renew", "all", "--force", "--renew-expired-ca", "--yes"],
        vec!["renew", &one, "--yes"],
        vec!["renew", "all", "--csr-dir", "/requests", "--yes"],
    ] {
        let mut asked = words.clone();
        asked.extend(["-o", "json"]);
        let run = tree.kubepki(&asked).expect(1);
        let error: serde_json::Value =
            serde_json::from_str(&run.stderr).unwrap_or_else(|error| panic!("{error}: {run}"));
        assert_eq!(error["code"], "managed-by-vendor", "{words:?}: {run}");
        assert!(run.stderr.contains(command), "{words:?}: {run}");
    }
    tree.assert_unchanged(&before);
    let status = tree.kubepki(&["status"]);
    assert!(status.stderr.contains(command), "{status}");
    let status = tree.status();
    for row in status["certificates"].as_array().unwrap() {
        assert_eq!(row["renewable"], false, "{row:#}");
    }
}

#[test]
fn k3s_is_shown_and_refused() {
    let tree = k3s_server("k3s");
    let expected = expected_of_rancher("k3s");
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, role)| (path.as_str(), *role))
        .collect();
    assert_roles(&tree, "k3s", &expected);
    assert_eq!(tree.row("client-ca")["role"], "cluster-ca");
    assert_eq!(tree.row("etcd-peer-ca")["role"], "etcd-ca");
    assert_eq!(tree.row("serving-kube-apiserver")["caName"], "server-ca");
    assert_refused(&tree, "k3s certificate rotate");
}

#[test]
fn rke2_is_shown_and_refused_though_its_control_plane_are_static_pods() {
    let tree = k3s_server("rke2");
    let base = "/var/lib/rancher/rke2";
    // The kubelet is RKE2's own process, without a unit; its static pods are found by its folder.
    tree.write(
        "/etc/systemd/system/rke2-server.service",
        "[Service]\nExecStart=/usr/local/bin/rke2 server\n",
    );
    let expected = expected_of_rancher("rke2");
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, role)| (path.as_str(), *role))
        .collect();
    assert_roles(&tree, "rke2", &expected);
    tree.write(
        format!("{base}/agent/pod-manifests/kube-apiserver.yaml"),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver}\nspec: {containers: []}\n",
    );
    assert_refused(&tree, "rke2 certificate rotate");
}

#[test]
fn k3s_may_keep_its_data_elsewhere() {
    let tree = k3s_server("k3s");
    tree.rename("/var/lib/rancher/k3s", "/data/k3s");
    tree.write("/etc/rancher/k3s/config.yaml", "data-dir: /data/k3s\n");
    assert_eq!(
        tree.row("client-scheduler")["path"],
        "/data/k3s/server/tls/client-scheduler.crt"
    );
    assert_refused(&tree, "k3s certificate rotate");
}

#[test]
fn k0s_is_shown_and_refused() {
    let maker = Maker::on(Tree::empty(), 30);
    let pki = "/var/lib/k0s/pki";
    for (name, file) in [
        ("ca", "ca"),
        ("front-proxy-ca", "front-proxy-ca"),
        ("etcd-ca", "etcd/ca"),
    ] {
        maker.authority(
            name,
            &format!("/CN=kubernetes-{name}"),
            &format!("{pki}/{file}.crt"),
            Some(&format!("{pki}/{file}.key")),
        );
    }
    for (name, by) in [
        ("server", "ca"),
        ("admin", "ca"),
        ("ccm", "ca"),
        ("scheduler", "ca"),
        ("k0s-api", "ca"),
        ("konnectivity", "ca"),
        ("apiserver-kubelet-client", "ca"),
        ("apiserver-etcd-client", "etcd-ca"),
        ("front-proxy-client", "front-proxy-ca"),
        ("etcd/server", "etcd-ca"),
        ("etcd/peer", "etcd-ca"),
    ] {
        let subject = format!("/CN={}", name.replace('/', "-"));
        maker.crt(
            &format!("{pki}/{name}"),
            by,
            &subject,
            "serverAuth,clientAuth",
        );
    }
    for name in ["admin", "ccm", "scheduler", "konnectivity"] {
        maker.embedding(
            &format!("{pki}/{name}.conf"),
            &format!("{pki}/ca.crt"),
            &format!("{pki}/{name}.crt"),
            &format!("{pki}/{name}.key"),
        );
    }
    let tree = maker.made();
    assert_roles(
        &tree,
        "k0s",
        &[
            ("/var/lib/k0s/pki/server.crt", "apiserver-serving"),
            ("/var/lib/k0s/pki/admin.crt", "admin"),
            ("/var/lib/k0s/pki/admin.conf", "admin"),
            ("/var/lib/k0s/pki/ccm.crt", "controller-manager"),
            ("/var/lib/k0s/pki/ccm.conf", "controller-manager"),
            ("/var/lib/k0s/pki/scheduler.crt", "scheduler"),
            ("/var/lib/k0s/pki/scheduler.conf", "scheduler"),
            ("/var/lib/k0s/pki/k0s-api.crt", "other"),
            ("/var/lib/k0s/pki/konnectivity.crt", "other"),
            ("/var/lib/k0s/pki/konnectivity.conf", "other"),
            (
                "/var/lib/k0s/pki/apiserver-kubelet-client.crt",
                "apiserver-kubelet-client",
            ),
            (
                "/var/lib/k0s/pki/apiserver-etcd-client.crt",
                "apiserver-etcd-client",
            ),
            (
                "/var/lib/k0s/pki/front-proxy-client.crt",
                "front-proxy-client",
            ),
            ("/var/lib/k0s/pki/etcd/server.crt", "etcd-server"),
            ("/var/lib/k0s/pki/etcd/peer.crt", "etcd-peer"),
        ],
    );
    assert_refused(&tree, "k0s stop && k0s start");
}

#[test]
fn microk8s_is_shown_and_refused() {
    let maker = Maker::on(Tree::empty(), 30);
    let certs = "/var/snap/microk8s/4711/certs";
    for name in ["ca", "front-proxy-ca"] {
        maker.authority(
            name,
            &format!("/CN=10.152.183.1 {name}"),
            &format!("{certs}/{name}.crt"),
            Some(&format!("{certs}/{name}.key")),
        );
    }
    for (name, by) in [
        ("server", "ca"),
        ("kubelet", "ca"),
        ("front-proxy-client", "front-proxy-ca"),
    ] {
        maker.crt(
            &format!("{certs}/{name}"),
            by,
            &format!("/CN={name}"),
            "serverAuth,clientAuth",
        );
    }
    let tree = maker.made();
    tree.symlink("/var/snap/microk8s/current", "4711");
    let current = "/var/snap/microk8s/current/certs";
    assert_roles(
        &tree,
        "microk8s",
        &[
            (&format!("{current}/server.crt"), "apiserver-serving"),
            (&format!("{current}/kubelet.crt"), "kubelet-serving"),
            (
                &format!("{current}/front-proxy-client.crt"),
                "front-proxy-client",
            ),
        ],
    );
    assert_refused(&tree, "microk8s refresh-certs");
}

#[test]
fn a_folder_that_a_distribution_left_behind_does_not_stop_kubeadm() {
    let tree = Tree::kubeadm().expired(30).build();
    let maker = Maker::on(tree, 30);
    let tls = "/var/lib/rancher/k3s/server/tls";
    maker.authority(
        "old",
        "/CN=k3s-client-ca@1",
        &format!("{tls}/client-ca.crt"),
        None,
    );
    maker.crt(
        &format!("{tls}/client-admin"),
        "old",
        "/CN=system:admin",
        "clientAuth",
    );
    let tree = maker.made();
    assert_eq!(roles(&tree).0, "kubeadm");
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(run.stdout.contains("client-admin: not renewed"), "{run}");
    assert_eq!(
        tree.row("apiserver")["findings"].as_array().unwrap().len(),
        0
    );
}
