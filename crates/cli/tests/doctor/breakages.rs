//! Ways to break the files of a control plane, each with the one object that is then wrong.

use crate::forge::{
    APISERVER_NAMES, CA, ETCD_CA, ETCD_NAMES, Forged, PKI, client, field, forge, forge_authority,
    peer, set, swap,
};
use crate::support::{KeyKind, Tree, base64};

/// One way.
pub struct Breakage {
    /// What is done.
    pub name: &'static str,
    /// Does it.
    pub apply: fn(&Tree),
    /// The paths that have to be named, each.
    pub guilty: &'static [&'static str],
    /// Any of these codes.
    pub codes: &'static [&'static str],
    /// Codes that may be said of others besides: what is true all the same.
    pub besides: &'static [&'static str],
    /// What the doctor ends with.
    pub exit: i32,
}

const OLD: (i64, i64) = (-400, -1);

/// All of them.
pub const BREAKAGES: &[Breakage] = &[
    Breakage {
        name: "the cluster's CA is etcd's",
        apply: |tree| tree.copy(format!("{ETCD_CA}.crt"), format!("{CA}.crt")),
        guilty: &["/etc/kubernetes/pki/ca.crt"],
        codes: &["copy-of-other-file", "wrong-authority-file"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "etcd's CA is the cluster's",
        apply: |tree| tree.copy(format!("{CA}.crt"), format!("{ETCD_CA}.crt")),
        guilty: &["/etc/kubernetes/pki/etcd/ca.crt"],
        codes: &["copy-of-other-file", "wrong-authority-file"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the front proxy's CA is the cluster's",
        apply: |tree| tree.copy(format!("{CA}.crt"), format!("{PKI}/front-proxy-ca.crt")),
        guilty: &["/etc/kubernetes/pki/front-proxy-ca.crt"],
        codes: &["copy-of-other-file", "wrong-authority-file"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the cluster's CA is another of the same name",
        apply: |tree| {
            forge_authority(tree, "/made/ca", "/CN=kubernetes");
            tree.copy("/made/ca.crt", format!("{CA}.crt"));
            tree.remove("/made");
        },
        guilty: &["/etc/kubernetes/pki/ca.crt"],
        codes: &["wrong-authority-file", "key-mismatch"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the cluster's CA is the API server's certificate",
        apply: |tree| tree.copy(format!("{PKI}/apiserver.crt"), format!("{CA}.crt")),
        guilty: &["/etc/kubernetes/pki/ca.crt"],
        codes: &["copy-of-other-file", "not-a-ca", "wrong-authority-file"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the cluster's CA is gone",
        apply: |tree| tree.remove(format!("{CA}.crt")),
        guilty: &["/etc/kubernetes/pki/ca.crt"],
        codes: &["missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate has expired",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    days: OLD,
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["expired"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate is from the future",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    days: (2, 300),
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["not-yet-valid"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's key is the peer's",
        apply: |tree| {
            tree.copy(
                format!("{PKI}/etcd/peer.key"),
                format!("{PKI}/apiserver.key"),
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.key"],
        codes: &["key-mismatch"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's key is gone",
        apply: |tree| tree.remove(format!("{PKI}/apiserver.key")),
        guilty: &["/etc/kubernetes/pki/apiserver.key"],
        codes: &["key-missing", "missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate is gone",
        apply: |tree| tree.remove(format!("{PKI}/apiserver.crt")),
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate is damaged",
        apply: |tree| tree.write(format!("{PKI}/apiserver.crt"), "nothing\n"),
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["unreadable"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate lacks the Service's address",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    names: &APISERVER_NAMES.replace("IP:10.96.0.1,", ""),
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["name-missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate may not serve",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    usage: "clientAuth",
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["usage-missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate is signed by etcd's CA",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    by: ETCD_CA,
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["signed-by-other-ca", "untrusted-issuer"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's certificate is signed by a stranger of the same name",
        apply: |tree| {
            forge_authority(tree, "/made/ca", "/CN=kubernetes");
            forge(
                tree,
                &Forged {
                    by: "/made/ca",
                    ..Forged::default()
                },
            );
            tree.remove("/made");
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["not-signed-by-ca", "untrusted-issuer"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's key is weak",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    key: KeyKind::Rsa(1024),
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["weak-key"],
        besides: &[],
        exit: 3,
    },
    Breakage {
        name: "the API server's certificate outlives its CA",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    days: (-65, 3600),
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver.crt"],
        codes: &["outlives-ca"],
        besides: &[],
        exit: 3,
    },
    Breakage {
        name: "others may read the API server's key",
        apply: |tree| tree.set_mode(format!("{PKI}/apiserver.key"), 0o644),
        guilty: &["/etc/kubernetes/pki/apiserver.key"],
        codes: &["key-readable-by-others"],
        besides: &[],
        exit: 3,
    },
    Breakage {
        name: "the API server's client of kubelets has expired",
        apply: |tree| {
            let subject = "/O=system:masters/CN=kube-apiserver-kubelet-client";
            client(
                tree,
                &format!("{PKI}/apiserver-kubelet-client"),
                subject,
                CA,
                OLD,
            );
        },
        guilty: &["/etc/kubernetes/pki/apiserver-kubelet-client.crt"],
        codes: &["expired"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the API server's client of etcd is signed by the cluster's CA",
        apply: |tree| {
            let subject = "/O=system:masters/CN=kube-apiserver-etcd-client";
            let base = format!("{PKI}/apiserver-etcd-client");
            client(tree, &base, subject, CA, (-65, 300));
        },
        guilty: &["/etc/kubernetes/pki/apiserver-etcd-client.crt"],
        codes: &["signed-by-other-ca", "untrusted-issuer"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the front proxy's client has expired",
        apply: |tree| {
            let by = format!("{PKI}/front-proxy-ca");
            let base = format!("{PKI}/front-proxy-client");
            client(tree, &base, "/CN=front-proxy-client", &by, OLD);
        },
        guilty: &["/etc/kubernetes/pki/front-proxy-client.crt"],
        codes: &["expired"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the front proxy's client has a name that is not allowed",
        apply: |tree| {
            let by = format!("{PKI}/front-proxy-ca");
            let base = format!("{PKI}/front-proxy-client");
            client(tree, &base, "/CN=somebody", &by, (-65, 300));
        },
        guilty: &["/etc/kubernetes/pki/front-proxy-client.crt"],
        codes: &["identity-refused"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "etcd's peer certificate may not call",
        apply: |tree| peer(tree, "serverAuth", ETCD_NAMES, "/CN=cp1"),
        guilty: &["/etc/kubernetes/pki/etcd/peer.crt"],
        codes: &["usage-missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "etcd's peer certificate is another node's",
        apply: |tree| {
            let names = "DNS:cp2,DNS:localhost,IP:10.77.0.12,IP:127.0.0.1,IP:::1";
            peer(tree, "serverAuth,clientAuth", names, "/CN=cp2");
        },
        guilty: &["/etc/kubernetes/pki/etcd/peer.crt"],
        codes: &["copied-from-another-node", "name-missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "etcd's server certificate lacks this host's own address",
        apply: |tree| {
            forge(
                tree,
                &Forged {
                    base: "/etc/kubernetes/pki/etcd/server",
                    subject: "/CN=cp1",
                    by: ETCD_CA,
                    usage: "serverAuth,clientAuth",
                    names: "DNS:cp1,IP:10.77.0.11",
                    ..Forged::default()
                },
            );
        },
        guilty: &["/etc/kubernetes/pki/etcd/server.crt"],
        codes: &["name-missing"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the controller manager has the scheduler's certificate",
        apply: |tree| {
            let (from, to) = (
                "/etc/kubernetes/scheduler.conf",
                "/etc/kubernetes/controller-manager.conf",
            );
            for name in ["client-certificate-data", "client-key-data"] {
                let value = field(tree, from, name);
                set(tree, to, name, &value);
            }
        },
        guilty: &["/etc/kubernetes/controller-manager.conf"],
        codes: &["identity-refused", "copy-of-other-file"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the scheduler trusts etcd's CA",
        apply: |tree| {
            let ca = base64(tree.read(format!("{ETCD_CA}.crt")));
            let path = "/etc/kubernetes/scheduler.conf";
            set(tree, path, "certificate-authority-data", &ca);
        },
        guilty: &["/etc/kubernetes/scheduler.conf"],
        codes: &["wrong-ca-data", "wrong-authority-file"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the scheduler asks for an address that nobody has",
        apply: |tree| {
            let path = "/etc/kubernetes/scheduler.conf";
            set(tree, path, "server", "https://10.77.0.99:6443");
        },
        guilty: &["/etc/kubernetes/scheduler.conf"],
        codes: &["wrong-server-name"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the scheduler's kubeconfig is damaged",
        apply: |tree| tree.write("/etc/kubernetes/scheduler.conf", "users: ["),
        guilty: &["/etc/kubernetes/scheduler.conf"],
        codes: &["unreadable"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the kubelet's link leads nowhere",
        apply: |tree| {
            let link = "/var/lib/kubelet/pki/kubelet-client-current.pem";
            tree.remove(link);
            tree.symlink(link, "/var/lib/kubelet/pki/gone.pem");
        },
        guilty: &["/var/lib/kubelet/pki/kubelet-client-current.pem"],
        codes: &["broken-link"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the kubelet's link is a file",
        apply: |tree| {
            let link = "/var/lib/kubelet/pki/kubelet-client-current.pem";
            let contents = tree.read(link);
            tree.remove(link);
            tree.write_with_mode(link, contents, 0o600);
        },
        guilty: &["/var/lib/kubelet/pki/kubelet-client-current.pem"],
        codes: &["not-a-symlink"],
        besides: &[],
        exit: 3,
    },
    Breakage {
        name: "the kubelet does not rotate",
        apply: |tree| {
            let path = "/var/lib/kubelet/config.yaml";
            tree.replace(
                path,
                "rotateCertificates: true",
                "rotateCertificates: false",
            );
        },
        guilty: &["/var/lib/kubelet/config.yaml"],
        codes: &["rotation-off"],
        besides: &[],
        exit: 3,
    },
    Breakage {
        name: "the signing file holds two certificates",
        apply: |tree| {
            forge_authority(tree, "/made/ca", "/CN=kubernetes-next");
            let both = [tree.read(format!("{CA}.crt")), tree.read("/made/ca.crt")].concat();
            tree.write(format!("{CA}.crt"), both);
            tree.remove("/made");
        },
        guilty: &["/etc/kubernetes/pki/ca.crt"],
        codes: &["signing-file-bundle"],
        besides: &["ca-data-stale"],
        exit: 4,
    },
    Breakage {
        name: "tokens are verified by another key",
        apply: |tree| {
            tree.write_with_mode("/made/sa.key", tree.key_pem(KeyKind::EcP256), 0o600);
            let key = tree.path("/made/sa.key");
            let public = tree.openssl(&["pkey", "-in", key.to_str().unwrap(), "-pubout"]);
            tree.write(format!("{PKI}/sa.pub"), public);
            tree.remove("/made");
        },
        guilty: &["/etc/kubernetes/pki/sa.pub"],
        codes: &["service-account-key-unverified"],
        besides: &[],
        exit: 4,
    },
    Breakage {
        name: "the CAs of the cluster and of etcd have changed places",
        apply: |tree| swap(tree, &format!("{CA}.crt"), &format!("{ETCD_CA}.crt")),
        guilty: &[
            "/etc/kubernetes/pki/ca.crt",
            "/etc/kubernetes/pki/etcd/ca.crt",
        ],
        codes: &["swapped-files"],
        besides: &[],
        exit: 4,
    },
];
