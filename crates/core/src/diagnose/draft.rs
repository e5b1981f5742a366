//! A finding while it is being written, and the ledger in which drafts of one thing become one.

use super::report::DiagnosisFinding;
use crate::connections::Place;
use crate::model::Severity;
use std::collections::{HashMap, HashSet};

/// How the fact begins that says which CA is meant: one such fact is enough.
pub(super) const EXPECTED: &str = "expected is the CA ";

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

    fn about_what(&self) -> Object {
        (self.host.clone(), self.object.clone())
    }

    /// Takes over what another draft about the same knows.
    fn absorb(&mut self, other: Self) {
        self.severity = self.severity.max(other.severity);
        if self.remedy.is_empty() {
            self.remedy = other.remedy;
        }
        for fact in other.evidence {
            let is_reference = fact.starts_with(EXPECTED);
            let told = |known: &String| known.starts_with(EXPECTED);
            if !(is_reference && self.evidence.iter().any(told)) {
                add_once(&mut self.evidence, &fact);
            }
        }
        for connection in other.connections {
            add_once(&mut self.connections, &connection);
        }
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

/// Everything found, one for each host, object and code, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    drafts: Vec<Draft>,
    /// Where the drafts of a host's object are: an API may hold tens of thousands of objects.
    by_object: HashMap<Object, Vec<usize>>,
}

/// A host and what lies on it.
type Object = (Option<String>, String);

impl Ledger {
    /// Adds a draft, or to the one that says the same: the first one's sentence stays.
    pub(super) fn add(&mut self, draft: Draft) {
        let positions = self.by_object.entry(draft.about_what()).or_default();
        let known = positions
            .iter()
            .copied()
            .find(|position| {
                let known = self.drafts.get(*position);
                known.is_some_and(|known| known.code == draft.code)
            })
            .and_then(|position| self.drafts.get_mut(position));
        match known {
            Some(known) => known.absorb(draft),
            None => {
                positions.push(self.drafts.len());
                self.drafts.push(draft);
            }
        }
    }

    /// Adds several.
    pub(super) fn extend(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        for draft in drafts {
            self.add(draft);
        }
    }

    fn of(&self, place: &Place) -> impl Iterator<Item = &Draft> {
        let positions = self.by_object.get(&object(place));
        let positions = positions.map(Vec::as_slice).unwrap_or_default();
        positions
            .iter()
            .filter_map(|position| self.drafts.get(*position))
    }

    /// Whether one of these codes was found for an object.
    pub(super) fn says(&self, place: &Place, codes: &[&str]) -> bool {
        self.of(place)
            .any(|draft| codes.contains(&draft.code.as_str()))
    }

    /// Whether anything of this severity or above was found for an object.
    pub(super) fn blames(&self, place: &Place, severity: Severity) -> bool {
        self.of(place).any(|draft| draft.severity >= severity)
    }

    /// Adds a fact and a connection to what was found for an object; false when nothing was.
    pub(super) fn append(&mut self, place: &Place, fact: &str, connection: Option<&str>) -> bool {
        let positions = self.by_object.get(&object(place));
        let positions = positions.map(Vec::as_slice).unwrap_or_default();
        for position in positions {
            if let Some(draft) = self.drafts.get_mut(*position) {
                add_once(&mut draft.evidence, fact);
                if let Some(connection) = connection {
                    add_once(&mut draft.connections, connection);
                }
            }
        }
        !positions.is_empty()
    }

    /// Adds a fact to whatever breaks a connection, unless one that begins the same was told.
    pub(super) fn note(&mut self, connection: &str, beginning: &str, rest: &str) {
        for draft in &mut self.drafts {
            let breaks = draft.connections.iter().any(|id| id == connection);
            let told = draft
                .evidence
                .iter()
                .any(|known| known.starts_with(beginning));
            if breaks && !told {
                draft.evidence.push(format!("{beginning}{rest}"));
            }
        }
    }

    /// What is left of one object when a graver reason explains the rest: where one of `roots` was
    /// found for an object, its findings with one of `consequences` become facts of that one.
    pub(super) fn fold(&mut self, roots: &[&str], consequences: &[&str]) {
        let is_root = |draft: &Draft| roots.contains(&draft.code.as_str());
        let rooted: HashSet<Object> = self
            .drafts
            .iter()
            .filter(|draft| is_root(draft))
            .map(Draft::about_what)
            .collect();
        let (folded, kept) = std::mem::take(&mut self.drafts)
            .into_iter()
            .partition(|draft| {
                consequences.contains(&draft.code.as_str()) && rooted.contains(&draft.about_what())
            });
        let folded: Vec<Draft> = folded;
        self.drafts = kept;
        for draft in self.drafts.iter_mut().filter(|draft| is_root(draft)) {
            let object = draft.about_what();
            for consequence in folded.iter().filter(|folded| folded.about_what() == object) {
                add_once(&mut draft.evidence, &consequence.message);
                for connection in &consequence.connections {
                    add_once(&mut draft.connections, connection);
                }
            }
        }
        self.index();
    }

    /// Takes out what was found for an object with one of these codes, as a consequence of another:
    /// the connections that it broke.
    pub(super) fn take(&mut self, place: &Place, codes: &[&str]) -> Vec<String> {
        let object = object(place);
        let (taken, kept): (Vec<Draft>, Vec<Draft>) = std::mem::take(&mut self.drafts)
            .into_iter()
            .partition(|draft| {
                draft.about_what() == object && codes.contains(&draft.code.as_str())
            });
        self.drafts = kept;
        self.index();
        let connections = taken.into_iter().flat_map(|draft| draft.connections);
        connections.collect()
    }

    fn index(&mut self) {
        self.by_object.clear();
        for (position, draft) in self.drafts.iter().enumerate() {
            let positions = self.by_object.entry(draft.about_what()).or_default();
            positions.push(position);
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

fn object(place: &Place) -> Object {
    (place.host().map(ToOwned::to_owned), place.to_string())
}

fn add_once(list: &mut Vec<String>, item: &str) {
    if !list.iter().any(|known| known == item) {
        list.push(item.to_owned());
    }
}
