//! Hosts of the Node list: `kubectl get nodes -o json`, or the API's own objects one by one.
//!
//! <https://kubernetes.io/docs/reference/node/node-status/#addresses>

use super::{FoundHosts, SourceError, destination, found, name_of};
use crate::cluster_document::ClusterHost;
use crate::formats::yaml::{self, NodeRef};

/// What a Node object tells of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHost {
    /// `metadata.name`.
    pub name: String,
    /// The address to reach it at: its internal one, else its external one, else its host name.
    pub address: Option<String>,
    /// Whether it carries a control plane's role label.
    pub is_control_plane: bool,
    /// `kubernetes.io/os`, when it is not Linux.
    pub other_system: Option<String>,
}

impl NodeHost {
    /// Reads one Node object, as JSON or YAML.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let documents = yaml::parse(text)?;
        let root = documents.first().map(|document| document.root());
        root.and_then(Self::of_node)
            .ok_or_else(|| SourceError::Unexpected {
                expected: "a Node",
                found: "an object without a name".to_owned(),
            })
    }

    fn of_node(node: NodeRef<'_>) -> Option<Self> {
        let name = node.at(&["metadata", "name"])?.to_text()?;
        let addresses = node.at(&["status", "addresses"]);
        let address = ["InternalIP", "ExternalIP", "Hostname"]
            .into_iter()
            .find_map(|wanted| {
                let of_kind =
                    |it: &NodeRef<'_>| it.get("type").and_then(NodeRef::as_str) == Some(wanted);
                let mut items = addresses?.items();
                items.find(of_kind)?.get("address")?.to_text()
            });
        let labels = node.at(&["metadata", "labels"]);
        let is_control_plane = labels.is_some_and(|labels| {
            [
                "node-role.kubernetes.io/control-plane",
                "node-role.kubernetes.io/master",
            ]
            .iter()
            .any(|label| labels.get(label).is_some())
        });
        let system = labels.and_then(|labels| labels.get("kubernetes.io/os")?.to_text());
        Some(Self {
            name,
            address: address.filter(|address| !address.is_empty()),
            is_control_plane,
            other_system: system.filter(|system| system != "linux"),
        })
    }

    /// The host, as a document names it.
    pub(super) fn host(&self, user: Option<&str>) -> ClusterHost {
        let address = self.address.as_deref().unwrap_or(&self.name);
        ClusterHost::by_ssh(name_of(&self.name), destination(user, address, None))
    }
}

/// The hosts of Nodes, control planes first.
pub fn from_nodes(nodes: &[NodeHost], user: Option<&str>) -> Result<FoundHosts, SourceError> {
    let (nodes, notices) = of_linux(nodes);
    found(None, hosts(&nodes, user), notices)
}

/// Reads what `kubectl get nodes -o json` (or `-o yaml`) prints.
pub(super) fn parse_list(text: &str) -> Result<Vec<NodeHost>, SourceError> {
    let documents = yaml::parse(text)?;
    let unexpected = |found: &str| SourceError::Unexpected {
        expected: "a list of Nodes, as `kubectl get nodes -o json` prints it",
        found: found.to_owned(),
    };
    let root = documents.first().map(|document| document.root());
    let root = root.ok_or_else(|| unexpected("nothing"))?;
    let kind = root.get("kind").and_then(NodeRef::as_str);
    match kind {
        Some("NodeList" | "List") => {
            let items = root.get("items").into_iter().flat_map(NodeRef::items);
            let nodes = items.filter(|item| {
                let kind = item.get("kind").and_then(NodeRef::as_str);
                kind.is_none_or(|kind| kind == "Node")
            });
            Ok(nodes.filter_map(NodeHost::of_node).collect())
        }
        Some("Node") => Ok(NodeHost::of_node(root).into_iter().collect()),
        other => Err(unexpected(other.unwrap_or("no kind"))),
    }
}

impl NodeHost {
    /// Reads what `kubectl get nodes -o json` (or `-o yaml`) prints.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, SourceError> {
        parse_list(text)
    }
}

/// This program knows nothing of other systems' files.
pub(super) fn of_linux(nodes: &[NodeHost]) -> (Vec<&NodeHost>, Vec<String>) {
    let mut notices = Vec::new();
    let linux = nodes.iter().filter(|node| match &node.other_system {
        None => true,
        Some(system) => {
            notices.push(format!("{} is left out: it runs {system}", node.name));
            false
        }
    });
    (linux.collect(), notices)
}

pub(super) fn hosts(nodes: &[&NodeHost], user: Option<&str>) -> Vec<ClusterHost> {
    let of = |control_planes: bool| {
        let nodes = nodes.iter();
        nodes
            .filter(move |node| node.is_control_plane == control_planes)
            .map(move |node| node.host(user))
    };
    of(true).chain(of(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
      {"kind": "Node", "metadata": {"name": "w1", "labels": {"kubernetes.io/os": "linux"}},
       "status": {"addresses": [{"type": "Hostname", "address": "w1"},
                                {"type": "InternalIP", "address": "10.0.0.21"},
                                {"type": "ExternalIP", "address": "203.0.113.7"}]}},
      {"kind": "Node", "metadata": {"name": "cp1", "labels": {"node-role.kubernetes.io/master": ""}},
       "status": {"addresses": [{"type": "InternalIP", "address": "fd00::11"},
                                {"type": "InternalIP", "address": "10.0.0.11"}]}},
      {"kind": "Node", "metadata": {"name": "win1", "labels": {"kubernetes.io/os": "windows"}},
       "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.31"}]}},
      {"kind": "Node", "metadata": {"name": "bare"}, "status": {}}
    ]}"#;

    #[test]
    fn nodes_become_hosts_at_their_internal_addresses() {
        let nodes = NodeHost::parse_list(LIST).unwrap();
        let found = from_nodes(&nodes, Some("root")).unwrap();
        let shown: Vec<String> = found
            .document
            .hosts
            .iter()
            .map(|host| format!("{}: {host}", host.name))
            .collect();
        assert_eq!(
            shown,
            [
                "cp1: ssh root@fd00::11",
                "w1: ssh root@10.0.0.21",
                "bare: ssh root@bare"
            ]
        );
        assert_eq!(found.notices, ["win1 is left out: it runs windows"]);
        let text = found.document.to_yaml().unwrap();
        assert!(
            crate::cluster_document::ClusterDocument::parse(&text).is_ok(),
            "{text}"
        );
    }

    #[test]
    fn another_list_is_called_by_its_name() {
        let error = NodeHost::parse_list("kind: PodList\nitems: []\n").unwrap_err();
        assert!(error.to_string().ends_with("found PodList"), "{error}");
        let none = NodeHost::parse_list("kind: NodeList\nitems: []\n").unwrap();
        assert_eq!(from_nodes(&none, None), Err(SourceError::NoHosts));
    }
}
