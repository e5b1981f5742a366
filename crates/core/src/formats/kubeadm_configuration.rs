//! kubeadm's ClusterConfiguration as files hold it: the names that it puts into certificates beside
//! those that follow from the host. kubeadm itself keeps it in ConfigMap kube-system/kubeadm-config
//! only; those who call it (kubespray, Cluster API, kind, people) leave the file that they gave it.
//! <https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta3/>

use super::yaml::{self, Document, NodeRef};
use serde::{Deserialize, Serialize};

/// Names that a cluster's certificates are to have by kubeadm's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfiguredNames {
    /// `apiServer.certSANs`
    pub api_server: Vec<String>,
    /// `etcd.local.serverCertSANs`
    pub etcd_server: Vec<String>,
    /// `etcd.local.peerCertSANs`
    pub etcd_peer: Vec<String>,
}

impl ConfiguredNames {
    /// From a file with one or several documents, or a ConfigMap that was saved; `None` where there is
    /// no ClusterConfiguration in it.
    pub fn parse(text: &str) -> Option<Self> {
        let documents = yaml::parse(text).ok()?;
        let roots = || documents.iter().map(Document::root);
        let is_kind = |root: &NodeRef<'_>, kind: &str| {
            root.get("kind").and_then(|node| node.as_str()) == Some(kind)
        };
        if let Some(root) = roots().find(|root| is_kind(root, "ClusterConfiguration")) {
            return Some(Self::of(root));
        }
        let map = roots().find(|root| is_kind(root, "ConfigMap"))?;
        let inner = map.at(&["data", "ClusterConfiguration"])?.to_text()?;
        let documents = yaml::parse(&inner).ok()?;
        Some(Self::of(documents.first()?.root()))
    }

    fn of(root: NodeRef<'_>) -> Self {
        let list = |path: &[&str]| {
            let items = root.at(path).into_iter().flat_map(NodeRef::items);
            items.filter_map(NodeRef::to_text).collect()
        };
        Self {
            api_server: list(&["apiServer", "certSANs"]),
            etcd_server: list(&["etcd", "local", "serverCertSANs"]),
            etcd_peer: list(&["etcd", "local", "peerCertSANs"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURATION: &str = "apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n\
        apiServer:\n  certSANs: [lb.example, 10.1.2.3]\netcd:\n  local:\n    peerCertSANs: [p]\n";

    #[test]
    fn names_are_found_among_other_documents_and_in_a_saved_config_map() {
        let among = format!(
            "apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n---\n{CONFIGURATION}"
        );
        let names = ConfiguredNames::parse(&among).unwrap();
        assert_eq!(names.api_server, ["lb.example", "10.1.2.3"]);
        assert_eq!(names.etcd_peer, ["p"]);
        assert!(names.etcd_server.is_empty());
        let inner: String = CONFIGURATION
            .lines()
            .map(|it| format!("    {it}\n"))
            .collect();
        let map = format!("kind: ConfigMap\ndata:\n  ClusterConfiguration: |\n{inner}");
        assert_eq!(ConfiguredNames::parse(&map), Some(names));
        assert_eq!(ConfiguredNames::parse("kind: JoinConfiguration\n"), None);
        assert_eq!(ConfiguredNames::parse("no: [yaml"), None);
    }
}
