//! A component of the cluster as it runs (or should run) on one host.
//!
//! What it reads is in its flags (promise: discovery follows flags), and a flag of a static pod is a
//! path *inside its container*: [`Component::host_path`] translates it through the pod's mounts.

use super::component_kind::ComponentKind;
use crate::formats::flags::Flags;
use crate::formats::static_pod::PathMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a component is started, hence how it is restarted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum RunsAs {
    /// By the kubelet, from a manifest in its static-pod folder.
    StaticPod {
        /// The manifest's path on the host.
        manifest: PathBuf,
        /// The container's name in the pod.
        container: String,
    },
    /// By systemd.
    SystemdUnit {
        /// e.g. `kubelet.service`.
        unit: String,
    },
    /// By docker (RKE1).
    DockerContainer {
        /// The container's name.
        container: String,
    },
    /// Seen running, started by nothing that was recognised.
    Process,
}

/// One running process of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningProcess {
    /// Process id as the host sees it.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
}

/// A component on this host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Component {
    /// Which one.
    pub kind: ComponentKind,
    /// How it is started.
    pub runs_as: RunsAs,
    /// Its flags; configuration files and environment folded in.
    pub flags: Flags,
    /// Container paths to host paths.
    pub mounts: PathMap,
    /// Its processes now; empty when it does not run or processes cannot be seen.
    pub processes: Vec<RunningProcess>,
    /// Whether its static pod's manifest bears the annotation of an earlier restart
    /// ([`RESTARTED_AT`](crate::formats::static_pod::RESTARTED_AT)): it is not as it was made.
    #[serde(default)]
    pub is_marked: bool,
}

impl Component {
    /// The host path that a flag names, or `None` when the flag is absent or empty.
    pub fn host_path(&self, flag: &str) -> Option<PathBuf> {
        let value = self.flags.one(flag)?;
        if value.is_empty() {
            return None;
        }
        self.mounts.host_path(Path::new(value))
    }
}
