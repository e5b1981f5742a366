//! Retire the old one: nobody presents it, so nobody needs to trust it. Readers that read at their start
//! are restarted once more; what only ever grows is made anew; files have their original shape again.

use super::marks;
use super::prepare::add;
use super::rounds::{Title, shared};
use super::scene::Scene;
use super::trust_both::objects;
use super::work::{Class, Level, Work, trust};
use crate::connections::Place;
use crate::rotation::picture::{Holds, Keeper, Purpose, RootPicture};
use crate::rotation::{Action, Await, OldKey, Phase, Root, Round, Turn};

pub(super) fn retire(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::RetireOld);
    let mut all: Vec<Round> = Vec::new();
    all.extend(drop_tokens(scene));
    let mut works: Vec<Work> = scene
        .rotating()
        .flat_map(|root| trust(root, Level::New))
        .collect();
    let taken_away = marks::taken_away(scene, &works);
    works.extend(taken_away);
    let works = shared(works);
    all.extend(
        [
            rounds.of(
                Class::Files,
                &works,
                &Title {
                    name: "files",
                    reason: "files that are read again by themselves, or each time, trust the new one alone",
                },
            ),
            rounds.of(
                Class::Controllers,
                &works,
                &Title {
                    name: "controllers",
                    reason: "controllers trust the new one alone, and kube-controller-manager signs by the CA file again; manifests of static pods lose the mark of earlier restarts; leaders come last",
                },
            ),
            rounds.of(
                Class::Etcd,
                &works,
                &Title {
                    name: "etcd",
                    reason: "etcd trusts the new one alone from its next start: one member at a time, an API server beside it stands still meanwhile; the leader comes last and hands over first",
                },
            ),
            rounds.of(
                Class::ApiServers,
                &works,
                &Title {
                    name: "api-servers",
                    reason: "API servers forget the old service-account key and etcd's old authority at their start, and manifests of static pods lose the mark of earlier restarts: one at a time",
                },
            ),
        ]
        .into_iter()
        .flatten(),
    );
    all.extend(rounds.kubelets(
        &works,
        &Title {
            name: "control-plane-kubelets",
            reason: "kubelets trust the new one alone from their next start; beside an API server one at a time",
        },
        &Title {
            name: "kubelets",
            reason: "kubelets trust the new one alone from their next start",
        },
    ));
    let mut proof = rounds.asking(
        refused(scene),
        &Title {
            name: "proof",
            reason: "clients of the old generation are refused everywhere, and every namespace has the new trust alone",
        },
    );
    // Everybody was started with the new one alone: nothing is left to be read again.
    if let Some(proof) = proof.as_mut().filter(|_| scene.request.offline) {
        proof.estimate_seconds = 2;
    }
    all.extend(proof);
    all.extend(objects(
        scene,
        Phase::RetireOld,
        Level::New,
        recreated(scene),
    ));
    let leftovers = remove(scene);
    // As long as anything of the successor lies around, the rotation is seen to be unfinished: what is cut
    // short here is gone on with.
    if leftovers.is_some() {
        all.extend(old_keys(scene, scene.rotating()));
    }
    all.extend(leftovers);
    all
}

/// The old private keys in backups go, or are sealed, when nobody needs them: not to be taken back.
pub(super) fn old_keys<'a>(
    scene: &Scene<'_>,
    roots: impl Iterator<Item = &'a RootPicture>,
) -> Option<Round> {
    let how = &scene.request.old_key;
    let reason = match how {
        OldKey::Keep => return None,
        OldKey::Destroy => {
            "nobody needs the old private keys any more: the backups of these hosts lose them, and there is no way back from here"
        }
        OldKey::Seal { .. } => {
            "nobody needs the old private keys any more: backups that hold one are encrypted, and whoever goes back needs the identity"
        }
    };
    let mut turns: Vec<Turn> = Vec::new();
    for root in roots {
        let hosts = root.signing_keys.iter();
        let others = root
            .leftovers
            .iter()
            .filter(|host| !root.signing_keys.contains(host));
        for host in hosts.chain(others) {
            let (root, how) = (root.root, how.clone());
            add(&mut turns, host, Action::RetireKey { root, how });
        }
    }
    scene.rounds(Phase::RetireOld).at_once(
        turns,
        &Title {
            name: "old-keys",
            reason,
        },
        Vec::new(),
    )
}

fn drop_tokens(scene: &Scene<'_>) -> Option<Round> {
    let host = scene.picture.asks_api()?;
    let is_left = scene
        .rotating()
        .filter(|root| root.root == Root::ServiceAccountKey)
        .flat_map(|root| root.kept_by(Keeper::ControllerManager))
        .any(|place| place.purpose == Purpose::Present && place.holds.is_both());
    scene.rounds(Phase::RetireOld).on_one(
        host,
        is_left
            .then_some(Action::DropTokenSecrets)
            .into_iter()
            .collect(),
        &Title {
            name: "token-secrets",
            reason: "token Secrets that the old key signed go: workloads have started with the second ones",
        },
        Vec::new(),
    )
}

/// What proves that an old generation is trusted by nobody. Asked while anything of it is left, since
/// what polls its files cannot be looked into.
fn refused(scene: &Scene<'_>) -> Vec<Await> {
    let mut awaits = Vec::new();
    for root in scene.rotating().filter(|root| root.is_authority()) {
        if !is_left(root) {
            continue;
        }
        awaits.push(Await::OldClientsRefused {
            root: root.root,
            hosts: Vec::new(),
        });
        if root.root == Root::KubernetesCa {
            awaits.push(Await::Published { holds: Holds::New });
        }
    }
    awaits
}

fn is_left(root: &RootPicture) -> bool {
    !root.leftovers.is_empty()
        || root
            .places
            .iter()
            .filter(|place| place.purpose == Purpose::Trust)
            .filter(|place| !matches!(place.kept_by, Keeper::Workload | Keeper::Outside))
            .any(|place| place.holds != Holds::New && place.holds.is_told())
}

pub(super) fn recreated(scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for place in scene
        .rotating()
        .flat_map(|root| root.kept_by(Keeper::ApiServers))
    {
        if let (Place::Api(object), true) = (&place.place, place.holds != Holds::New) {
            let action = Action::Recreate {
                object: object.clone().whole(),
            };
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
    }
    actions
}

fn remove(scene: &Scene<'_>) -> Option<Round> {
    let mut turns: Vec<Turn> = Vec::new();
    for root in scene.rotating() {
        for host in &root.leftovers {
            add(
                &mut turns,
                host,
                Action::RemoveSuccessorFiles { root: root.root },
            );
        }
    }
    scene.rounds(Phase::RetireOld).at_once(
        turns,
        &Title {
            name: "leftovers",
            reason: "the successor's files beside its own place go: everything has its original shape",
        },
        Vec::new(),
    )
}
