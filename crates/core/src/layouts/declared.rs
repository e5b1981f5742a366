//! What a user's layout declares of a host: what each of its files is for, where nothing else says
//! it, and what stands in each of its certificates. Pure.
//!
//! Flags come first here as well: a file that a component names has the role that its flag gives it.
//! The declaration counts for what no flag names, and for what is lost.

use super::profiles::{Filled, Usage};
use crate::founding::{Authority, Declarations, Leaf};
use crate::model::role::{AuthorityName, Role};
use crate::plan::names::spelled;
use kubepki_x509::ExtendedKeyUsage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a user's layout declares of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// What stands in the certificate of each file or kubeconfig, by its path. Without those of which
    /// a plan cannot say everything: other usages than serverAuth and clientAuth.
    pub contents: BTreeMap<PathBuf, Filled>,
}

impl Declared {
    /// Of a layout that holds together.
    pub fn of(declarations: &Declarations) -> Self {
        let content = |leaf: &Leaf| {
            let usage = |usage: &ExtendedKeyUsage| match usage {
                ExtendedKeyUsage::ServerAuth => Some(Usage::ServerAuth),
                ExtendedKeyUsage::ClientAuth => Some(Usage::ClientAuth),
                _ => None,
            };
            let filled = Filled {
                common_name: leaf.subject.common_name()?,
                organizations: leaf.subject.organizations(),
                usages: leaf.usages.iter().map(usage).collect::<Option<_>>()?,
                names: leaf.names.iter().map(spelled).collect(),
            };
            let path = leaf.destination.paths().first()?.to_path_buf();
            Some((path, filled))
        };
        Self {
            contents: declarations.leafs.iter().filter_map(content).collect(),
        }
    }
}

/// What a certificate is for: as declared, else as Kubernetes understands its subject.
/// <https://kubernetes.io/docs/setup/best-practices/certificates/>
pub fn role_of(leaf: &Leaf) -> Role {
    const COMPONENTS: [(&str, Role); 3] = [
        ("system:kube-controller-manager", Role::ControllerManager),
        ("system:kube-scheduler", Role::Scheduler),
        ("system:kube-proxy", Role::KubeProxy),
    ];
    if let Some(role) = leaf.role {
        return role;
    }
    let is_client = leaf.usages == [ExtendedKeyUsage::ClientAuth];
    let common_name = leaf.subject.common_name().unwrap_or_default();
    let component = COMPONENTS.iter().find(|(name, _)| *name == common_name);
    match component {
        Some((_, role)) if is_client => *role,
        _ if is_client && common_name.starts_with("system:node:") => Role::KubeletClient,
        _ if is_client && leaf.subject.organizations() == ["system:masters"] => Role::Admin,
        _ => Role::Other,
    }
}

/// Which of the cluster's authorities this is: as declared, else by what its name says.
pub fn authority_of(authority: &Authority) -> AuthorityName {
    let name = authority.subject.common_name().unwrap_or_default();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match authority.role {
        Some(role) => role,
        None if says(&["etcd"]) => AuthorityName::Etcd,
        None if says(&["front-proxy", "aggregat", "requestheader"]) => AuthorityName::FrontProxy,
        None => AuthorityName::Cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::founding::{DeclaredLayout, Folders};
    use std::path::Path;

    fn example() -> Declarations {
        let text = include_str!("../../../../docs/examples/hand-made-layout.yaml");
        let layout = DeclaredLayout::from_yaml(text).unwrap();
        layout.checked(&Folders::of("/srv/pki".into())).unwrap()
    }

    #[test]
    fn what_stands_in_a_certificate_is_known_by_its_path() {
        let declared = Declared::of(&example());
        let etcd = &declared.contents[Path::new("/srv/pki/etcd-1.pem")];
        assert_eq!(etcd.common_name, "etcd-1");
        assert_eq!(etcd.names, ["DNS:etcd-1", "DNS:localhost", "IP:127.0.0.1"]);
        assert_eq!(etcd.usages, [Usage::ServerAuth, Usage::ClientAuth]);
    }

    #[test]
    fn subjects_tell_roles_where_nothing_is_said() {
        let mut declarations = example();
        let role = |declarations: &Declarations, name: &str| {
            let mut leafs = declarations.leafs.iter();
            role_of(leafs.find(|leaf| leaf.name == name).unwrap())
        };
        assert_eq!(role(&declarations, "kube-scheduler"), Role::Scheduler);
        assert_eq!(role(&declarations, "admin"), Role::Admin);
        assert_eq!(role(&declarations, "etcd-member"), Role::Other);
        declarations.leafs[0].role = Some(Role::EtcdPeer);
        assert_eq!(role_of(&declarations.leafs[0]), Role::EtcdPeer);
        let authorities: Vec<AuthorityName> =
            declarations.authorities.iter().map(authority_of).collect();
        assert_eq!(authorities, AuthorityName::ALL);
    }
}
