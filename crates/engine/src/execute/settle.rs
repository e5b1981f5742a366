//! Interrupted runs: taken back, finished, or ended for somebody who wants the old files back.
//!
//! What an interruption left is read from the journal; what is missing is done, and nothing is done
//! twice.

use super::error::ExecuteError;
use super::run::{Course, Execution, Outcome, runner, written_by};
use crate::apply::{
    ApplyError, Interrupted, Record, Stage, Transaction, abandon, roll_back, roll_forward,
};
use crate::take_up::unpark_leftovers;
use kubepki_core::plan::Plan;

/// What became of an interrupted run.
#[derive(Debug)]
pub enum Settled {
    /// Nothing in use had been changed: what it had prepared is removed.
    RolledBack,
    /// Its changes are complete, its components have taken them up.
    Finished(Box<Outcome>),
    /// It is over, with its files as they are, and nothing was restarted: see [`close`].
    Closed,
}

/// Settles an interrupted run: back when it had changed nothing, forward when it had.
pub fn resume(
    execution: &Execution<'_>,
    interrupted: &Interrupted,
) -> Result<Settled, ExecuteError> {
    let ports = &execution.ports;
    let plan = journaled_plan(&interrupted.record)?;
    let Some(transaction) = settle_files(execution, interrupted, &plan)? else {
        return Ok(Settled::RolledBack);
    };
    let written = written_by(transaction.record());
    let course = Course {
        execution,
        before: None,
        plan: &plan,
        files_changed_at: ports.clock.now(),
        node_was_ready: None,
    };
    course
        .finish(transaction, written)
        .map(|outcome| Settled::Finished(Box::new(outcome)))
}

/// Ends an interrupted run that is about to be undone. Its files are completed, so that bringing the
/// old ones back is one change from one state; nothing is restarted with them, since a component that
/// does not take them up may be the very reason for undoing.
///
/// A run that can no longer be completed is given up as it is, when it has a backup.
pub fn close(
    execution: &Execution<'_>,
    interrupted: &Interrupted,
) -> Result<Settled, ExecuteError> {
    let ports = &execution.ports;
    let record = &interrupted.record;
    let plan = journaled_plan(record)?;
    match settle_files(execution, interrupted, &plan) {
        Ok(None) => Ok(Settled::RolledBack),
        Ok(Some(transaction)) => {
            let course = Course {
                execution,
                before: None,
                plan: &plan,
                files_changed_at: ports.clock.now(),
                node_was_ready: None,
            };
            // Whoever undoes restarts it with the old files; it must only not stay down.
            if let Err(error) = course.start_parked() {
                execution.progress.say(&error.to_string());
            }
            transaction.finish("left to be undone", ports.clock.now())?;
            Ok(Settled::Closed)
        }
        Err(ExecuteError::Apply(
            error @ (ApplyError::CannotFinish { .. } | ApplyError::ChangedMeanwhile { .. }),
        )) if record.backup.is_some() => {
            execution.progress.say(&error.to_string());
            let now = ports.clock.now();
            abandon(ports.host, &record.id, runner(execution, &plan, now))?;
            unpark_leftovers(ports.host, &plan.static_pod_folders)?;
            Ok(Settled::Closed)
        }
        Err(error) => Err(error),
    }
}

fn journaled_plan(record: &Record) -> Result<Plan, ExecuteError> {
    serde_json::from_value(record.plan.clone()).map_err(|error| ExecuteError::Plan {
        name: record.id.to_string(),
        reason: format!("the journal's plan cannot be read: {error}"),
    })
}

/// Takes back what was only staged (`None`), else completes what was begun.
fn settle_files<'h>(
    execution: &Execution<'h>,
    interrupted: &Interrupted,
    plan: &Plan,
) -> Result<Option<Transaction<'h>>, ExecuteError> {
    let host = execution.ports.host;
    let id = &interrupted.record.id;
    let runner = runner(execution, plan, execution.ports.clock.now());
    if interrupted.stage == Stage::Staging {
        roll_back(host, id, runner)?;
        return Ok(None);
    }
    let Some(resumed) = roll_forward(host, id, runner)? else {
        return Ok(None);
    };
    for path in &resumed.overtaken {
        execution.progress.say(&format!(
            "{} was changed by somebody else meanwhile and is left as it is",
            path.display()
        ));
    }
    unpark_leftovers(host, &plan.static_pod_folders)?;
    Ok(Some(resumed.transaction))
}
