//! A verdict: what was expected of the host after a plan, and what was found.

use serde::{Deserialize, Serialize};

/// Everything that was asked after a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// One check for each thing asked, in order.
    pub checks: Vec<Check>,
}

/// One thing that was asked, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What it is about, e.g. `kube-apiserver at 127.0.0.1:6443`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Whether that is well. A check that was not asked is well.
    pub ok: bool,
    /// Whether the question could be put at all; if not, `found` says why.
    pub asked: bool,
    /// Stable kebab-case code of the outcome, e.g. `served` or `served-other`.
    pub code: String,
}

impl Verdict {
    /// Whether everything that was asked is as expected.
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// The checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.ok)
    }
}

impl Check {
    pub(super) fn passed(code: &str, subject: Subject, found: impl Into<String>) -> Self {
        subject.check(code, found.into(), true, true)
    }

    pub(super) fn failed(code: &str, subject: Subject, found: impl Into<String>) -> Self {
        subject.check(code, found.into(), false, true)
    }

    pub(super) fn not_asked(code: &str, subject: Subject, why: impl Into<String>) -> Self {
        subject.check(code, why.into(), true, false)
    }
}

/// What a check is about, before its outcome is known.
#[derive(Clone)]
pub(super) struct Subject {
    what: String,
    expected: String,
}

impl Subject {
    pub(super) fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            expected: expected.into(),
        }
    }

    fn check(self, code: &str, found: String, ok: bool, asked: bool) -> Check {
        Check {
            what: self.what,
            expected: self.expected,
            found,
            ok,
            asked,
            code: code.to_owned(),
        }
    }
}
