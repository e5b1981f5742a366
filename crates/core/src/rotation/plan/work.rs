//! What is missing of one root's places at the level that ends a phase: pieces of work, each for one
//! host, with the components that have to be started again for it.

use super::places::{behind, is_served_by_api_server, restarted_by};
use crate::connections::Place;
use crate::model::ComponentKind::{self, Etcd, KubeApiserver, KubeControllerManager};
use crate::rotation::picture::{Holds, PlaceState, Purpose, RootPicture};
use crate::rotation::{Action, Root};
use std::collections::{BTreeMap, BTreeSet};

/// The level that trust has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Both are trusted.
    Both,
    /// Only the new one is.
    New,
}

/// With whom a piece of work is done; in the order in which trust is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Nobody is restarted.
    Files,
    /// kube-controller-manager, kube-scheduler, cloud-controller-manager.
    Controllers,
    /// etcd, with the API server that knows only this member.
    Etcd,
    /// API servers.
    ApiServers,
    /// kubelets and kube-proxies.
    Kubelets,
}

/// A piece of work on one host.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) host: String,
    pub(super) actions: Vec<Action>,
    pub(super) restarts: BTreeSet<ComponentKind>,
    pub(super) class: Class,
}

impl Work {
    /// Work whose class is told by whom it restarts.
    pub(super) fn new(host: &str, actions: Vec<Action>, restarts: BTreeSet<ComponentKind>) -> Self {
        let class = class_of(&restarts);
        Self {
            host: host.to_owned(),
            actions,
            restarts,
            class,
        }
    }
}

fn class_of(restarts: &BTreeSet<ComponentKind>) -> Class {
    let has = |kind| restarts.contains(&kind);
    if has(Etcd) {
        Class::Etcd
    } else if has(KubeApiserver) {
        Class::ApiServers
    } else if has(KubeControllerManager)
        || has(ComponentKind::KubeScheduler)
        || has(ComponentKind::CloudControllerManager)
    {
        Class::Controllers
    } else if restarts.is_empty() {
        Class::Files
    } else {
        Class::Kubelets
    }
}

/// The level of a root's trust, with what is asked of the whole root once.
pub(super) struct Wanted {
    pub(super) level: Level,
    serves_new: bool,
    presents_new: bool,
}

impl Wanted {
    pub(super) fn of(root: &RootPicture, level: Level) -> Self {
        Self {
            level,
            serves_new: root.api_servers_serve_new(),
            presents_new: root.presents_new(),
        }
    }

    /// Whether a place is where trust has to be. One that trusts only the new generation is content
    /// while both are asked for, when those that it verifies present only the new one.
    pub(super) fn is_met(&self, place: &PlaceState) -> bool {
        match (&place.holds, self.level) {
            (Holds::OldNew | Holds::NewOld, Level::Both) | (Holds::New, Level::New) => true,
            (Holds::New, Level::Both) => match place.place {
                Place::KubeconfigCluster { .. } | Place::Api(_) => self.serves_new,
                _ => self.presents_new,
            },
            _ => false,
        }
    }
}

/// What is missing of trust on hosts.
pub(super) fn trust(root: &RootPicture, level: Level) -> Vec<Work> {
    let mut works = bundles(root, level);
    if level == Level::New {
        join_signers(root, &mut works);
        install_late(root, &mut works);
    }
    works
}

/// What is missing of the new trust alone, where nothing that is started is told to read other files: a
/// manifest that is parked is not edited.
pub(super) fn swapped_trust(root: &RootPicture) -> Vec<Work> {
    let mut works = bundles(root, Level::New);
    install_late(root, &mut works);
    works
}

fn bundles(root: &RootPicture, level: Level) -> Vec<Work> {
    let wanted = Wanted::of(root, level);
    let signers: BTreeMap<&str, &PlaceState> = root.signers().collect();
    let mut works: Vec<Work> = Vec::new();
    for place in root.kept(Purpose::Trust) {
        let Some(host) = place.place.host() else {
            continue;
        };
        if !place.holds.is_told() {
            continue;
        }
        let mut actions = Vec::new();
        let mut restarts = BTreeSet::new();
        if wanted.is_met(place) {
            if level == Level::New || place.holds.is_both() {
                restarts = behind(place);
            }
        } else {
            restarts = restarted_by(place);
            actions.push(Action::WriteTrust {
                root: root.root,
                place: place.place.clone(),
                holds: match level {
                    Level::Both => Holds::OldNew,
                    Level::New => Holds::New,
                },
            });
        }
        // A file by which kube-controller-manager signs, and that is to hold two or does.
        let signs = signers.get(host).is_some_and(|it| it.place == place.place);
        if level == Level::Both && signs && !(place.holds == Holds::New && wanted.is_met(place)) {
            actions.insert(0, Action::SplitSigner);
            restarts.insert(KubeControllerManager);
        }
        if !(actions.is_empty() && restarts.is_empty()) {
            works.push(Work::new(host, actions, restarts));
        }
    }
    works
}

/// kube-controller-manager signs by the CA file again in the very turn in which that comes to hold one.
fn join_signers(root: &RootPicture, works: &mut Vec<Work>) {
    let hosts = root
        .kept(Purpose::Sign)
        .filter_map(|place| place.place.host())
        .collect::<BTreeSet<_>>();
    for host in hosts {
        if root.root != Root::KubernetesCa || !root.is_signer_split(host) {
            continue;
        }
        attach(root, works, host, Action::JoinSigner, KubeControllerManager);
    }
}

