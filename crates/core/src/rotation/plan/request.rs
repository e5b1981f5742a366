//! What the user wants rotated, and how.

use crate::plan::{EndRule, StartRule};
use crate::rotation::{OldKey, Root};
use jiff::SignedDuration;
use kubepki_x509::pem;
use std::path::PathBuf;

/// What the user wants.
#[derive(Clone, Debug)]
pub struct RotationRequest {
    /// Which roots; those that the cluster has, for `all`.
    pub roots: Vec<Root>,
    /// Another type of key for the successor, e.g. `ecdsa:p256`; `None` keeps the old one's.
    pub key_type: Option<String>,
    /// Start of the new CA's validity.
    pub start: StartRule,
    /// End of the new CA's validity.
    pub end: EndRule,
    /// The new CA's common name; `None` for the old one's with the generation behind it
    /// (`kubernetes@20261122T114500Z`).
    pub subject: Option<String>,
    /// A new CA that somebody else made, instead of one that is made here. Of one root only.
    pub given: Option<GivenAuthority>,
    /// The new CA's key is made here and its certificate asked of somebody else: a certification request
    /// is all that is made.
    pub by_request: bool,
    /// What becomes of workloads that read their trust only at their start.
    pub restart_workloads: RestartWorkloads,
    /// Copies of the old generation that the rotation cannot change and that the user sees to: places as
    /// the refusal spells them (`w1 /etc/cni/net.d/kubeconfig`, `Secret shop/db data[ca.crt]`). `*` for
    /// all.
    pub acknowledged: Vec<String>,
    /// How many workers at once.
    pub batch: u32,
    /// What becomes of the old private keys in backups, at the end.
    pub old_key: OldKey,
    /// One brute swap with everything down, instead of phases.
    pub offline: bool,
}

/// A new CA that somebody else made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAuthority {
    /// Which root's successor it is.
    pub root: Root,
    /// Its certificate, and intermediates' up to where its chain ends, PEM.
    pub certificate_pem: String,
    /// Where its key lies.
    pub key: GivenKey,
}

/// Where the key of a given CA lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenKey {
    /// On a host that signs with the old one.
    OnHost {
        /// Its name in the cluster document.
        host: String,
        /// Any path that root can read there.
        path: PathBuf,
    },
    /// Where the operator's program runs: it is sealed there for the host that receives it.
    WithOperator {
        /// The path there.
        path: PathBuf,
    },
}

impl GivenAuthority {
    /// SHA-256 of its public key, hexadecimal; empty where the certificate cannot be read.
    pub fn public_key_sha256(&self) -> String {
        let chain = pem::certificates(self.certificate_pem.as_bytes()).unwrap_or_default();
        let first = chain.first();
        first.map_or_else(String::new, |it| hex::encode(it.public_key().sha256()))
    }
}

/// What becomes of workloads that read their trust only at their start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartWorkloads {
    /// They are restarted, pod by pod as their own strategy and budgets allow.
    #[default]
    Auto,
    /// They are named, and nothing new is presented to them before the user has restarted them.
    List,
    /// They are left alone: those that do not re-read lose the API server.
    None,
}

/// As kubeadm makes its authorities.
const TEN_YEARS: SignedDuration = SignedDuration::from_hours(87_600);

impl RotationRequest {
    /// A plain rotation of these roots.
    pub fn new(roots: impl IntoIterator<Item = Root>) -> Self {
        Self {
            roots: roots.into_iter().collect(),
            key_type: None,
            start: StartRule::default(),
            end: EndRule::For(TEN_YEARS),
            subject: None,
            given: None,
            by_request: false,
            restart_workloads: RestartWorkloads::default(),
            acknowledged: Vec::new(),
            batch: 10,
            old_key: OldKey::Keep,
            offline: false,
        }
    }

    /// The new CA that somebody else made for this root.
    pub fn given_for(&self, root: Root) -> Option<&GivenAuthority> {
        self.given.as_ref().filter(|given| given.root == root)
    }

    /// Whether the user sees to this copy.
    pub fn acknowledges(&self, copy: &str) -> bool {
        self.acknowledged
            .iter()
            .any(|known| known == "*" || known == copy)
    }
}
