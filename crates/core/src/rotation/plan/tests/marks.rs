//! What a restart writes into a manifest is taken away by the last one.

use super::builder::Cluster;
use crate::model::ComponentKind::{
    self, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler,
};
use crate::rotation::picture::HostFacts;
use crate::rotation::plan::marks;
use crate::rotation::plan::{RotationRequest, picture_after, whole};
use crate::rotation::{Action, Phase, Root, Script};

const STATIC_PODS: [ComponentKind; 4] = [Etcd, KubeApiserver, KubeControllerManager, KubeScheduler];

/// The phases in which a component of a host is started again, in order.
fn starts(script: &Script, host: &str, kind: ComponentKind) -> Vec<Phase> {
    let mut phases = Vec::new();
    for round in &script.rounds {
        let turns = round.turns.iter().filter(|turn| turn.host == host);
        for action in turns.flat_map(|turn| &turn.actions) {
            if let Action::Restart { component, parks } = action
                && (*component == kind || parks.contains(&kind))
            {
                phases.push(round.phase);
            }
        }
    }
    phases
}

#[test]
fn whatever_was_started_again_has_its_last_start_at_the_end() {
    for roots in [
        vec![Root::KubernetesCa],
        vec![Root::EtcdCa],
        vec![Root::ServiceAccountKey],
        vec![Root::FrontProxyCa],
        Root::ALL.to_vec(),
    ] {
        let picture = Cluster::kubeadm(3, 2).picture();
        let script = whole(&picture, &RotationRequest::new(roots.clone())).unwrap();
        for host in ["cp1", "cp2", "cp3"] {
            for kind in STATIC_PODS {
                let phases = starts(&script, host, kind);
                assert!(
                    phases.last().is_none_or(|last| *last == Phase::RetireOld),
                    "{roots:?}: {kind} of {host}: {phases:?}"
                );
            }
        }
        let after = picture_after(&picture, &script);
        assert!(after.hosts.iter().all(|host| host.marked.is_empty()));
        if roots == [Root::FrontProxyCa] {
            assert_eq!(starts(&script, "cp1", KubeApiserver), []);
        }
    }
}

#[test]
fn all_roots_together_start_no_api_server_for_it() {
    let picture = Cluster::kubeadm(3, 2).picture();
    let script = whole(&picture, &RotationRequest::new(Root::ALL)).unwrap();
    assert_eq!(
        starts(&script, "cp2", KubeApiserver),
        [Phase::TrustBoth, Phase::Settle, Phase::RetireOld]
    );
}

#[test]
fn a_mark_of_before_is_not_the_front_proxys() {
    let mut picture = Cluster::kubeadm(3, 2).picture();
    for host in &mut picture.hosts {
        host.marked = host.static_pods.clone();
    }
    let script = whole(&picture, &RotationRequest::new([Root::FrontProxyCa])).unwrap();
    assert_eq!(starts(&script, "cp1", KubeApiserver), []);
}

#[test]
fn a_unit_bears_no_mark() {
    let mut picture = Cluster::kubeadm(1, 0).picture();
    for host in &mut picture.hosts {
        host.static_pods.clear();
    }
    let script = whole(&picture, &RotationRequest::new([Root::KubernetesCa])).unwrap();
    let hosts: Vec<HostFacts> = marks::after(&picture.hosts, &script);
    assert!(hosts.iter().all(|host| host.marked.is_empty()));
    assert_eq!(starts(&script, "cp1", KubeApiserver), [Phase::Settle]);
}
