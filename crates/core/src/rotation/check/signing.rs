//! What signs: successors before anybody uses them, a CA's file in step with the key beside it, and
//! kube-controller-manager's signing file, which holds exactly one certificate.
//!
//! A start with two ends the controller manager at once; while it runs, requests stay approved and are
//! never issued. kubeadm signs with the first certificate of a CA's file and the key beside it.

use super::verdict::Rule;
use crate::connections::Place;
use crate::model::ComponentKind::KubeControllerManager;
use crate::rotation::{
    Action, Holds, Picture, PlaceState, Purpose, Root, RootPicture, Turn, successor,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// A rule that is broken: which, what it is about, where, and in words.
pub(super) type Breach = (Rule, String, Vec<Place>, String);

/// A CA's own file and key on a host.
#[derive(Debug)]
struct Pair {
    file: Option<Place>,
    is_new: bool,
}

/// How a controller manager signs.
#[derive(Debug)]
struct Signer {
    /// The file that it shares with those who trust, unless it has its own.
    shared: Option<Place>,
    is_split: bool,
}

/// What signs, on all hosts.
#[derive(Debug, Default)]
pub(super) struct Signing {
    /// Hosts with the successor's key.
    holders: BTreeMap<Root, BTreeSet<String>>,
    /// Roots whose successor is known.
    known: BTreeSet<Root>,
    pairs: BTreeMap<(Root, String), Pair>,
    signers: BTreeMap<String, Signer>,
    bundles: HashMap<(Root, Place), Holds>,
}

impl Signing {
    pub(super) fn new(picture: &Picture) -> Self {
        let mut signing = Self::default();
        for root in &picture.roots {
            signing.root(root);
        }
        signing
    }

    fn root(&mut self, root: &RootPicture) {
        let holders = root.successor_keys.iter().cloned().collect();
        self.holders.insert(root.root, holders);
        if root.new.is_some() {
            self.known.insert(root.root);
        }
        for place in root.places.iter().filter(|it| it.purpose == Purpose::Trust) {
            let key = (root.root, place.place.clone());
            self.bundles.insert(key, place.holds.clone());
        }
        let trusts = |place: &Place| {
            let mut places = root.places.iter();
            places.any(|it| it.purpose == Purpose::Trust && it.place == *place)
        };
        let signs = root.places.iter().filter(|it| it.purpose == Purpose::Sign);
        for place in signs {
            let Some(host) = place.place.host() else {
                continue;
            };
            let is_alone = place.place.path().is_some_and(successor::is_signer);
            if is_its_signing_file(place) {
                let signer = Signer {
                    shared: beside_alone(root, place),
                    is_split: is_alone,
                };
                if is_alone || trusts(&place.place) {
                    self.signers.insert(host.to_owned(), signer);
                }
            }
            let is_key = !is_alone && !trusts(&place.place);
            if is_key && root.signing_keys.iter().any(|it| it == host) {
                let pair = Pair {
                    file: of_key(root, &place.place),
                    is_new: place.holds == Holds::New,
                };
                self.pairs.insert((root.root, host.to_owned()), pair);
            }
        }
    }

    /// Whether a certificate of the new one can be signed anywhere.
    fn can_issue(&self, root: Root) -> bool {
        let held = self.holders.get(&root).is_some_and(|it| !it.is_empty());
        held || self
            .pairs
            .iter()
            .any(|((of, _), pair)| *of == root && pair.is_new)
    }

    /// Whether the key of this root on a host is the new one.
    pub(super) fn is_installed(&self, root: Root, host: &str) -> bool {
        let pair = self.pairs.get(&(root, host.to_owned()));
        pair.is_some_and(|pair| pair.is_new)
    }

    /// Whether a host's controller manager has a signing file of its own.
    pub(super) fn is_split(&self, host: &str) -> bool {
        self.signers.get(host).is_some_and(|it| it.is_split)
    }

    /// The file of this root's own certificates on a host, and what it holds.
    pub(super) fn own_file(&self, root: Root, host: &str) -> Option<(&Place, Holds)> {
        let pair = self.pairs.get(&(root, host.to_owned()))?;
        let file = pair.file.as_ref()?;
        let held = self.bundles.get(&(root, file.clone()));
        Some((file, held.cloned().unwrap_or(Holds::Old)))
    }

    /// Hosts on which the successor has not taken its place, or something of the rotation lies around.
    pub(super) fn unfinished(&self, root: Root) -> BTreeSet<String> {
        let pairs = self.pairs.iter();
        let old = pairs.filter(|((of, _), pair)| *of == root && !pair.is_new);
        let mut hosts: BTreeSet<String> = old.map(|((_, host), _)| host.clone()).collect();
        hosts.extend(self.holders.get(&root).into_iter().flatten().cloned());
        if root == Root::KubernetesCa {
            let split = self.signers.iter().filter(|(_, signer)| signer.is_split);
            hosts.extend(split.map(|(host, _)| host.clone()));
        }
        hosts
    }

    /// A turn is carried out; what it breaks on the way and when it is over.
    pub(super) fn turn(&mut self, turn: &Turn) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let restarts = turn.actions.iter().any(|action| match action {
            Action::Restart { component, parks } => {
                *component == KubeControllerManager || parks.contains(&KubeControllerManager)
            }
            Action::Start { components } => components.contains(&KubeControllerManager),
            _ => false,
        });
        for action in &turn.actions {
            self.action(&turn.host, action, restarts, &mut breaches);
        }
        self.stands(&turn.host, &mut breaches);
        breaches
    }

    fn action(&mut self, host: &str, action: &Action, restarts: bool, breaches: &mut Vec<Breach>) {
        let mut breach = |root: Root, words: String| {
            breaches.push((Rule::Order, format!("{root} on {host}"), Vec::new(), words));
        };
        let holds = |signing: &Self, root: &Root, host: &str| {
            signing
                .holders
                .get(root)
                .is_some_and(|it| it.contains(host))
        };
        match action {
            Action::MakeSuccessor { root } => {
                self.holders
                    .entry(*root)
                    .or_default()
                    .insert(host.to_owned());
                self.known.insert(*root);
            }
            Action::ReceiveSuccessor { root, from } => {
                if !holds(self, root, from) {
                    breach(*root, format!("{from} has no successor to give yet"));
                }
                self.holders
                    .entry(*root)
                    .or_default()
                    .insert(host.to_owned());
            }
            Action::WriteTrust { root, place, holds } => {
                if *holds != Holds::Old && !self.known.contains(root) {
                    breach(
                        *root,
                        format!("{place} is to trust a successor that is not made yet"),
                    );
                }
                self.bundles.insert((*root, place.clone()), holds.clone());
            }
            Action::Issue { root, entry } if !self.can_issue(*root) => {
                breach(
                    *root,
                    format!("{entry} is to be issued by a successor that no host holds"),
                );
            }
            Action::InstallSuccessor { root } => {
                if !holds(self, root, host) {
                    breach(
                        *root,
                        "the successor is not there to take its place".to_owned(),
                    );
                }
                self.install(*root, host);
            }
            Action::RemoveSuccessorFiles { root } => {
                let key = (*root, host.to_owned());
                if self.pairs.get(&key).is_some_and(|pair| !pair.is_new) {
                    breach(
                        *root,
                        "the successor is removed before it took its place".to_owned(),
                    );
                }
                if *root == Root::KubernetesCa && self.is_split(host) {
                    let words = "the file is removed by which kube-controller-manager signs";
                    breach(*root, words.to_owned());
                }
                if let Some(holders) = self.holders.get_mut(root) {
                    holders.remove(host);
                }
            }
            // Of one that is at rest there is nothing old that anybody could still live by.
            Action::RetireKey { root, .. } if self.known.contains(root) => {
                for ((_, other), pair) in self.pairs.iter().filter(|((of, _), _)| of == root) {
                    let own = self.own_file(*root, other);
                    let still = match own {
                        _ if !pair.is_new => format!("{other} signs with it"),
                        Some((file, holds)) if holds != Holds::New => {
                            format!("{file} on {other} holds its certificate")
                        }
                        _ => continue,
                    };
                    breach(*root, format!("its old private key goes while {still}"));
                }
            }
            // Without a restart the process goes on as it was told before.
            Action::SplitSigner | Action::JoinSigner if restarts => {
                if let Some(signer) = self.signers.get_mut(host) {
                    signer.is_split = *action == Action::SplitSigner;
                }
            }
            _ => {}
        }
    }

    fn install(&mut self, root: Root, host: &str) {
        let Some(pair) = self.pairs.get_mut(&(root, host.to_owned())) else {
            return;
        };
        pair.is_new = true;
        if let Some(file) = &pair.file {
            let key = (root, file.clone());
            let held = self.bundles.get(&key).cloned();
            if matches!(held, Some(Holds::Old | Holds::OldNew)) {
                self.bundles.insert(key, Holds::NewOld);
            }
        }
    }

    /// What has to be so whenever no turn of the host is under way.
    fn stands(&self, host: &str, breaches: &mut Vec<Breach>) {
        if let Some(signer) = self.signers.get(host)
            && !signer.is_split
            && let Some(shared) = &signer.shared
            && let Some(held) = self.bundles.get(&(Root::KubernetesCa, shared.clone()))
            && matches!(held, Holds::OldNew | Holds::NewOld)
        {
            breaches.push((
                Rule::OneSigner,
                format!("kube-controller-manager on {host}"),
                vec![shared.clone()],
                format!("it signs with {shared}, which holds two certificates: requests are approved and never issued, and its next start ends at once"),
            ));
        }
        for ((root, of), pair) in &self.pairs {
            let Some(file) = pair.file.as_ref().filter(|_| of == host) else {
                continue;
            };
            if *root == Root::ServiceAccountKey {
                // Public keys stand beside each other in any order.
                continue;
            }
            let first_is_new = match self.bundles.get(&(*root, file.clone())) {
                Some(Holds::Old | Holds::OldNew) => false,
                Some(Holds::New | Holds::NewOld) => true,
                _ => continue,
            };
            if first_is_new != pair.is_new {
                let (first, key) = match pair.is_new {
                    true => ("old", "new"),
                    false => ("new", "old"),
                };
                breaches.push((
                    Rule::KeyInStep,
                    format!("{root} on {host}"),
                    vec![file.clone()],
                    format!("the first certificate in {file} is the {first} one, and the key beside it the {key} one: nothing can be signed with them"),
                ));
            }
        }
    }
}

