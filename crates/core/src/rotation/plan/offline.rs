//! Offline: everything down, everything swapped, everything up. For clusters that are down anyway, and
//! for authorities that have expired; nobody is trusted twice.
//!
//! While it is down no manifest is edited (a halted static pod's lies elsewhere) and nothing of the
//! successors is removed: wherever the swap is cut short, what is left of it can be done, and each host's
//! one run can be taken back. What is left when everything is up again (old token Secrets, leftovers, a
//! signing file of its own) is done by the later phases, as without a downtime.

use super::prepare::add;
use super::retire::recreated;
use super::rounds::{Title, shared};
use super::scene::Scene;
use super::settle::second_tokens;
use super::trust_both::{objects, unstarted, workloads};
use super::work::{Class, Level, Work, presented, signers, swapped_trust};
use crate::model::ComponentKind::{
    self, CloudControllerManager, Etcd, KubeApiserver, KubeControllerManager, KubeProxy,
    KubeScheduler, Kubelet,
};
use crate::plan::RotationMark;
use crate::rotation::picture::{Holds, Keeper, Purpose, RootPicture};
use crate::rotation::{Action, Await, Phase, RestartWorkloads, Root, Round, Turn};

/// What is halted, in this order; started the other way round.
pub const HALTED: [ComponentKind; 5] = [
    CloudControllerManager,
    KubeScheduler,
    KubeControllerManager,
    KubeApiserver,
    Etcd,
];

/// The round in which files are swapped, without its phase.
const SWAP: &str = "swap";

/// Whether a run on a host was its part of a swap with everything down: it restarted nothing, and is taken
/// back with everything down, too.
pub fn is_swap(mark: &RotationMark) -> bool {
    mark.phase == Phase::IssueFromNew && mark.round == format!("{}-{SWAP}", mark.phase)
}

pub(super) fn swap(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let is_stopped = |host: &str| {
        let host = scene.picture.host(host);
        host.is_some_and(|host| HALTED.into_iter().any(|kind| host.runs(kind)))
    };
    let files = files(scene);
    let is_swapped = files.iter().any(|turn| is_stopped(&turn.host));
    let (swapped, others): (Vec<Turn>, Vec<Turn>) = files
        .into_iter()
        .chain(late_kubelets(scene))
        .fold(Vec::new(), once)
        .into_iter()
        .partition(|turn| is_stopped(&turn.host));
    let mut all: Vec<Round> = Vec::new();
    if !is_swapped {
        all.extend(catching_up(scene));
    } else {
        all.extend(rounds.at_once(
            each(scene, |components| Action::Halt { components }, &HALTED),
            &Title {
                name: "halt",
                reason: "everything that serves or controls the cluster stops; pods on the nodes go on",
            },
            Vec::new(),
        ));
        // Nobody but a kubelet starts static pods, and one whose own certificate has expired has given up.
        let swapped = swapped.into_iter();
        let swapped = swapped.map(|turn| restarting(scene, turn, &[Kubelet]));
        all.extend(rounds.at_once(
            swapped.collect(),
            &Title {
                name: SWAP,
                reason: "every host that was stopped gets the new generation, and nothing of the old one stays in use there; its kubelet starts with it",
            },
            Vec::new(),
        ));
        all.extend(start(scene, others));
    }
    let anew = recreated(scene);
    all.extend(objects(scene, Phase::IssueFromNew, Level::New, anew));
    all.extend(published(scene, is_swapped));
    all
}

/// Turns of hosts that were swapped by a run that did not come to start their kubelets anew.
fn late_kubelets(scene: &Scene<'_>) -> impl Iterator<Item = Turn> {
    let works = scene.rotating().flat_map(works);
    let late = works.filter(|work| work.restarts.contains(&Kubelet));
    late.map(|work| Turn {
        host: work.host,
        actions: Vec::new(),
    })
}

/// A host has one turn.
fn once(mut turns: Vec<Turn>, turn: Turn) -> Vec<Turn> {
    if !turns.iter().any(|known| known.host == turn.host) {
        turns.push(turn);
    }
    turns
}

/// The turn with the components of its host that are started again after it.
fn restarting(scene: &Scene<'_>, mut turn: Turn, kinds: &[ComponentKind]) -> Turn {
    let host = scene.picture.host(&turn.host);
    for component in kinds.iter().copied() {
        if host.is_some_and(|host| host.runs(component)) {
            let parks = Vec::new();
            turn.actions.push(Action::Restart { component, parks });
        }
    }
    turn
}

