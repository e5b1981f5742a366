//! What was found, counted: the sentence after a table, the end of the JSON, and the exit code.

use crate::error::{CliError, ErrorObject};
use crate::exit_code::ExitCode;
use crate::output;
use jiff::SignedDuration;
use kubepki_core::inspect::Item;
use kubepki_core::model::Severity;
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts over everything that was shown.
#[derive(Default)]
pub struct Summary {
    kinds: BTreeMap<&'static str, u64>,
    expired: u64,
    expiring: u64,
    worst: Option<Severity>,
    errors: Vec<CliError>,
}

/// The last fields of `-o json`.
#[derive(Serialize)]
pub struct Report<'a> {
    errors: Vec<ErrorObject<'a>>,
    summary: Counts<'a>,
}

#[derive(Serialize)]
struct Counts<'a> {
    items: u64,
    kinds: &'a BTreeMap<&'static str, u64>,
    expired: u64,
    expiring: u64,
    errors: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<Severity>,
}

impl Summary {
    /// Counts items.
    pub fn count(&mut self, items: &[Item]) {
        for item in items {
            *self.kinds.entry(item.object.kind()).or_default() += 1;
            self.worst = self.worst.max(item.worst());
            let has = |code: &str| item.findings.iter().any(|finding| finding.code == code);
            self.expired += u64::from(has("expired"));
            self.expiring += u64::from(has("expires-soon"));
        }
    }

    /// Counts something that could not be read.
    pub fn failed(&mut self, error: CliError) {
        self.errors.push(error);
    }

    /// Whether there was nothing at all, not even an error.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.errors.is_empty()
    }

    /// For people.
    pub fn sentence(&self, warn: SignedDuration) -> String {
        let mut parts: Vec<String> = PLURALS
            .iter()
            .filter_map(|(kind, one, many)| {
                let count = *self.kinds.get(kind)?;
                Some(format!("{count} {}", if count == 1 { one } else { many }))
            })
            .collect();
        if self.expired > 0 {
            parts.push(format!("{} expired", self.expired));
        }
        if self.expiring > 0 {
            parts.push(format!(
                "{} expiring within {}",
                self.expiring,
                output::short(warn)
            ));
        }
        if !self.errors.is_empty() {
            parts.push(format!("{} not read", self.errors.len()));
        }
        parts.join(", ")
    }

    /// For programs.
    pub fn report(&self) -> Report<'_> {
        Report {
            errors: self.errors.iter().map(CliError::object).collect(),
            summary: Counts {
                items: self.kinds.values().sum(),
                kinds: &self.kinds,
                expired: self.expired,
                expiring: self.expiring,
                errors: self.errors.len(),
                worst: self.worst,
            },
        }
    }

    /// Not having read everything outweighs what was found in the rest.
    pub fn exit_code(&self) -> ExitCode {
        if let Some(error) = self.errors.first() {
            return error.exit_code();
        }
        match self.worst {
            Some(Severity::Critical) => ExitCode::Critical,
            Some(Severity::Warning) => ExitCode::Warnings,
            Some(Severity::Info) | None => ExitCode::Fine,
        }
    }
}

const PLURALS: [(&str, &str, &str); 7] = [
    ("Certificate", "certificate", "certificates"),
    ("CertificationRequest", "request", "requests"),
    ("PrivateKey", "private key", "private keys"),
    ("PublicKey", "public key", "public keys"),
    ("Kubeconfig", "kubeconfig", "kubeconfigs"),
    ("Token", "token", "tokens"),
    ("TlsServer", "TLS server", "TLS servers"),
];