fn is_its_signing_file(place: &PlaceState) -> bool {
    place
        .readers
        .iter()
        .any(|it| it.component == KubeControllerManager && it.flag == "cluster-signing-cert-file")
}

/// The file that a signing file was, or can be, split off from.
fn beside_alone(root: &RootPicture, place: &PlaceState) -> Option<Place> {
    let path = place.place.path()?;
    let host = place.place.host();
    let mut files = root.places.iter().filter(|it| it.purpose == Purpose::Trust);
    let found = files.find(|it| {
        let other = it.place.path();
        it.place.host() == host
            && other.is_some_and(|other| other == path || successor::signer(other) == path)
    });
    found.map(|it| it.place.clone())
}

/// The file of the certificates to which a key belongs.
fn of_key(root: &RootPicture, key: &Place) -> Option<Place> {
    let path = key.path()?;
    let mut files = root.places.iter().filter(|it| it.purpose == Purpose::Trust);
    let found = files.find(|it| {
        let other = it.place.path();
        matches!(it.place, Place::File { .. })
            && it.place.host() == key.host()
            && other.is_some_and(|other| is_beside(other, path))
    });
    found.map(|it| it.place.clone())
}

/// `ca.crt` and `ca.key`; `ca.pem` and `ca-key.pem`.
fn is_beside(certificate: &Path, key: &Path) -> bool {
    let stem = |path: &Path| {
        let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned());
        stem.unwrap_or_default()
    };
    let of_key = stem(key);
    let of_key = of_key.strip_suffix("-key").unwrap_or(&of_key);
    certificate.parent() == key.parent() && stem(certificate) == of_key
}
