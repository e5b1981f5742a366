//! The journal of one run: lines of JSON, each written and synced before what it announces, or after
//! what it reports was observed.
//!
//! Pure: events to lines, lines to events. What the events add up to is `record`'s business. No line
//! holds contents, only paths, digests and the plan.

use super::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// The newest format that this program reads and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// The first line: who does what, and the plan.
    Begun {
        /// [`FORMAT_VERSION`] of the writer.
        version: u32,
        /// The run.
        id: RunId,
        /// e.g. `renew`.
        verb: String,
        /// When it began.
        started_at: Timestamp,
        /// As written into the lock.
        holder: String,
        /// The plan, as the planner serialised it.
        plan: Value,
    },
    /// The archive with the old files is complete.
    BackedUp {
        /// Where it is.
        archive: PathBuf,
    },
    /// Files are about to be staged. From here on there is something to clean up.
    Staging(Batch),
    /// Everything is staged and synced; renames are about to begin. From here on there is no way
    /// back but through the renames.
    Committing {
        /// The batch.
        batch: u32,
    },
    /// Every rename was done.
    Committed {
        /// The batch.
        batch: u32,
    },
    /// The batch was given up before its first rename; its staged files are gone.
    Dropped {
        /// The batch.
        batch: u32,
    },
    /// A later step (a restart, a wait) is about to begin.
    StepIntended {
        /// The step's name.
        step: String,
    },
    /// The step was done, and seen to be done.
    StepDone {
        /// The step's name.
        step: String,
    },
    /// Another run took this one up after an interruption. The line before may be torn.
    Resumed {
        /// When.
        at: Timestamp,
        /// As written into the lock.
        holder: String,
    },
    /// The last line.
    Finished {
        /// When.
        at: Timestamp,
        /// What the caller says came of it, e.g. `verified`.
        verdict: String,
    },
}

/// Changes that are staged together and then renamed one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Counts from 1 within the run.
    pub batch: u32,
    /// The batch that this one takes back after its commit failed half-way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<u32>,
    /// Folders that are created, parents first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<PathBuf>,
    /// The changes, in order.
    pub steps: Vec<Step>,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The path, as asked.
    pub path: PathBuf,
    /// The name that changes: `path` with its folders resolved and, for a write, links followed.
    pub target: PathBuf,
    /// Where the new file or link is staged; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<PathBuf>,
    /// What was there.
    pub before: Presence,
    /// What is to be there.
    pub after: Presence,
}

/// What is at a path, as far as recovery must tell old from new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Nothing.
    Absent,
    /// A regular file with this SHA-256 digest (hex).
    Regular(String),
    /// A symbolic link that points there.
    Symlink(PathBuf),
}

impl std::fmt::Display for Presence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => formatter.write_str("nothing"),
            Self::Regular(sha256) => {
                write!(
                    formatter,
                    "a file with sha256 {}",
                    sha256.get(..12).unwrap_or(sha256)
                )
            }
            Self::Symlink(target) => write!(formatter, "a link to {}", target.display()),
        }
    }
}

/// A journal that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Written by a newer program.
    #[error(
        "format version {found}, written by a newer kubepki; this one reads up to {FORMAT_VERSION}"
    )]
    FromTheFuture {
        /// The version in the first line.
        found: u64,
    },
    /// A line in the middle that is no event.
    #[error("line {line}: {detail}")]
    NotAnEvent {
        /// Counted from 1.
        line: usize,
        /// The parser's words.
        detail: String,
    },
    /// An event that cannot follow the ones before it.
    #[error("line {line}: {detail}")]
    OutOfOrder {
        /// Counted from 1.
        line: usize,
        /// What does not fit.
        detail: String,
    },
}

/// The event as a line, newline included.
pub fn line(event: &Event) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}

/// The events with their line numbers. A line that is no event is tolerated where a crash explains
/// it: at the end, or before a [`Event::Resumed`] (whose writing may have been cut short too).
pub fn events(journal: &[u8]) -> Result<Vec<(usize, Event)>, ReplayError> {
    let mut events = Vec::new();
    let mut torn: Option<ReplayError> = None;
    for (index, line) in journal.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        if events.is_empty() && torn.is_none() {
            refuse_newer(line)?;
        }
        match serde_json::from_slice::<Event>(line) {
            Ok(event) => {
                if let (Some(error), false) = (torn.take(), matches!(event, Event::Resumed { .. }))
                {
                    return Err(error);
                }
                events.push((index + 1, event));
            }
            Err(error) => {
                let detail = error.to_string();
                torn.get_or_insert(ReplayError::NotAnEvent {
                    line: index + 1,
                    detail,
                });
            }
        }
    }
    Ok(events)
}

/// Whether the journal plainly ends with [`Event::Finished`], without reading the rest of it.
pub fn ends_finished(journal: &[u8]) -> bool {
    let Some(lines) = journal.strip_suffix(b"\n") else {
        return false;
    };
    let last = lines
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    last.starts_with(br#"{"event":"finished","#) && last.ends_with(b"}")
}

/// A newer format may have events that this program has never heard of: the version comes first.
fn refuse_newer(first_line: &[u8]) -> Result<(), ReplayError> {
    let version = serde_json::from_slice::<Value>(first_line)
        .ok()
        .and_then(|first| first.get("version").and_then(Value::as_u64));
    match version {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            Err(ReplayError::FromTheFuture { found })
        }
        _ => Ok(()),
    }
}