/// What etcd reads only at its start is written once: its key takes its place with the end of the old
/// trust, since turning the bundle's order earlier would ask for one more restart of every member.
fn install_late(root: &RootPicture, works: &mut Vec<Work>) {
    if root.root != Root::EtcdCa {
        return;
    }
    for host in root
        .signing_keys
        .iter()
        .filter(|it| root.signs_with_old(it))
    {
        let own = root.own_file(host);
        let install = Action::InstallSuccessor { root: root.root };
        match own.and_then(|own| writes(works, host, own)) {
            Some(work) => work.actions.insert(0, install),
            None => works.push(Work::new(
                host,
                [install]
                    .into_iter()
                    .chain(own.map(|own| Action::WriteTrust {
                        root: root.root,
                        place: own.place.clone(),
                        holds: Holds::New,
                    }))
                    .collect(),
                own.map(behind).unwrap_or_default(),
            )),
        }
    }
}

fn attach(
    root: &RootPicture,
    works: &mut Vec<Work>,
    host: &str,
    action: Action,
    restarted: ComponentKind,
) {
    let own = root.own_file(host);
    match own.and_then(|own| writes(works, host, own)) {
        Some(work) => {
            work.actions.insert(0, action);
            work.restarts.insert(restarted);
            work.class = class_of(&work.restarts);
        }
        None => works.push(Work::new(host, vec![action], BTreeSet::from([restarted]))),
    }
}

fn writes<'w>(works: &'w mut [Work], host: &str, own: &PlaceState) -> Option<&'w mut Work> {
    works.iter_mut().find(|work| {
        work.host == host
            && work.actions.iter().any(
                |action| matches!(action, Action::WriteTrust { place, .. } if *place == own.place),
            )
    })
}

/// What is still presented of the old generation and can be issued, or was issued and not taken up.
pub(super) fn presented(root: &RootPicture) -> Vec<Work> {
    let forgets = match will_serve_new(root) {
        true => kubeconfigs(root),
        false => BTreeMap::new(),
    };
    let mut works: Vec<Work> = Vec::new();
    for place in root.kept(Purpose::Present) {
        let (Some(host), Some(entry)) = (place.place.host(), &place.renewable_as) else {
            continue;
        };
        if !place.holds.is_told() {
            continue;
        }
        let mut actions = Vec::new();
        let restarts = if place.holds == Holds::New {
            behind(place)
        } else {
            actions.push(Action::Issue {
                root: root.root,
                entry: entry.clone(),
            });
            restarted_by(place)
        };
        if actions.is_empty() && restarts.is_empty() {
            continue;
        }
        let mut work = Work::new(host, actions, restarts);
        if place.readers.iter().any(|reader| reader.component == Etcd) {
            work.class = Class::Etcd;
        } else if place
            .readers
            .iter()
            .any(|reader| reader.component == KubeApiserver)
        {
            work.class = Class::ApiServers;
        }
        // A client that reads its kubeconfig only at its start forgets the old servers in the same
        // restart: they have all been seen to present the new one by then.
        if matches!(work.class, Class::Controllers | Class::Kubelets) && !work.actions.is_empty() {
            let forgets = forgets.get(host).into_iter().flatten();
            let restarted = forgets.filter(|(readers, _)| readers.is_subset(&work.restarts));
            let more: Vec<Action> = restarted.map(|(_, write)| write.clone()).collect();
            work.actions.extend(more);
        }
        works.push(work);
    }
    works
}

fn will_serve_new(root: &RootPicture) -> bool {
    root.root == Root::KubernetesCa
        && root
            .places
            .iter()
            .filter(|place| is_served_by_api_server(place))
            .all(|place| {
                place.holds == Holds::New || (place.holds.is_told() && place.renewable_as.is_some())
            })
}

/// Of each host the kubeconfigs that are read at a start, with their readers and what is written.
fn kubeconfigs(root: &RootPicture) -> BTreeMap<&str, Vec<(BTreeSet<ComponentKind>, Action)>> {
    let mut found: BTreeMap<&str, Vec<(BTreeSet<ComponentKind>, Action)>> = BTreeMap::new();
    for place in root.kept(Purpose::Trust) {
        let readers = restarted_by(place);
        let (Place::KubeconfigCluster { host, .. }, true, false) =
            (&place.place, place.holds.is_both(), readers.is_empty())
        else {
            continue;
        };
        let write = Action::WriteTrust {
            root: root.root,
            place: place.place.clone(),
            holds: Holds::New,
        };
        found.entry(host).or_default().push((readers, write));
    }
    found
}

/// The successor takes its place where it is signed with the old one. API servers take a signing key up
/// with the restart that settles.
pub(super) fn signers(root: &RootPicture) -> Vec<Work> {
    if root.root == Root::EtcdCa {
        return Vec::new();
    }
    let mut works = Vec::new();
    let hosts = root
        .kept(Purpose::Sign)
        .filter_map(|place| place.place.host())
        .collect::<BTreeSet<_>>();
    for host in hosts {
        let signing = || {
            root.kept(Purpose::Sign)
                .filter(|place| place.place.host() == Some(host))
        };
        let mut restarts: BTreeSet<ComponentKind> = BTreeSet::new();
        let mut actions = Vec::new();
        if root.signs_with_old(host) {
            actions.push(Action::InstallSuccessor { root: root.root });
            restarts.extend(signing().flat_map(restarted_by));
            if root.is_authority() {
                restarts.extend(root.own_file(host).map(restarted_by).unwrap_or_default());
            }
        } else {
            restarts.extend(signing().flat_map(behind));
        }
        if !root.is_authority() {
            restarts.remove(&KubeApiserver);
        }
        if !(actions.is_empty() && restarts.is_empty()) {
            works.push(Work::new(host, actions, restarts));
        }
    }
    works
}
