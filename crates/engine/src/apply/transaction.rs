//! A change of many files that is either not begun or will be finished.
//!
//! # Guarantees
//!
//! - Until [`Transaction::commit`] has journaled its intent, no file in use has changed, and
//!   whatever fails or is killed leaves nothing behind but what the next run removes.
//! - From then on every file is either its old or its new self, never a mixture, and the next run
//!   finishes the rest. A commit that fails without being killed is taken back at once.
//! - A file that someone else changes between staging and commit is not overwritten.
//! - Two runs never overlap: the lock is held from `begin` until the transaction is dropped.
//!
//! # Assumptions
//!
//! Everyone else who writes these files replaces them by rename, as the kubelet does; who writes in
//! place can still be overtaken between the last look and the rename.

use super::journal::{Event, FORMAT_VERSION};
use super::record::{BatchState, Record, Stage};
use super::staging::{Content, Prepared, Surroundings};
use super::store::{self, Found, Journal};
use super::{ApplyError, Change, RunId, batch};
use crate::ports::{HostError, HostLock, HostWrite};
use jiff::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a run says of itself when it begins.
pub struct Start {
    /// Its name.
    pub id: RunId,
    /// e.g. `renew`.
    pub verb: String,
    /// The plan, without secrets.
    pub plan: Value,
    /// Who runs it.
    pub runner: Runner,
}

/// Who runs, when, and what it must know of the host.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The time.
    pub now: Timestamp,
    /// This program's process id, for the lock's name.
    pub process: u32,
    /// Folders that a kubelet watches for static pods: nothing is staged in them.
    pub static_pod_folders: Vec<PathBuf>,
}

/// A run in progress, with the host's lock. Dropped before its first commit it leaves nothing; after
/// it, an interrupted run that another one can take up.
pub struct Transaction<'h> {
    host: &'h dyn HostWrite,
    journal: Journal<'h>,
    record: Record,
    previous: Vec<Content>,
    static_pod_folders: Vec<PathBuf>,
    _lock: Box<dyn HostLock>,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Transaction");
        shown
            .field("id", &self.record.id)
            .field("stage", &self.record.stage());
        shown.finish_non_exhaustive()
    }
}

impl<'h> Transaction<'h> {
    /// Takes the lock and begins a journal. Refused while another run is going on or an interrupted
    /// one is unfinished.
    pub fn begin(host: &'h dyn HostWrite, start: Start) -> Result<Self, ApplyError> {
        let Start {
            id,
            verb,
            plan,
            runner,
        } = start;
        let holder = store::holder_name(runner.process, &verb, runner.now);
        let lock = store::lock(host, &holder)?;
        for found in store::unfinished(host)? {
            match found.record {
                Some(earlier) if earlier.finished.is_none() => {
                    return Err(ApplyError::Unfinished {
                        stage: earlier.stage().words(),
                        id: earlier.id,
                        verb: earlier.verb,
                        started_at: earlier.started_at,
                    });
                }
                Some(_) => {}
                // Its first line was never completed, so nothing was begun.
                None => host.remove(&found.path)?,
            }
        }
        store::prepare(host)?;
        let mut journal = Journal::new(host, &id);
        let event = Event::Begun {
            version: FORMAT_VERSION,
            id,
            verb,
            started_at: runner.now,
            holder,
            plan,
        };
        journal.write(&event)?;
        let record = Record::begin(event, 1).map_err(|source| ApplyError::Journal {
            path: journal.path().to_path_buf(),
            source,
        })?;
        let static_pod_folders = canonical(host, runner.static_pod_folders);
        let previous = Vec::new();
        Ok(Self {
            host,
            journal,
            record,
            previous,
            static_pod_folders,
            _lock: lock,
        })
    }

    /// Takes up an interrupted run, under its lock.
    pub(super) fn take_up(
        host: &'h dyn HostWrite,
        found: Found,
        record: Record,
        runner: Runner,
        lock: Box<dyn HostLock>,
    ) -> Result<Self, ApplyError> {
        let journal = Journal::existing(host, &found);
        let static_pod_folders = canonical(host, runner.static_pod_folders);
        let previous = Vec::new();
        let holder = store::holder_name(runner.process, &record.verb, runner.now);
        let mut transaction = Self {
            host,
            journal,
            record,
            previous,
            static_pod_folders,
            _lock: lock,
        };
        transaction.note(Event::Resumed {
            at: runner.now,
            holder,
        })?;
        Ok(transaction)
    }

