//! Who belongs to the cluster and is none of the hosts that were looked at: Nodes of the API, and members of
//! etcd that API servers ask. What a cluster document left out is lost in a rotation
//! without a word, since everything that is proved is proved of what was seen.
//!
//! API servers that have no Node are not found by this.

use super::facts::{self, host_of, is_reachable};
use super::inventories;
use crate::diagnose::Evidence;
use crate::model::cluster::Node;
use crate::model::{ComponentKind, Inventory};
use crate::rotation::picture::{HostFacts, RootPicture, Stranger};
use crate::rotation::root::Root;

/// Everybody whom the hosts and the API name, and nobody is.
pub(super) fn strangers(evidence: &Evidence<'_>, roots: &[RootPicture]) -> Vec<Stranger> {
    let hosts = facts::hosts(evidence);
    let nodes = evidence.cluster.iter().flat_map(|cluster| &cluster.nodes);
    let nodes = nodes.filter(|node| !is_known(&hosts, node));
    let mut all: Vec<Stranger> = nodes.map(node).collect();
    // Where one CA is everybody's, that is what etcd trusts.
    let has_own = roots.iter().any(|root| root.root == Root::EtcdCa);
    let root = if has_own {
        Root::EtcdCa
    } else {
        Root::KubernetesCa
    };
    for host in members(evidence) {
        let stranger = Stranger {
            named: format!("etcd at {host}"),
            roots: vec![root],
        };
        if !all.contains(&stranger) {
            all.push(stranger);
        }
    }
    all
}

fn node(node: &Node) -> Stranger {
    Stranger {
        named: format!("Node {}", node.name),
        roots: match node.control_plane {
            true => Root::ALL.to_vec(),
            // A worker knows nothing of the others.
            false => vec![Root::KubernetesCa],
        },
    }
}

/// A host whose kubelet was not found goes by its own name or its addresses.
fn is_known(hosts: &[HostFacts], node: &Node) -> bool {
    let names = node.addresses.iter().chain([&node.name]);
    let mut names = names.filter(|name| is_reachable(name));
    names.any(|name| hosts.iter().any(|host| is_called(host, name)))
}

fn is_called(host: &HostFacts, name: &str) -> bool {
    let mut own = host.node.iter().chain(&host.addresses).chain([&host.name]);
    own.any(|own| own.eq_ignore_ascii_case(name))
}

/// Hosts of URLs by which API servers reach etcd, that no member here is reached by.
fn members(evidence: &Evidence<'_>) -> Vec<String> {
    const OWN: [&str; 2] = ["advertise-client-urls", "listen-client-urls"];
    let with_etcd: Vec<&Inventory> = inventories(evidence)
        .filter(|inventory| inventory.component(ComponentKind::Etcd).is_some())
        .collect();
    // Somebody else's altogether: its CA's key is on no host, and that is told.
    if with_etcd.is_empty() {
        return Vec::new();
    }
    let mut known: Vec<String> = Vec::new();
    for inventory in &with_etcd {
        let own = OWN.iter();
        known.extend(own.flat_map(|flag| urls(inventory, ComponentKind::Etcd, flag)));
        known.push(inventory.host.clone());
    }
    for host in facts::hosts(evidence) {
        if with_etcd.iter().any(|it| it.host == host.name) {
            known.extend(host.node.into_iter().chain(host.addresses));
        }
    }
    let mut found: Vec<String> = Vec::new();
    let servers = inventories(evidence)
        .flat_map(|inventory| urls(inventory, ComponentKind::KubeApiserver, "etcd-servers"));
    for host in servers {
        let is_known = known.iter().any(|own| own.eq_ignore_ascii_case(&host));
        if is_reachable(&host) && !is_known && !found.contains(&host) {
            found.push(host);
        }
    }
    found
}

fn urls(inventory: &Inventory, kind: ComponentKind, flag: &str) -> Vec<String> {
    let component = inventory.component(kind);
    let urls = component.iter().flat_map(|it| it.flags.list(flag));
    urls.filter_map(host_of).collect()
}
