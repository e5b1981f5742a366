//! A session with one host: everything that may be asked of it, whether it is this machine, a folder
//! that stands for one, or the other end of an SSH connection.
//!
//! Nothing here can name a file to read or write but through a plan, and a plan is held against what
//! the host's own discovery finds before it is carried out.

use jiff::Timestamp;
use kubepki_core::founding::DeclaredLayout;
use kubepki_core::model::cluster::{ClusterObservation, Node};
use kubepki_core::model::{ComponentKind, Inventory, LiveObservation};
use kubepki_core::plan::{EtcdAct, Issuance, Plan};
use kubepki_core::rotation::{ApiChange, FreshTrust, Leaders, OldKey, Proof, StaleWorkload};
pub use kubepki_core::rotation::{RotationRun, TakenBackRun};
use kubepki_engine::ports::Progress;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a host says of itself when a session begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Version of the protocol.
    pub protocol: u32,
    /// Version of the program at the other end.
    pub version: String,
    /// The host's own name.
    pub host: String,
    /// Its clock.
    pub clock: Timestamp,
    /// User id that it runs as: 0 for root.
    pub uid: u32,
}

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookRequest {
    /// The folder with kubeadm's certificates, for what no flag names.
    pub pki_folder: PathBuf,
    /// Also ask what runs: endpoints, metrics, clocks.
    pub examine: bool,
    /// For one question to what runs.
    pub timeout_seconds: u32,
}

/// What was seen of a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Its files and processes.
    pub inventory: Inventory,
    /// What its processes answered, when that was asked.
    pub live: Option<LiveObservation>,
    /// A run on it that was interrupted: its id, verb, start and stage, to show.
    pub interrupted: Option<InterruptedRun>,
    /// Components that were halted and not started since, as when a campaign with `Halt` steps was
    /// cut short. Discovery sees their parked manifests as little as a kubelet does.
    #[serde(default)]
    pub halted: Vec<ComponentKind>,
    /// Its clock while it looked.
    pub clock: Timestamp,
    /// Finished runs of rotations that were not taken back since, the newest first: what `back` undoes.
    #[serde(default)]
    pub rotation_runs: Vec<RotationRun>,
    /// Runs of rotations that were taken back.
    #[serde(default)]
    pub taken_back: Vec<TakenBackRun>,
}

/// A run that was begun on a host and not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterruptedRun {
    /// The run.
    pub id: String,
    /// e.g. `renew`.
    pub verb: String,
    /// When it was begun.
    pub started_at: Timestamp,
    /// In words, e.g. `putting files in place`.
    pub stage: String,
    /// Whether carrying on finishes it (true) or takes it back.
    pub goes_forward: bool,
}

/// A certification request that a host made for an issuance of its plan. The key stays there, in the
/// agent's memory, until the plan is carried out or the session ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreparedRequest {
    /// The issuance's name.
    pub name: String,
    /// PKCS #10, PEM (RFC 2986).
    pub request_pem: String,
}

/// What the holder of a CA key is to sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningOrder {
    /// The host that asked, by its name in the cluster document.
    pub host: String,
    /// The issuance of that host's plan; its signer names the authority here.
    pub issuance: Issuance,
    /// The certificate that is renewed, PEM: everything but serial, dates and key is taken from it.
    pub old_certificate_pem: Option<String>,
    /// The request: proves that the key is held.
    pub request_pem: String,
}

/// A certificate for an issuance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedCertificate {
    /// The issuance's name.
    pub name: String,
    /// The certificate, and what must travel with it, PEM.
    pub chain_pem: String,
}

/// A private key that another host is to be given: sealed for that host's session alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyOrder {
    /// The key's file here: that of an authority or of its successor, or a service-account key.
    pub path: PathBuf,
    /// The path on the host that it is for.
    pub destination: PathBuf,
    /// What that host's session answered to [`HostSession::recipient`].
    pub recipient: String,
}

