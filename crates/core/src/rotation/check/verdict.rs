//! What the checker says of a script.

use crate::connections::Place;
use serde::Serialize;
use std::fmt;

/// Whether every connection holds in every state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// States that the script passes through, each standing for every mixture that may be seen in it.
    pub states: u64,
    /// Connections that were followed: those of the graph, and service-account tokens.
    pub connections: usize,
    /// Combinations of what the two ends of a connection may hold that were judged.
    pub combinations: u64,
    /// What would not hold.
    pub violations: Vec<Violation>,
    /// Connections that fail already, before anything is done, and why; nothing is said of them until
    /// both ends were changed.
    pub broken_before: Vec<Broken>,
    /// Directions of connections of which one end cannot be told.
    pub undecided: usize,
    /// What still belongs to the old generation at the end of a script that retires it.
    pub left_behind: Vec<LeftBehind>,
    /// What the proof relies on, or cannot avoid.
    pub notices: Vec<String>,
}

impl Verdict {
    /// Whether nothing would fail.
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// A rule of which a violation is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// One end does not believe the other.
    Believed,
    /// kube-controller-manager's signing file holds exactly one certificate, and its key.
    OneSigner,
    /// The first certificate of a CA's file belongs to the key beside it.
    KeyInStep,
    /// What is used is there already.
    Order,
    /// What is waited for can come true.
    Reachable,
    /// Enough members of etcd, API servers and control planes' kubelets are up.
    Available,
    /// A leading etcd member gives leadership away before it is stopped.
    Leader,
    /// In a downtime that was announced nothing runs that is swapped, each host can be gone on with or
    /// taken back, and everything is started again.
    Downtime,
}

impl Rule {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Believed => "believed",
            Self::OneSigner => "one-signer",
            Self::KeyInStep => "key-in-step",
            Self::Order => "order",
            Self::Reachable => "reachable",
            Self::Available => "available",
            Self::Leader => "leader",
            Self::Downtime => "downtime",
        }
    }
}

/// One thing that would not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// The connection's id; what is concerned, for what is none.
    pub connection: String,
    /// What breaks with it.
    pub serves: String,
    /// The round.
    pub round: String,
    /// The hosts whose turn it is; empty for what the round waits for.
    pub hosts: Vec<String>,
    /// The places that do not fit.
    pub places: Vec<Place>,
    /// In words: who presents what, who believes what.
    pub combination: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: in round {}", self.connection, self.round)?;
        match self.hosts.as_slice() {
            [] => {}
            [host] => write!(f, ", turn of {host}")?,
            hosts => write!(f, ", turns of {}", listed(hosts))?,
        }
        write!(f, ": {}", self.combination)
    }
}

/// A connection that fails before anything is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// Its id.
    pub connection: String,
    /// Whose certificate is not accepted, and by whom.
    pub reason: String,
}

/// What still belongs to the old generation in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBehind {
    /// Where.
    pub place: String,
    /// What it holds.
    pub found: String,
}

/// `a, b and c`; of many the first three.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, three, more @ ..] => format!("{one}, {two}, {three} and {} more", more.len()),
    }
}
