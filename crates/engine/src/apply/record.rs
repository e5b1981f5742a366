//! What a journal's events add up to: how far a run came, and what is left to do. Pure.

use super::RunId;
use super::journal::{Batch, Event, ReplayError, events};
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;

/// How far a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// Some of it may be staged, nothing is renamed.
    Staging,
    /// Some of it may be renamed.
    Committing,
    /// All of it is renamed.
    Committed,
    /// Given up before its first rename, or taken back after its commit failed.
    Dropped,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No file was changed.
    Staging,
    /// Some files may be new and others old.
    Committing,
    /// Every file that was begun is new; later steps may be missing.
    Committed,
}

impl Stage {
    /// As it reads after "interrupted while".
    pub fn words(self) -> &'static str {
        match self {
            Self::Staging => "staging, before any file was changed",
            Self::Committing => "changing files",
            Self::Committed => "carrying on after its files were changed",
        }
    }
}

/// One run, as its journal tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The run.
    pub id: RunId,
    /// e.g. `renew`.
    pub verb: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The program that wrote it, as its lock said.
    pub holder: String,
    /// The plan.
    pub plan: Value,
    /// The archive with the old files.
    pub backup: Option<PathBuf>,
    /// Every batch, with how far it came.
    pub batches: Vec<(Batch, BatchState)>,
    /// Steps that were begun, in order, done ones included.
    pub steps_intended: Vec<String>,
    /// Steps that were done, in order.
    pub steps_done: Vec<String>,
    /// When it ended, and the verdict.
    pub finished: Option<(Timestamp, String)>,
}

impl Record {
    /// Reads a journal. `None` when not even its first line was completed: nothing was begun.
    pub fn replay(journal: &[u8]) -> Result<Option<Self>, ReplayError> {
        let mut record: Option<Self> = None;
        for (line, event) in events(journal)? {
            match &mut record {
                Some(record) => record
                    .apply(event)
                    .map_err(|detail| ReplayError::OutOfOrder { line, detail })?,
                None => record = Some(Self::begin(event, line)?),
            }
        }
        Ok(record)
    }

    /// The record of a run whose first event this is.
    pub fn begin(first: Event, line: usize) -> Result<Self, ReplayError> {
        match first {
            Event::Begun {
                version: _,
                id,
                verb,
                started_at,
                holder,
                plan,
            } => Ok(Self {
                id,
                verb,
                started_at,
                holder,
                plan,
                backup: None,
                batches: Vec::new(),
                steps_intended: Vec::new(),
                steps_done: Vec::new(),
                finished: None,
            }),
            _ => {
                let detail = "the run's beginning is missing".to_owned();
                Err(ReplayError::OutOfOrder { line, detail })
            }
        }
    }

    /// Takes up one more event; an error says why it cannot follow.
    pub fn apply(&mut self, event: Event) -> Result<(), String> {
        if self.finished.is_some() {
            return Err("the run was finished before".to_owned());
        }
        match event {
            Event::Begun { .. } => return Err("the run begins twice".to_owned()),
            Event::BackedUp { archive } => self.backup = Some(archive),
            Event::Staging(batch) => {
                let taken_back = self.unsettled().map(|(unsettled, _)| unsettled.batch);
                if taken_back != batch.reverts {
                    return Err(format!("batch {} begins inside another", batch.batch));
                }
                self.batches.push((batch, BatchState::Staging));
            }
            Event::Committing { batch } => {
                self.advance(batch, &[BatchState::Staging], BatchState::Committing)?;
            }
            Event::Committed { batch } => {
                self.advance(batch, &[BatchState::Committing], BatchState::Committed)?;
                if let Some(reverted) = self.batch(batch).and_then(|(batch, _)| batch.reverts) {
                    self.advance(reverted, &[BatchState::Committing], BatchState::Dropped)?;
                }
            }
            Event::Dropped { batch } => {
                // After `committing`: the line could not be synced, so no rename was begun.
                let from = [BatchState::Staging, BatchState::Committing];
                self.advance(batch, &from, BatchState::Dropped)?;
            }
            Event::StepIntended { step } => self.steps_intended.push(step),
            Event::StepDone { step } => self.steps_done.push(step),
            Event::Resumed { holder, .. } => self.holder = holder,
            Event::Finished { at, verdict } => self.finished = Some((at, verdict)),
        }
        Ok(())
    }

    /// The newest batch that is neither committed nor given up. One that takes another back comes
    /// after it and is settled first.
    pub fn unsettled(&self) -> Option<(&Batch, BatchState)> {
        self.batches
            .iter()
            .rev()
            .find(|(_, state)| matches!(state, BatchState::Staging | BatchState::Committing))
            .map(|(batch, state)| (batch, *state))
    }

    /// A batch by its number.
    pub fn batch(&self, number: u32) -> Option<(&Batch, BatchState)> {
        let found = self.batches.iter().find(|(batch, _)| batch.batch == number);
        found.map(|(batch, state)| (batch, *state))
    }

    /// The number of the next batch.
    pub fn next_batch(&self) -> u32 {
        u32::try_from(self.batches.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// How far the run came.
    pub fn stage(&self) -> Stage {
        let has = |wanted| {
            // A batch that takes another back changes nothing of its own.
            let mut own = self
                .batches
                .iter()
                .filter(|(batch, _)| batch.reverts.is_none());
            own.any(|(_, state)| *state == wanted)
        };
        if has(BatchState::Committing) {
            Stage::Committing
        } else if has(BatchState::Committed) {
            Stage::Committed
        } else {
            Stage::Staging
        }
    }

    fn advance(&mut self, number: u32, from: &[BatchState], to: BatchState) -> Result<(), String> {
        let found = self
            .batches
            .iter_mut()
            .find(|(batch, _)| batch.batch == number);
        match found {
            Some((_, state)) if from.contains(state) => {
                *state = to;
                Ok(())
            }
            Some((_, state)) => Err(format!("batch {number} is {state:?}, cannot become {to:?}")),
            None => Err(format!("there is no batch {number}")),
        }
    }
}
