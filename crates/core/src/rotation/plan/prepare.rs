//! Prepare: etcd is saved, the successor is made on one host, and lies on every host that holds the old
//! key. Nobody uses it yet.

use super::request::GivenKey;
use super::rounds::Title;
use super::scene::Scene;
use crate::model::ComponentKind::Etcd;
use crate::rotation::picture::{Holds, Picture, Purpose, RootPicture};
use crate::rotation::{Action, Phase, RotationRequest, Round, Turn};

pub(super) fn prepare(scene: &Scene<'_>) -> Vec<Round> {
    let rounds = scene.rounds(Phase::Prepare);
    let mut made: Vec<Turn> = Vec::new();
    let mut copied: Vec<Turn> = Vec::new();
    for root in &scene.roots {
        let source = match &root.new {
            Some(_) => root.successor_keys.first().map(String::as_str),
            None => maker(scene.request, root),
        };
        let Some(source) = source else {
            continue;
        };
        if root.new.is_none() {
            if !scene.request.by_request {
                add(&mut made, source, Action::MakeSuccessor { root: root.root });
            } else {
                // What waits for its certificate already is not asked for again.
                if root.request.is_none() {
                    add(
                        &mut made,
                        source,
                        Action::RequestSuccessor { root: root.root },
                    );
                }
                continue;
            }
        }
        for host in without_successor(root, source) {
            let action = Action::ReceiveSuccessor {
                root: root.root,
                from: source.to_owned(),
            };
            add(&mut copied, host, action);
        }
    }
    // Once something is made, the snapshot was taken: it comes before.
    let is_made = made.iter().flat_map(|turn| &turn.actions);
    let is_made = is_made
        .into_iter()
        .any(|it| matches!(it, Action::MakeSuccessor { .. }));
    let member = snapshot_host(scene).filter(|_| is_made);
    let snapshot = member.and_then(|host| {
        rounds.on_one(
            host,
            vec![Action::SnapshotEtcd],
            &Title {
                name: "snapshot",
                reason: "etcd is saved and the copy is tried, before anything is changed",
            },
            Vec::new(),
        )
    });
    let making = rounds.at_once(
        made,
        &Title {
            name: "successors",
            reason: "what is to come is made beside what is there; nobody uses it yet",
        },
        Vec::new(),
    );
    let copies = rounds.at_once(
        copied,
        &Title {
            name: "copies",
            reason: "every host that signs gets it, its key sealed for that host alone on the way",
        },
        Vec::new(),
    );
    [snapshot, making, copies].into_iter().flatten().collect()
}

/// Where the successor is made.
pub(super) fn maker<'r>(request: &'r RotationRequest, root: &'r RootPicture) -> Option<&'r str> {
    let waits = root.request.as_ref().map(|request| request.host.as_str());
    match request.given_for(root.root).map(|given| &given.key) {
        Some(GivenKey::OnHost { host, .. }) => Some(host),
        Some(GivenKey::WithOperator { .. }) | None => {
            waits.or(root.signing_keys.first().map(String::as_str))
        }
    }
}

/// Hosts that sign and lack it. One that signs with it already has it.
fn without_successor<'r>(
    root: &'r RootPicture,
    source: &'r str,
) -> impl Iterator<Item = &'r String> {
    root.signing_keys.iter().filter(move |host| {
        *host != source && !root.successor_keys.contains(host) && !signs_with_new(root, host)
    })
}

/// Whether every key of this root on a host is the new one.
fn signs_with_new(root: &RootPicture, host: &str) -> bool {
    let mut signing = root
        .kept(Purpose::Sign)
        .filter(|place| place.place.host() == Some(host))
        .peekable();
    signing.peek().is_some() && signing.all(|place| place.holds == Holds::New)
}

/// A member that does not lead has the least to do. With a downtime it may be that nobody answers any
/// more; then there is nobody to ask.
fn snapshot_host<'p>(scene: &Scene<'p>) -> Option<&'p str> {
    let picture: &Picture = scene.picture;
    if scene.request.offline && picture.leaders.etcd.is_none() {
        return None;
    }
    let leader = picture.leaders.etcd.as_deref();
    let members = || picture.hosts_with(Etcd).map(|host| host.name.as_str());
    members()
        .find(|host| leader.is_some_and(|leader| leader != *host))
        .or_else(|| members().next())
}

pub(super) fn add(turns: &mut Vec<Turn>, host: &str, action: Action) {
    match turns.iter_mut().find(|turn| turn.host == host) {
        Some(turn) => turn.actions.push(action),
        None => turns.push(Turn {
            host: host.to_owned(),
            actions: vec![action],
        }),
    }
}
