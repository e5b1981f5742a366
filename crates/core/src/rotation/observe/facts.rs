//! What the hosts are: components, addresses, and whose API server was started since.

use super::inventories;
use super::loaded::{changed, started};
use crate::diagnose::Evidence;
use crate::model::cluster::ClusterObservation;
use crate::model::{Component, ComponentKind, Inventory, RunsAs};
use crate::rotation::picture::{Holds, HostFacts, Leaders, PlaceState, Purpose};
use jiff::{SignedDuration, Timestamp};
use std::net::IpAddr;

/// Clocks of hosts are not one.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

pub(super) fn hosts(evidence: &Evidence<'_>) -> Vec<HostFacts> {
    let hosts = inventories(evidence).map(|inventory| HostFacts {
        name: inventory.host.clone(),
        node: node(inventory).map(ToOwned::to_owned),
        components: inventory.components.iter().map(|it| it.kind).collect(),
        static_pods: kinds(inventory, |it| {
            matches!(it.runs_as, RunsAs::StaticPod { .. })
        }),
        marked: kinds(inventory, |it| it.is_marked),
        addresses: addresses(inventory, evidence.cluster),
    });
    hosts.collect()
}

fn kinds(inventory: &Inventory, are: impl Fn(&Component) -> bool) -> Vec<ComponentKind> {
    let components = inventory.components.iter();
    components.filter(|it| are(it)).map(|it| it.kind).collect()
}

/// Leaders by their hosts' names in the cluster document: they name themselves by their Nodes, or as
/// members of etcd.
pub(super) fn leaders(evidence: &Evidence<'_>, named: &Leaders) -> Leaders {
    let is_called = |inventory: &Inventory, name: &str| {
        let member = inventory.component(ComponentKind::Etcd);
        let member = member.and_then(|etcd| etcd.flags.one("name"));
        let names = [Some(inventory.host.as_str()), node(inventory), member];
        let mut names = names.into_iter().flatten();
        names.any(|own| own.eq_ignore_ascii_case(name))
    };
    let host = |name: &Option<String>| {
        let name = name.as_deref()?;
        let mut hosts = inventories(evidence);
        let found = hosts.find(|inventory| is_called(inventory, name));
        Some(found.map_or_else(|| name.to_owned(), |it| it.host.clone()))
    };
    Leaders {
        controller_manager: host(&named.controller_manager),
        scheduler: host(&named.scheduler),
        etcd: host(&named.etcd),
    }
}

/// The hosts whose API server was started after every certificate that is presented was last changed:
/// no connection is kept there that began with an older one. Where the old generation is believed no more
/// that was so before, whatever was changed since.
pub(super) fn settled(evidence: &Evidence<'_>, places: &[PlaceState]) -> Vec<String> {
    let last = places
        .iter()
        .filter(|place| place.purpose == Purpose::Present)
        .filter_map(|place| {
            let (host, path) = place.place.host().zip(place.place.path())?;
            let mut hosts = inventories(evidence);
            changed(hosts.find(|it| it.host == host)?, path)
        })
        .max();
    let since = |inventory: &Inventory| {
        let Some(started) = started(inventory, ComponentKind::KubeApiserver) else {
            return false;
        };
        last.is_none_or(|last| {
            let last = last.checked_add(SLACK).unwrap_or(Timestamp::MAX);
            started >= last
        })
    };
    let is_retired = |inventory: &Inventory| {
        places.iter().any(|place| {
            let mut readers = place.readers.iter();
            place.purpose == Purpose::Trust
                && place.holds == Holds::New
                && readers.any(|reader| {
                    reader.host == inventory.host
                        && reader.component == ComponentKind::KubeApiserver
                        && reader.flag == "client-ca-file"
                })
        })
    };
    let settled =
        inventories(evidence).filter(|it| has_api_server(it) && (is_retired(it) || since(it)));
    settled.map(|inventory| inventory.host.clone()).collect()
}

fn has_api_server(inventory: &Inventory) -> bool {
    inventory.component(ComponentKind::KubeApiserver).is_some()
}

fn node(inventory: &Inventory) -> Option<&str> {
    inventory.component(ComponentKind::Kubelet)?;
    inventory.node_name.as_ref().map(|node| node.name.as_str())
}

/// Addresses by which others reach a host: what its API server and its member of etcd advertise, what its
/// Node has.
fn addresses(inventory: &Inventory, cluster: Option<&ClusterObservation>) -> Vec<String> {
    let flag = |kind, flag: &str| {
        let component = inventory.component(kind);
        let value = component.and_then(|component| component.flags.one(flag));
        value.map(ToOwned::to_owned)
    };
    let mut found: Vec<String> = Vec::new();
    found.extend(flag(ComponentKind::KubeApiserver, "advertise-address"));
    let urls = flag(ComponentKind::Etcd, "advertise-client-urls").unwrap_or_default();
    found.extend(urls.split(',').filter_map(host_of));
    let nodes = cluster.map_or(&[][..], |cluster| &cluster.nodes);
    let own = nodes
        .iter()
        .find(|it| Some(it.name.as_str()) == node(inventory));
    if let Some(own) = own {
        found.extend(own.ip_addresses.iter().map(ToString::to_string));
        found.extend(own.addresses.iter().cloned());
    }
    let node_ip = flag(ComponentKind::Kubelet, "node-ip").unwrap_or_default();
    found.extend(node_ip.split(',').map(ToOwned::to_owned));
    let mut addresses: Vec<String> = Vec::new();
    for address in found {
        if is_reachable(&address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// The host of a URL, IPv6 without brackets.
pub(super) fn host_of(url: &str) -> Option<String> {
    let (_, rest) = url.trim().split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_owned())
}

/// Whether others mean this host by an address.
pub(super) fn is_reachable(address: &str) -> bool {
    let is_own = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    !address.is_empty()
        && !address.eq_ignore_ascii_case("localhost")
        && !address.parse::<IpAddr>().is_ok_and(is_own)
}
