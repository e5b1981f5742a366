//! kubespray: kubeadm with its certificates in `/etc/kubernetes/ssl`, etcd under systemd with a
//! certificate for each host in `/etc/ssl/etcd/ssl`, all of which the first etcd host keeps.

use crate::maker::{BOTH, Maker, assert_renews, assert_roles};
use crate::support::Tree;

const ETCD: &str = "/etc/ssl/etcd/ssl";

fn first_host() -> Tree {
    let maker = Maker::on(Tree::kubeadm().expired(30).build(), 30);
    let tree = &maker.tree;
    tree.rename("/etc/kubernetes/pki", "/etc/kubernetes/ssl");
    tree.remove("/etc/kubernetes/ssl/etcd");
    for file in ["apiserver-etcd-client.crt", "apiserver-etcd-client.key"] {
        tree.remove(format!("/etc/kubernetes/ssl/{file}"));
    }
    // Newer versions link the usual place there.
    tree.symlink("/etc/kubernetes/pki", "/etc/kubernetes/ssl");
    tree.remove("/etc/kubernetes/manifests/etcd.yaml");
    let api_server = "/etc/kubernetes/manifests/kube-apiserver.yaml";
    for (from, to) in [
        ("pki/etcd/ca.crt", "@/ca.pem"),
        ("pki/apiserver-etcd-client.crt", "@/node-cp1.pem"),
        ("pki/apiserver-etcd-client.key", "@/node-cp1-key.pem"),
    ] {
        tree.replace(
            api_server,
            &format!("/etc/kubernetes/{from}"),
            &to.replace('@', ETCD),
        );
    }
    tree.replace(
        api_server,
        "    volumeMounts:\n",
        &format!("    volumeMounts:\n    - mountPath: {ETCD}\n      name: etcd-certs-0\n      readOnly: true\n"),
    );
    tree.replace(
        api_server,
        "  volumes:\n",
        &format!("  volumes:\n  - hostPath:\n      path: {ETCD}\n      type: DirectoryOrCreate\n    name: etcd-certs-0\n"),
    );
    let manifests = ["kube-apiserver", "kube-controller-manager"];
    for manifest in manifests {
        let path = format!("/etc/kubernetes/manifests/{manifest}.yaml");
        tree.replace(path, "/etc/kubernetes/pki", "/etc/kubernetes/ssl");
    }
    tree.replace(
        "/var/lib/kubelet/config.yaml",
        "/etc/kubernetes/pki",
        "/etc/kubernetes/ssl",
    );
    maker.authority(
        "etcd",
        "/CN=etcd-ca",
        &format!("{ETCD}/ca.pem"),
        Some(&format!("{ETCD}/ca-key.pem")),
    );
    let names = "DNS:localhost,DNS:cp1,DNS:cp2,IP:10.77.0.11,IP:10.77.0.12,IP:127.0.0.1";
    for host in ["cp1", "cp2"] {
        for of in ["member", "admin", "node"] {
            let subject = format!("/CN=etcd-{of}-{host}");
            maker.pem(
                &format!("{ETCD}/{of}-{host}"),
                "etcd",
                &subject,
                BOTH,
                names,
            );
        }
    }
    tree.write(
        "/etc/systemd/system/etcd.service",
        "[Service]\nType=notify\nEnvironmentFile=/etc/etcd.env\nExecStart=/usr/local/bin/etcd\n",
    );
    tree.write(
        "/etc/etcd.env",
        format!(
            "ETCD_NAME=etcd1\nETCD_LISTEN_CLIENT_URLS=https://10.77.0.11:2379,https://127.0.0.1:2379\n\
             ETCD_LISTEN_PEER_URLS=https://10.77.0.11:2380\nETCD_TRUSTED_CA_FILE={ETCD}/ca.pem\n\
             ETCD_CERT_FILE={ETCD}/member-cp1.pem\nETCD_KEY_FILE={ETCD}/member-cp1-key.pem\n\
             ETCD_CLIENT_CERT_AUTH=true\nETCD_PEER_TRUSTED_CA_FILE={ETCD}/ca.pem\n\
             ETCD_PEER_CERT_FILE={ETCD}/member-cp1.pem\nETCD_PEER_KEY_FILE={ETCD}/member-cp1-key.pem\n\
             ETCD_PEER_CLIENT_CERT_AUTH=true\nETCDCTL_CERT={ETCD}/admin-cp1.pem\n"
        ),
    );
    maker.made()
}

#[test]
fn every_certificate_of_kubespray_is_found() {
    assert_roles(
        &first_host(),
        "kubespray",
        &[
            ("/etc/kubernetes/ssl/apiserver.crt", "apiserver-serving"),
            (
                "/etc/kubernetes/ssl/apiserver-kubelet-client.crt",
                "apiserver-kubelet-client",
            ),
            (
                "/etc/kubernetes/ssl/front-proxy-client.crt",
                "front-proxy-client",
            ),
            ("/etc/ssl/etcd/ssl/member-cp1.pem", "etcd-server"),
            ("/etc/ssl/etcd/ssl/admin-cp1.pem", "etcd-healthcheck-client"),
            ("/etc/ssl/etcd/ssl/node-cp1.pem", "apiserver-etcd-client"),
            ("/etc/kubernetes/admin.conf", "admin"),
            (
                "/etc/kubernetes/controller-manager.conf",
                "controller-manager",
            ),
            ("/etc/kubernetes/scheduler.conf", "scheduler"),
            (
                "/var/lib/kubelet/pki/kubelet-client-current.pem",
                "kubelet-client",
            ),
            (
                "/var/lib/kubelet/pki/kubelet-server-current.pem",
                "kubelet-serving",
            ),
        ],
    );
}

#[test]
fn kubespray_is_renewed_and_what_other_hosts_use_is_left_to_them() {
    let tree = first_host();
    let others = tree.read(format!("{ETCD}/member-cp2.pem"));
    assert_renews(&tree);
    for of in ["member", "admin", "node"] {
        let (certificate, key) = (
            format!("{ETCD}/{of}-cp1.pem"),
            format!("{ETCD}/{of}-cp1-key.pem"),
        );
        tree.assert_pair(&certificate, &key);
        tree.assert_signed(&certificate, &format!("{ETCD}/ca.pem"));
    }
    assert!(tree.read(format!("{ETCD}/member-cp2.pem")) == others);
}
