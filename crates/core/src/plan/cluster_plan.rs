//! A plan for a whole cluster: plans of hosts, put into stages, with what has to be true in between.
//!
//! A stage is begun when the gate of the one before it stands open. What is done on a host is always
//! one [`Plan`], atomic and journaled there. Holds no secret; can be saved, reviewed and shown.

use super::document::{API_VERSION, Notice, Plan, PlanFileError};
use super::plan_file;
use crate::model::ComponentKind;
use crate::rotation::{ApiChange, OldKey, Proof};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The document's kind.
const KIND: &str = "ClusterPlan";

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
    /// What must be true before the next batch, and before the next stage. After a batch it is asked
    /// of those hosts and nodes in it that are done; after the last one, of all.
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
        components: Vec<ComponentKind>,
    },
    /// Changes objects of the Kubernetes API from this host, in this order.
    ChangeApi {
        /// The host's name in the cluster document.
        host: String,
        /// What.
        changes: Vec<ApiChange>,
    },
    /// Asks etcd's member on this host for something.
    Etcd {
        /// The host's name in the cluster document.
        host: String,
        /// What.
        act: EtcdAct,
    },
    /// Old private keys of roots go from the backups of this host, or are sealed in them.
    RetireKeys {
        /// The host's name in the cluster document.
        host: String,
        /// Where the roots' own private keys lie: what was there before is meant.
        keys: Vec<PathBuf>,
        /// How.
        how: OldKey,
    },
    /// Starts what was halted, in this order.
    Start {
        /// The host's name in the cluster document.
        host: String,
        /// Which.
        components: Vec<ComponentKind>,
    },
}

impl Step {
    /// The host's name in the cluster document.
    pub fn host(&self) -> &str {
        match self {
            Self::Carry { host, .. }
            | Self::Halt { host, .. }
            | Self::Start { host, .. }
            | Self::ChangeApi { host, .. }
            | Self::RetireKeys { host, .. }
            | Self::Etcd { host, .. } => host,
        }
    }
}

/// What a stage has to do with a downtime of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Downtime {
    /// Nothing.
    #[default]
    None,
    /// It stops what serves.
    Begins,
    /// API servers are started, and ready at its end.
    Ends,
}

impl Stage {
    /// What it has to do with a downtime of the API.
    pub fn downtime(&self) -> Downtime {
        let halts = |step: &Step| matches!(step, Step::Halt { .. });
        let serves = |step: &Step| match step {
            Step::Start { components, .. } => components.contains(&ComponentKind::KubeApiserver),
            _ => false,
        };
        match () {
            () if self.steps.iter().any(halts) => Downtime::Begins,
            () if self.steps.iter().any(serves) => Downtime::Ends,
            () => Downtime::None,
        }
    }
}

/// What etcd's member on a host is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum EtcdAct {
    /// Saves a snapshot on the host, checks its hash, and restores it into a scratch member to count
    /// its keys.
    Snapshot,
    /// Gives leadership to another healthy member, when it has it.
    YieldLeadership,
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
    /// This host finds it so, on the wire or in the API.
    Proved {
        /// The host that asks: its name in the cluster document.
        host: String,
        /// What.
        proof: Proof,
    },
    /// All of these, in this order.
    All {
        /// None of them is an `All` itself.
        gates: Vec<Gate>,
    },
}

impl Gate {
    /// One gate for all of these; `None` ones and what they hold nothing of are left out.
    pub fn all(gates: impl IntoIterator<Item = Self>) -> Self {
        let mut asked: Vec<Self> = Vec::new();
        for gate in gates {
            let is_empty = match &gate {
                Self::None => true,
                Self::Proved { .. } => false,
                Self::EtcdHealthy { hosts } | Self::ApiServersReady { hosts } => hosts.is_empty(),
                Self::NodesReady { nodes } => nodes.is_empty(),
                Self::All { gates } => gates.is_empty(),
            };
            match gate {
                _ if is_empty => {}
                Self::All { gates } => asked.extend(gates),
                one => asked.push(one),
            }
        }
        match asked.len() {
            0 => Self::None,
            1 => asked.swap_remove(0),
            _ => Self::All { gates: asked },
        }
    }

    /// The gates that it consists of: itself, unless it is an `All`.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::All { gates } => gates,
            one => std::slice::from_ref(one),
        }
    }
}

/// Whether a stage that does nothing is there for its gate: something is to be proved before others
/// rely on it. Readiness is asked wherever something is restarted.
fn is_asked_alone(gate: &Gate) -> bool {
    gate.parts()
        .iter()
        .any(|part| matches!(part, Gate::Proved { .. }))
}

impl ClusterPlan {
    /// A plan of these stages; those that neither do nor ask anything are left out.
    pub fn new(
        verb: &str,
        created_at: Timestamp,
        stages: Vec<Stage>,
        notices: Vec<Notice>,
    ) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            id: String::new(),
            verb: verb.to_owned(),
            created_at,
            stages: stages
                .into_iter()
                .filter(|stage| !stage.steps.is_empty() || is_asked_alone(&stage.gate))
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

    /// What was asked for and is not part of the plan, because it cannot be done.
    pub fn left_out(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| notice.is_left_out())
    }

    /// About how long all of it takes.
    pub fn estimate_seconds(&self) -> u32 {
        self.stages
            .iter()
            .fold(0, |sum, stage| sum.saturating_add(stage.estimate_seconds))
    }

    /// Reads a plan file and checks that it, and every host's plan in it, is what was saved.
    pub fn from_json(text: &str) -> Result<Self, PlanFileError> {
        let plan: Self = plan_file::read(text, KIND)?;
        plan_file::check_id(plan.id.clone(), plan.content_id())?;
        Ok(plan)
    }

    /// Whether a document says of itself that it is a cluster plan.
    pub fn is_kind_of(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| value.get("kind").and_then(|kind| kind.as_str()) == Some(KIND))
    }

    fn with_id(mut self) -> Self {
        self.id = self.content_id();
        self
    }

    fn content_id(&self) -> String {
        let mut content = self.clone();
        content.id = String::new();
        plan_file::id_of(&content)
    }
}
