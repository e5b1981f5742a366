//! What can be rotated.

use crate::model::AuthorityName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A root of trust of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The cluster's own authority: API server, kubelets, users.
    KubernetesCa,
    /// etcd's authority.
    EtcdCa,
    /// The front proxy's authority: the API server towards aggregated API servers.
    FrontProxyCa,
    /// The key pair that signs service-account tokens.
    ServiceAccountKey,
}

impl Root {
    /// Every root.
    pub const ALL: [Self; 4] = [
        Self::KubernetesCa,
        Self::EtcdCa,
        Self::FrontProxyCa,
        Self::ServiceAccountKey,
    ];

    /// As on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KubernetesCa => "kubernetes-ca",
            Self::EtcdCa => "etcd-ca",
            Self::FrontProxyCa => "front-proxy-ca",
            Self::ServiceAccountKey => "service-account-key",
        }
    }

    /// The authority that it is; `None` for the service-account key.
    pub const fn authority(self) -> Option<AuthorityName> {
        match self {
            Self::KubernetesCa => Some(AuthorityName::Cluster),
            Self::EtcdCa => Some(AuthorityName::Etcd),
            Self::FrontProxyCa => Some(AuthorityName::FrontProxy),
            Self::ServiceAccountKey => None,
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_displayed_name_is_the_serialized_name() {
        for root in Root::ALL {
            assert_eq!(serde_json::to_string(&root).unwrap(), format!("\"{root}\""));
        }
    }
}
