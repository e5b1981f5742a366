//! Hosts of kubeadm's stored configuration: the ConfigMap `kubeadm-config` in `kube-system`.
//!
//! Until 1.21 kubeadm kept the API servers' addresses in it (`ClusterStatus.apiEndpoints`); an
//! external etcd is named there by every version, and by nothing else in the API.
//! <https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta2/>

use super::nodes::{self, NodeHost};
use super::{FoundHosts, SourceError, destination, found, name_of};
use crate::cluster_document::ClusterHost;
use crate::formats::yaml::{self, Document, NodeRef};

/// The hosts of kubeadm's ConfigMap (JSON or YAML) and of the Nodes, control planes first, then an
/// external etcd, then workers.
pub fn from_kubeadm(
    config_map: &str,
    nodes: &[NodeHost],
    user: Option<&str>,
) -> Result<FoundHosts, SourceError> {
    let documents = yaml::parse(config_map)?;
    let root = documents.first().map(Document::root);
    let contents = |field: &str| root?.at(&["data", field])?.as_str();
    let configuration = contents("ClusterConfiguration");
    let status = contents("ClusterStatus");
    if configuration.is_none() && status.is_none() {
        return Err(SourceError::Unexpected {
            expected: "the ConfigMap kubeadm-config with ClusterConfiguration",
            found: "neither that nor ClusterStatus in it".to_owned(),
        });
    }
    let (nodes, notices) = nodes::of_linux(nodes);
    let mut hosts: Vec<ClusterHost> = nodes
        .iter()
        .filter(|node| node.is_control_plane)
        .map(|node| node.host(user))
        .collect();
    if let Some(status) = status {
        hosts.extend(api_endpoints(status, user)?);
    }
    let mut name = None;
    if let Some(configuration) = configuration {
        let documents = yaml::parse(configuration)?;
        if let Some(root) = documents.first().map(Document::root) {
            name = root.get("clusterName").and_then(NodeRef::to_text);
            hosts.extend(external_etcd(root, &hosts, user));
        }
    }
    let workers = nodes.iter().filter(|node| !node.is_control_plane);
    hosts.extend(workers.map(|node| node.host(user)));
    found(name, hosts, notices)
}

fn api_endpoints(status: &str, user: Option<&str>) -> Result<Vec<ClusterHost>, SourceError> {
    let documents = yaml::parse(status)?;
    let endpoints = documents
        .first()
        .and_then(|document| document.root().get("apiEndpoints"));
    let endpoints = endpoints.into_iter().flat_map(NodeRef::entries);
    let host = |(name, endpoint): (&str, NodeRef<'_>)| {
        let address = endpoint.get("advertiseAddress").and_then(NodeRef::as_str);
        let address = destination(user, address.unwrap_or(name), None);
        ClusterHost::by_ssh(name_of(name), address)
    };
    Ok(endpoints.map(host).collect())
}

/// Members of an etcd that is on hosts of its own; those on hosts that are known already are left out.
fn external_etcd(
    configuration: NodeRef<'_>,
    known: &[ClusterHost],
    user: Option<&str>,
) -> Vec<ClusterHost> {
    let endpoints = configuration.at(&["etcd", "external", "endpoints"]);
    let mut hosts = Vec::new();
    for endpoint in endpoints.into_iter().flat_map(NodeRef::items) {
        let Some(host) = endpoint.as_str().and_then(host_of_url) else {
            continue;
        };
        let found = ClusterHost::by_ssh(name_of(host), destination(user, host, None));
        if !known.iter().any(|other| other.reach == found.reach) {
            hosts.push(found);
        }
    }
    hosts
}

/// `https://[fd00::5]:2379` is at `fd00::5`.
fn host_of_url(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, address: &str, is_control_plane: bool) -> NodeHost {
        NodeHost {
            name: name.to_owned(),
            address: Some(address.to_owned()),
            is_control_plane,
            other_system: None,
        }
    }

    fn shown(found: &FoundHosts) -> Vec<String> {
        let hosts = found.document.hosts.iter();
        hosts.map(|host| format!("{}: {host}", host.name)).collect()
    }

    #[test]
    fn old_versions_name_their_api_servers() {
        let config_map = "apiVersion: v1\nkind: ConfigMap\ndata:\n\
            \x20 ClusterConfiguration: |\n    clusterName: blue\n    kubernetesVersion: v1.20.2\n\
            \x20 ClusterStatus: |\n    apiEndpoints:\n      cp1:\n        advertiseAddress: 10.0.0.11\n\
            \x20       bindPort: 6443\n      cp2:\n        advertiseAddress: fd00::12\n";
        let found = from_kubeadm(config_map, &[node("w1", "10.0.0.21", false)], None).unwrap();
        assert_eq!(found.document.name.as_deref(), Some("blue"));
        assert_eq!(
            shown(&found),
            [
                "cp1: ssh 10.0.0.11",
                "cp2: ssh fd00::12",
                "w1: ssh 10.0.0.21"
            ]
        );
    }

    #[test]
    fn an_external_etcd_is_named_between_control_planes_and_workers() {
        let config_map = "data:\n  ClusterConfiguration: |\n    etcd:\n      external:\n\
            \x20       endpoints:\n        - https://10.0.0.31:2379\n        - https://[fd00::32]:2379\n\
            \x20       - https://10.0.0.11:2379\n";
        let nodes = [
            node("w1", "10.0.0.21", false),
            node("cp1", "10.0.0.11", true),
        ];
        let found = from_kubeadm(config_map, &nodes, Some("root")).unwrap();
        assert_eq!(
            shown(&found),
            [
                "cp1: ssh root@10.0.0.11",
                "10.0.0.31: ssh root@10.0.0.31",
                "fd00--32: ssh root@fd00::32",
                "w1: ssh root@10.0.0.21",
            ]
        );
    }

    #[test]
    fn another_config_map_is_refused() {
        let error = from_kubeadm("data:\n  x: y\n", &[], None).unwrap_err();
        assert_eq!(error.code(), "hosts-source-kind");
    }
}
