//! What can be proved on the wire and in the API, asked from one host: the serializable question that
//! a gate holds. The engine answers it.

use super::root::Root;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// One question, answered yes, or no with what was found instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Proof {
    /// A throwaway client certificate, issued in memory by this authority of the asked host, is
    /// accepted (any HTTP status but 401; for etcd, the handshake) by every target, or refused by all.
    Client {
        /// The authority's bundle on the asked host (the successor's, or the root's own).
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// SHA-256 of the issuing certificate, hexadecimal.
        fingerprint_sha256: String,
        /// Whether it has to be accepted (else refused).
        accepted: bool,
        /// By whom.
        targets: Vec<ProbeTarget>,
    },
    /// Every target presents a certificate that this CA certificate signed.
    Served {
        /// The CA certificate, PEM.
        issuer_pem: String,
        /// By whom.
        targets: Vec<ProbeTarget>,
    },
    /// `kube-root-ca.crt` in every namespace, and `ca.crt` of every ServiceAccount token Secret, hold
    /// all of these and none of those (SHA-256, hexadecimal).
    Published {
        /// Must be there.
        holds: Vec<String>,
        /// Must not be there.
        lacks: Vec<String>,
    },
    /// No workload waits for its rollout.
    WorkloadsRolledOut,
}

/// As a statement: `5 servers accept a client of the new generation`.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client {
                accepted, targets, ..
            } => write!(
                f,
                "{} servers {}",
                targets.len(),
                if *accepted {
                    "accept clients of the new generation"
                } else {
                    "refuse clients of the generation that goes"
                }
            ),
            Self::Served { targets, .. } => write!(
                f,
                "{} servers present certificates of the new generation",
                targets.len()
            ),
            Self::Published { .. } => {
                f.write_str("the trust is published in every namespace and token Secret")
            }
            Self::WorkloadsRolledOut => f.write_str("restarted workloads have rolled out"),
        }
    }
}

/// A server to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeTarget {
    /// What people call it: `kube-apiserver on cp1`.
    pub name: String,
    /// What it speaks.
    pub kind: TargetKind,
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// By which root its clients are judged.
    pub root: Root,
}

/// What a server speaks, hence how a client is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// HTTPS that answers 401 to whom it does not know (API server, kubelet).
    Kubernetes,
    /// The API server, asked as a front proxy with `X-Remote-User`.
    FrontProxy,
    /// etcd's client port: refuses in the TLS handshake.
    Etcd,
    /// etcd's peer port: refuses in the TLS handshake.
    EtcdPeer,
}
