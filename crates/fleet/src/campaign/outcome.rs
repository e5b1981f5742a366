//! What came of a campaign: host by host, what is done, what is not, and how to go on.

use crate::session::{CarryReport, SessionError};
use serde::Serialize;
use std::path::PathBuf;

/// What came of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignOutcome {
    /// Every host of the plan, in its order.
    pub hosts: Vec<HostOutcome>,
    /// Why not everything was done, when it was not.
    pub stopped: Option<Stopped>,
}

/// What came of a campaign on one host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostOutcome {
    /// Its name in the cluster document.
    pub host: String,
    /// How it stands.
    pub state: HostState,
    /// Steps that the plan has for it.
    pub steps: usize,
    /// Those that are done.
    pub steps_done: usize,
    /// The runs there, in order.
    pub runs: Vec<RunDone>,
    /// Why it failed, when it did.
    pub error: Option<SessionError>,
}

/// How a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    /// Everything is done.
    Done,
    /// Something is done, and nothing of the rest was begun.
    Partly,
    /// Something failed.
    Failed,
    /// Nothing was begun.
    NotBegun,
}

/// A run on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDone {
    /// The stage that it belongs to.
    pub stage: String,
    /// Its id; `null` when the connection was lost and only its effect was seen.
    pub run: Option<String>,
    /// The archive with the old files.
    pub backup: Option<PathBuf>,
    /// Paths that were written.
    pub written: Vec<PathBuf>,
    /// What each component did, in words.
    pub components: Vec<String>,
    /// Components that were left alone, and why.
    pub left_alone: Vec<String>,
    /// Whether the host uses what was written; `null` when that was not told.
    pub verified: Option<bool>,
    /// Checks that failed: expected and found.
    pub failed: Vec<String>,
}

/// Where and why a campaign stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The stage.
    pub stage: String,
    /// `host-failed`, `gate-closed` or `paused`.
    pub code: &'static str,
    /// In words.
    pub reason: String,
}

impl RunDone {
    /// A run as its host reported it.
    pub(super) fn reported(stage: &str, report: &CarryReport) -> Self {
        Self {
            stage: stage.to_owned(),
            run: Some(report.run.clone()),
            backup: report.backup.clone(),
            written: report.written.clone(),
            components: report.components.clone(),
            left_alone: report.left_alone.clone(),
            verified: Some(report.verified),
            failed: report.failed.clone(),
        }
    }

    /// A run that was over when the host could be asked again.
    pub(super) fn unreported(stage: &str, written: Vec<PathBuf>) -> Self {
        Self {
            stage: stage.to_owned(),
            run: None,
            backup: None,
            written,
            components: Vec::new(),
            left_alone: Vec::new(),
            verified: None,
            failed: Vec::new(),
        }
    }
}

impl CampaignOutcome {
    /// Whether all of it is done.
    pub fn is_done(&self) -> bool {
        self.stopped.is_none() && self.hosts.iter().all(|host| host.state == HostState::Done)
    }

    /// The hosts in this state.
    pub fn in_state(&self, state: HostState) -> impl Iterator<Item = &HostOutcome> {
        self.hosts.iter().filter(move |host| host.state == state)
    }

    /// What to do next, one sentence each; nothing when all is done.
    pub fn how_to_go_on(&self) -> Vec<String> {
        if self.is_done() {
            return Vec::new();
        }
        let mut ways = Vec::new();
        for host in self.in_state(HostState::Failed) {
            if let Some(hint) = host.error.as_ref().and_then(|error| error.hint.as_ref()) {
                ways.push(format!("{}: {hint}", host.host));
            }
        }
        ways.push(
            "run the same command again: what is done is left alone, what was interrupted is finished, and the rest is planned anew"
                .to_owned(),
        );
        let changed: Vec<&str> = self
            .hosts
            .iter()
            .filter(|host| host.runs.iter().any(|run| !run.written.is_empty()))
            .map(|host| host.host.as_str())
            .collect();
        if !changed.is_empty() {
            ways.push(format!(
                "to go back: `kubepki undo --hosts {}`",
                changed.join(",")
            ));
        }
        ways
    }
}
