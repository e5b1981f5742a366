//! Offline: everything down, everything swapped, everything up. For clusters that are down anyway, and
//! for authorities that have expired; nobody is trusted twice.

use super::places::behind;
use super::prepare::add;
use super::rounds::Title;
use super::scene::Scene;
use super::trust_both::{unstarted, workloads};
use super::work::{Level, Work, presented, signers, trust};
use crate::model::ComponentKind::{
    self, CloudControllerManager, Etcd, KubeApiserver, KubeControllerManager, KubeProxy,
    KubeScheduler, Kubelet,
};
use crate::rotation::picture::{Holds, Keeper, Purpose};
use crate::rotation::{Action, Await, Phase, RestartWorkloads, Round, Turn};

/// What is halted, in this order; started the other way round.
const HALTED: [ComponentKind; 5] = [
    CloudControllerManager,
    KubeScheduler,
    KubeControllerManager,
    KubeApiserver,
    Etcd,
];

pub(super) fn swap(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let mut all: Vec<Round> = Vec::new();
    let files = files(scene);
    let is_behind = scene
        .rotating()
        .flat_map(|root| &root.places)
        .any(|place| !behind(place).is_empty());
    if !files.is_empty() || is_behind {
        all.extend(rounds.at_once(
            each(scene, |components| Action::Halt { components }, &HALTED),
            &Title {
                name: "halt",
                reason: "everything that serves or controls the cluster stops; pods on the nodes go on",
            },
            Vec::new(),
        ));
        all.extend(rounds.at_once(
            files,
            &Title {
                name: "swap",
                reason: "every host gets the new generation, and nothing of the old one stays in use",
            },
            Vec::new(),
        ));
        all.extend(start(scene));
    }
    all.extend(published(scene));
    all
}

/// Everything that has to change on each host, in one turn.
fn files(scene: &Scene<'_>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for root in scene.rotating() {
        let mut works: Vec<Work> = presented(root);
        works.extend(signers(root));
        works.extend(trust(root, Level::New));
        for work in works {
            for action in work.actions {
                let is_known = turns
                    .iter()
                    .any(|turn| turn.host == work.host && turn.actions.contains(&action));
                if !is_known {
                    add(&mut turns, &work.host, action);
                }
            }
        }
        // Installing alone would leave both in the file.
        for host in &root.signing_keys {
            let (true, Some(own)) = (root.is_authority(), root.own_file(host)) else {
                continue;
            };
            let write = Action::WriteTrust {
                root: root.root,
                place: own.place.clone(),
                holds: Holds::New,
            };
            let installs = Action::InstallSuccessor { root: root.root };
            let turn = turns.iter_mut().find(|turn| {
                turn.host == *host
                    && turn.actions.contains(&installs)
                    && !turn.actions.contains(&write)
            });
            if let Some(turn) = turn {
                turn.actions.push(write);
            }
        }
    }
    for turn in &mut turns {
        turn.actions
            .sort_by_key(|action| matches!(action, Action::WriteTrust { .. }));
    }
    turns
}

fn each(
    scene: &Scene<'_>,
    action: impl Fn(Vec<ComponentKind>) -> Action,
    kinds: &[ComponentKind],
) -> Vec<Turn> {
    let mut turns = Vec::new();
    for host in &scene.picture.hosts {
        let components: Vec<ComponentKind> = kinds
            .iter()
            .copied()
            .filter(|kind| host.runs(*kind))
            .collect();
        if !components.is_empty() {
            add(&mut turns, &host.name, action(components));
        }
    }
    turns
}

fn start(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let starting =
        |kinds: &[ComponentKind]| each(scene, |components| Action::Start { components }, kinds);
    let hosts = |turns: &[Turn]| turns.iter().map(|turn| turn.host.clone()).collect();
    let members = starting(&[Etcd]);
    let servers = starting(&[KubeApiserver]);
    let mut restarted: Vec<Turn> = Vec::new();
    for host in &scene.picture.hosts {
        for component in [Kubelet, KubeProxy] {
            if host.runs(component) {
                let action = Action::Restart {
                    component,
                    parks: Vec::new(),
                };
                add(&mut restarted, &host.name, action);
            }
        }
    }
    let nodes: Vec<String> = scene
        .picture
        .hosts
        .iter()
        .filter(|host| host.runs(Kubelet) && host.node.is_some())
        .map(|host| host.name.clone())
        .collect();
    let members_healthy = vec![Await::EtcdHealthy {
        hosts: hosts(&members),
    }];
    let servers_ready = vec![Await::ApiServersReady {
        hosts: hosts(&servers),
    }];
    [
        rounds.at_once(
            members,
            &Title {
                name: "start-etcd",
                reason: "the members of etcd start together, since one alone has no quorum",
            },
            members_healthy,
        ),
        rounds.at_once(
            servers,
            &Title {
                name: "start-api-servers",
                reason: "API servers start when etcd is there",
            },
            servers_ready,
        ),
        rounds.at_once(
            starting(&[KubeControllerManager, KubeScheduler, CloudControllerManager]),
            &Title {
                name: "start-controllers",
                reason: "controllers start when the API is there",
            },
            Vec::new(),
        ),
        rounds.at_once(
            restarted,
            &Title {
                name: "kubelets",
                reason: "kubelets find the API server again with what lies on their hosts now",
            },
            vec![Await::NodesReady { hosts: nodes }],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The new trust reaches every namespace, and workloads start with it.
fn published(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let mut all = Vec::new();
    let is_awaited = scene
        .rotating()
        .flat_map(|root| root.kept_by(Keeper::ControllerManager))
        .any(|place| place.purpose == Purpose::Trust && place.holds != Holds::New);
    if is_awaited {
        all.extend(rounds.asking(
            vec![Await::Published { holds: Holds::New }],
            &Title {
                name: "published",
                reason: "every namespace has the new trust before workloads start with it",
            },
        ));
    }
    if scene.request.restart_workloads == RestartWorkloads::Auto {
        let roots: Vec<_> = scene
            .rotating()
            .filter(|root| unstarted(root, Purpose::Trust).next().is_some())
            .map(|root| root.root)
            .collect();
        all.extend(workloads(scene, Phase::IssueFromNew, &roots));
    }
    all
}
