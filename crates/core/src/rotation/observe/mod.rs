//! The picture of a cluster, made of what was seen: of every place that trusts, presents or signs, which
//! generation it holds.
//!
//! Files and kubeconfigs come from the inventories of the hosts, objects from the scan of the API. What
//! belongs to a root is told by contents: a kubeconfig that trusts somebody else's CA, a webhook with a CA
//! of its own, a certificate that another CA signed, are no places of it. What cannot be read is a gap.

mod api;
mod book;
mod facts;
mod files;
mod keys;
mod loaded;
mod strangers;
mod workloads;

use super::generations::{Authorities, Keys, own_files, successor_of};
use super::picture::{Leaders, PendingRequest, Picture, RootPicture};
use super::plan::place_positions;
use super::root::Root;
use super::{Position, successor};
use crate::diagnose::Evidence;
use crate::model::{Authority, Gap, Inventory, SuccessorRequest};
use book::Book;
use jiff::Timestamp;
pub(super) use loaded::started;
pub use workloads::{add_workloads, fresh_trust};

/// Draws the picture. The evidence is of hosts that go by their names in the cluster document.
pub fn picture(evidence: &Evidence<'_>, leaders: &Leaders) -> Picture {
    let mut gaps = gaps(evidence);
    let mut roots: Vec<RootPicture> = Vec::new();
    for authorities in Authorities::of(evidence) {
        if authorities.is_disputed {
            gaps.push(Gap::new(
                authorities.root.as_str(),
                "hosts hold successors that differ from each other",
            ));
        }
        roots.push(of_authority(evidence, &authorities, &mut gaps));
    }
    if let Some(keys) = Keys::of(evidence) {
        roots.push(of_keys(evidence, &keys, &mut gaps));
    }
    let strangers = strangers::strangers(evidence, &roots);
    let mut picture = Picture {
        observed_at: observed_at(evidence),
        roots,
        hosts: facts::hosts(evidence),
        strangers,
        leaders: facts::leaders(evidence, leaders),
        gaps,
    };
    place_positions(&mut picture);
    picture
}

fn of_authority(
    evidence: &Evidence<'_>,
    authorities: &Authorities,
    gaps: &mut Vec<Gap>,
) -> RootPicture {
    let mut book = Book::default();
    for inventory in inventories(evidence) {
        files::bundles(&mut book, inventory, authorities);
        files::signing_keys(&mut book, inventory, authorities);
        files::kubeconfigs(&mut book, inventory, authorities);
        files::certificates(&mut book, inventory, authorities);
    }
    if let Some(cluster) = evidence.cluster {
        api::bundles(&mut book, cluster, authorities);
        api::certificates(&mut book, cluster, authorities);
    }
    let holders = |has: &dyn Fn(&Inventory) -> bool| -> Vec<String> {
        let holders = inventories(evidence).filter(|inventory| has(inventory));
        holders.map(|inventory| inventory.host.clone()).collect()
    };
    let has_key = |inventory: &Inventory| {
        let mut own = own_files(inventory, &authorities.names).into_iter();
        own.any(|own| {
            own.key
                .public_key()
                .is_some_and(|key| authorities.side_of_key(key).is_some())
        })
    };
    let has_successor = |inventory: &Inventory| {
        let mut own = own_files(inventory, &authorities.names).into_iter();
        own.any(|own| {
            let next = successor_of(inventory, own);
            next.is_some_and(|next| next.key.public_key().is_some())
        })
    };
    let has_leftovers = |inventory: &Inventory| {
        let own = own_files(inventory, &authorities.names);
        let waits = request_of(inventory, &own).is_some();
        waits
            || own.iter().any(|own| {
                let path = &own.certificate_path;
                let beside = [
                    successor::successor(path),
                    successor::signer(path),
                    successor::previous(path),
                ];
                let mut others = inventory.authorities.iter();
                others.any(|other| beside.contains(&other.certificate_path))
            })
    };
    let (old, new) = authorities.generations();
    gaps.append(&mut book.gaps);
    let places = book.finish();
    RootPicture {
        root: authorities.root,
        old,
        request: match new {
            Some(_) => None,
            None => pending(evidence, authorities),
        },
        new,
        successor_keys: holders(&has_successor),
        signing_keys: holders(&has_key),
        leftovers: holders(&has_leftovers),
        settled: facts::settled(evidence, &places),
        places,
        position: Position::AtRest,
    }
}

/// The request that waits for its certificate, and the host that it waits on.
fn pending(evidence: &Evidence<'_>, authorities: &Authorities) -> Option<PendingRequest> {
    inventories(evidence).find_map(|inventory| {
        let own = own_files(inventory, &authorities.names);
        let found = request_of(inventory, &own)?;
        Some(PendingRequest {
            host: inventory.host.clone(),
            key_path: found.key_path.clone(),
            subject: found.subject.clone(),
            public_key_sha256: found.public_key_sha256.clone(),
            pem: found.pem.clone(),
        })
    })
}

fn request_of<'i>(inventory: &'i Inventory, own: &[&Authority]) -> Option<&'i SuccessorRequest> {
    let mut requests = inventory.successor_requests.iter();
    requests.find(|request| {
        own.iter()
            .any(|own| own.certificate_path == request.authority)
    })
}

fn of_keys(evidence: &Evidence<'_>, keys: &Keys, gaps: &mut Vec<Gap>) -> RootPicture {
    let mut book = Book::default();
    for inventory in inventories(evidence) {
        keys::files(&mut book, inventory, keys);
    }
    if let Some(cluster) = evidence.cluster {
        keys::tokens(&mut book, cluster, evidence, keys);
    }
    let (old, new) = keys.generations();
    gaps.append(&mut book.gaps);
    let places = book.finish();
    let hosts = |is_successor: bool, is_private: bool| -> Vec<String> {
        let holders = inventories(evidence)
            .filter(|inventory| keys::holds(inventory, keys, is_successor, is_private));
        holders.map(|inventory| inventory.host.clone()).collect()
    };
    let mut leftovers = hosts(true, false);
    for host in hosts(true, true) {
        if !leftovers.contains(&host) {
            leftovers.push(host);
        }
    }
    RootPicture {
        root: Root::ServiceAccountKey,
        old,
        new,
        request: None,
        successor_keys: hosts(true, true),
        signing_keys: hosts(false, true),
        leftovers,
        settled: facts::settled(evidence, &places),
        places,
        position: Position::AtRest,
    }
}

fn inventories<'e>(evidence: &Evidence<'e>) -> impl Iterator<Item = &'e Inventory> + use<'e> {
    evidence.hosts.iter().map(|host| &host.inventory)
}

/// What could not be seen, with the host where it was.
fn gaps(evidence: &Evidence<'_>) -> Vec<Gap> {
    let on_hosts = inventories(evidence).flat_map(|inventory| {
        let gaps = inventory.gaps.iter();
        gaps.map(|gap| Gap::new(format!("{} {}", inventory.host, gap.object), &gap.reason))
    });
    let mut gaps: Vec<Gap> = on_hosts.collect();
    match evidence.cluster {
        Some(cluster) => gaps.extend(cluster.gaps.iter().cloned()),
        None => gaps.push(Gap::new("the Kubernetes API", "it was not asked")),
    }
    gaps
}

fn observed_at(evidence: &Evidence<'_>) -> Timestamp {
    let hosts = inventories(evidence).map(|inventory| inventory.observed_at);
    let cluster = evidence.cluster.map(|cluster| cluster.observed_at);
    hosts.chain(cluster).max().unwrap_or_default()
}
