//! The cluster document (`kubepki.yaml`, `kind: Cluster`): which hosts there are and how each is
//! reached. Roles are discovered, never declared. Pure: text in, values out.

mod pace;
mod read;
mod roles;
mod select;
pub mod sources;
mod write;

pub use pace::BatchSize;
pub use read::DocumentError;
pub use roles::{HostRole, UnknownRole, roles_of};
pub use select::{SelectionError, select};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The hosts of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterDocument {
    /// `kubepki.dev/v1alpha1`.
    pub api_version: String,
    /// `Cluster`.
    pub kind: String,
    /// The cluster's name, to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A file with the layout of hosts that have none of their own, for what no flag names; relative
    /// ones begin in the document's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<PathBuf>,
    /// The hosts, in the order of the document.
    pub hosts: Vec<ClusterHost>,
}

/// One host of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHost {
    /// Its name here: what `--hosts` selects and what is shown.
    pub name: String,
    /// How it is reached; without one, by `ssh NAME`.
    #[serde(flatten)]
    pub reach: Reach,
    /// How the agent becomes root; `sudo` unless the login is root's.
    #[serde(rename = "become", default, skip_serializing_if = "Option::is_none")]
    pub becomes: Option<Become>,
    /// Free words to select by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// A file with this host's layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<PathBuf>,
}

/// How a host is reached. At most one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// A destination as `ssh` understands it: `user@host`, an alias, `ssh://user@host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
    /// A command that runs a command on the host, e.g. `[docker, exec, -i, node1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A folder that stands for the host (a mounted disk); nothing that runs is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// This machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

/// How the agent becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Become {
    /// `sudo -n`.
    Sudo,
    /// The login is root's already.
    Root,
}

impl ClusterDocument {
    /// A document of these hosts.
    pub fn new(name: Option<String>, hosts: Vec<ClusterHost>) -> Self {
        Self {
            api_version: crate::plan::document::API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name,
            layout: None,
            hosts,
        }
    }
}

impl ClusterHost {
    /// A host that is reached by `ssh DESTINATION`.
    pub fn by_ssh(name: impl Into<String>, destination: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            reach: Reach {
                ssh: Some(destination.into()),
                ..Reach::default()
            },
            becomes: None,
            labels: BTreeMap::new(),
            layout: None,
        }
    }
}

/// How it is reached, in words: `ssh root@10.0.0.5`, `docker exec -i node1`, `root /mnt`.
impl fmt::Display for ClusterHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reach {
            ssh,
            command,
            root,
            local,
        } = &self.reach;
        match (ssh, command, root, local) {
            (Some(destination), ..) => write!(formatter, "ssh {destination}"),
            (None, Some(command), ..) => formatter.write_str(&command.join(" ")),
            (None, None, Some(root), _) => write!(formatter, "root {}", root.display()),
            (None, None, None, true) => formatter.write_str("this machine"),
            (None, None, None, false) => write!(formatter, "ssh {}", self.name),
        }
    }
}

/// `kind` of the document.
const KIND: &str = "Cluster";
