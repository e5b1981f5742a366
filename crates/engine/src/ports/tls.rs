//! TLS endpoints: what they serve, and plain HTTP questions to them.
//!
//! A probe reports; it does not judge. It therefore completes handshakes with servers whose
//! certificates are expired or unknown, and never sends anything secret to them.

use super::attempt::{Attempt, Attempted};
use kubepki_sealed::Sealed;
use kubepki_x509::{Certificate, Name};
use std::time::Duration;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or IP address (IPv6 without brackets).
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Server name for SNI when it differs from `host`.
    pub server_name: Option<String>,
}

/// A client's certificate and key, for servers that ask for one.
pub struct ClientIdentity {
    /// End-entity certificate first.
    pub chain: Vec<Certificate>,
    /// PEM of the private key.
    pub key_pem: Sealed,
}

/// What a client trusts while asking.
pub enum Trust {
    /// Only paths to these CA certificates, with today's dates and the asked name.
    Bundle(Vec<Certificate>),
    /// Anything: the answer is looked at, never relied on.
    Anything,
}

/// What a server presented in its handshake.
#[derive(Clone, Debug)]
pub struct ServedTls {
    /// As sent, end-entity certificate first.
    pub chain: Vec<Certificate>,
    /// e.g. `TLSv1.3`.
    pub protocol: String,
    /// Whether it asked for a client certificate.
    pub asks_client_certificate: bool,
    /// Names of acceptable client CAs, as it listed them.
    pub acceptable_client_authorities: Vec<Name>,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Body, cut at 64 KiB.
    pub body: String,
}

/// An endpoint that did not answer as asked.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint} {detail}")]
pub struct ProbeError {
    /// `host:port`.
    pub endpoint: String,
    /// Whether nothing accepted the connection (refused or timed out), before any TLS.
    pub unreachable: bool,
    /// What happened.
    pub detail: String,
}

/// Asks TLS and HTTP endpoints.
pub trait TlsProbe: Send + Sync {
    /// Does a handshake and reports what was presented.
    fn served(&self, endpoint: &Endpoint, timeout: Duration) -> Result<ServedTls, ProbeError>;

    /// `GET path` over TLS.
    fn https_get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        trust: &Trust,
        identity: Option<&ClientIdentity>,
        timeout: Duration,
    ) -> Result<HttpAnswer, ProbeError>;

    /// Opens a connection as its own client would, and tells who refused whom. In TLS 1.3 a server
    /// judges the client after the client's last word, so its answer is waited for.
    fn attempt(&self, attempt: &Attempt<'_>) -> Attempted;

    /// `GET path` without TLS (kubelet and etcd health ports).
    fn http_get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        timeout: Duration,
    ) -> Result<HttpAnswer, ProbeError>;
}
