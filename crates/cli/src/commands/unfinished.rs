//! Runs that are not over: one that goes on, or one that was interrupted; and what one left stopped.

use jiff::Timestamp;
use kubepki_core::model::ComponentKind;
use kubepki_engine::apply::{self, Stage};
use kubepki_engine::ports::HostRead;
use kubepki_engine::take_up;
use serde::Serialize;
use std::fmt;

/// What the journals of a host say of runs that are not over.
pub enum Unfinished {
    /// Somebody is at it; who.
    GoingOn(String),
    /// It ended before its time.
    Interrupted(InterruptedRun),
    /// The journals cannot be read; why.
    Unreadable(String),
}

/// A run that was interrupted, as `-o json` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InterruptedRun {
    /// The run.
    pub id: String,
    /// What it was: `renew`, `undo`, …
    pub verb: String,
    /// When it began.
    pub started_at: Timestamp,
    /// `staging`, `changing-files` or `carrying-on`: how far it came.
    pub stage: &'static str,
    #[serde(skip)]
    words: &'static str,
}

impl Unfinished {
    /// What there is on this host.
    pub fn find(host: &dyn HostRead) -> Option<Self> {
        if let Ok(Some(holder)) = apply::running(host) {
            return Some(Self::GoingOn(holder.to_string()));
        }
        match apply::interrupted(host) {
            Ok(None) => None,
            Ok(Some(run)) => Some(Self::Interrupted(InterruptedRun {
                id: run.record.id.to_string(),
                verb: run.record.verb,
                started_at: run.record.started_at,
                stage: stage(run.stage),
                words: run.stage.words(),
            })),
            Err(error) => Some(Self::Unreadable(error.to_string())),
        }
    }

    /// The run that was interrupted, when one was.
    pub fn interrupted(&self) -> Option<&InterruptedRun> {
        match self {
            Self::Interrupted(run) => Some(run),
            Self::GoingOn(_) | Self::Unreadable(_) => None,
        }
    }
}

/// Components of this host that a run stopped and that were not started since. What cannot be read
/// says so where something is to be changed.
pub fn halted(host: &dyn HostRead) -> Vec<ComponentKind> {
    let halted = take_up::halted(host).unwrap_or_default();
    halted.into_iter().map(|it| it.component).collect()
}

/// What is stopped and waits to be started, if anything is.
pub fn halted_in_words(halted: &[ComponentKind]) -> Option<String> {
    let names: Vec<String> = halted.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| {
        format!(
            "stopped by a run that did not end, and not started since: {}; `kubepki rescue` starts them, and so does a rotation that goes on or back",
            names.join(", ")
        )
    })
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Staging => "staging",
        Stage::Committing => "changing-files",
        Stage::Committed => "carrying-on",
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoingOn(holder) => write!(f, "another run is going on: {holder}"),
            Self::Interrupted(run) => write!(
                f,
                "run {} (`{}`, begun {}) was interrupted while {}: `kubepki renew` finishes it or takes it back, `kubepki undo` undoes it",
                run.id, run.verb, run.started_at, run.words
            ),
            Self::Unreadable(reason) => {
                write!(f, "the journal of earlier runs cannot be read: {reason}")
            }
        }
    }
}
