//! What the hosts of a cluster do in it, and the order in which they are renewed. Roles are told by
//! the components that were found, never declared.

use super::{ClusterOptions, HostView};
use crate::model::{ComponentKind, Inventory};

/// What a host does in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Duty {
    /// etcd, and no API server.
    Etcd,
    /// An API server, or what belongs to one.
    ControlPlane,
    /// Everything else.
    Worker,
}

/// A host in the order of the plan.
#[derive(Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) name: &'a str,
    pub(super) inventory: &'a Inventory,
    pub(super) duty: Duty,
    /// Whether anything may be done on it.
    pub(super) is_selected: bool,
}

impl Host<'_> {
    pub(super) fn has(&self, kind: ComponentKind) -> bool {
        self.inventory.component(kind).is_some()
    }

    /// The Node that it is, if a kubelet makes it one.
    pub(super) fn node(&self) -> Option<&str> {
        let node = self.inventory.node_name.as_ref()?;
        self.has(ComponentKind::Kubelet)
            .then_some(node.name.as_str())
    }
}

/// Hosts that serve others first: etcd's, control planes, workers; among equals the order of the
/// document.
pub(super) fn in_order<'a>(hosts: &[HostView<'a>], options: &ClusterOptions) -> Vec<Host<'a>> {
    let mut ordered: Vec<Host<'a>> = hosts
        .iter()
        .map(|view| Host {
            name: view.name,
            inventory: view.inventory,
            duty: duty(view.inventory),
            is_selected: options.only.is_empty()
                || options.only.iter().any(|name| name == view.name),
        })
        .collect();
    ordered.sort_by_key(|host| host.duty);
    ordered
}

fn duty(inventory: &Inventory) -> Duty {
    let has = |kind| inventory.component(kind).is_some();
    let is_control_plane = has(ComponentKind::KubeApiserver)
        || has(ComponentKind::KubeControllerManager)
        || has(ComponentKind::KubeScheduler);
    match (is_control_plane, has(ComponentKind::Etcd)) {
        (true, _) => Duty::ControlPlane,
        (false, true) => Duty::Etcd,
        (false, false) => Duty::Worker,
    }
}