    /// What the journal says so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Notes where the old files were saved, for undo and for the message when nothing else helps.
    pub fn record_backup(&mut self, archive: &Path) -> Result<(), ApplyError> {
        self.note(Event::BackedUp {
            archive: archive.to_path_buf(),
        })
    }

    /// Writes every new file beside its target. On an error nothing is staged and nothing changed.
    pub fn stage(&mut self, changes: Vec<Change>) -> Result<(), ApplyError> {
        if self.record.unsettled().is_some() {
            return Err(self.wrong_stage("between two batches"));
        }
        let number = self.record.next_batch();
        let mut prepared = self.surroundings().prepare(number, changes)?;
        self.previous = std::mem::take(&mut prepared.previous);
        self.stage_prepared(&prepared).inspect_err(|_| {
            // The first error is the one to tell. Where even this fails, the journal still says
            // what is staged, and the next run removes it.
            let _ = self.discard();
        })
    }

    /// Renames everything that is staged, in order. On an error everything is put back, unless the
    /// error says that it could not be.
    pub fn commit(&mut self) -> Result<(), ApplyError> {
        let Some((batch, BatchState::Staging)) = self.record.unsettled() else {
            return Err(self.wrong_stage("staged"));
        };
        let batch = batch.clone();
        if let Err(error) = batch::check_unchanged(self.host, &batch) {
            let _ = self.discard();
            return Err(error);
        }
        if let Err(error) = self.note(Event::Committing { batch: batch.batch }) {
            let _ = self.discard();
            return Err(error);
        }
        let renamed = batch
            .steps
            .iter()
            .try_for_each(|step| batch::perform(self.host, step));
        if let Err(source) = renamed {
            return Err(match self.take_back(batch.batch) {
                Ok(()) => ApplyError::TakenBack { source },
                Err(_) => ApplyError::HalfDone {
                    id: self.record.id.clone(),
                    source,
                },
            });
        }
        self.previous.clear();
        self.note(Event::Committed { batch: batch.batch })
            .map_err(|error| match error {
                ApplyError::Host(source) => ApplyError::HalfDone {
                    id: self.record.id.clone(),
                    source,
                },
                other => other,
            })
    }

    /// Stages and commits.
    pub fn apply(&mut self, changes: Vec<Change>) -> Result<(), ApplyError> {
        self.stage(changes)?;
        self.commit()
    }

    /// Gives up what is staged and not yet committed.
    pub fn discard(&mut self) -> Result<(), ApplyError> {
        self.previous.clear();
        while let Some((batch, BatchState::Staging)) = self.record.unsettled() {
            let number = batch.batch;
            batch::remove_staged(self.host, batch)?;
            self.note(Event::Dropped { batch: number })?;
        }
        Ok(())
    }

    /// Notes that a later step is about to begin.
    pub fn step_intent(&mut self, step: &str) -> Result<(), ApplyError> {
        self.note(Event::StepIntended {
            step: step.to_owned(),
        })
    }

    /// Notes that a step was done and seen to be done.
    pub fn step_done(&mut self, step: &str) -> Result<(), ApplyError> {
        self.note(Event::StepDone {
            step: step.to_owned(),
        })
    }

    /// Whether a step was done, by this run or by the one that it takes up.
    pub fn is_done(&self, step: &str) -> bool {
        self.record.steps_done.iter().any(|done| done == step)
    }

    /// Ends the run. What is staged and not committed is given up.
    pub fn finish(mut self, verdict: &str, at: Timestamp) -> Result<(), ApplyError> {
        self.discard()?;
        if self.record.unsettled().is_some() {
            return Err(self.wrong_stage("settled"));
        }
        self.note(Event::Finished {
            at,
            verdict: verdict.to_owned(),
        })
    }

