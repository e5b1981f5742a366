//! Hosts that were looked at one by one, as evidence of one cluster.
//!
//! A host that looks at itself knows nobody else: it calls its connections as one does where there is
//! only one host (`kube-apiserver->etcd`), and goes by its own name. Among others it goes by the name
//! that the cluster document gives it, which two hosts never share, and what it tried over the wire is
//! told of the connection that has both ends.

use super::evidence::{Evidence, HostEvidence};
use crate::connections::{Connection, ConnectionKind, Graph, SlotId, derive};
use crate::model::cluster::ClusterObservation;
use std::collections::HashMap;

/// These hosts, each with its name in the cluster document, as evidence of one cluster.
pub fn together(
    hosts: Vec<(String, HostEvidence)>,
    cluster: Option<&ClusterObservation>,
) -> Vec<HostEvidence> {
    let mut alone = Vec::with_capacity(hosts.len());
    let mut all = Vec::with_capacity(hosts.len());
    for (name, mut host) in hosts {
        let tried = host.live.as_ref().map(|_| {
            let (graph, _) = derive(&Evidence {
                hosts: std::slice::from_ref(&host),
                cluster: None,
            });
            shapes(&graph)
        });
        alone.push(tried);
        host.inventory.host = name;
        all.push(host);
    }
    if alone.iter().all(Option::is_none) {
        return all;
    }
    let (graph, _) = derive(&Evidence {
        hosts: &all,
        cluster,
    });
    let index = Index::new(&graph);
    for (host, tried) in all.iter_mut().zip(alone) {
        let (Some(live), Some(tried)) = (&mut host.live, tried) else {
            continue;
        };
        for attempt in &mut live.attempts {
            let shape = tried.get(&attempt.connection);
            let id = shape.and_then(|shape| index.find(&host.inventory.host, shape));
            if let Some(id) = id {
                id.clone_into(&mut attempt.connection);
            }
        }
    }
    all
}

/// What a connection is, whatever its ends are called.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    kind: ConnectionKind,
    client: String,
    presents: Option<String>,
    trusts: Option<String>,
    address: Option<(String, u16)>,
    /// Among connections that are alike in all of this.
    number: usize,
}

fn shapes(graph: &Graph) -> HashMap<String, Shape> {
    let mut found: Vec<(String, Shape)> = Vec::new();
    for connection in &graph.connections {
        let mut shape = shape(graph, connection);
        let alike = found.iter().filter(|(_, other)| {
            let mut other = other.clone();
            other.number = 0;
            other == shape
        });
        shape.number = alike.count();
        found.push((connection.id.clone(), shape));
    }
    found.into_iter().collect()
}

fn shape(graph: &Graph, connection: &Connection) -> Shape {
    // The flag and the place, without the host: that is the client's.
    let place = |id: Option<SlotId>| {
        let slot = graph.slot(id?)?;
        let flag = slot.flag.as_deref().unwrap_or_default();
        Some(format!("{flag} {}", slot.place))
    };
    Shape {
        kind: connection.kind,
        client: connection.client.name.clone(),
        presents: place(connection.client_presents),
        trusts: place(connection.client_trusts),
        address: connection.address.clone(),
        number: 0,
    }
}

/// The connections of all hosts, by who opens them.
struct Index<'g> {
    by_client: HashMap<(&'g str, ConnectionKind), Vec<(&'g str, Shape)>>,
}

impl<'g> Index<'g> {
    fn new(graph: &'g Graph) -> Self {
        let mut by_client: HashMap<_, Vec<_>> = HashMap::new();
        for connection in &graph.connections {
            if let Some(host) = connection.client.host.as_deref() {
                let known = by_client.entry((host, connection.kind)).or_default();
                known.push((connection.id.as_str(), shape(graph, connection)));
            }
        }
        Self { by_client }
    }

    /// The connection of this host that is alike; one that is called otherwise among hosts only when
    /// there is no choice.
    fn find(&self, host: &str, shape: &Shape) -> Option<&'g str> {
        let known = self.by_client.get(&(host, shape.kind))?;
        let alike = |other: &&(&str, Shape)| {
            (&other.1.client, &other.1.presents, &other.1.trusts)
                == (&shape.client, &shape.presents, &shape.trusts)
        };
        let same: Vec<_> = known
            .iter()
            .filter(alike)
            .filter(|(_, other)| other.address == shape.address)
            .collect();
        if let Some((id, _)) = same.get(shape.number).or(same.last()) {
            return Some(id);
        }
        match known.iter().filter(alike).collect::<Vec<_>>().as_slice() {
            [(only, _)] => Some(only),
            _ => None,
        }
    }
}
