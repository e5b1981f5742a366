//! Layouts without kubeadm's table: which files they have that no flag of a component names.
//!
//! Nearly everything of such a cluster is named by flags. What is not: administrators' certificates
//! and kubeconfigs, and etcd's certificates for its command line, which each way of setting up a
//! cluster calls differently. Rows are looked for in the folders where what the flags name lies, so
//! a cluster that was moved as a whole is found as well.
//! <https://github.com/kelseyhightower/kubernetes-the-hard-way>,
//! <https://github.com/kubernetes-sigs/kubespray> (roles/etcd), <https://github.com/easzlab/kubeasz>,
//! <https://github.com/rancher/rke> (package pki)

use crate::model::role::{AuthorityName, Role};

/// A folder that is not fixed: where what the flags name lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderRule {
    /// Where a certificate of this authority that a flag names lies.
    BesideAuthority(AuthorityName),
    /// Where a kubeconfig that a flag names lies.
    BesideKubeconfigs,
    /// This one.
    Fixed(&'static str),
}

/// A certificate with its key that no flag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FurtherCertificate {
    /// The folder.
    pub folder: FolderRule,
    /// The certificate's file; `{host}` stands for the host's name.
    pub certificate: &'static str,
    /// The key's file.
    pub key: &'static str,
    /// What it is for.
    pub role: Role,
    /// Who signs it.
    pub authority: AuthorityName,
}

/// A kubeconfig that no flag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FurtherKubeconfig {
    /// The folder.
    pub folder: FolderRule,
    /// The file.
    pub file: &'static str,
    /// What its client certificate is for.
    pub role: Role,
}

/// Certificates that no flag names.
pub const FURTHER_CERTIFICATES: &[FurtherCertificate] = &[
    // kubespray: one for etcdctl on each etcd host, one for each client host. The first etcd host
    // keeps those of all others too; those are the others' to renew.
    etcds(
        "member-{host}.pem",
        "member-{host}-key.pem",
        Role::EtcdServer,
    ),
    etcds(
        "admin-{host}.pem",
        "admin-{host}-key.pem",
        Role::EtcdHealthcheckClient,
    ),
    etcds(
        "node-{host}.pem",
        "node-{host}-key.pem",
        Role::ApiserverEtcdClient,
    ),
    // The hard way and kubeasz.
    cluster("admin.pem", "admin-key.pem", Role::Admin),
    cluster("kubectl.pem", "kubectl-key.pem", Role::Admin),
    // RKE 1.
    cluster("kube-admin.pem", "kube-admin-key.pem", Role::Admin),
    cluster("kube-proxy.pem", "kube-proxy-key.pem", Role::KubeProxy),
    cluster("kube-node.pem", "kube-node-key.pem", Role::KubeletClient),
];

/// Kubeconfigs that no flag names.
pub const FURTHER_KUBECONFIGS: &[FurtherKubeconfig] = &[
    kubeconfig(FolderRule::BesideKubeconfigs, "admin.kubeconfig"),
    kubeconfig(FolderRule::BesideKubeconfigs, "admin.conf"),
    kubeconfig(FolderRule::BesideKubeconfigs, "kubectl.kubeconfig"),
    kubeconfig(FolderRule::BesideKubeconfigs, "kubecfg-kube-admin.yaml"),
    kubeconfig(FolderRule::Fixed("/etc/kubernetes"), "admin.kubeconfig"),
    // Where the hard way leaves it on the server.
    kubeconfig(FolderRule::Fixed("/root"), "admin.kubeconfig"),
];

const fn etcds(certificate: &'static str, key: &'static str, role: Role) -> FurtherCertificate {
    FurtherCertificate {
        folder: FolderRule::BesideAuthority(AuthorityName::Etcd),
        certificate,
        key,
        role,
        authority: AuthorityName::Etcd,
    }
}

const fn cluster(certificate: &'static str, key: &'static str, role: Role) -> FurtherCertificate {
    FurtherCertificate {
        folder: FolderRule::BesideAuthority(AuthorityName::Cluster),
        certificate,
        key,
        role,
        authority: AuthorityName::Cluster,
    }
}

const fn kubeconfig(folder: FolderRule, file: &'static str) -> FurtherKubeconfig {
    FurtherKubeconfig {
        folder,
        file,
        role: Role::Admin,
    }
}
