//! Hosts that were looked at one by one, as evidence of one cluster.
//!
//! A host that looks at itself knows nobody else: it calls its connections as one does where there is
//! only one host (`kube-apiserver->etcd`), and goes by its own name. Among others it goes by the name
//! that the cluster document gives it, which two hosts never share, and what it tried over the wire is
//! told of the connection that has both ends.

use super::evidence::{Evidence, HostEvidence};
use crate::connections::{Connection, ConnectionKind, Graph, SlotId, derive};
use crate::model::cluster::ClusterObservation;
use crate::model::live::AttemptOutcome;
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
            let Some(shape) = tried.get(&attempt.connection) else {
                continue;
            };
            let id = match index.find(&host.inventory.host, shape).as_slice() {
                [only] => Some(*only),
                // Through a load balancer: who was asked is not known. That it works proves nothing
                // of the others; that it does not is told of one of them.
                [first, ..] if !matches!(attempt.outcome, AttemptOutcome::Accepted { .. }) => {
                    Some(*first)
                }
                _ => None,
            };
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
    /// Which it is among connections that are alike in all of this…
    number: usize,
    /// … and how many of them there are.
    of: usize,
}

fn shapes(graph: &Graph) -> HashMap<String, Shape> {
    let all: Vec<Shape> = graph
        .connections
        .iter()
        .map(|connection| shape(graph, connection))
        .collect();
    let alike = |shape: &Shape, among: &[Shape]| among.iter().filter(|it| *it == shape).count();
    let numbered = all.iter().enumerate().map(|(index, shape)| Shape {
        number: alike(shape, all.get(..index).unwrap_or_default()),
        of: alike(shape, &all),
        ..shape.clone()
    });
    let ids = graph.connections.iter().map(|it| it.id.clone());
    ids.zip(numbered).collect()
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
        of: 0,
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

    /// The connections of this host that it may have been; one that is called otherwise among hosts
    /// only when there is no choice.
    fn find(&self, host: &str, shape: &Shape) -> Vec<&'g str> {
        let Some(known) = self.by_client.get(&(host, shape.kind)) else {
            return Vec::new();
        };
        let alike = |other: &&(&str, Shape)| {
            (&other.1.client, &other.1.presents, &other.1.trusts)
                == (&shape.client, &shape.presents, &shape.trusts)
        };
        let same: Vec<&'g str> = known
            .iter()
            .filter(alike)
            .filter(|(_, other)| other.address == shape.address)
            .map(|(id, _)| *id)
            .collect();
        if same.len() == shape.of {
            // As many as the host knew of, in the same order.
            return same.get(shape.number).copied().into_iter().collect();
        }
        if !same.is_empty() {
            return same;
        }
        match known.iter().filter(alike).collect::<Vec<_>>().as_slice() {
            [(only, _)] => vec![only],
            _ => Vec::new(),
        }
    }
}
