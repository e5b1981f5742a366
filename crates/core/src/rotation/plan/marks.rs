//! The annotation by which a static pod is started again stays in its manifest, where `kubeadm upgrade
//! diff` shows it. The last restart takes it away; a component that the last phase would leave alone is
//! started once more for it, which is quicker than to have a manifest away until its API server has ended.

use super::scene::Scene;
use super::work::Work;
use crate::model::ComponentKind::{
    self, CloudControllerManager, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler,
};
use crate::rotation::picture::HostFacts;
use crate::rotation::{Action, Phase, Root, Script};
use std::collections::BTreeSet;

/// Whom a rotation starts again before its last phase and need not start in it.
const LEFT_ALONE: [ComponentKind; 4] = [
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    CloudControllerManager,
];

/// The restarts that the last phase makes beside `works`, so that no manifest keeps a mark.
pub(super) fn taken_away(scene: &Scene<'_>, works: &[Work]) -> Vec<Work> {
    // The front proxy's authority is read again by everybody: what is marked there is somebody else's.
    if scene.rotating().all(|root| root.root == Root::FrontProxyCa) {
        return Vec::new();
    }
    let is_started = |host: &HostFacts, component: ComponentKind| {
        works
            .iter()
            .filter(|work| work.host == host.name)
            .any(|work| {
                work.restarts.contains(&component)
                    || (component == KubeApiserver && work.restarts.contains(&Etcd))
            })
    };
    let mut all = Vec::new();
    for host in &scene.picture.hosts {
        for component in LEFT_ALONE {
            if host.marked.contains(&component) && !is_started(host, component) {
                all.push(Work::new(
                    &host.name,
                    Vec::new(),
                    BTreeSet::from([component]),
                ));
            }
        }
    }
    all
}

/// The hosts as a script leaves them.
pub(super) fn after(hosts: &[HostFacts], script: &Script) -> Vec<HostFacts> {
    let mut hosts = hosts.to_vec();
    for round in &script.rounds {
        for turn in &round.turns {
            let Some(host) = hosts.iter_mut().find(|host| host.name == turn.host) else {
                continue;
            };
            for action in &turn.actions {
                if let Action::Restart { component, parks } = action {
                    for started in parks.iter().chain([component]) {
                        host.started(*started, round.phase);
                    }
                }
            }
        }
    }
    hosts
}

impl HostFacts {
    fn started(&mut self, component: ComponentKind, phase: Phase) {
        self.marked.retain(|marked| *marked != component);
        if phase != Phase::RetireOld && self.static_pods.contains(&component) {
            self.marked.push(component);
        }
    }
}
