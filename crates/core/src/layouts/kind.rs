//! Which of the field's ways of setting up a cluster a host follows, by name.
//!
//! A name is only for people and for refusing: what is where is found by flags, whatever the name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A way of setting up a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayoutKind {
    /// kubeadm with etcd on the control planes.
    Kubeadm,
    /// kubeadm whose etcd runs elsewhere, or beside it but not by kubeadm.
    KubeadmExternalEtcd,
    /// kubespray: kubeadm inside, etcd under systemd or docker with a certificate for each host.
    Kubespray,
    /// kubeasz: units, one CA, `*.kubeconfig` in `/etc/kubernetes`.
    Kubeasz,
    /// RKE 1: everything in docker containers.
    Rke1,
    /// Units made by hand, after "Kubernetes the hard way" or one's own.
    ByHand,
    /// Containers of docker made by hand.
    ByHandInDocker,
    /// k3s, which sees to its certificates itself.
    K3s,
    /// RKE2, likewise.
    Rke2,
    /// k0s, likewise.
    K0s,
    /// MicroK8s, likewise.
    Microk8s,
    /// What a user's file declares.
    Declared,
    /// Nothing of a cluster, or nothing that is known.
    Unknown,
}

impl LayoutKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Kubeadm,
        Self::KubeadmExternalEtcd,
        Self::Kubespray,
        Self::Kubeasz,
        Self::Rke1,
        Self::ByHand,
        Self::ByHandInDocker,
        Self::K3s,
        Self::Rke2,
        Self::K0s,
        Self::Microk8s,
        Self::Declared,
        Self::Unknown,
    ];

    /// A stable name, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::KubeadmExternalEtcd => "kubeadm-external-etcd",
            Self::Kubespray => "kubespray",
            Self::Kubeasz => "kubeasz",
            Self::Rke1 => "rke1",
            Self::ByHand => "by-hand",
            Self::ByHandInDocker => "by-hand-in-docker",
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
            Self::K0s => "k0s",
            Self::Microk8s => "microk8s",
            Self::Declared => "declared",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for LayoutKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_displayed_name_is_the_serialized_name() {
        for kind in LayoutKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
