//! The host that is crashed on: a kubeadm control plane that has expired, with every shape of file
//! that a renewal writes.

use crate::support::Tree;

/// The certificate and the key of the API server's etcd client in one file.
pub const COMBINED: &str = "/etc/kubernetes/pki/etcd-client.pem";

/// A certificate behind a link.
pub const LINK: &str = "/etc/kubernetes/pki/front-proxy-client.crt";

/// Where that link leads.
pub const BEHIND: &str = "/srv/pki/front-proxy-client.crt";

/// Separate files, a combined one, one behind a link, kubeconfigs, and the kubelet's stores.
pub fn expired() -> Tree {
    let tree = Tree::kubeadm().expired(30).build();
    let separate = "/etc/kubernetes/pki/apiserver-etcd-client";
    let both = ["crt", "key"].map(|ending| tree.read(format!("{separate}.{ending}")));
    tree.write_with_mode(COMBINED, both.concat(), 0o600);
    for ending in ["crt", "key"] {
        let path = format!("{separate}.{ending}");
        tree.replace(
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            &path,
            COMBINED,
        );
        tree.remove(path);
    }
    tree.rename(LINK, BEHIND);
    tree.symlink(LINK, BEHIND);
    tree
}
