//! Clusters that keep their files elsewhere: flags, mounts, configuration files and units are
//! followed, no folder is taken for granted.

use crate::support::{Issue, Tree};

/// Name and path of every certificate and authority, as `status` tells them.
fn paths(tree: &Tree) -> Vec<(String, String)> {
    let status = tree.status();
    let mut paths = Vec::new();
    for list in [
        "certificates",
        "certificateAuthorities",
        "serviceAccountKeys",
    ] {
        for row in status[list].as_array().unwrap() {
            let word = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
            paths.push((word("name"), word("path")));
        }
    }
    paths
}

#[track_caller]
pub(crate) fn assert_whole(tree: &Tree) {
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let status = tree.kubepki(&["status", "-o", "json"]).expect(0).json();
    for row in status["certificates"].as_array().unwrap() {
        assert_eq!(row["signedByCa"], true, "{row:#}");
        assert_eq!(row["keyMatches"], true, "{row:#}");
    }
    let before = tree.snapshot();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_unchanged(&before);
}

/// A kubeadm host whose files lie below `/srv`, its kubelet told so.
fn moved() -> Tree {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes", "/srv/cluster");
    tree.rename("/var/lib/kubelet/pki", "/srv/kubelet-pki");
    for kind in ["client", "server"] {
        let link = format!("/srv/kubelet-pki/kubelet-{kind}-current.pem");
        let target = tree.link_target(&link);
        tree.symlink(
            &link,
            format!(
                "/srv/kubelet-pki/{}",
                target.file_name().unwrap().to_str().unwrap()
            ),
        );
    }
    let config = "/var/lib/kubelet/config.yaml";
    tree.replace(config, "/etc/kubernetes/", "/srv/cluster/");
    let drop_in = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf";
    tree.replace(drop_in, "/etc/kubernetes/", "/srv/cluster/");
    tree.replace(
        "/var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"",
        "KUBELET_KUBEADM_ARGS=\"--cert-dir /srv/kubelet-pki ",
    );
    tree.replace(
        "/srv/cluster/kubelet.conf",
        "/var/lib/kubelet/pki/",
        "/srv/kubelet-pki/",
    );
    tree
}

const MANIFESTS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

#[test]
fn every_flag_may_name_another_path() {
    let tree = moved();
    for name in MANIFESTS {
        let manifest = format!("/srv/cluster/manifests/{name}.yaml");
        tree.replace(&manifest, "/etc/kubernetes/", "/srv/cluster/");
    }
    // Neither admin.conf nor the health check's certificate is named by any flag.
    tree.remove("/srv/cluster/admin.conf");
    tree.remove("/srv/cluster/pki/etcd/healthcheck-client.crt");
    assert_eq!(paths(&tree).len(), 10 + 3 + 2, "{:?}", paths(&tree));
    let elsewhere: Vec<_> = paths(&tree)
        .into_iter()
        .filter(|(_, path)| !path.starts_with("/srv/"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert_whole(&tree);
    tree.assert_signed(
        "/srv/cluster/pki/etcd/peer.crt",
        "/srv/cluster/pki/etcd/ca.crt",
    );
    assert!(!tree.exists("/etc/kubernetes"));
}

#[test]
fn a_path_in_a_container_is_translated_to_the_hosts() {
    let tree = moved();
    for name in MANIFESTS {
        // The containers see /etc/kubernetes; only the volumes say where that is.
        let manifest = format!("/srv/cluster/manifests/{name}.yaml");
        tree.replace(
            &manifest,
            "      path: /etc/kubernetes/",
            "      path: /srv/cluster/",
        );
    }
    let flags = tree.text("/srv/cluster/manifests/kube-apiserver.yaml");
    assert!(flags.contains("--tls-cert-file=/etc/kubernetes/pki/apiserver.crt"));
    tree.rename("/srv/cluster/admin.conf", "/elsewhere/admin.conf");
    tree.remove("/srv/cluster/pki/etcd/healthcheck-client.crt");
    let found = paths(&tree);
    assert_eq!(found.len(), 10 + 3 + 2, "{found:?}");
    let apiserver = found.iter().find(|(name, _)| name == "apiserver").unwrap();
    assert_eq!(apiserver.1, "/srv/cluster/pki/apiserver.crt");
    assert_whole(&tree);
    tree.assert_pair(
        "/srv/cluster/pki/apiserver.crt",
        "/srv/cluster/pki/apiserver.key",
    );
    assert!(!tree.exists("/etc/kubernetes"));
}

#[test]
fn single_files_may_be_mounted() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/scheduler.conf", "/srv/s.kubeconfig");
    tree.replace(
        "/etc/kubernetes/manifests/kube-scheduler.yaml",
        "      path: /etc/kubernetes/scheduler.conf",
        "      path: /srv/s.kubeconfig",
    );
    assert_eq!(tree.row("scheduler.conf")["path"], "/srv/s.kubeconfig");
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let (certificate, key) = tree.kubeconfig_pair("/srv/s.kubeconfig");
    tree.assert_pair(&certificate, &key);
    tree.kubepki(&["status"]).expect(0);
}

#[test]
fn etcds_configuration_file_says_where_its_certificates_are() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/pki/etcd", "/srv/etcd/tls");
    tree.remove("/etc/kubernetes/manifests/etcd.yaml");
    tree.write(
        "/etc/systemd/system/etcd.service",
        "[Service]\nExecStart=/usr/local/bin/etcd --config-file /srv/etcd/etcd.conf.yml\n",
    );
    tree.write(
        "/srv/etcd/etcd.conf.yml",
        "name: cp1\nlisten-client-urls: https://127.0.0.1:2379\nclient-transport-security:\n  cert-file: /srv/etcd/tls/server.crt\n  key-file: /srv/etcd/tls/server.key\n  trusted-ca-file: /srv/etcd/tls/ca.crt\n  client-cert-auth: true\npeer-transport-security:\n  cert-file: /srv/etcd/tls/peer.crt\n  key-file: /srv/etcd/tls/peer.key\n  trusted-ca-file: /srv/etcd/tls/ca.crt\n",
    );
    tree.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/kubernetes/pki/etcd-ca.crt",
    );
    tree.copy("/srv/etcd/tls/ca.crt", "/etc/kubernetes/pki/etcd-ca.crt");
    assert_eq!(tree.row("etcd-server")["path"], "/srv/etcd/tls/server.crt");
    assert_eq!(tree.row("etcd-peer")["path"], "/srv/etcd/tls/peer.crt");
    // The copy without a key is the same CA.
    assert_eq!(tree.row("etcd-ca")["path"], "/srv/etcd/tls/ca.crt");
    assert_whole(&tree);
    tree.assert_signed(
        "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "/srv/etcd/tls/ca.crt",
    );
}