    /// Ends the run whatever its state; staged files are removed, files half renamed stay so.
    pub(super) fn abandon(mut self, at: Timestamp) -> Result<(), ApplyError> {
        for (batch, state) in &self.record.batches {
            if matches!(state, BatchState::Staging | BatchState::Committing) {
                batch::remove_staged(self.host, batch)?;
            }
        }
        self.note(Event::Finished {
            at,
            verdict: "abandoned".to_owned(),
        })
    }

    /// Finishes or drops every batch that an interruption left open. Returns files that someone
    /// else changed since; those are left alone.
    pub(super) fn settle(&mut self) -> Result<Vec<PathBuf>, ApplyError> {
        let mut overtaken = Vec::new();
        while let Some((batch, state)) = self.record.unsettled() {
            let number = batch.batch;
            if state == BatchState::Staging {
                batch::remove_staged(self.host, batch)?;
                self.note(Event::Dropped { batch: number })?;
                continue;
            }
            overtaken.extend(batch::roll_forward(self.host, &self.record, batch)?);
            self.clean_reverted(number)?;
            self.note(Event::Committed { batch: number })?;
        }
        Ok(overtaken)
    }

    fn take_back(&mut self, number: u32) -> Result<(), ApplyError> {
        let Some((batch, _)) = self.record.batch(number) else {
            return Ok(());
        };
        let batch = batch.clone();
        let previous = std::mem::take(&mut self.previous);
        let revert = self.record.next_batch();
        let prepared = self
            .surroundings()
            .prepare_revert(revert, &batch, previous)?;
        if let Err(error) = self.stage_prepared(&prepared) {
            let _ = self.discard();
            return Err(error);
        }
        self.note(Event::Committing { batch: revert })?;
        for step in &prepared.batch.steps {
            batch::perform(self.host, step)?;
        }
        self.clean_reverted(revert)?;
        self.note(Event::Committed { batch: revert })
    }

    /// The batch that was taken back still has staged files of the steps that were never done.
    fn clean_reverted(&self, revert: u32) -> Result<(), ApplyError> {
        let reverted = self
            .record
            .batch(revert)
            .and_then(|(batch, _)| batch.reverts);
        if let Some((batch, _)) = reverted.and_then(|number| self.record.batch(number)) {
            batch::remove_staged(self.host, batch)?;
        }
        Ok(())
    }

    fn stage_prepared(&mut self, prepared: &Prepared) -> Result<(), ApplyError> {
        self.note(Event::Staging(prepared.batch.clone()))?;
        Ok(batch::stage(self.host, prepared)?)
    }

    /// Journals first; only what is in the journal counts.
    fn note(&mut self, event: Event) -> Result<(), ApplyError> {
        self.journal.write(&event)?;
        self.record
            .apply(event)
            .map_err(|_| self.wrong_stage("open"))
    }

    /// Also one that was completed and not yet journaled.
    fn remove_backup(&self) -> Result<(), ApplyError> {
        for name in self.host.list(Path::new(store::BACKUPS))? {
            if name.starts_with(self.record.id.as_str()) {
                self.host.remove(&Path::new(store::BACKUPS).join(name))?;
            }
        }
        Ok(())
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            host: self.host,
            id: &self.record.id,
            static_pod_folders: &self.static_pod_folders,
        }
    }

    fn wrong_stage(&self, expected: &'static str) -> ApplyError {
        let found = match (self.record.unsettled(), &self.record.finished) {
            (_, Some(_)) => "finished",
            (Some((_, BatchState::Staging)), _) => "staged",
            (Some(_), _) => "half-way through a commit",
            (None, _) => "between two batches",
        };
        ApplyError::WrongStage {
            id: self.record.id.clone(),
            expected,
            found,
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.record.finished.is_some() || self.record.stage() != Stage::Staging {
            return;
        }
        // Nothing was changed, so nothing is worth remembering, nor keeping a second copy of every
        // key. What fails here is left for the next run, which finds the journal.
        let _ = self
            .discard()
            .and_then(|()| self.remove_backup())
            .and_then(|()| self.journal.remove());
    }
}

/// A folder that cannot be resolved holds no target either.
fn canonical(host: &dyn HostWrite, folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let resolve = |folder: PathBuf| -> Result<PathBuf, HostError> { host.canonicalize(&folder) };
    folders
        .into_iter()
        .filter_map(|folder| resolve(folder).ok())
        .collect()
}