/// What there is to do for a root before it is swapped everywhere.
fn works(root: &RootPicture) -> Vec<Work> {
    let mut works: Vec<Work> = presented(root);
    works.extend(signers(root));
    works.extend(swapped_trust(root));
    works
}

/// Everything that has to change on each host, in one turn.
fn files(scene: &Scene<'_>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for root in scene.rotating() {
        for work in works(root) {
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

/// Whoever was stopped is swapped: what is left asks for no downtime.
fn catching_up(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let works = shared(scene.rotating().flat_map(works).collect());
    let reason =
        "the control planes are swapped: what is left of the others, and who started before it";
    let title = |name: &'static str| Title { name, reason };
    let mut all: Vec<Round> = [
        rounds.of(Class::Files, &works, &title("late-files")),
        rounds.of(Class::Etcd, &works, &title("late-etcd")),
        rounds.of(Class::ApiServers, &works, &title("late-api-servers")),
        rounds.of(Class::Controllers, &works, &title("late-controllers")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (control_planes, workers) = ("late-control-plane-kubelets", "late-kubelets");
    all.extend(rounds.kubelets(&works, &title(control_planes), &title(workers)));
    all
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

fn start(scene: &Scene<'_>, others: Vec<Turn>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let starting =
        |kinds: &[ComponentKind]| each(scene, |components| Action::Start { components }, kinds);
    let hosts = |turns: &[Turn]| turns.iter().map(|turn| turn.host.clone()).collect();
    let members = starting(&[Etcd]);
    let servers = starting(&[KubeApiserver]);
    let mut others: Vec<Turn> = others
        .into_iter()
        .map(|turn| restarting(scene, turn, &[Kubelet]))
        .collect();
    for host in scene.picture.hosts_with(KubeProxy) {
        let (component, parks) = (KubeProxy, Vec::new());
        add(
            &mut others,
            &host.name,
            Action::Restart { component, parks },
        );
    }
    let nodes: Vec<String> = scene
        .picture
        .hosts
        .iter()
        .filter(|host| host.runs(Kubelet) && host.node.is_some())
        .map(|host| host.name.clone())
        .collect();
    let nodes_ready = match nodes.is_empty() {
        true => Vec::new(),
        false => vec![Await::NodesReady { hosts: nodes }],
    };
    let members_healthy = vec![Await::EtcdHealthy {
        hosts: hosts(&members),
    }];
    let servers_ready = vec![Await::ApiServersReady {
        hosts: hosts(&servers),
    }];
    let workers = Title {
        name: "workers",
        reason: "the other hosts get the new generation, and their kubelets find the API servers again with it",
    };
    let ending = match others.is_empty() {
        true => rounds.asking(nodes_ready, &workers),
        false => rounds.at_once(others, &workers, nodes_ready),
    };
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
                reason: "API servers start when etcd is there: the downtime of the API ends here",
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
        ending,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The new trust reaches every namespace, tokens are signed by the new key, and workloads start with both.
fn published(scene: &Scene<'_>, is_swapped: bool) -> Vec<Round> {
    let rounds = scene.rounds(Phase::IssueFromNew);
    let mut all = Vec::new();
    let is_awaited = scene
        .rotating()
        .flat_map(|root| root.kept_by(Keeper::ControllerManager))
        .any(|place| place.purpose == Purpose::Trust && place.holds != Holds::New);
    // A controller manager that was not swapped before may have published the old one again.
    let mut roots = scene.rotating();
    let publishes = is_swapped && roots.any(|root| root.root == Root::KubernetesCa);
    if is_awaited || publishes {
        all.extend(rounds.asking(
            vec![Await::Published { holds: Holds::New }],
            &Title {
                name: "published",
                reason: "every namespace has the new trust before workloads start with it",
            },
        ));
    }
    all.extend(second_tokens(scene, Phase::IssueFromNew));
    if scene.request.restart_workloads == RestartWorkloads::Auto {
        let is_stale = |root: &&RootPicture| {
            let purpose = match root.root {
                Root::ServiceAccountKey => Purpose::Present,
                _ => Purpose::Trust,
            };
            unstarted(root, purpose).next().is_some()
        };
        let roots: Vec<Root> = scene
            .rotating()
            .filter(is_stale)
            .map(|it| it.root)
            .collect();
        if !roots.is_empty() {
            all.extend(workloads(scene, Phase::IssueFromNew, &roots));
        }
    }
    all
}
