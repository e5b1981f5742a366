//! The inventory of one host: what discovery found, before anybody judged it.

use super::component::Component;
use super::component_kind::ComponentKind;
use super::entry::{Entry, KeyState, UsedBy};
use super::gap::Gap;
use super::kubeconfig_use::{EtcdClientFiles, KubeconfigUse};
use super::live::FileTime;
use super::role::Role;
use crate::formats::kubeadm_configuration::ConfiguredNames;
use crate::layouts::Declared;
use jiff::Timestamp;
use kubepki_x509::Certificate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A certification authority known to a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Authority {
    /// `ca`, `etcd-ca`, `front-proxy-ca`, or the path of its certificate.
    pub name: String,
    /// Which of the cluster's authorities it is; the first where it is several.
    pub role: Role,
    /// Names of authorities that this one is as well: one CA may sign for all of a cluster.
    pub also_known_as: Vec<String>,
    /// The bundle file; the issuing CA is the one that matches the key, else the first.
    pub certificate_path: PathBuf,
    /// Every certificate in that file, in order.
    pub certificates: Vec<Certificate>,
    /// Where its key lies or would lie.
    pub key_path: Option<PathBuf>,
    /// Its key.
    pub key: KeyState,
    /// Who names the bundle.
    pub used_by: Vec<UsedBy>,
    /// Why the bundle could not be read, when it could not.
    pub problem: Option<String>,
}

impl Authority {
    /// The certificate that issues: the one whose key is at hand, else the first of the bundle.
    pub fn issuing(&self) -> Option<&Certificate> {
        let by_key = self.key.public_key().and_then(|key| {
            self.certificates
                .iter()
                .find(|certificate| certificate.public_key() == key)
        });
        by_key.or_else(|| self.certificates.first())
    }

    /// Whether the key is missing on purpose: an external CA.
    pub fn is_external(&self) -> bool {
        matches!(self.key, KeyState::Absent)
    }
}

/// The CA certificates that a kubeconfig embeds for one of its clusters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmbeddedTrust {
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// The cluster's name in it.
    pub cluster: String,
    /// Its `certificate-authority-data`, in order.
    pub certificates: Vec<Certificate>,
    /// Who names the kubeconfig.
    pub used_by: Vec<UsedBy>,
}

/// A certification request (RFC 2986) for the successor of an authority, whose key lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessorRequest {
    /// The certificate's file of the authority that it succeeds.
    pub authority: PathBuf,
    /// The request's file.
    pub path: PathBuf,
    /// The key's file.
    pub key_path: PathBuf,
    /// The subject that is asked for.
    pub subject: String,
    /// SHA-256 of the public key, hexadecimal.
    pub public_key_sha256: String,
    /// The request, PEM.
    pub pem: String,
}

/// A service-account key pair (not a certificate: it never expires).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceAccountKey {
    /// The file.
    pub path: PathBuf,
    /// Whether it holds private keys, public keys, or could not be read.
    pub contents: ServiceAccountKeyContents,
    /// Who names it.
    pub used_by: Vec<UsedBy>,
}

/// What a service-account key file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServiceAccountKeyContents {
    /// The signing key's public half.
    Private(KeyState),
    /// Verifying keys, in order.
    Public(Vec<kubepki_x509::PublicKey>),
    /// Missing or damaged.
    Problem(String),
}

/// The name that a kubelet gives its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeName {
    /// The name.
    pub name: String,
    /// Where it was found, e.g. `the host's name`.
    pub source: String,
}

impl NodeName {
    /// A name and where it was found.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            source: source.into(),
        }
    }
}

/// kubeadm's configuration, as a file of the host still holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredConfiguration {
    /// The file.
    pub path: PathBuf,
    /// The names in it; nothing else is kept.
    pub names: ConfiguredNames,
}

/// Everything seen on one host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inventory {
    /// The host's name.
    pub host: String,
    /// When it was observed.
    pub observed_at: Timestamp,
    /// Whether processes and endpoints could be asked (not with `--root`).
    pub live: bool,
    /// Components, as flags and manifests tell.
    pub components: Vec<Component>,
    /// Certification authorities.
    pub authorities: Vec<Authority>,
    /// Certificates in use.
    pub entries: Vec<Entry>,
    /// What kubeconfigs trust, one for each cluster with embedded CA data.
    pub embedded_trust: Vec<EmbeddedTrust>,
    /// Every kubeconfig, as its client uses it; also those that are no entries: host CNI plugins' and
    /// what an administrator keeps at home.
    pub kubeconfigs: Vec<KubeconfigUse>,
    /// Clients of etcd that no flag names.
    pub etcd_clients: Vec<EtcdClientFiles>,
    /// Service-account keys.
    pub service_account_keys: Vec<ServiceAccountKey>,
    /// Requests for successors of authorities, with their keys beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successor_requests: Vec<SuccessorRequest>,
    /// The node name that the kubelet uses, when it could be told.
    pub node_name: Option<NodeName>,
    /// Folders whose files the kubelet runs as static pods: nothing else may be written there.
    pub static_pod_folders: Vec<PathBuf>,
    /// SHA-256 of every file that was read, by the path it was asked under; `None` when it did not
    /// exist. A plan takes its basis from here.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// When each file that was read was last changed, by the same paths; without what has no time.
    pub file_times: BTreeMap<PathBuf, FileTime>,
    /// kubeadm's configuration, where somebody left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeadm_configuration: Option<StoredConfiguration>,
    /// What the user's layout declares, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

impl Inventory {
    /// The component of this kind, if there is one on the host.
    pub fn component(&self, kind: ComponentKind) -> Option<&Component> {
        self.components
            .iter()
            .find(|component| component.kind == kind)
    }

    /// The authority whose certificate really signed `certificate`, by names and signature. Where a
    /// CA is held in several files, the one with its key beside it.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<(&Authority, &Certificate)> {
        let signed = |authority: &'_ Authority| -> Option<usize> {
            authority
                .certificates
                .iter()
                .position(|ca| certificate.verify_issued_by(ca).is_ok())
        };
        let mut found: Option<(&Authority, &Certificate)> = None;
        for authority in &self.authorities {
            let Some(ca) = signed(authority).and_then(|index| authority.certificates.get(index))
            else {
                continue;
            };
            if authority.key.public_key() == Some(ca.public_key()) {
                return Some((authority, ca));
            }
            found = found.or(Some((authority, ca)));
        }
        found
    }

    /// The authority of this name, or the one that is this authority as well.
    pub fn authority(&self, name: &str) -> Option<&Authority> {
        let by_name = self
            .authorities
            .iter()
            .find(|authority| authority.name == name);
        by_name.or_else(|| {
            self.authorities
                .iter()
                .find(|authority| authority.also_known_as.iter().any(|other| other == name))
        })
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
