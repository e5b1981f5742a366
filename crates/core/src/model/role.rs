//! What a certificate, a kubeconfig or a key is for.
//!
//! A role is a statement about meaning, not about a path: the same role is found under kubeadm's
//! name, under a hand-made one, or by the flag that names the file.
//! <https://kubernetes.io/docs/setup/best-practices/certificates/>

use std::fmt;

use serde::{Deserialize, Serialize};

/// What something in the PKI is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// The API server's serving certificate.
    ApiserverServing,
    /// The API server's client certificate towards kubelets.
    ApiserverKubeletClient,
    /// The API server's client certificate towards etcd.
    ApiserverEtcdClient,
    /// The API server's client certificate towards aggregated API servers.
    FrontProxyClient,
    /// etcd's serving certificate for clients.
    EtcdServer,
    /// etcd's certificate towards and from its peers.
    EtcdPeer,
    /// The client certificate of etcd's health check.
    EtcdHealthcheckClient,
    /// The administrator's kubeconfig.
    Admin,
    /// The administrator's kubeconfig that bypasses RBAC (kubeadm 1.29 and later).
    SuperAdmin,
    /// kube-controller-manager's kubeconfig.
    ControllerManager,
    /// kube-scheduler's kubeconfig.
    Scheduler,
    /// kube-controller-manager's own serving certificate.
    ControllerManagerServing,
    /// kube-scheduler's own serving certificate.
    SchedulerServing,
    /// The kubelet's client certificate.
    KubeletClient,
    /// The kubelet's serving certificate.
    KubeletServing,
    /// kube-proxy's kubeconfig.
    KubeProxy,
    /// The cluster's certificate authority.
    ClusterCa,
    /// etcd's certificate authority.
    EtcdCa,
    /// The front proxy's certificate authority.
    FrontProxyCa,
    /// The key pair that signs service account tokens.
    ServiceAccountKey,
    /// The kubelet's bootstrap kubeconfig.
    Bootstrap,
    /// Anything else.
    Other,
}

impl Role {
    /// Every role, in the order of the enum.
    pub const ALL: [Self; 22] = [
        Self::ApiserverServing,
        Self::ApiserverKubeletClient,
        Self::ApiserverEtcdClient,
        Self::FrontProxyClient,
        Self::EtcdServer,
        Self::EtcdPeer,
        Self::EtcdHealthcheckClient,
        Self::Admin,
        Self::SuperAdmin,
        Self::ControllerManager,
        Self::Scheduler,
        Self::ControllerManagerServing,
        Self::SchedulerServing,
        Self::KubeletClient,
        Self::KubeletServing,
        Self::KubeProxy,
        Self::ClusterCa,
        Self::EtcdCa,
        Self::FrontProxyCa,
        Self::ServiceAccountKey,
        Self::Bootstrap,
        Self::Other,
    ];

    /// A stable name, as JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiserverServing => "apiserver-serving",
            Self::ApiserverKubeletClient => "apiserver-kubelet-client",
            Self::ApiserverEtcdClient => "apiserver-etcd-client",
            Self::FrontProxyClient => "front-proxy-client",
            Self::EtcdServer => "etcd-server",
            Self::EtcdPeer => "etcd-peer",
            Self::EtcdHealthcheckClient => "etcd-healthcheck-client",
            Self::Admin => "admin",
            Self::SuperAdmin => "super-admin",
            Self::ControllerManager => "controller-manager",
            Self::Scheduler => "scheduler",
            Self::ControllerManagerServing => "controller-manager-serving",
            Self::SchedulerServing => "scheduler-serving",
            Self::KubeletClient => "kubelet-client",
            Self::KubeletServing => "kubelet-serving",
            Self::KubeProxy => "kube-proxy",
            Self::ClusterCa => "cluster-ca",
            Self::EtcdCa => "etcd-ca",
            Self::FrontProxyCa => "front-proxy-ca",
            Self::ServiceAccountKey => "service-account-key",
            Self::Bootstrap => "bootstrap",
            Self::Other => "other",
        }
    }

    /// The authority whose own certificate this is.
    pub const fn authority(self) -> Option<AuthorityName> {
        match self {
            Self::ClusterCa => Some(AuthorityName::Cluster),
            Self::EtcdCa => Some(AuthorityName::Etcd),
            Self::FrontProxyCa => Some(AuthorityName::FrontProxy),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A certificate authority of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AuthorityName {
    /// The cluster's own: API server, kubelets, users.
    #[serde(rename = "ca")]
    Cluster,
    /// etcd's.
    #[serde(rename = "etcd-ca")]
    Etcd,
    /// The front proxy's: the API server towards aggregated API servers.
    #[serde(rename = "front-proxy-ca")]
    FrontProxy,
}

impl AuthorityName {
    /// Every authority, in kubeadm's order.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Etcd, Self::FrontProxy];

    /// kubeadm's name, as `kubeadm certs check-expiration` prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "ca",
            Self::Etcd => "etcd-ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }

    /// The role of this authority's own certificate.
    pub const fn role(self) -> Role {
        match self {
            Self::Cluster => Role::ClusterCa,
            Self::Etcd => Role::EtcdCa,
            Self::FrontProxy => Role::FrontProxyCa,
        }
    }
}

impl fmt::Display for AuthorityName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_displayed_name_is_the_serialized_name() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        for authority in AuthorityName::ALL {
            assert_eq!(
                serde_json::to_string(&authority).unwrap(),
                format!("\"{authority}\"")
            );
            assert_eq!(authority.role().authority(), Some(authority));
        }
    }
}
