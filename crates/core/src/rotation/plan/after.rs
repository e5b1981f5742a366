//! The picture as it will be when a script is done: so that the next phase can be planned before the
//! world is there. What others do in the meantime (publish, merge) is taken as done where it is awaited.

use super::places::{SIGNING_FLAG, is_read_by, reads_at_start};
use super::{marks, position};
use crate::connections::Place;
use crate::model::ComponentKind::{
    self, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler,
};
use crate::model::ObjectReference;
use crate::rotation::picture::{
    Generation, Holds, Keeper, Leaders, Picture, PlaceState, Purpose, RootPicture,
};
use crate::rotation::{Action, Await, Root, Script, successor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The picture after everything in the script is done.
pub fn picture_after(picture: &Picture, script: &Script) -> Picture {
    let mut after = After::of(picture);
    for round in &script.rounds {
        for turn in &round.turns {
            for action in &turn.actions {
                after.act(&turn.host, action);
            }
        }
        for awaited in &round.awaits {
            after.awaited(awaited);
        }
    }
    let mut picture = Picture {
        observed_at: picture.observed_at,
        roots: after.roots.into_iter().map(|it| it.root).collect(),
        hosts: marks::after(&picture.hosts, script),
        strangers: picture.strangers.clone(),
        leaders: after.leaders,
        gaps: picture.gaps.clone(),
    };
    for root in &mut picture.roots {
        come_to_rest(root);
    }
    position::place(&mut picture);
    picture
}

/// What a script changes of a picture.
struct After {
    roots: Vec<Indexed>,
    leaders: Leaders,
}

/// A root whose places are found by their host: there are many of both.
struct Indexed {
    root: RootPicture,
    /// Places of the API have no host.
    at: BTreeMap<Option<String>, Vec<usize>>,
}

impl After {
    fn of(picture: &Picture) -> Self {
        Self {
            roots: picture.roots.iter().map(Indexed::of).collect(),
            leaders: picture.leaders.clone(),
        }
    }

    fn act(&mut self, host: &str, action: &Action) {
        match action {
            Action::MakeSuccessor { root } | Action::ReceiveSuccessor { root, .. } => {
                self.with(*root, |it| it.get_successor(host));
            }
            Action::WriteTrust { root, place, holds } => {
                self.with(*root, |it| it.write(place, holds));
            }
            Action::SplitSigner => self.with(Root::KubernetesCa, |it| it.split(host)),
            Action::JoinSigner => self.with(Root::KubernetesCa, |it| it.join(host)),
            Action::Issue { root, entry } => {
                self.with(*root, |it| it.issue(host, entry));
            }
            Action::InstallSuccessor { root } => self.with(*root, |it| it.install(host)),
            Action::Restart { component, parks } => {
                self.started(host, *component);
                for parked in parks {
                    self.started(host, *parked);
                }
            }
            Action::Start { components } => {
                for component in components {
                    self.started(host, *component);
                }
            }
            Action::YieldEtcdLeadership => {
                if self.leaders.etcd.as_deref().is_none_or(|it| it == host) {
                    self.leaders.etcd = None;
                }
            }
            Action::Recreate { object } => {
                for root in &mut self.roots {
                    root.change(
                        None,
                        |place| matches!(&place.place, Place::Api(it) if it.clone().whole() == *object),
                        |_| Holds::New,
                    );
                }
            }
            Action::RestartWorkloads { root } => self.with(*root, |it| {
                it.change(
                    None,
                    |place| place.kept_by == Keeper::Workload && place.holds == Holds::Old,
                    |place| match place.purpose {
                        Purpose::Trust => Holds::OldNew,
                        _ => Holds::New,
                    },
                );
            }),
            Action::AddTokenSecrets => self.with(Root::ServiceAccountKey, |it| {
                it.change(
                    None,
                    |place| is_token(place) && place.holds == Holds::Old,
                    |_| Holds::NewOld,
                );
            }),
            Action::DropTokenSecrets => self.with(Root::ServiceAccountKey, |it| {
                it.change(
                    None,
                    |place| is_token(place) && place.holds.is_both(),
                    |_| Holds::New,
                );
            }),
            Action::RemoveSuccessorFiles { root } => self.with(*root, |it| {
                it.root.leftovers.retain(|holder| holder != host);
                it.root.successor_keys.retain(|holder| holder != host);
            }),
            Action::SnapshotEtcd
            | Action::RequestSuccessor { .. }
            | Action::RetireKey { .. }
            | Action::Halt { .. } => {}
        }
    }

    fn with(&mut self, root: Root, change: impl FnOnce(&mut Indexed)) {
        if let Some(root) = self.roots.iter_mut().find(|it| it.root.root == root) {
            change(root);
        }
    }

    /// A component was started: it has read everything, and an API server keeps no old connection.
    fn started(&mut self, host: &str, component: ComponentKind) {
        for root in &mut self.roots {
            root.each(Some(host), |place| {
                for reader in &mut place.readers {
                    if reader.component == component && reads_at_start(reader) {
                        reader.loaded = Some(true);
                    }
                }
            });
            let settled = &mut root.root.settled;
            if component == KubeApiserver && !settled.iter().any(|it| it == host) {
                settled.push(host.to_owned());
            }
        }
        let leader = match component {
            Etcd => &mut self.leaders.etcd,
            KubeControllerManager => &mut self.leaders.controller_manager,
            KubeScheduler => &mut self.leaders.scheduler,
            _ => return,
        };
        if leader.as_deref() == Some(host) {
            *leader = None;
        }
    }

    fn awaited(&mut self, awaited: &Await) {
        match awaited {
            Await::Published { holds } => self.with(Root::KubernetesCa, |root| {
                root.change(
                    None,
                    |place| {
                        place.kept_by == Keeper::ControllerManager
                            && place.purpose == Purpose::Trust
                    },
                    |_| holds.clone(),
                );
            }),
            // What API servers believe they merge into what they publish.
            Await::NewClientsAccepted { root, .. } => self.with(*root, |root| {
                root.change(
                    None,
                    |place| place.kept_by == Keeper::ApiServers && !place.holds.is_both(),
                    |_| Holds::OldNew,
                );
            }),
            _ => {}
        }
    }
}

fn is_token(place: &PlaceState) -> bool {
    place.kept_by == Keeper::ControllerManager && place.purpose == Purpose::Present
}

impl RootPicture {
    fn get_successor(&mut self, host: &str) {
        if self.new.is_none() {
            self.new = Some(self.unborn());
            self.request = None;
            self.expect_workloads();
        }
        for holders in [&mut self.successor_keys, &mut self.leftovers] {
            if !holders.iter().any(|holder| holder == host) {
                holders.push(host.to_owned());
            }
        }
    }

    /// Which workloads read their trust or token at their start is asked only when there is a successor;
    /// until then some are taken to.
    pub(super) fn expect_workloads(&mut self) {
        let purpose = match self.root {
            Root::KubernetesCa => Purpose::Trust,
            Root::ServiceAccountKey => Purpose::Present,
            Root::EtcdCa | Root::FrontProxyCa => return,
        };
        if self.kept_by(Keeper::Workload).next().is_none() {
            let object = ObjectReference::cluster_wide("Workloads", "of every namespace");
            self.places.push(PlaceState {
                place: Place::Api(object),
                purpose,
                kept_by: Keeper::Workload,
                holds: Holds::Old,
                readers: Vec::new(),
                renewable_as: None,
            });
        }
    }

    /// A generation that an earlier action of the script makes: it has a name only then.
    fn unborn(&self) -> Generation {
        let of = self.old.first();
        Generation {
            name: format!(
                "successor of {}",
                of.map_or(self.root.as_str(), |old| old.name.as_str())
            ),
            fingerprint_sha256: String::new(),
            pem: String::new(),
            not_after: None,
        }
    }
}

impl Indexed {
    fn of(root: &RootPicture) -> Self {
        let mut at: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for (number, place) in root.places.iter().enumerate() {
            let host = place.place.host().map(ToOwned::to_owned);
            at.entry(host).or_default().push(number);
        }
        Self {
            root: root.clone(),
            at,
        }
    }

    fn get_successor(&mut self, host: &str) {
        let known = self.root.places.len();
        self.root.get_successor(host);
        if self.root.places.len() != known {
            *self = Self::of(&self.root);
        }
    }

    /// Every place of a host, or of the API.
    fn each(&mut self, host: Option<&str>, mut act: impl FnMut(&mut PlaceState)) {
        let numbers = self.at.get(&host.map(ToOwned::to_owned));
        for number in numbers.into_iter().flatten() {
            if let Some(place) = self.root.places.get_mut(*number) {
                act(place);
            }
        }
    }

    fn change(
        &mut self,
        host: Option<&str>,
        which: impl Fn(&PlaceState) -> bool,
        to: impl Fn(&PlaceState) -> Holds,
    ) {
        self.each(host, |place| {
            if !which(place) {
                return;
            }
            let holds = to(place);
            if place.holds == holds {
                return;
            }
            place.holds = holds;
            for reader in &mut place.readers {
                reader.loaded = reads_at_start(reader).then_some(false);
            }
        });
    }

    fn write(&mut self, place: &Place, holds: &Holds) {
        // Whoever signs by the very file signs with what it holds.
        self.change(
            place.host(),
            |it| {
                it.place == *place
                    && (it.purpose == Purpose::Trust
                        || is_read_by(it, KubeControllerManager, &[SIGNING_FLAG]))
            },
            |_| holds.clone(),
        );
    }

    fn issue(&mut self, host: &str, entry: &str) {
        // Whoever is connected is so with the certificate that was there until now.
        self.root.settled.clear();
        self.change(
            Some(host),
            |place| {
                place.purpose == Purpose::Present && place.renewable_as.as_deref() == Some(entry)
            },
            |_| Holds::New,
        );
    }

    fn install(&mut self, host: &str) {
        let own = self.root.own_file(host).map(|own| own.place.clone());
        self.change(
            Some(host),
            |it| it.purpose == Purpose::Sign && it.kept_by == Keeper::Rotation,
            |_| Holds::New,
        );
        if self.root.is_authority() {
            self.change(
                Some(host),
                |it| it.purpose == Purpose::Trust && Some(&it.place) == own.as_ref(),
                |_| Holds::NewOld,
            );
        }
    }

    fn split(&mut self, host: &str) {
        let holds = match self.root.signs_with_old(host) {
            true => Holds::Old,
            false => Holds::New,
        };
        self.move_signer(host, successor::signer, &holds);
        let leftovers = &mut self.root.leftovers;
        if !leftovers.iter().any(|holder| holder == host) {
            leftovers.push(host.to_owned());
        }
    }

    fn join(&mut self, host: &str) {
        let own = self.root.own_file(host);
        let own = own.and_then(|own| own.place.path()).map(Path::to_path_buf);
        if let Some(own) = own {
            self.move_signer(host, |_| own.clone(), &Holds::New);
        }
    }

    fn move_signer(&mut self, host: &str, to: impl Fn(&Path) -> PathBuf, holds: &Holds) {
        self.each(Some(host), |place| {
            let signs = place.purpose == Purpose::Sign
                && is_read_by(place, KubeControllerManager, &[SIGNING_FLAG]);
            if let (true, Place::File { path, .. }) = (signs, &mut place.place) {
                *path = to(path);
                place.holds = holds.clone();
            }
        });
    }
}

/// A root whose places all hold the new generation, with nothing left beside them, has one generation.
fn come_to_rest(root: &mut RootPicture) {
    let is_done = root.leftovers.is_empty()
        && root
            .places
            .iter()
            .filter(|place| !matches!(place.kept_by, Keeper::Workload | Keeper::Outside))
            .all(|place| place.holds == Holds::New || !place.holds.is_told());
    if !is_done {
        return;
    }
    let Some(new) = root.new.take() else {
        return;
    };
    root.old = vec![new];
    for place in root.places.iter_mut().filter(|it| it.holds.is_told()) {
        place.holds = Holds::Old;
    }
}
