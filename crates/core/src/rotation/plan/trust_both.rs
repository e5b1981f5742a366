//! Trust both: readers before presenters. Nothing that is presented changes in this phase, so its order
//! is free but for two things: kube-controller-manager never meets two certificates where it signs, and
//! workloads are started again after what they mount holds both.

use super::rounds::{Title, shared};
use super::scene::Scene;
use super::work::{Class, Level, Wanted, Work, trust};
use crate::connections::Place;
use crate::rotation::picture::{Holds, Keeper, PlaceState, Purpose, RootPicture};
use crate::rotation::{Action, Await, Phase, RestartWorkloads, Root, Round};

pub(super) fn trust_both(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::TrustBoth);
    let works: Vec<Work> = shared(
        scene
            .rotating()
            .flat_map(|root| trust(root, Level::Both))
            .collect(),
    );
    let mut all: Vec<Round> = [
        rounds.of(
            Class::Files,
            &works,
            &Title {
                name: "files",
                reason: "files that are read again by themselves, or each time: both are trusted there first",
            },
        ),
        rounds.of(
            Class::Controllers,
            &works,
            &Title {
                name: "controllers",
                reason: "controllers read their trust at their start; kube-controller-manager gets a signing file of its own, since it signs with exactly one certificate; leaders come last",
            },
        ),
        rounds.of(
            Class::Etcd,
            &works,
            &Title {
                name: "etcd",
                reason: "etcd reads its trust at its start: one member at a time, an API server beside it stands still meanwhile and starts with everything new; the leader comes last and hands over first",
            },
        ),
        rounds.of(
            Class::ApiServers,
            &works,
            &Title {
                name: "api-servers",
                reason: "API servers read etcd's authority and service-account keys at their start: one at a time",
            },
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(rounds.kubelets(
        &works,
        &Title {
            name: "control-plane-kubelets",
            reason: "kubelets read the kubeconfig's authority at their start; beside an API server one at a time",
        },
        &Title {
            name: "kubelets",
            reason: "kubelets read the kubeconfig's authority at their start",
        },
    ));
    all.extend(objects(scene, Phase::TrustBoth, Level::Both, Vec::new()));
    let mut awaits = Vec::new();
    for root in scene.rotating().filter(|root| root.is_authority()) {
        let is_touched = !trust(root, Level::Both).is_empty();
        if is_touched || is_awaited(root) {
            awaits.extend(proofs(root));
        }
    }
    all.extend(rounds.asking(
        awaits,
        &Title {
            name: "proof",
            reason: "everybody accepts clients of both, and the trust has been published to every namespace, before anything new is presented",
        },
    ));
    if scene.request.restart_workloads == RestartWorkloads::Auto {
        let roots: Vec<Root> = scene
            .rotating()
            .filter(|root| {
                unstarted(root, Purpose::Trust).next().is_some() || is_to_be_published(root)
            })
            .map(|root| root.root)
            .collect();
        all.extend(workloads(scene, Phase::TrustBoth, &roots));
    }
    all
}

/// Workloads that hold in memory what is only the old generation's.
pub(super) fn unstarted(root: &RootPicture, purpose: Purpose) -> impl Iterator<Item = &PlaceState> {
    root.kept_by(Keeper::Workload)
        .filter(move |place| place.purpose == purpose && place.holds == Holds::Old)
}

/// The round that restarts workloads.
pub(super) fn workloads(scene: &Scene<'_>, phase: Phase, roots: &[Root]) -> Option<Round> {
    let host = scene.picture.asks_api()?;
    let actions: Vec<Action> = roots
        .iter()
        .map(|root| Action::RestartWorkloads { root: *root })
        .collect();
    scene.rounds(phase).on_one(
        host,
        actions,
        &Title {
            name: "workloads",
            reason: match phase {
                Phase::TrustBoth => {
                    "workloads read ca.crt at their start, and would notice only at their next connection: they are restarted before anything new is presented to them"
                }
                Phase::IssueFromNew => "workloads start again with the new trust",
                _ => "workloads start again with tokens that the new key signed",
            },
        },
        vec![Await::WorkloadsRolledOut],
    )
}

/// Whether others publish the trust and have not done so.
fn is_awaited(root: &RootPicture) -> bool {
    let wanted = Wanted::of(root, Level::Both);
    [Keeper::ControllerManager, Keeper::ApiServers]
        .into_iter()
        .flat_map(|keeper| root.kept_by(keeper))
        .any(|place| place.purpose == Purpose::Trust && !wanted.is_met(place))
}

/// Whether pods that start now still get the old one alone. Who has to be started again is known only
/// when both are published, so nobody who is known yet does not mean that nobody has to.
fn is_to_be_published(root: &RootPicture) -> bool {
    root.root == Root::KubernetesCa && is_awaited(root)
}

/// What proves that a root's successor is trusted.
pub(super) fn proofs(root: &RootPicture) -> Vec<Await> {
    let mut awaits = Vec::new();
    if root.is_authority() {
        awaits.push(Await::NewClientsAccepted {
            root: root.root,
            hosts: Vec::new(),
        });
    }
    if root.root == Root::KubernetesCa {
        awaits.push(Await::Published {
            holds: Holds::OldNew,
        });
    }
    awaits
}

/// The round that writes trust into objects of the API.
pub(super) fn objects(
    scene: &Scene<'_>,
    phase: Phase,
    level: Level,
    more: Vec<Action>,
) -> Option<Round> {
    let host = scene.picture.asks_api()?;
    let mut actions = Vec::new();
    for root in scene.rotating() {
        let wanted = Wanted::of(root, level);
        for place in root.kept(Purpose::Trust) {
            let is_object = matches!(place.place, Place::Api(_));
            if is_object && place.holds.is_told() && !wanted.is_met(place) {
                actions.push(Action::WriteTrust {
                    root: root.root,
                    place: place.place.clone(),
                    holds: match level {
                        Level::Both => Holds::OldNew,
                        Level::New => Holds::New,
                    },
                });
            }
        }
    }
    actions.extend(more);
    scene.rounds(phase).on_one(
        host,
        actions,
        &Title {
            name: "objects",
            reason: match level {
                Level::Both => {
                    "objects of the API by which joining nodes, webhooks and monitoring trust: they trust both"
                }
                Level::New => {
                    "objects of the API trust the new one alone, after every API server does"
                }
            },
        },
        Vec::new(),
    )
}
