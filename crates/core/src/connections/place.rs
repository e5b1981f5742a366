//! A place: what a finding names as the object to change.

use crate::model::{ComponentKind, ObjectReference};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where something lies that takes part in a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Place {
    /// A file of a host.
    File {
        /// The host's name.
        host: String,
        /// The path on that host.
        path: PathBuf,
    },
    /// One user of a kubeconfig: an embedded certificate and key.
    KubeconfigUser {
        /// The host's name.
        host: String,
        /// The kubeconfig.
        path: PathBuf,
        /// The user's name in it.
        user: String,
    },
    /// One cluster of a kubeconfig: embedded CA certificates and the server's address.
    KubeconfigCluster {
        /// The host's name.
        host: String,
        /// The kubeconfig.
        path: PathBuf,
        /// The cluster's name in it.
        cluster: String,
    },
    /// A flag of a component, where the flag itself is wrong or missing.
    Flag {
        /// The host's name.
        host: String,
        /// The component.
        component: ComponentKind,
        /// The flag, without dashes.
        flag: String,
    },
    /// An object of the API.
    Api(ObjectReference),
    /// Only in the memory of a process: a self-signed serving certificate made at its start.
    Memory {
        /// The host's name.
        host: String,
        /// The component.
        component: ComponentKind,
    },
    /// A server that belongs to nobody known: only what it serves can be seen.
    Endpoint {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl Place {
    /// The host that it belongs to; `None` for what lives in the API or elsewhere.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::File { host, .. }
            | Self::KubeconfigUser { host, .. }
            | Self::KubeconfigCluster { host, .. }
            | Self::Flag { host, .. }
            | Self::Memory { host, .. } => Some(host),
            Self::Api(_) | Self::Endpoint { .. } => None,
        }
    }

    /// The file on its host, when it is (part of) one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. }
            | Self::KubeconfigUser { path, .. }
            | Self::KubeconfigCluster { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// As people name it: the path alone for a file or kubeconfig, `kube-apiserver --client-ca-file` for a
/// flag, `Secret ns/name data[x]` for an object.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. }
            | Self::KubeconfigUser { path, .. }
            | Self::KubeconfigCluster { path, .. } => write!(f, "{}", path.display()),
            Self::Flag {
                component, flag, ..
            } => write!(f, "{component} --{flag}"),
            Self::Api(object) => write!(f, "{object}"),
            Self::Memory { component, .. } => write!(f, "{component} (in memory)"),
            Self::Endpoint { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Endpoint { host, port } => write!(f, "{host}:{port}"),
        }
    }
}
