//! Which components must take up what a plan writes, how, and in which order.
//!
//! Facts come from the reload table in `layouts`. The order: the kubelet first (it alone starts the
//! static pods that follow, and in a cluster gone by it is often locked out), then etcd, the API
//! server, and those that only talk to the API server. Between kube-scheduler and
//! kube-controller-manager the holder of the Lease comes last; that is asked when the time comes.

use super::document::{ComponentAction, TakeUp};
use crate::layouts::{Reload, reload};
use crate::model::{Component, ComponentKind, Inventory, UsedBy};

/// The order in which components of one host are made to take up new files.
pub const ORDER: [ComponentKind; 7] = [
    ComponentKind::Kubelet,
    ComponentKind::Etcd,
    ComponentKind::KubeApiserver,
    ComponentKind::KubeProxy,
    ComponentKind::KubeScheduler,
    ComponentKind::KubeControllerManager,
    ComponentKind::CloudControllerManager,
];

/// A changed item: its name and who names it by which flag.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The entry's or authority's name.
    pub name: &'a str,
    /// Who names it.
    pub used_by: &'a [UsedBy],
}

/// The actions that `changes` demand of the host's components, in order.
pub fn actions(inventory: &Inventory, changes: &[Change<'_>]) -> Vec<ComponentAction> {
    ORDER
        .iter()
        .filter_map(|kind| inventory.component(*kind))
        .filter_map(|component| action(component, changes))
        .collect()
}

fn action(component: &Component, changes: &[Change<'_>]) -> Option<ComponentAction> {
    let mut take_up: Option<TakeUp> = None;
    let mut reasons = Vec::new();
    for change in changes {
        let mut flags = Vec::new();
        for used_by in change.used_by {
            if used_by.component != component.kind {
                continue;
            }
            let needed = needed(reload(component.kind, &used_by.flag));
            take_up = Some(match take_up {
                Some(TakeUp::Restart) => TakeUp::Restart,
                Some(TakeUp::Reload { within_seconds }) => match needed {
                    TakeUp::Restart => TakeUp::Restart,
                    TakeUp::Reload {
                        within_seconds: other,
                    } => TakeUp::Reload {
                        within_seconds: within_seconds.max(other),
                    },
                },
                None => needed,
            });
            flags.push(format!("--{}", used_by.flag));
        }
        if !flags.is_empty() {
            flags.dedup();
            reasons.push(format!("{} ({})", change.name, flags.join(", ")));
        }
    }
    take_up.map(|take_up| ComponentAction {
        component: component.kind,
        runs_as: component.runs_as.clone(),
        take_up,
        reasons,
        parks: Vec::new(),
    })
}

/// A certificate that is presented only on the next connection stays in use on kept ones for as long
/// as they last (340 s and more were measured), and no endpoint tells: only a restart makes it sure.
fn needed(reload: Reload) -> TakeUp {
    match reload {
        Reload::Live { within_seconds } => TakeUp::Reload { within_seconds },
        Reload::NextHandshake => TakeUp::Reload { within_seconds: 5 },
        Reload::NextConnection | Reload::Restart => TakeUp::Restart,
    }
}
