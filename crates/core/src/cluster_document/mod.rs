//! The cluster document (`kubepki.yaml`, `kind: Cluster`): which hosts there are and how each is
//! reached. Roles are discovered, never declared. Pure: text in, values out.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// The hosts, in the order of the document.
    pub hosts: Vec<ClusterHost>,
}

/// One host of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
