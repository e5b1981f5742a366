//! Which program of a Kubernetes host this is.
//!
//! Only the programs that hold certificates of the cluster's PKI and name them in their flags.
//! <https://kubernetes.io/docs/concepts/overview/components/>

use std::fmt;

use serde::{Deserialize, Serialize};

/// A program that holds certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ComponentKind {
    /// `etcd`
    Etcd,
    /// `kube-apiserver`
    KubeApiserver,
    /// `kube-controller-manager`
    KubeControllerManager,
    /// `kube-scheduler`
    KubeScheduler,
    /// `kubelet`
    Kubelet,
    /// `kube-proxy`
    KubeProxy,
    /// `cloud-controller-manager`, under whichever name a cloud ships it
    CloudControllerManager,
}

impl ComponentKind {
    /// Every kind, in the order in which a host is brought up.
    pub const ALL: [Self; 7] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::CloudControllerManager,
    ];

    /// The executable's file name, which is also the component's name everywhere in Kubernetes.
    pub const fn executable(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::CloudControllerManager => "cloud-controller-manager",
        }
    }

    /// The kind of an executable named by path or by file name: `/usr/bin/kubelet`, `etcd`.
    pub fn from_executable(executable: &str) -> Option<Self> {
        let name = executable.rsplit('/').next().unwrap_or(executable);
        let name = name.strip_suffix(".exe").unwrap_or(name);
        let kind = Self::ALL.into_iter().find(|kind| kind.executable() == name);
        // Every cloud builds its own: `openstack-cloud-controller-manager`, `aws-…`.
        let is_a_clouds = || name.ends_with("-cloud-controller-manager");
        kind.or_else(|| is_a_clouds().then_some(Self::CloudControllerManager))
    }
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.executable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_own_executable_and_by_path() {
        for kind in ComponentKind::ALL {
            assert_eq!(
                ComponentKind::from_executable(kind.executable()),
                Some(kind)
            );
            let path = format!("/usr/local/bin/{kind}");
            assert_eq!(ComponentKind::from_executable(&path), Some(kind));
        }
        assert_eq!(
            ComponentKind::from_executable("/bin/openstack-cloud-controller-manager"),
            Some(ComponentKind::CloudControllerManager)
        );
        assert_eq!(ComponentKind::from_executable("kubectl"), None);
        assert_eq!(ComponentKind::from_executable("/opt/etcd/"), None);
        assert_eq!(ComponentKind::from_executable(""), None);
    }
}