#[test]
fn etcds_environment_says_where_its_certificates_are() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.rename("/etc/kubernetes/pki/etcd", "/etc/ssl/etcd");
    tree.remove("/etc/kubernetes/manifests/etcd.yaml");
    tree.write(
        "/etc/systemd/system/etcd.service",
        "[Service]\nEnvironmentFile=/etc/etcd.env\nExecStart=/usr/bin/etcd\n",
    );
    tree.write(
        "/etc/etcd.env",
        "ETCD_NAME=cp1\nETCD_CERT_FILE=/etc/ssl/etcd/server.crt\nETCD_KEY_FILE=/etc/ssl/etcd/server.key\nETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ca.crt\nETCD_PEER_CERT_FILE=/etc/ssl/etcd/peer.crt\nETCD_PEER_KEY_FILE=\"/etc/ssl/etcd/peer.key\"\nETCD_PEER_TRUSTED_CA_FILE=/etc/ssl/etcd/ca.crt\n",
    );
    tree.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/ssl/certs/etcd.crt",
    );
    tree.symlink("/etc/ssl/certs/etcd.crt", "../etcd/ca.crt");
    assert_eq!(tree.row("etcd-peer")["path"], "/etc/ssl/etcd/peer.crt");
    assert_eq!(
        tree.status()["certificateAuthorities"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_whole(&tree);
}

#[test]
fn an_administrators_kubeconfig_elsewhere_is_nobodys() {
    // What no flag names and no layout expects is not touched.
    let tree = Tree::kubeadm().expired(30).build();
    tree.copy("/etc/kubernetes/admin.conf", "/root/.kube/config");
    let before = tree.text("/root/.kube/config");
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_eq!(tree.text("/root/.kube/config"), before);
}

#[test]
fn certificates_for_further_names_of_a_server_are_its_too() {
    let tree = Tree::kubeadm().expired(30).build();
    let pki = "/etc/kubernetes/pki";
    tree.issue("/made/public", &Tree::kubeadm().authority("/CN=public CA"));
    for (name, by, until_days) in [
        ("inner", "/etc/kubernetes/pki/ca", -5),
        ("outer", "/made/public", 50),
    ] {
        let issue = Issue {
            subject: "/CN=api.example.org",
            by: Some(by),
            until_days,
            extensions: "authorityKeyIdentifier=keyid\nsubjectAltName=DNS:api.example.org",
            ..Issue::default()
        };
        tree.issue(&format!("{pki}/{name}"), &issue);
    }
    tree.replace(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "    - --tls-cert-file=",
        &format!("    - --tls-sni-cert-key={pki}/inner.crt,{pki}/inner.key:api.example.org\n    - --tls-sni-cert-key={pki}/outer.crt,{pki}/outer.key\n    - --tls-cert-file="),
    );
    let outer = tree.text(format!("{pki}/outer.crt"));
    let run = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(
        run.stdout.contains("outer.crt: not renewed: none of the"),
        "{run}"
    );
    tree.assert_signed(&format!("{pki}/inner.crt"), &format!("{pki}/ca.crt"));
    tree.assert_pair(&format!("{pki}/inner.crt"), &format!("{pki}/inner.key"));
    assert_eq!(tree.text(format!("{pki}/outer.crt")), outer);
    tree.kubepki(&["status"]).expect(0);
    // Past its end, somebody must be told.
    let later = tree.day(60).to_string();
    tree.kubepki(&["renew", "all", "--now", &later, "--yes"])
        .expect(1);
}

#[test]
fn a_certificate_whose_key_nobody_knows_is_not_replaced() {
    // A new one would come with a new key, which would have no place.
    let tree = Tree::kubeadm().expired(30).build();
    let conf = "/etc/kubernetes/scheduler.conf";
    let (certificate, _) = tree.kubeconfig_pair(conf);
    let certificate = tree.read_outside(&certificate);
    tree.write("/etc/kubernetes/scheduler.crt", &certificate);
    tree.replace(
        conf,
        &format!(
            "client-certificate-data: {}",
            crate::support::base64(certificate)
        ),
        "client-certificate: scheduler.crt",
    );
    let row = tree.row("scheduler.conf");
    assert_eq!(row["renewable"], false, "{row:#}");
    let before = tree.snapshot();
    let run = tree
        .kubepki(&["renew", "scheduler.conf", "--yes"])
        .expect(1);
    assert!(run.stderr.contains("not known where the key"), "{run}");
    tree.assert_unchanged(&before);
    tree.kubepki(&["renew", "all", "--yes"]).expect(1);
}
