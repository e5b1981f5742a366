//! What tests of the way back are given: hosts, runs and a picture.

use super::{ArchivedKeys, HostRuns, RotationRun, TakenBackRun};
use crate::connections::Place;
use crate::formats::flags::Flags;
use crate::formats::static_pod::PathMap;
use crate::model::{Component, ComponentKind, Inventory, ObjectReference, RunsAs};
use crate::plan::RotationMark;
use crate::rotation::phase::{Phase, Position};
use crate::rotation::picture::{
    Generation, Holds, Keeper, Leaders, Picture, PlaceState, Purpose, RootPicture,
};
use crate::rotation::root::Root;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
}

pub(super) fn inventory(host: &str) -> Inventory {
    Inventory {
        host: host.to_owned(),
        observed_at: at(0),
        live: false,
        components: Vec::new(),
        authorities: Vec::new(),
        entries: Vec::new(),
        embedded_trust: Vec::new(),
        kubeconfigs: Vec::new(),
        etcd_clients: Vec::new(),
        service_account_keys: Vec::new(),
        successor_requests: Vec::new(),
        node_name: None,
        static_pod_folders: Vec::new(),
        files: BTreeMap::from([("/pki/ca.crt".into(), Some("aa".to_owned()))]),
        file_times: BTreeMap::new(),
        kubeadm_configuration: None,
        declared: None,
        gaps: Vec::new(),
    }
}

pub(super) fn run(id: &str, minute: i64, phase: Phase, round: &str) -> RotationRun {
    RotationRun {
        id: id.to_owned(),
        started_at: at(minute),
        mark: RotationMark {
            rotation: if phase == Phase::Prepare {
                "new"
            } else {
                "abc"
            }
            .to_owned(),
            phase,
            round: round.to_owned(),
        },
        keys: ArchivedKeys::Kept,
        archive: Some(PathBuf::from(format!("/b/{id}.tar"))),
        written: vec!["/pki/ca.crt".into()],
        components: vec![ComponentKind::Kubelet],
    }
}

pub(super) fn generation(name: &str) -> Generation {
    Generation {
        name: name.to_owned(),
        fingerprint_sha256: format!("{name}-sha256"),
        pem: format!("{name}\n"),
        not_after: None,
    }
}

pub(super) fn picture(holds: Holds, new: Option<Generation>) -> Picture {
    let object = ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info");
    let of = |root, places| RootPicture {
        root,
        old: vec![generation("old")],
        new: new.clone(),
        request: None,
        successor_keys: Vec::new(),
        signing_keys: Vec::new(),
        leftovers: Vec::new(),
        settled: Vec::new(),
        places,
        position: Position::AtRest,
    };
    Picture {
        observed_at: at(0),
        roots: vec![of(
            Root::KubernetesCa,
            vec![PlaceState {
                place: Place::Api(object),
                purpose: Purpose::Trust,
                holds,
                kept_by: Keeper::Rotation,
                readers: Vec::new(),
                renewable_as: None,
            }],
        )],
        hosts: Vec::new(),
        leaders: Leaders::default(),
        strangers: Vec::new(),
        gaps: Vec::new(),
    }
}

pub(super) fn control_plane() -> Inventory {
    let mut host = inventory("cp1");
    host.components.push(Component {
        kind: ComponentKind::KubeApiserver,
        runs_as: RunsAs::Process,
        flags: Flags::default(),
        mounts: PathMap::default(),
        processes: Vec::new(),
        is_marked: false,
    });
    host
}

/// The Kubernetes CA and the key of service accounts on their way.
pub(super) fn both_rotating() -> Picture {
    let mut picture = picture(Holds::Old, Some(generation("new")));
    let mut key = picture.roots[0].clone();
    key.root = Root::ServiceAccountKey;
    key.old = vec![generation("old-key")];
    key.new = Some(generation("new-key"));
    key.places.clear();
    picture.roots.push(key);
    picture
}

pub(super) fn taken_back(phase: Phase, minute: i64) -> TakenBackRun {
    TakenBackRun {
        mark: RotationMark {
            rotation: "abc".to_owned(),
            phase,
            round: "x".to_owned(),
        },
        at: at(minute),
    }
}

/// A host of which nothing was taken back yet, and whose encrypted archives nobody opens.
pub(super) fn host<'a>(inventory: &'a Inventory, runs: &'a [RotationRun]) -> HostRuns<'a> {
    HostRuns {
        name: &inventory.host,
        inventory,
        runs,
        taken_back: &[],
        opens_archives: false,
    }
}
