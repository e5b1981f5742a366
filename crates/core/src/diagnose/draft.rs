//! A finding while it is being written, and the ledger in which drafts of one thing become one.

use super::report::DiagnosisFinding;
use crate::connections::Place;
use crate::model::Severity;
use std::collections::BTreeMap;

/// A finding being written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    code: String,
    severity: Severity,
    object: String,
    host: Option<String>,
    message: String,
    evidence: Vec<String>,
    remedy: String,
    connections: Vec<String>,
}

impl Draft {
    /// What is wrong with a place.
    pub(super) fn new(
        code: &str,
        severity: Severity,
        place: &Place,
        message: impl Into<String>,
    ) -> Self {
        Self::about(
            code,
            severity,
            place.to_string(),
            place.host().map(ToOwned::to_owned),
            message,
        )
    }

    /// What is wrong with something that is no place: a host's clock.
    pub(super) fn about(
        code: &str,
        severity: Severity,
        object: String,
        host: Option<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            object,
            host,
            message: message.into(),
            evidence: Vec::new(),
            remedy: String::new(),
            connections: Vec::new(),
        }
    }

    /// One fact from which it follows.
    #[must_use]
    pub(super) fn fact(mut self, fact: impl Into<String>) -> Self {
        let fact = fact.into();
        if !self.evidence.contains(&fact) {
            self.evidence.push(fact);
        }
        self
    }

    /// Several facts.
    #[must_use]
    pub(super) fn facts(self, facts: impl IntoIterator<Item = String>) -> Self {
        facts.into_iter().fold(self, Self::fact)
    }

    /// What mends it.
    #[must_use]
    pub(super) fn mend(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A connection that fails because of it.
    #[must_use]
    pub(super) fn fails(mut self, connection: &str) -> Self {
        if !self.connections.iter().any(|known| known == connection) {
            self.connections.push(connection.to_owned());
        }
        self
    }
}

/// What a consequence said, and the connections that it broke.
type Fact = (String, Vec<String>);

/// Everything found, one for each host, object and code, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    drafts: Vec<Draft>,
}

impl Ledger {
    /// Adds a draft, or to the one that says the same: the first one's sentence stays.
    pub(super) fn add(&mut self, draft: Draft) {
        let known = self.drafts.iter_mut().find(|known| {
            known.code == draft.code && known.object == draft.object && known.host == draft.host
        });
        let Some(known) = known else {
            self.drafts.push(draft);
            return;
        };
        known.severity = known.severity.max(draft.severity);
        if known.remedy.is_empty() {
            known.remedy = draft.remedy;
        }
        for fact in draft.evidence {
            if !known.evidence.contains(&fact) {
                known.evidence.push(fact);
            }
        }
        for connection in draft.connections {
            if !known.connections.contains(&connection) {
                known.connections.push(connection);
            }
        }
    }

    /// Adds several.
    pub(super) fn extend(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        for draft in drafts {
            self.add(draft);
        }
    }

    /// Whether one of these codes was found for an object.
    pub(super) fn says(&self, place: &Place, codes: &[&str]) -> bool {
        self.says_of(place.host(), &place.to_string(), codes)
    }

    /// The same by host and text.
    pub(super) fn says_of(&self, host: Option<&str>, object: &str, codes: &[&str]) -> bool {
        self.drafts.iter().any(|draft| {
            draft.host.as_deref() == host
                && draft.object == object
                && codes.contains(&draft.code.as_str())
        })
    }

    /// Whether anything of this severity or above was found for an object.
    pub(super) fn blames(&self, place: &Place, severity: Severity) -> bool {
        let object = place.to_string();
        self.drafts.iter().any(|draft| {
            draft.host.as_deref() == place.host()
                && draft.object == object
                && draft.severity >= severity
        })
    }

    /// Adds a fact and a connection to what was found for an object; false when nothing was.
    pub(super) fn append(&mut self, place: &Place, fact: &str, connection: Option<&str>) -> bool {
        let object = place.to_string();
        let mut found = false;
        for draft in &mut self.drafts {
            if draft.host.as_deref() != place.host() || draft.object != object {
                continue;
            }
            found = true;
            if !draft.evidence.iter().any(|known| known == fact) {
                draft.evidence.push(fact.to_owned());
            }
            if let Some(connection) = connection
                && !draft.connections.iter().any(|known| known == connection)
            {
                draft.connections.push(connection.to_owned());
            }
        }
        found
    }

    /// Adds a fact to whatever breaks a connection.
    pub(super) fn note(&mut self, connection: &str, fact: &str) {
        for draft in &mut self.drafts {
            let breaks = draft.connections.iter().any(|id| id == connection);
            // One such fact tells enough.
            let prefix = fact.split(':').next().unwrap_or(fact);
            let kind = prefix.split(' ').take(3).collect::<Vec<_>>().join(" ");
            let told = draft.evidence.iter().any(|known| known.starts_with(&kind));
            if breaks && !told {
                draft.evidence.push(fact.to_owned());
            }
        }
    }

    /// What is left of one object when a graver reason explains the rest: where one of `roots` was
    /// found for an object, its findings with one of `consequences` become facts of that one.
    pub(super) fn fold(&mut self, roots: &[&str], consequences: &[&str]) {
        let mut facts: BTreeMap<(Option<String>, String), Vec<Fact>> = BTreeMap::new();
        let key = |draft: &Draft| (draft.host.clone(), draft.object.clone());
        let rooted: Vec<_> = self
            .drafts
            .iter()
            .filter(|draft| roots.contains(&draft.code.as_str()))
            .map(key)
            .collect();
        self.drafts.retain(|draft| {
            let folds = consequences.contains(&draft.code.as_str()) && rooted.contains(&key(draft));
            if folds {
                facts
                    .entry(key(draft))
                    .or_default()
                    .push((draft.message.clone(), draft.connections.clone()));
            }
            !folds
        });
        for draft in &mut self.drafts {
            if !roots.contains(&draft.code.as_str()) {
                continue;
            }
            for (message, connections) in facts.remove(&key(draft)).unwrap_or_default() {
                if !draft.evidence.contains(&message) {
                    draft.evidence.push(message);
                }
                for connection in connections {
                    if !draft.connections.contains(&connection) {
                        draft.connections.push(connection);
                    }
                }
            }
        }
    }

    /// The findings, gravest first, then those that break most.
    pub(super) fn finish(self) -> Vec<DiagnosisFinding> {
        let mut findings: Vec<DiagnosisFinding> = self
            .drafts
            .into_iter()
            .map(|draft| DiagnosisFinding {
                code: draft.code,
                severity: draft.severity,
                object: draft.object,
                host: draft.host,
                connection: draft.connections.first().cloned(),
                connections: draft.connections,
                message: draft.message,
                evidence: draft.evidence,
                remedy: draft.remedy,
            })
            .collect();
        findings.sort_by(|one, other| {
            other
                .severity
                .cmp(&one.severity)
                .then(other.connections.len().cmp(&one.connections.len()))
                .then_with(|| one.host.cmp(&other.host))
                .then_with(|| one.object.cmp(&other.object))
                .then_with(|| one.code.cmp(&other.code))
        });
        findings
    }
}
