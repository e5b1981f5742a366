//! Runs that were interrupted: seen, rolled back, finished.

use super::record::{Record, Stage};
use super::store::{self, Found};
use super::{ApplyError, RunId, Runner, Transaction};
use crate::ports::{HostLock, HostRead, HostWrite};
use jiff::Timestamp;
use std::path::PathBuf;

/// A run that was begun and never finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// How far it came.
    pub stage: Stage,
    /// Everything that its journal tells.
    pub record: Record,
}

/// A run that was taken up where it stopped.
#[derive(Debug)]
pub struct Resumed<'h> {
    /// The run, with every batch that it had begun to commit now committed.
    pub transaction: Transaction<'h>,
    /// Files that someone else changed after the interruption; those were left alone.
    pub overtaken: Vec<PathBuf>,
}

/// The interrupted run, if there is one. Nothing while another run is going on: see
/// [`running`](super::running).
pub fn interrupted(host: &dyn HostRead) -> Result<Option<Interrupted>, ApplyError> {
    if store::running(host)?.is_some() {
        return Ok(None);
    }
    let mut runs = open_runs(host)?.into_iter();
    Ok(runs.next().map(|(_, record)| Interrupted {
        stage: record.stage(),
        record,
    }))
}

/// Every run with a readable journal, oldest first, finished ones included: what `undo` looks
/// through.
pub fn history(host: &dyn HostRead) -> Result<Vec<Record>, ApplyError> {
    let mut runs = Vec::new();
    for path in store::journals(host)? {
        runs.extend(store::read(host, path)?.record);
    }
    // Names tell seconds; a script may do and undo within one.
    runs.sort_by_key(|record| record.started_at);
    Ok(runs)
}

/// The run that undoing takes when none is named: the newest that was not undone since. `history` is
/// in order of time.
pub fn last_to_undo(history: &[Record]) -> Option<&Record> {
    // From the newest on, so that an undoing that was itself undone does not count.
    let mut undone: Vec<&str> = Vec::new();
    for record in history.iter().rev() {
        if undone.contains(&record.id.as_str()) {
            continue;
        }
        if record.verb != "undo" {
            return Some(record);
        }
        let restoration = record.plan.get("restoration");
        undone.extend(restoration.and_then(|it| it.get("undoes")?.as_str()));
    }
    None
}

/// Removes what an interrupted run had staged. Refused once it had begun to change files.
pub fn roll_back(host: &dyn HostWrite, id: &RunId, runner: Runner) -> Result<(), ApplyError> {
    let mut transaction = take_up(host, id, runner, |record| match record.stage() {
        Stage::Staging => Ok(()),
        found => Err(wrong_stage(record, "not yet changing files", found)),
    })?;
    // Dropping it would do the same, but could not tell what failed.
    transaction.discard()
}

/// Finishes the changes that an interrupted run had begun, and hands it back to be carried on. Done
/// twice it does nothing more. Refused when it had changed nothing. `None` when the interruption hit
/// a run that was taking all of its changes back: that is now done, and the run is over.
pub fn roll_forward<'h>(
    host: &'h dyn HostWrite,
    id: &RunId,
    runner: Runner,
) -> Result<Option<Resumed<'h>>, ApplyError> {
    let mut transaction = take_up(host, id, runner, |record| match record.stage() {
        Stage::Staging => Err(wrong_stage(record, "changing files", Stage::Staging)),
        Stage::Committing | Stage::Committed => Ok(()),
    })?;
    let overtaken = transaction.settle()?;
    if transaction.record().stage() == Stage::Staging {
        return Ok(None);
    }
    Ok(Some(Resumed {
        transaction,
        overtaken,
    }))
}

/// Ends an interrupted run that can neither be finished nor rolled back. Staged files are removed;
/// files stay as they are, old and new ones side by side.
pub fn abandon(host: &dyn HostWrite, id: &RunId, runner: Runner) -> Result<(), ApplyError> {
    let at: Timestamp = runner.now;
    take_up(host, id, runner, |_| Ok(()))?.abandon(at)
}

fn take_up<'h>(
    host: &'h dyn HostWrite,
    id: &RunId,
    runner: Runner,
    check: impl Fn(&Record) -> Result<(), ApplyError>,
) -> Result<Transaction<'h>, ApplyError> {
    let holder = store::holder_name(runner.process, "recover", runner.now);
    let lock: Box<dyn HostLock> = store::lock(host, &holder)?;
    store::prepare(host)?;
    let mut runs = open_runs(host)?.into_iter();
    let (found, record) = runs
        .find(|(_, record)| record.id == *id)
        .ok_or_else(|| ApplyError::NotInterrupted { id: id.clone() })?;
    check(&record)?;
    Transaction::take_up(host, found, record, runner, lock)
}

fn open_runs(host: &dyn HostRead) -> Result<Vec<(Found, Record)>, ApplyError> {
    let mut open = Vec::new();
    for mut found in store::unfinished(host)? {
        match found.record.take() {
            Some(record) if record.finished.is_none() => open.push((found, record)),
            _ => {}
        }
    }
    Ok(open)
}

fn wrong_stage(record: &Record, expected: &'static str, found: Stage) -> ApplyError {
    let found = match found {
        Stage::Staging => "only staged",
        Stage::Committing => "changing files",
        Stage::Committed => "past changing files",
    };
    ApplyError::WrongStage {
        id: record.id.clone(),
        expected,
        found,
    }
}
