//! What the user wants to hear: `--only`, `--ignore`, and the file of accepted risks.

use super::report::{DiagnosisFinding, IgnoredFinding};
use crate::findings::code;
use crate::model::Severity;
use jiff::Timestamp;

/// A risk that the user accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedRisk {
    /// The finding's code, or `*`.
    pub code: String,
    /// The object, with `*` for anything; `None` for every object.
    pub object: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Until when; afterwards the finding is back.
    pub until: Option<Timestamp>,
    /// Who says so: `--ignore`, or the file.
    pub source: String,
}

impl AcceptedRisk {
    /// Whether it is about this finding, whatever the time.
    pub fn covers(&self, finding: &DiagnosisFinding) -> bool {
        let object = self.object.as_deref().unwrap_or("*");
        matches(&self.code, &finding.code)
            && (matches(object, &finding.object)
                || finding
                    .host
                    .as_deref()
                    .is_some_and(|host| matches(object, &format!("{host}:{}", finding.object))))
    }

    /// Whether it has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until < now)
    }

    fn told(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.source),
            None => self.source.clone(),
        }
    }
}

/// Takes out what was not asked for and what is accepted.
pub(super) fn select(
    findings: Vec<DiagnosisFinding>,
    only: &[String],
    accepted: &[AcceptedRisk],
    now: Timestamp,
) -> (Vec<DiagnosisFinding>, Vec<IgnoredFinding>) {
    let wanted = |code: &str| only.is_empty() || only.iter().any(|asked| matches(asked, code));
    let (mut kept, mut ignored) = (Vec::new(), Vec::new());
    let mut ended: Vec<&AcceptedRisk> = Vec::new();
    for finding in findings {
        if !wanted(&finding.code) {
            continue;
        }
        let risks = || accepted.iter().filter(|risk| risk.covers(&finding));
        if let Some(risk) = risks().find(|risk| !risk.has_ended(now)) {
            ignored.push(IgnoredFinding {
                finding,
                accepted_by: risk.told(),
            });
            continue;
        }
        for risk in risks() {
            if !ended.contains(&risk) {
                ended.push(risk);
            }
        }
        kept.push(finding);
    }
    kept.extend(ended.into_iter().map(lapsed));
    (kept, ignored)
}

fn lapsed(risk: &AcceptedRisk) -> DiagnosisFinding {
    let what = match &risk.object {
        Some(object) => format!("{}@{object}", risk.code),
        None => risk.code.clone(),
    };
    let until = risk
        .until
        .map(|until| until.to_string())
        .unwrap_or_default();
    DiagnosisFinding {
        code: code::ACCEPTED_RISK_ENDED.to_owned(),
        severity: Severity::Info,
        object: risk.source.clone(),
        host: None,
        connection: None,
        connections: Vec::new(),
        message: format!("{what} was accepted until {until}, so it is told again"),
        evidence: risk
            .reason
            .iter()
            .map(|reason| format!("accepted because: {reason}"))
            .collect(),
        remedy: "mend what the finding is about, or accept it for longer".to_owned(),
    }
}

/// Whether `pattern`, in which `*` stands for any text, is `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut rest = rest;
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    match last {
        None => rest.is_empty(),
        Some(part) => text.ends_with(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("expired", "expired"),
            ("*", ""),
            ("/etc/*", "/etc/kubernetes/admin.conf"),
            ("*.conf", "/etc/kubernetes/admin.conf"),
            ("/etc/*/admin.*", "/etc/kubernetes/admin.conf"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("expired", "expires-soon"),
            ("/etc/*.crt", "/etc/kubernetes/admin.conf"),
            ("/var/*", "/etc/x"),
            ("expires", "expires-soon"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
