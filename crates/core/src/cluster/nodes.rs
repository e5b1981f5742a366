//! Nodes and namespaces.

use super::collector::Collector;
use super::object::{Condition, read};
use crate::model::cluster::Node;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeObject {
    metadata: NodeMetadata,
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeMetadata {
    name: String,
    labels: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeStatus {
    addresses: Option<Vec<Address>>,
    conditions: Option<Vec<Condition>>,
    daemon_endpoints: DaemonEndpoints,
    node_info: NodeSystem,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DaemonEndpoints {
    kubelet_endpoint: DaemonEndpoint,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct DaemonEndpoint {
    port: u16,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeSystem {
    kubelet_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Namespace {
    metadata: NamespaceMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamespaceMetadata {
    name: String,
}

/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane>
const CONTROL_PLANE: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];
const KUBELET_PORT: u16 = 10250;

impl Collector<'_> {
    /// A Node.
    pub fn node(&mut self, json: &[u8]) {
        self.counted("Node");
        let node: NodeObject = match read(json) {
            Ok(node) => node,
            Err(reason) => return self.unreadable("Node", reason),
        };
        let addresses = node.status.addresses.unwrap_or_default();
        let ip_addresses: Vec<IpAddr> = addresses
            .iter()
            .filter(|address| matches!(address.kind.as_str(), "InternalIP" | "ExternalIP"))
            .filter_map(|address| address.address.parse().ok())
            .collect();
        let mut names: Vec<String> = Vec::new();
        for address in addresses {
            if !names.contains(&address.address) {
                names.push(address.address);
            }
        }
        let mut conditions = node.status.conditions.into_iter().flatten();
        let ready = conditions.find(|condition| condition.kind == "Ready");
        let labels = node.metadata.labels.unwrap_or_default();
        let port = node.status.daemon_endpoints.kubelet_endpoint.port;
        self.observation.nodes.push(Node {
            name: node.metadata.name,
            addresses: names,
            ip_addresses,
            kubelet_port: if port == 0 { KUBELET_PORT } else { port },
            kubelet_version: node.status.node_info.kubelet_version,
            ready: ready.map(|condition| condition.status == "True"),
            control_plane: CONTROL_PLANE
                .iter()
                .any(|label| labels.contains_key(*label)),
        });
    }

    /// A Namespace.
    pub fn namespace(&mut self, json: &[u8]) {
        self.counted("Namespace");
        match read::<Namespace>(json) {
            Ok(namespace) => self.observation.namespaces.push(namespace.metadata.name),
            Err(reason) => self.unreadable("Namespace", reason),
        }
    }
}