/// A private key on its way: only the session that made the recipient can open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealedKey {
    /// The path on the host that it is for.
    pub destination: PathBuf,
    /// age, ASCII armor.
    pub armored: String,
    /// SHA-256 of the public half, hexadecimal: the receiver checks it.
    pub public_key_sha256: String,
}

/// A plan to carry out, with what others signed or hand over for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarryRequest {
    /// The plan.
    pub plan: Plan,
    /// For every issuance signed elsewhere or given.
    pub brought: Vec<IssuedCertificate>,
    /// For every key that is brought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed_keys: Vec<SealedKey>,
    /// What opens the archive that the plan restores from, where that is encrypted: an age identity file,
    /// sealed as keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_identity: Option<String>,
    /// The folder with kubeadm's certificates.
    pub pki_folder: PathBuf,
    /// Whether old files are saved first.
    pub backup: bool,
    /// age recipients that the backup is encrypted for; none for a plain one.
    pub backup_recipients: Vec<String>,
}

/// What came of a plan on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CarryReport {
    /// The run's id there.
    pub run: String,
    /// The archive with the old files.
    pub backup: Option<PathBuf>,
    /// Paths that were written.
    pub written: Vec<PathBuf>,
    /// What was issued: public, for hosts that are given copies.
    pub issued: Vec<IssuedCertificate>,
    /// What each component did, in words.
    pub components: Vec<String>,
    /// Components that were left alone, and why.
    pub left_alone: Vec<String>,
    /// Whether the host uses what was written.
    pub verified: bool,
    /// Checks that failed: expected and found.
    pub failed: Vec<String>,
}

/// A question to the cluster's API, asked on a host with its own administrator's kubeconfig and its
/// own API server: never through a load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ApiQuestion {
    /// Whether this host's API server answers `/readyz`.
    Ready,
    /// The Nodes and whether each is Ready.
    Nodes,
    /// Whether this host's etcd member is healthy.
    EtcdHealth,
    /// Who leads, by host names of the API and etcd.
    Leaders,
    /// Whether something can be proved.
    Proof {
        /// What.
        proof: Proof,
    },
    /// Everything in the API that holds or trusts certificates.
    Scan,
    /// Workloads whose containers read their trust or token too early.
    StaleWorkloads {
        /// What they should have read.
        wanted: FreshTrust,
    },
}

/// What the API answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ApiAnswer {
    /// Yes or no, and the words for no.
    Health {
        /// Whether it is well.
        ok: bool,
        /// What was found.
        found: String,
    },
    /// Nodes.
    Nodes {
        /// Each with its condition `Ready`.
        nodes: Vec<Node>,
    },
    /// Holders of the Leases and etcd's leader, as they name themselves.
    Leaders {
        /// These.
        leaders: Leaders,
    },
    /// A scan.
    Scanned {
        /// What was seen.
        #[serde(with = "crate::scanned")]
        observation: Box<ClusterObservation>,
    },
    /// Workloads, each once.
    StaleWorkloads {
        /// These.
        workloads: Vec<StaleWorkload>,
    },
}

/// Why a host did not do what it was asked. Displayed after the host's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct SessionError {
    /// Stable kebab-case code: the engine's own where the engine refused, else one of
    /// `host-unreachable`, `host-key-unknown`, `no-root`, `agent-version`, `agent-protocol`,
    /// `agent-lost`, `plan-outside-discovery`, `plan-edited`, [`NOT_LIVE`].
    pub code: String,
    /// Lower-case, with expected and found, no secrets.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Further evidence by name, e.g. a log's last lines.
    pub details: Vec<(String, String)>,
}

/// Code of a question about what runs, asked of a folder that stands for a host.
pub const NOT_LIVE: &str = "not-live";

