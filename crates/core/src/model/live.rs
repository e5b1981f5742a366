//! What a running host answered: handshakes, process times, metrics. Facts only, no judgement.

use super::component_kind::ComponentKind;
use jiff::Timestamp;
use kubepki_x509::{Certificate, Name};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything asked of the running processes of one host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LiveObservation {
    /// What endpoints serve to one who trusts anything.
    pub served: Vec<ServedFact>,
    /// Connections tried as their own clients would: with their credentials and their trust.
    pub attempts: Vec<AttemptFact>,
    /// Gauges and counters of `/metrics` that speak of certificates.
    pub metrics: Vec<MetricFact>,
    /// How far the clock of an answering server is from this host's: positive when it is ahead.
    pub clocks: Vec<ClockFact>,
}

/// What an endpoint serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServedFact {
    /// Who serves, when it is one of the host's components; `None` for an endpoint that was named.
    pub component: Option<ComponentKind>,
    /// The flag that names the certificate on disk, without dashes.
    pub flag: Option<String>,
    /// Address or name connected to.
    pub host: String,
    /// Port.
    pub port: u16,
    /// SNI sent.
    pub server_name: Option<String>,
    /// The API object that exposes it, when one does, as text.
    pub exposed_by: Option<String>,
    /// What it presented, or why nothing was seen.
    pub outcome: Result<ServedChain, Unanswered>,
}

/// What a server presented.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServedChain {
    /// End-entity certificate first.
    pub chain: Vec<Certificate>,
    /// e.g. `TLSv1.3`.
    pub protocol: String,
    /// Whether it asked for a client certificate.
    pub asks_client_certificate: bool,
    /// Names of client CAs that it accepts, as it listed them.
    pub acceptable_client_authorities: Vec<Name>,
}

/// Why an endpoint gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// Nothing listens, no route, or time ran out (as against: it answered something else).
    pub unreachable: bool,
    /// The system's or the peer's words.
    pub detail: String,
}

/// A connection tried with its own client's credentials and trust.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptFact {
    /// Id of the connection (`connections::Connection::id`).
    pub connection: String,
    /// Address tried.
    pub address: String,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptOutcome {
    /// Both sides accepted; the HTTP status where one was asked.
    Accepted {
        /// HTTP status of an answer, where HTTP was spoken.
        status: Option<u16>,
    },
    /// The client does not accept what the server presents.
    ServerRefused {
        /// Why, in the words of path validation.
        reason: String,
    },
    /// The server does not accept the client: a TLS alert or HTTP 401.
    ClientRefused {
        /// The alert or status.
        reason: String,
    },
    /// Nobody could be asked.
    Unanswered(Unanswered),
}

/// One value of a `/metrics` page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricFact {
    /// Whose.
    pub component: ComponentKind,
    /// e.g. `kubelet_certificate_manager_client_ttl_seconds`.
    pub name: String,
    /// Labels as text, empty without any.
    pub labels: String,
    /// Its value.
    pub value: f64,
}

/// A clock compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFact {
    /// Who answered.
    pub server: String,
    /// Seconds that it is ahead (negative: behind); a `Date` header knows whole seconds.
    pub ahead_seconds: i64,
}

/// When a file that a flag names was last changed, and by whom it is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTime {
    /// The path as the flag names it on the host.
    pub path: PathBuf,
    /// Last change of the contents, links followed.
    pub modified: Timestamp,
    /// Last change of the path itself: a renamed file, a link set anew (`st_ctime`).
    pub changed: Timestamp,
}
