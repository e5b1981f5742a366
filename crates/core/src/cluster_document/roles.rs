//! What a host is to its cluster, told by what runs on it: never declared.
//!
//! <https://kubernetes.io/docs/concepts/overview/components/>

use crate::model::{ComponentKind, Inventory};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A role of a host. A host may have several, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostRole {
    /// It runs an API server, a controller manager or a scheduler.
    ControlPlane,
    /// It runs a member of the cluster's etcd.
    Etcd,
    /// Its kubelet is a Node's, and it is no control plane.
    Worker,
}

/// A role that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected control-plane, etcd or worker, found {found:?}")]
pub struct UnknownRole {
    /// What was found.
    pub found: String,
}

impl HostRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::ControlPlane, Self::Etcd, Self::Worker];

    /// As it is spelled everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Etcd => "etcd",
            Self::Worker => "worker",
        }
    }
}

impl fmt::Display for HostRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for HostRole {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| UnknownRole {
            found: text.to_owned(),
        })
    }
}

/// The roles of a host, by what was discovered on it, in the order of [`HostRole::ALL`].
pub fn roles_of(inventory: &Inventory) -> Vec<HostRole> {
    let has = |kind| inventory.component(kind).is_some();
    let control_plane = has(ComponentKind::KubeApiserver)
        || has(ComponentKind::KubeControllerManager)
        || has(ComponentKind::KubeScheduler);
    let etcd = has(ComponentKind::Etcd);
    let worker = inventory
        .component(ComponentKind::Kubelet)
        .is_some_and(|kubelet| {
            // Beside an etcd of its own a kubelet may be there only to run it, as kubeadm's page on
            // external etcd has it: such a kubelet knows no API server and is no Node's.
            let knows_api = ["kubeconfig", "bootstrap-kubeconfig"]
                .iter()
                .any(|flag| kubelet.flags.is_set(flag));
            !control_plane && (!etcd || knows_api)
        });
    let roles = [
        (HostRole::ControlPlane, control_plane),
        (HostRole::Etcd, etcd),
        (HostRole::Worker, worker),
    ];
    roles
        .into_iter()
        .filter_map(|(role, has)| has.then_some(role))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::flags::Flags;
    use crate::formats::static_pod::PathMap;
    use crate::model::{Component, RunsAs};
    use jiff::Timestamp;
    use std::collections::BTreeMap;

    fn host(components: &[(ComponentKind, &[&str])]) -> Inventory {
        let component = |(kind, flags): &(ComponentKind, &[&str])| Component {
            kind: *kind,
            runs_as: RunsAs::Process,
            flags: Flags::from_arguments(flags),
            mounts: PathMap::default(),
            processes: Vec::new(),
            is_marked: false,
        };
        Inventory {
            host: "h".to_owned(),
            observed_at: Timestamp::UNIX_EPOCH,
            live: false,
            components: components.iter().map(component).collect(),
            authorities: Vec::new(),
            entries: Vec::new(),
            embedded_trust: Vec::new(),
            kubeconfigs: Vec::new(),
            etcd_clients: Vec::new(),
            service_account_keys: Vec::new(),
            successor_requests: Vec::new(),
            node_name: None,
            static_pod_folders: Vec::new(),
            files: BTreeMap::new(),
            file_times: BTreeMap::new(),
            kubeadm_configuration: None,
            declared: None,
            gaps: Vec::new(),
        }
    }

    #[test]
    fn roles_are_told_by_what_runs() {
        use ComponentKind::{Etcd, KubeApiserver, KubeProxy, KubeScheduler, Kubelet};
        use HostRole::{ControlPlane, Worker};
        let of = |components: &[(ComponentKind, &[&str])]| roles_of(&host(components));
        let kubeconfig: &[&str] = &["--kubeconfig=/etc/kubernetes/kubelet.conf"];
        assert_eq!(
            of(&[(KubeApiserver, &[]), (Etcd, &[]), (Kubelet, kubeconfig)]),
            [ControlPlane, HostRole::Etcd]
        );
        assert_eq!(of(&[(KubeScheduler, &[])]), [ControlPlane]);
        assert_eq!(of(&[(Kubelet, &[]), (KubeProxy, &[])]), [Worker]);
        assert_eq!(of(&[(Etcd, &[]), (Kubelet, &[])]), [HostRole::Etcd]);
        assert_eq!(
            of(&[(Etcd, &[]), (Kubelet, kubeconfig)]),
            [HostRole::Etcd, Worker]
        );
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn a_role_is_spelled_in_one_way() {
        assert_eq!("worker".parse(), Ok(HostRole::Worker));
        let error = "master".parse::<HostRole>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected control-plane, etcd or worker, found \"master\""
        );
    }
}