impl SessionError {
    /// An error without hint and evidence.
    pub fn new(code: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self {
            code: code.into(),
            message: message.to_string(),
            hint: None,
            details: Vec::new(),
        }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds a piece of evidence.
    pub fn detail(mut self, label: &str, value: impl std::fmt::Display) -> Self {
        self.details.push((label.to_owned(), value.to_string()));
        self
    }
}

fn unsupported(what: &str) -> SessionError {
    SessionError::new(
        "not-supported",
        format_args!("this session is none that {what}"),
    )
}

/// One host that can be asked.
pub trait HostSession: Send {
    /// What it said of itself.
    fn hello(&self) -> &Hello;

    /// Declares where the host's files lie, for every look of this session: what no flag names is
    /// found by it. Relative paths begin in the folder that a request names.
    fn declare(&mut self, layout: &DeclaredLayout) -> Result<(), SessionError>;

    /// Discovers what is on it, and examines what runs where that is asked.
    fn look(
        &mut self,
        request: &LookRequest,
        progress: &dyn Progress,
    ) -> Result<Look, SessionError>;

    /// Makes keys and certification requests for every issuance of the plan that is signed
    /// elsewhere. Nothing is written; carrying out the same plan uses them.
    fn prepare(&mut self, plan: &Plan) -> Result<Vec<PreparedRequest>, SessionError>;

    /// Signs requests of other hosts with authorities of this one.
    fn sign(&mut self, orders: &[SigningOrder]) -> Result<Vec<IssuedCertificate>, SessionError>;

    /// Carries out a plan, atomic and journaled on the host.
    fn carry(
        &mut self,
        request: &CarryRequest,
        progress: &dyn Progress,
    ) -> Result<CarryReport, SessionError>;

    /// Finishes an interrupted run, or takes it back; `None` when there is none.
    fn settle(
        &mut self,
        pki_folder: &std::path::Path,
        progress: &dyn Progress,
    ) -> Result<Option<CarryReport>, SessionError>;

    /// Stops components in this order; what is stopped already stays so.
    fn halt(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError>;

    /// Starts halted components in this order; what runs stays running.
    fn start(
        &mut self,
        components: &[ComponentKind],
        progress: &dyn Progress,
    ) -> Result<(), SessionError>;

    /// Asks the cluster's API from this host. Below `--root`, where nothing runs, the error's code
    /// is [`NOT_LIVE`]: a gate has nothing to wait for there.
    fn ask(&mut self, question: &ApiQuestion) -> Result<ApiAnswer, SessionError>;

    /// The age recipient of this session, made in memory when first asked: keys that are sealed for it
    /// can be opened by nobody else, and by nobody after the session has ended.
    fn recipient(&mut self) -> Result<String, SessionError> {
        Err(unsupported("receives keys"))
    }

    /// Seals private keys of this host, each for another host's session.
    fn seal_keys(&mut self, _orders: &[KeyOrder]) -> Result<Vec<SealedKey>, SessionError> {
        Err(unsupported("hands keys over"))
    }

    /// Changes objects of the Kubernetes API, with this host's own administrator's kubeconfig and API
    /// server; what was done, in words, one for each change.
    fn change_api(
        &mut self,
        _changes: &[ApiChange],
        _progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        Err(unsupported("changes the API"))
    }

    /// Asks this host's etcd member for something; what came of it, in words.
    fn etcd(&mut self, _act: &EtcdAct, _progress: &dyn Progress) -> Result<String, SessionError> {
        Err(unsupported("asks etcd"))
    }

    /// Destroys old private keys of roots in the backups of this host, or seals them there: of the roots
    /// whose own keys lie at these paths. What was done, in words; may be done twice.
    fn retire_keys(
        &mut self,
        _keys: &[PathBuf],
        _how: &OldKey,
        _progress: &dyn Progress,
    ) -> Result<Vec<String>, SessionError> {
        Err(unsupported("retires keys"))
    }

    /// Asks several questions, in one round trip where the host is far.
    fn ask_all(&mut self, questions: &[ApiQuestion]) -> Vec<Result<ApiAnswer, SessionError>> {
        questions
            .iter()
            .map(|question| self.ask(question))
            .collect()
    }
}
