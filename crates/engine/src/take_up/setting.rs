//! What taking up needs to know beside the component, and what comes of it.

use crate::ports::Progress;
use jiff::Timestamp;
use kubepki_core::model::{Component, ComponentKind};
use kubepki_sealed::Sealed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Static pods' manifests as they were before something that is being taken back, each by its path.
pub type Manifests = BTreeMap<PathBuf, Sealed>;

/// The circumstances under which components take up new files.
pub struct Setting<'a> {
    /// The plan that changed the files.
    pub plan_id: &'a str,
    /// When the last of them was in place: a process started since has read the new ones.
    pub files_changed_at: Timestamp,
    /// A kubeconfig to ask the API server with, where it does not answer strangers.
    pub admin_kubeconfig: Option<PathBuf>,
    /// Folders whose files are run as static pods.
    pub static_pod_folders: &'a [PathBuf],
    /// Every component of the host: static pods need the kubelet, etcd has an API server on top.
    pub components: &'a [Component],
    /// What this run has written: a static pod whose manifest is among it was restarted by that.
    pub written: &'a [PathBuf],
    /// Whether a restart takes the annotation of earlier restarts away instead of leaving one: the
    /// last of a rotation, after which manifests are as they were.
    pub leaves_no_mark: bool,
    /// Manifests that a restart makes what they were, instead of leaving an annotation.
    pub as_before: Option<&'a Manifests>,
    /// Who is told what is being waited for.
    pub progress: &'a dyn Progress,
}

impl Setting<'_> {
    /// What the manifest at this path is to be after a restart, when it was another one before.
    pub(super) fn before(&self, manifest: &Path) -> Option<&Sealed> {
        self.as_before?.get(manifest)
    }

    /// Whether a restarted pod may get an identity back that it had a short while ago.
    pub(super) fn is_as_earlier(&self) -> bool {
        self.leaves_no_mark || self.as_before.is_some()
    }

    /// The host's component of this kind.
    pub(super) fn component(&self, kind: ComponentKind) -> Option<&Component> {
        self.components
            .iter()
            .find(|component| component.kind == kind)
    }
}

/// A component uses the new files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenUp {
    /// The component.
    pub component: ComponentKind,
    /// How it came to use them.
    pub how: How,
    /// How long that took; around others that were stopped, until these were healthy again.
    pub seconds: f64,
    /// What is worth knowing: what could not be proved, what still waits for other hosts.
    pub notes: Vec<String>,
}

/// How a component came to use the new files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum How {
    /// It re-read them by itself.
    Reloaded,
    /// It was restarted.
    Restarted {
        /// The process before, if there was one.
        old_pid: Option<u32>,
        /// The process now.
        new_pid: u32,
    },
    /// Its process started after the files changed, so there was nothing left to do.
    AlreadyRestarted {
        /// The process.
        pid: u32,
    },
    /// It does not run here, and nothing here starts it; it reads the new files when it starts.
    NotRunning,
}
