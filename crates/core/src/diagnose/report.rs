//! The diagnosis as it is shown and written: `kubepki doctor -o json` is this, serialized.

use crate::connections::ConnectionKind;
use crate::model::{Gap, Severity};
use jiff::Timestamp;
use serde::Serialize;

/// What the doctor says.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// `kubepki.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Diagnosis`.
    pub kind: &'static str,
    /// The hosts looked at.
    pub hosts: Vec<String>,
    /// The API server asked, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<String>,
    /// The time that everything is judged against.
    pub evaluated_at: Timestamp,
    /// Every connection.
    pub connections: Vec<ConnectionReport>,
    /// Endpoints that were named or that the cluster exposes, when they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointReport>,
    /// What is wrong, gravest first; one for each guilty object and code.
    pub findings: Vec<DiagnosisFinding>,
    /// Findings that the user accepts.
    pub ignored: Vec<IgnoredFinding>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionReport {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: ConnectionKind,
    /// What it is for.
    pub serves: String,
    /// Judged by the files.
    pub on_disk: Where,
    /// Judged by what the running processes have loaded.
    pub loaded: Where,
    /// As the wire tells.
    pub on_wire: Where,
}

/// One endpoint that is no component's.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    /// `host:port`.
    pub address: String,
    /// The name asked for, when it is another than the host.
    pub server_name: Option<String>,
    /// The Ingress, Gateway or Service that exposes it.
    pub exposed_by: Option<String>,
    /// Subject of what it serves.
    pub subject: Option<String>,
    /// Issuer of what it serves.
    pub issuer: Option<String>,
    /// Names in what it serves.
    pub subject_alt_names: Vec<String>,
    /// SHA-256 of what it serves, hexadecimal.
    pub fingerprint_sha256: Option<String>,
    /// End of validity.
    pub expiration_date: Option<Timestamp>,
    /// Judged by its dates and names; by whom it is trusted is its clients' affair.
    pub on_wire: Where,
}

/// One of the three judgements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Where {
    /// How it came out.
    pub state: State,
    /// Why it failed, or why it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a judgement came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It verifies.
    Verified,
    /// Nothing to verify here.
    NotApplicable,
    /// Cannot be told; not a finding.
    Unknown,
    /// It fails.
    Failed,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisFinding {
    /// A stable code of the catalogue.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// The path, flag or API object to change.
    pub object: String,
    /// The host that it lies on; `null` for what lives in the API.
    pub host: Option<String>,
    /// The connection that shows it best; `null` when it takes part in none.
    pub connection: Option<String>,
    /// Every connection that fails because of it, itself included.
    pub connections: Vec<String>,
    /// One lower-case sentence: what is wrong with the object, expected and found.
    pub message: String,
    /// What it is concluded from, one fact each.
    pub evidence: Vec<String>,
    /// What mends it: a command, or what to do where no command of this program does.
    pub remedy: String,
}

/// A finding that the user accepts.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: DiagnosisFinding,
    /// What accepts it: `--ignore`, or the file with its reason.
    pub accepted_by: String,
}

impl Diagnosis {
    /// The gravest severity.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
