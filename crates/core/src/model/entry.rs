//! An entry: one certificate in use on a host, with where it is held, by whom it is used, and the
//! public half of the key beside it. What is good or bad about it is said in `assess`.

use super::component_kind::ComponentKind;
use super::role::Role;
use kubepki_x509::{Certificate, PublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where an end-entity certificate and its key are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Holder {
    /// PEM files; both paths are the same when certificate and key share a file.
    Files {
        /// The certificate, intermediates after it.
        certificate: PathBuf,
        /// The private key, where one is known.
        key: Option<PathBuf>,
    },
    /// Embedded in a kubeconfig.
    Kubeconfig {
        /// The kubeconfig.
        path: PathBuf,
        /// The user whose certificate it is.
        user: String,
    },
    /// The kubelet's certificate store: a link `kubelet-client-current.pem` to a dated file that
    /// holds certificate and key.
    CertificateStore {
        /// The link.
        link: PathBuf,
        /// What the link points at; `None` when it is broken, missing, or no link at all.
        target: Option<PathBuf>,
    },
}

impl Holder {
    /// The path by which people know it.
    pub fn path(&self) -> &Path {
        match self {
            Self::Files { certificate, .. } => certificate,
            Self::Kubeconfig { path, .. } => path,
            Self::CertificateStore { link, .. } => link,
        }
    }

    /// The file that holds the private key.
    pub fn key_path(&self) -> Option<&Path> {
        match self {
            Self::Files { key, .. } => key.as_deref(),
            Self::Kubeconfig { path, .. } => Some(path),
            Self::CertificateStore { link, target } => Some(target.as_ref().unwrap_or(link)),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig { path, user } => write!(f, "{} (user {user})", path.display()),
            other => write!(f, "{}", other.path().display()),
        }
    }
}

/// A user of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigUser {
    /// The kubeconfig.
    pub path: PathBuf,
    /// The user.
    pub user: String,
}

/// The private key beside a certificate, as far as discovery may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// Readable; only its public half is kept.
    Present {
        /// The public half.
        public_key: PublicKey,
        /// Permission bits of the file it lies in.
        mode: u32,
    },
    /// The file does not exist (for a CA: an external CA).
    Absent,
    /// There, but not to be read by this user; the reason says why. Others may well read it.
    Unreadable(String),
    /// Readable, and no key that a component could use: empty, damaged, under a passphrase.
    Unusable(String),
    /// No key belongs here (a trust bundle), or none is known.
    NotExpected,
}

impl KeyState {
    /// The public half, when the key could be read.
    pub fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Present { public_key, .. } => Some(public_key),
            _ => None,
        }
    }
}

/// Which component names an entry, by which flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedBy {
    /// The component.
    pub component: ComponentKind,
    /// Its flag without dashes, or the kubeconfig's flag for what is inside a kubeconfig.
    pub flag: String,
}

/// One certificate in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// kubeadm's name where it has one (`apiserver`, `admin.conf`), else `kubelet-client`,
    /// `kubelet-server`, else the path.
    pub name: String,
    /// What it would be called by others that use the same file.
    pub also_known_as: Vec<String>,
    /// What it is for; the first where it is for several things.
    pub role: Role,
    /// Where it is held.
    pub holder: Holder,
    /// Who names it.
    pub used_by: Vec<UsedBy>,
    /// End-entity certificate first; empty when it is missing or could not be read.
    pub chain: Vec<Certificate>,
    /// The key beside it.
    pub key: KeyState,
    /// The kubeconfig that holds it or names its files, where it is a kubeconfig's.
    pub kubeconfig: Option<PathBuf>,
    /// The authority that should have signed it, by layout: `ca`, `etcd-ca`, `front-proxy-ca`.
    pub expected_authority: Option<String>,
    /// Why the certificate could not be read, when it could not.
    pub problem: Option<String>,
    /// For the kubelet's certificate store: a kubeconfig that still embeds an older copy. The kubelet
    /// looks at that one first when it starts, and gives up when it has expired.
    pub embedded_copy: Option<KubeconfigUser>,
    /// Whether its absence is worth a word (kubeadm's table demands it here).
    pub required: bool,
}

impl Entry {
    /// Whether it is a kubeconfig whose user is a bootstrap token: there is no certificate, and
    /// none is missed.
    pub fn is_bootstrap_token(&self) -> bool {
        self.role == Role::Bootstrap && self.chain.is_empty() && self.problem.is_none()
    }

    /// The end-entity certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.chain.first()
    }
}
