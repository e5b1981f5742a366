//! The file of accepted risks: which findings somebody has decided to live with, why, until when.
//!
//! Format: `apiVersion: kubepki.dev/v1alpha1`, `kind: AcceptedRisks`; its JSON Schema is
//! `docs/schema/accepted-risks.json`. Text only: what a risk covers is decided in `diagnose`.

use super::{find, nearest};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// `apiVersion` of the file.
const API_VERSION: &str = "kubepki.dev/v1alpha1";
/// `kind` of the file.
const KIND: &str = "AcceptedRisks";

/// One accepted risk, as the file says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredRisk {
    /// A code of the catalogue, in which `*` stands for any text.
    pub code: String,
    /// The finding's object, likewise; `None` for every object.
    pub object: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when; afterwards the finding is told again.
    pub until: Option<Timestamp>,
}

/// A code that no finding has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no finding called {code:?}{}", meant.map_or(String::new(), |meant| format!(", did you mean {meant}?")))]
pub struct UnknownCode {
    /// As it was written.
    pub code: String,
    /// What may have been meant.
    pub meant: Option<&'static str>,
}

/// Why a file of accepted risks is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptedRisksError {
    /// Not YAML, or with fields that there are not.
    #[error("not a list of accepted risks: {0}")]
    Malformed(String),
    /// Another kind of file.
    #[error("expected apiVersion {API_VERSION} and kind {KIND}, found {api_version} and {kind}")]
    OtherKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// A risk with a code that no finding has.
    #[error("risks[{index}]: {unknown}")]
    UnknownCode {
        /// Which risk, from 0.
        index: usize,
        /// The code.
        unknown: UnknownCode,
    },
    /// A risk that nobody gave a reason for.
    #[error("risks[{index}] ({code}): the reason is empty")]
    NoReason {
        /// Which risk, from 0.
        index: usize,
        /// Its code.
        code: String,
    },
    /// A time that cannot be read.
    #[error(
        "risks[{index}] ({code}): until is {found:?}, expected a date like 2027-01-31 or a time like 2027-01-31T12:00:00Z"
    )]
    Until {
        /// Which risk, from 0.
        index: usize,
        /// Its code.
        code: String,
        /// What stands there.
        found: String,
    },
}

impl AcceptedRisksError {
    /// Stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "accepted-risks-malformed",
            Self::OtherKind { .. } => "accepted-risks-other-kind",
            Self::UnknownCode { .. } => "unknown-finding",
            Self::NoReason { .. } => "accepted-risks-no-reason",
            Self::Until { .. } => "accepted-risks-until",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    risks: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    code: String,
    object: Option<String>,
    reason: String,
    until: Option<String>,
}

/// Reads a file of accepted risks.
///
/// # Errors
/// When it is not such a file, or names a finding that there is not.
pub fn parse(text: &str) -> Result<Vec<DeclaredRisk>, AcceptedRisksError> {
    let document: Document = serde_saphyr::from_str(text)
        .map_err(|error| AcceptedRisksError::Malformed(first_line(&error.to_string())))?;
    if document.api_version != API_VERSION || document.kind != KIND {
        return Err(AcceptedRisksError::OtherKind {
            api_version: document.api_version,
            kind: document.kind,
        });
    }
    let rows = document.risks.into_iter().enumerate();
    rows.map(|(index, row)| declared(index, row)).collect()
}

/// Whether there is a finding of this code; a `*` in it stands for any text.
///
/// # Errors
/// When there is none.
pub fn known(code: &str) -> Result<(), UnknownCode> {
    if code.contains('*') || find(code).is_some() {
        return Ok(());
    }
    Err(UnknownCode {
        code: code.to_owned(),
        meant: nearest(code),
    })
}

fn declared(index: usize, row: Row) -> Result<DeclaredRisk, AcceptedRisksError> {
    known(&row.code).map_err(|unknown| AcceptedRisksError::UnknownCode { index, unknown })?;
    if row.reason.trim().is_empty() {
        return Err(AcceptedRisksError::NoReason {
            index,
            code: row.code,
        });
    }
    let until = match row.until {
        None => None,
        Some(text) => Some(end(&text).ok_or_else(|| AcceptedRisksError::Until {
            index,
            code: row.code.clone(),
            found: text,
        })?),
    };
    Ok(DeclaredRisk {
        code: row.code,
        object: row.object,
        reason: row.reason,
        until,
    })
}

/// A time, or the last second of a day in UTC.
fn end(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let day: Date = text.parse().ok()?;
    let last = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok()?;
    Some(last.timestamp())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(risks: &str) -> String {
        format!("apiVersion: kubepki.dev/v1alpha1\nkind: AcceptedRisks\nrisks:\n{risks}")
    }

    #[test]
    fn risks_are_read_with_their_end() {
        let text = file(
            "- {code: system-masters, reason: kubeadm 1.20}\n\
             - {code: weak-*, object: /etc/old.crt, reason: until the move, until: 2027-01-31}\n\
             - {code: expired, reason: gone soon, until: \"2027-01-31T12:00:00Z\"}\n",
        );
        let risks = parse(&text).unwrap();
        assert_eq!(risks.len(), 3);
        assert_eq!(risks[0].object, None);
        assert_eq!(risks[1].object.as_deref(), Some("/etc/old.crt"));
        let end = |risk: &DeclaredRisk| risk.until.unwrap().to_string();
        assert_eq!(end(&risks[1]), "2027-01-31T23:59:59Z");
        assert_eq!(end(&risks[2]), "2027-01-31T12:00:00Z");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            (
                file("- {code: expird, reason: x}\n"),
                "unknown-finding",
                "risks[0]: there is no finding called \"expird\", did you mean expired?",
            ),
            (
                file("- {code: expired, reason: x}\n- {code: missing, reason: ' '}\n"),
                "accepted-risks-no-reason",
                "risks[1] (missing): the reason is empty",
            ),
            (
                file("- {code: expired, reason: x, until: soon}\n"),
                "accepted-risks-until",
                "risks[0] (expired): until is \"soon\"",
            ),
            (
                file("- {code: expired}\n"),
                "accepted-risks-malformed",
                "reason",
            ),
            (
                file("- {code: expired, reason: x, untill: 2027-01-31}\n"),
                "accepted-risks-malformed",
                "untill",
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nrisks: []\n".to_owned(),
                "accepted-risks-other-kind",
                "found v1 and ConfigMap",
            ),
            (
                "risks: [".to_owned(),
                "accepted-risks-malformed",
                "not a list",
            ),
        ];
        for (text, code, part) in cases {
            let error = parse(&text).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
