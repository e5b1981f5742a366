//! A finding: one thing that is wrong or will be, with a stable code.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will hurt if left (exit code 3).
    Warning,
    /// Hurts now (exit code 4).
    Critical,
}

/// One finding about one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable kebab-case code, e.g. `expired`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One lower-case sentence with expected and found.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(code: &str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            message: message.into(),
        }
    }
}
