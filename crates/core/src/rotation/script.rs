//! The script of a rotation: rounds of actions, in their order. It is what the checker proves and what
//! lowering turns into plans of hosts. Types only; holds no secret.

use super::old_key::OldKey;
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

/// What several hosts do, each its turn. A round without turns only asks: what a phase that was left
/// unfinished waited for is asked again before the next phase relies on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// The phase that it belongs to.
    pub phase: Phase,
    /// Stable kebab-case name, unique in a script, e.g. `trust-both-controllers`.
    pub name: String,
    /// What it does and why it comes here: one plain sentence.
    pub reason: String,
    /// In this order where the pace is not `together`. A host has at most one turn in a round.
    pub turns: Vec<Turn>,
    /// How many hosts at once.
    pub pace: Pace,
    /// What must be so of the hosts that had their turn, before the next turns.
    pub between: Vec<Await>,
    /// What must be so before the next round, in this order.
    pub awaits: Vec<Await>,
    /// About how long it takes, waiting included.
    pub estimate_seconds: u32,
}

/// What one host does, in one go. Actions that change files ([`Action::changes_files`]) come first and
/// are done together (atomic, journaled; issued from what lies there when the turn begins); then
/// components take them up in the order of the [`Action::Restart`]s. Between the first byte and the last
/// restart every mixture of old and new may be seen by others, and each process may have read or not
/// read whatever it re-reads by itself.
///
/// Actions on the API, on etcd or on backups, halts and starts never share a turn with changes of files, except
/// [`Action::YieldEtcdLeadership`], which comes before everything else of its turn.
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
    /// The successor is made here, beside the old one; where the user gave one, it is put there.
    MakeSuccessor {
        /// Of which root.
        root: Root,
    },
    /// A key for the successor is made here, and the request by which somebody else certifies it. There
    /// is no successor before that has come back.
    RequestSuccessor {
        /// Of which root.
        root: Root,
    },
    /// The successor is put beside the old one, its key sealed for this host alone on the way.
    ReceiveSuccessor {
        /// Of which root.
        root: Root,
        /// The host that has it.
        from: String,
    },
    /// A place of this host, or of the API, comes to hold exactly this. A place of the API is changed
    /// from this host. Where [`Action::InstallSuccessor`] of the same turn writes the same file, this one
    /// says what it holds in the end.
    WriteTrust {
        /// Of which root.
        root: Root,
        /// Where.
        place: Place,
        /// What it holds afterwards: `oldNew` or `new`.
        holds: Holds,
    },
    /// kube-controller-manager gets a signing file of its own, with exactly one certificate: the one that
    /// signed until now (after [`Action::InstallSuccessor`] of the same turn, the new one); so that the
    /// file it shared may hold two. Changes the flags of its manifest or unit; taken up by the turn's
    /// `Restart` of it, which is always there.
    SplitSigner,
    /// kube-controller-manager signs with the CA file again, which holds one certificate from this turn
    /// on. Changes the flags; taken up by the turn's `Restart` of it, which is always there.
    JoinSigner,
    /// A certificate is issued from the successor: same subject, names and extensions, new key.
    Issue {
        /// Which root signs.
        root: Root,
        /// The entry's name on this host.
        entry: String,
    },
    /// The successor takes the root's own place on this host. For a CA: `ca.key` becomes the new key;
    /// `ca.crt` holds both, the new one first (unless a `WriteTrust` of this turn says otherwise); a
    /// signing file of kube-controller-manager's own holds exactly the new one. For service accounts:
    /// `sa.key` becomes the new key, `sa.pub` stays. The successor's files beside it stay, too; one host
    /// keeps the old pair of a CA, by which it is proved that old clients are refused.
    InstallSuccessor {
        /// Of which root.
        root: Root,
    },
    /// A component is restarted.
    Restart {
        /// Which.
        component: ComponentKind,
        /// Stopped before and started after it, in this order (the API server around its etcd member):
        /// they are restarted by it too.
        parks: Vec<ComponentKind>,
    },
    /// etcd's member on this host gives leadership to another, when it has it.
    YieldEtcdLeadership,
    /// An object that only ever grows is deleted; its owner makes it anew
    /// (`extension-apiserver-authentication`).
    Recreate {
        /// The object.
        object: ObjectReference,
    },
    /// Workloads whose containers started before their mounted trust held both (or, for service accounts,
    /// before their tokens were signed by the new key) are restarted: those which the picture shows.
    RestartWorkloads {
        /// Because of this root.
        root: Root,
    },
    /// Every ServiceAccount with a token Secret gets a second one, signed by the new key.
    AddTokenSecrets,
    /// Token Secrets that the old key signed are deleted.
    DropTokenSecrets,
    /// The files of the successor beside the root's own are removed, and so are a signing file that was
    /// split off and an old pair that was kept: nothing of the old key is left on the host then but the
    /// backups of the runs.
    RemoveSuccessorFiles {
        /// Of which root.
        root: Root,
    },
    /// The old private key goes from the backups of this host, or is sealed in them, and so is the old
    /// pair's that was kept. Not to be taken back.
    RetireKey {
        /// Of which root.
        root: Root,
        /// How.
        how: OldKey,
    },
    /// Components are stopped, in this order, until they are started (offline only). Static pods are
    /// parked.
    Halt {
        /// Which.
        components: Vec<ComponentKind>,
    },
    /// Components that were halted are started, in this order (offline only).
    Start {
        /// Which.
        components: Vec<ComponentKind>,
    },
}

impl Action {
    /// Whether it is part of a host's plan: what else there is changes the API, asks etcd, or halts and
    /// starts.
    pub fn changes_files(&self) -> bool {
        match self {
            Self::MakeSuccessor { .. }
            | Self::RequestSuccessor { .. }
            | Self::ReceiveSuccessor { .. }
            | Self::SplitSigner
            | Self::JoinSigner
            | Self::Issue { .. }
            | Self::InstallSuccessor { .. }
            | Self::RemoveSuccessorFiles { .. } => true,
            Self::WriteTrust { place, .. } => place.host().is_some(),
            Self::Restart { .. }
            | Self::SnapshotEtcd
            | Self::YieldEtcdLeadership
            | Self::Recreate { .. }
            | Self::RestartWorkloads { .. }
            | Self::AddTokenSecrets
            | Self::DropTokenSecrets
            | Self::RetireKey { .. }
            | Self::Halt { .. }
            | Self::Start { .. } => false,
        }
    }
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
        /// Which servers: API servers, kubelets, etcd's members; empty for all that present one of this
        /// root.
        components: Vec<ComponentKind>,
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
