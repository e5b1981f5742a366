//! Workloads: their containers read a mounted `ca.crt` or token when they start. Which of them started too
//! early is asked of the API once it is known what there should be to read; until then they are no
//! places.

use super::book::place;
use super::loaded::started;
use crate::connections::Place;
use crate::diagnose::Evidence;
use crate::model::ComponentKind;
use crate::rotation::picture::{Holds, Keeper, Picture, PlaceState, Purpose, RootPicture};
use crate::rotation::plan::place_positions;
use crate::rotation::root::Root;
use crate::rotation::workload::{FreshTrust, Restart, StaleWorkload};
use jiff::Timestamp;

/// What containers must have read at their start for this root; `None` while there is no successor, and
/// for a root that no workload reads.
pub fn fresh_trust(evidence: &Evidence<'_>, picture: &Picture, root: Root) -> Option<FreshTrust> {
    let root = picture.root(root)?;
    let new = root.new.as_ref()?.fingerprint_sha256.clone();
    match root.root {
        Root::KubernetesCa => Some(FreshTrust {
            holds: vec![new],
            ..FreshTrust::default()
        }),
        Root::ServiceAccountKey => Some(FreshTrust {
            key_sha256: Some(new),
            tokens_since: signs_since(evidence, root),
            ..FreshTrust::default()
        }),
        Root::EtcdCa | Root::FrontProxyCa => None,
    }
}

/// Since when every API server signs with the new key; `None` while one does not.
fn signs_since(evidence: &Evidence<'_>, root: &RootPicture) -> Option<Timestamp> {
    let is_signing = |place: &&PlaceState| {
        let mut readers = place.readers.iter();
        place.purpose == Purpose::Sign
            && readers.any(|reader| reader.component == ComponentKind::KubeApiserver)
    };
    let mut signing = root.places.iter().filter(is_signing).peekable();
    signing.peek()?;
    let is_new = |place: &PlaceState| {
        let mut readers = place.readers.iter();
        place.holds == Holds::New && readers.all(|reader| reader.loaded != Some(false))
    };
    if !signing.all(is_new) {
        return None;
    }
    let hosts = evidence.hosts.iter();
    hosts
        .filter_map(|host| started(&host.inventory, ComponentKind::KubeApiserver))
        .max()
}

/// Enters workloads whose containers started too early, and says anew where the rotation stands. Those
/// that only their owners may restart are places that people have to see to.
pub fn add_workloads(picture: &mut Picture, root: Root, stale: &[StaleWorkload]) {
    let Some(root) = picture.roots.iter_mut().find(|it| it.root == root) else {
        return;
    };
    let purpose = match root.root {
        Root::ServiceAccountKey => Purpose::Present,
        _ => Purpose::Trust,
    };
    for workload in stale {
        let mut found = place(Place::Api(workload.object.clone()), purpose, Holds::Old);
        found.kept_by = match workload.restart {
            Restart::Rolling => Keeper::Workload,
            Restart::ByOwner { .. } | Restart::OptedOut => Keeper::Outside,
        };
        let is_known = root.places.iter().any(|it| it.place == found.place);
        if !is_known {
            root.places.push(found);
        }
    }
    place_positions(picture);
}
