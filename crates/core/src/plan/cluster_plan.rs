//! A plan for a whole cluster: plans of hosts, put into stages, with what has to be true in between.
//!
//! A stage is begun when the gate of the one before it stands open. What is done on a host is always
//! one [`Plan`], atomic and journaled there. Holds no secret; can be saved, reviewed and shown.

use super::document::{API_VERSION, Notice, Plan};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is to be done to a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterPlan {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `ClusterPlan`.
    pub kind: String,
    /// SHA-256 of the content, first 16 hexadecimal digits.
    pub id: String,
    /// The verb that made it, e.g. `renew` or `rescue`.
    pub verb: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// In order.
    pub stages: Vec<Stage>,
    /// What the user should know before saying yes.
    pub notices: Vec<Notice>,
}

/// What is done before the next thing may begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stage {
    /// Stable kebab-case name, e.g. `files`, `etcd`, `api-servers`, `workers`.
    pub name: String,
    /// What it does and why it comes here: one plain sentence.
    pub reason: String,
    /// What is done, in this order where the pace is not `together`.
    pub steps: Vec<Step>,
    /// How many hosts at once.
    pub pace: Pace,
    /// What must be true before the next batch, and before the next stage.
    pub gate: Gate,
    /// About how long it takes.
    pub estimate_seconds: u32,
}

/// What one host does in a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Step {
    /// Carries out a plan. One without issuances only makes components take up what lies there.
    Carry {
        /// The host's name in the cluster document.
        host: String,
        /// What it does.
        plan: Box<Plan>,
    },
    /// Stops components, in this order (brute mode). Static pods are parked.
    Halt {
        /// The host's name in the cluster document.
        host: String,
        /// Which.
        components: Vec<crate::model::ComponentKind>,
    },
    /// Starts what was halted, in this order.
    Start {
        /// The host's name in the cluster document.
        host: String,
        /// Which.
        components: Vec<crate::model::ComponentKind>,
    },
}

impl Step {
    /// The host's name in the cluster document.
    pub fn host(&self) -> &str {
        match self {
            Self::Carry { host, .. } | Self::Halt { host, .. } | Self::Start { host, .. } => host,
        }
    }
}

/// How many hosts of a stage work at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Pace {
    /// One after another, the gate between each.
    OneByOne,
    /// This many, the gate after each batch.
    Batches {
        /// At least 1.
        size: u32,
    },
    /// All, up to what the operator's machine allows.
    Together,
}

/// What must be true after a stage, asked until it is or the patience ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Gate {
    /// Nothing.
    None,
    /// etcd on these hosts is healthy: it has a leader and answers its own health check.
    EtcdHealthy {
        /// Names in the cluster document.
        hosts: Vec<String>,
    },
    /// The API servers of these hosts answer `/readyz`.
    ApiServersReady {
        /// Names in the cluster document.
        hosts: Vec<String>,
    },
    /// These nodes are Ready, as the API tells.
    NodesReady {
        /// Names of Nodes.
        nodes: Vec<String>,
    },
}

impl ClusterPlan {
    /// A plan of these stages; empty ones are left out.
    pub fn new(
        verb: &str,
        created_at: Timestamp,
        stages: Vec<Stage>,
        notices: Vec<Notice>,
    ) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "ClusterPlan".to_owned(),
            id: String::new(),
            verb: verb.to_owned(),
            created_at,
            stages: stages
                .into_iter()
                .filter(|stage| !stage.steps.is_empty())
                .collect(),
            notices,
        }
        .with_id()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Every host that it does something on, each once.
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts = Vec::new();
        for step in self.stages.iter().flat_map(|stage| &stage.steps) {
            if !hosts.contains(&step.host()) {
                hosts.push(step.host());
            }
        }
        hosts
    }

    fn with_id(mut self) -> Self {
        // Serialization of plain structs and strings cannot fail; an empty content still hashes.
        let json = serde_json::to_vec(&self).unwrap_or_default();
        self.id = hex::encode(&Sha256::digest(&json)[..8]);
        self
    }
}
