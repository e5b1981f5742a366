//! The script of a rotation: rounds of actions, in their order. It is what the checker proves and what
//! lowering turns into plans of hosts. Types only; holds no secret.

use super::phase::Phase;
use super::picture::Holds;
use super::root::Root;
use crate::connections::Place;
use crate::model::{ComponentKind, ObjectReference};
use crate::plan::{Notice, Pace};
use serde::{Deserialize, Serialize};

/// What remains to be done, of one phase or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// In order: a round is begun when everything that the one before awaits is so.
    pub rounds: Vec<Round>,
    /// What the user should know before saying yes.
    pub notices: Vec<Notice>,
}

/// What several hosts do, each its turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// The phase that it belongs to.
    pub phase: Phase,
    /// Stable kebab-case name, unique in a script, e.g. `trust-both-control-planes`.
    pub name: String,
    /// What it does and why it comes here: one plain sentence.
    pub reason: String,
    /// In this order where the pace is not `together`.
    pub turns: Vec<Turn>,
    /// How many hosts at once.
    pub pace: Pace,
    /// What must be so of the hosts that had their turn, before the next turns.
    pub between: Vec<Await>,
    /// What must be so before the next round.
    pub awaits: Vec<Await>,
    /// About how long it takes, waiting included.
    pub estimate_seconds: u32,
}

/// What one host does, in one go: files are changed together (atomic, journaled), then components take
/// them up in the order of the `Restart`s. Between the first byte and the last restart every mixture of
/// old and new may be seen by others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// The host; actions on the API and on etcd are done from it too.
    pub host: String,
    /// In order.
    pub actions: Vec<Action>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Action {
    /// A snapshot of etcd is taken on this host and checked.
    SnapshotEtcd,
    /// The successor is made here, beside the old one.
    MakeSuccessor {
        /// Of which root.
        root: Root,
    },
    /// The successor is put beside the old one, its key sealed for this host alone on the way.
    ReceiveSuccessor {
        /// Of which root.
        root: Root,
        /// The host that made it.
        from: String,
    },
    /// A place of this host, or of the API, comes to trust this.
    WriteTrust {
        /// Of which root.
        root: Root,
        /// Where.
        place: Place,
        /// What it holds afterwards.
        holds: Holds,
    },
    /// kube-controller-manager gets a signing file of its own, with exactly one certificate, so that the
    /// file it shared may hold two. Changes its manifest, hence restarts it.
    SplitSigner,
    /// kube-controller-manager signs with the CA file again. Changes its manifest, hence restarts it.
    JoinSigner,
    /// A certificate is issued from the successor: same subject, names and extensions, new key.
    Issue {
        /// Which root signs.
        root: Root,
        /// The entry's name on this host.
        entry: String,
    },
    /// The successor's key (and certificate, first in the bundle) takes the root's own place: whoever
    /// signs with it signs from the new one.
    InstallSuccessor {
        /// Of which root.
        root: Root,
    },
    /// A component is restarted.
    Restart {
        /// Which.
        component: ComponentKind,
        /// Stopped before and started after it, in this order (the API server around its etcd member).
        parks: Vec<ComponentKind>,
    },
    /// An etcd member that does not lead, or no longer.
    YieldEtcdLeadership,
    /// An object that only ever grows is deleted; its owner makes it anew
    /// (`extension-apiserver-authentication`).
    Recreate {
        /// The object.
        object: ObjectReference,
    },
    /// Workloads whose containers started before their mounted trust held both are restarted.
    RestartWorkloads {
        /// Because of this root.
        root: Root,
    },
    /// Every ServiceAccount with a token Secret gets a second one, signed by the new key.
    AddTokenSecrets,
    /// Token Secrets that the old key signed are deleted.
    DropTokenSecrets,
    /// The files of the successor beside the old one are removed, the old key with them.
    RemoveSuccessorFiles {
        /// Of which root.
        root: Root,
    },
}

/// What is waited for, by asking until it is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Await {
    /// A throwaway client of the new generation is accepted by every server that reads this root's
    /// client CAs on these hosts (all, when empty).
    NewClientsAccepted {
        /// Which root.
        root: Root,
        /// Hosts; empty for all.
        hosts: Vec<String>,
    },
    /// A throwaway client of the old generation is refused by all of them.
    OldClientsRefused {
        /// Which root.
        root: Root,
        /// Hosts; empty for all.
        hosts: Vec<String>,
    },
    /// Servers present a certificate of the new generation.
    NewServed {
        /// Which root.
        root: Root,
        /// Hosts; empty for all.
        hosts: Vec<String>,
    },
    /// `kube-root-ca.crt` in every namespace and `ca.crt` of every token Secret hold this.
    Published {
        /// What.
        holds: Holds,
    },
    /// The API servers answer `/readyz`.
    ApiServersReady {
        /// Hosts; empty for all.
        hosts: Vec<String>,
    },
    /// etcd has a leader and every member is healthy.
    EtcdHealthy {
        /// Hosts; empty for all.
        hosts: Vec<String>,
    },
    /// Nodes are Ready.
    NodesReady {
        /// Hosts; empty for all.
        hosts: Vec<String>,
    },
    /// Restarted workloads have rolled out.
    WorkloadsRolledOut,
}
