//! Workloads whose containers read their trust, or their token, before it was the one that is needed:
//! silence proves nothing of them, since kept connections go on; what proves is when a container
//! started.

use crate::model::ObjectReference;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Annotation of a workload, or of its template, that says `never`: kubepki does not restart it.
pub const RESTART: &str = "kubepki.dev/restart";

/// What containers must have read at their start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreshTrust {
    /// Certificates that the mounted `ca.crt` held by then (SHA-256, hexadecimal).
    #[serde(default)]
    pub holds: Vec<String>,
    /// The service-account key that signed the mounted token: SHA-256 of the public key, hexadecimal.
    #[serde(default)]
    pub key_sha256: Option<String>,
    /// Projected tokens of pods that started before this are of the old key.
    #[serde(default)]
    pub tokens_since: Option<Timestamp>,
}

/// A workload that has to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaleWorkload {
    /// What replaces its pods: a Deployment, DaemonSet or StatefulSet; where nothing does that we can
    /// ask, the Pod or its owner.
    pub object: ObjectReference,
    /// How many of its pods.
    pub pods: u32,
    /// Of one of them: which container started when, and since when its trust is what it should be.
    pub reason: String,
    /// How it is started again.
    pub restart: Restart,
}

/// How a workload is started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Restart {
    /// Its pods are replaced one by one.
    Rolling,
    /// Only its owner can, and why.
    ByOwner {
        /// e.g. `a Pod that no controller would make again`.
        why: String,
    },
    /// Its owner does not want it.
    OptedOut,
}
