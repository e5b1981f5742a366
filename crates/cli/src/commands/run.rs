//! Carrying out a plan and telling what came of it; settling what an earlier run left.

use super::wiring::{self, Outside, Talk};
use super::{backup, plan_view};
use crate::args::BackupChoice;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::{BAD, DIM, GOOD};
use kubepki_core::model::Inventory;
use kubepki_core::plan::Plan;
use kubepki_engine::apply::backup::Protection;
use kubepki_engine::apply::{self, ApplyError, Interrupted, Stage};
use kubepki_engine::execute::{self, ExecuteError, Execution, Outcome, Settled, resume};
use kubepki_fleet::session::SessionError;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// What carrying out needs beside the plan.
pub struct Carry<'a> {
    /// The adapters.
    pub outside: &'a Outside,
    /// `--ca-dir`.
    pub ca_dir: &'a Path,
    /// How old files are saved.
    pub backup: &'a BackupChoice,
    /// `--identity`.
    pub identity: Option<&'a Path>,
    /// Whether the user has said yes to the plan before seeing it.
    pub confirmed: bool,
}

impl<'a> Carry<'a> {
    /// For a plan that is shown first and opens no encrypted backup.
    pub fn new(outside: &'a Outside, ca_dir: &'a Path, backup: &'a BackupChoice) -> Self {
        Self {
            outside,
            ca_dir,
            backup,
            identity: None,
            confirmed: false,
        }
    }
}

/// What is on the host, once what was interrupted there has been settled.
pub fn settled_inventory(context: &Context, carry: &Carry<'_>) -> Result<Inventory, CliError> {
    settle_interrupted(context, carry)?;
    wiring::inventory(context, carry.outside.host(), carry.ca_dir)
}

/// Carries out a confirmed plan and shows what came of it.
pub fn carry_out(
    context: &Context,
    carry: &Carry<'_>,
    inventory: &Inventory,
    plan: &Plan,
) -> Result<ExitCode, CliError> {
    let talk = Talk(context);
    let execution = execution(context, carry, &talk)?;
    let outcome = execute::execute(&execution, inventory, plan).map_err(|error| failed(&error))?;
    tell(context, plan, &outcome)
}

/// The run that was interrupted, if one was.
pub fn interrupted(carry: &Carry<'_>) -> Result<Option<Interrupted>, CliError> {
    apply::interrupted(carry.outside.host()).map_err(|error| apply_failed(&error))
}

/// Finishes an interrupted run or takes it back, after asking. Without one nothing happens.
pub fn settle_interrupted(context: &Context, carry: &Carry<'_>) -> Result<(), CliError> {
    match interrupted(carry)? {
        Some(found) => settle(context, carry, &found),
        None => Ok(()),
    }
}

/// For what changes nothing: a plan made of a half-changed host would be wrong.
pub fn refuse_interrupted(carry: &Carry<'_>) -> Result<(), CliError> {
    let Some(found) = interrupted(carry)? else {
        return Ok(());
    };
    Err(CliError::new(
        "interrupted-run",
        format!(
            "run {} (`{}`, begun {}) was interrupted while {}",
            found.record.id,
            found.record.verb,
            found.record.started_at,
            found.stage.words()
        ),
    )
    .hint(SETTLE))
}

/// Finishes a run whose interruption was seen, or takes it back, after asking.
pub fn settle(context: &Context, carry: &Carry<'_>, found: &Interrupted) -> Result<(), CliError> {
    let question = match found.stage {
        Stage::Staging => "Take it back first?",
        Stage::Committing | Stage::Committed => "Finish it first?",
    };
    announce(context, found, question)?;
    let talk = Talk(context);
    let execution = execution(context, carry, &talk)?;
    match resume(&execution, found).map_err(|error| unsettled(&error))? {
        Settled::RolledBack => context.note("taken back: it had changed nothing in use"),
        Settled::Closed => {}
        Settled::Finished(outcome) => {
            if context.structured().is_none() {
                show_checks(context, &outcome)?;
            }
            context.note(format_args!("run {} is finished\n", outcome.id));
            if !outcome.verdict.is_ok() {
                return Err(not_verified(&outcome));
            }
        }
    }
    Ok(())
}

/// Completes the files of a run whose interruption was seen and ends it, after asking, so that the
/// old files can be brought back. False when the run had been taking them back itself: that is done.
pub fn close(context: &Context, carry: &Carry<'_>, found: &Interrupted) -> Result<bool, CliError> {
    announce(context, found, "Bring its old files back?")?;
    let talk = Talk(context);
    let execution = execution(context, carry, &talk)?;
    let settled = execute::close(&execution, found).map_err(|error| failed(&error))?;
    let is_over = matches!(settled, Settled::RolledBack);
    if is_over {
        context.note("taken back: it had begun to do so itself");
    }
    Ok(!is_over)
}

/// Says what was interrupted, and asks.
fn announce(context: &Context, found: &Interrupted, question: &str) -> Result<(), CliError> {
    context.note(format_args!(
        "run {} (`{}`, begun {}) was interrupted while {}",
        found.record.id,
        found.record.verb,
        found.record.started_at,
        found.stage.words()
    ));
    if context.confirm(question)? {
        return Ok(());
    }
    Err(CliError::new(
        "interrupted-run",
        "an interrupted run must be settled before anything else is changed",
    )
    .hint(SETTLE))
}

const SETTLE: &str = "`kubepki renew` finishes it or takes it back, `kubepki undo` undoes it";

/// The execution of a plan on this host.
pub fn execution<'a>(
    context: &Context,
    carry: &Carry<'a>,
    talk: &'a Talk<'a>,
) -> Result<Execution<'a>, CliError> {
    Ok(Execution {
        ports: carry.outside.ports(),
        options: wiring::options(context, carry.ca_dir)?,
        backup: protection(carry.backup)?,
        unlock: wiring::unlock(carry.identity)?,
        process: std::process::id(),
        chance: wiring::chance(),
        progress: talk,
    })
}

/// The encryption that was asked for; `None` for no backup at all. A recipient that is none is told
/// before anything is changed or made.
fn protection(choice: &BackupChoice) -> Result<Option<Protection>, CliError> {
    if choice.no_backup {
        return Ok(None);
    }
    let protection = backup::protection(&choice.backup_recipient)?;
    Ok(Some(protection))
}

/// What `-o json` shows of a run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunResult<'a> {
    api_version: &'static str,
    kind: &'static str,
    run: String,
    plan: &'a Plan,
    backup: Option<String>,
    written: Vec<String>,
    components: &'a [kubepki_engine::take_up::TakenUp],
    left_alone: &'a [String],
    verified: bool,
    checks: &'a [kubepki_engine::verify::Check],
}

fn tell(context: &Context, plan: &Plan, outcome: &Outcome) -> Result<ExitCode, CliError> {
    let verified = outcome.verdict.is_ok();
    if let Some(structured) = context.structured() {
        context.emit(
            structured,
            &RunResult {
                api_version: crate::error::API_VERSION,
                kind: "RunResult",
                run: outcome.id.to_string(),
                plan,
                backup: outcome
                    .backup
                    .as_ref()
                    .map(|path| path.display().to_string()),
                written: outcome
                    .written
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect(),
                components: &outcome.taken_up,
                left_alone: &outcome.left_alone,
                verified,
                checks: &outcome.verdict.checks,
            },
        )?;
    } else {
        show_checks(context, outcome)?;
    }
    let done = match &plan.restoration {
        Some(restoration) => format!("{} files brought back", restoration.paths.len()),
        None if plan.issuances.len() == 1 => "1 certificate".to_owned(),
        None => format!("{} certificates", plan.issuances.len()),
    };
    context.note(format_args!("\nrun {}: {done}", outcome.id));
    if let Some(backup) = &outcome.backup {
        // A plain `undo` passes over undoings.
        let undo = match plan.verb.as_str() {
            "undo" => format!("kubepki undo {}", outcome.id),
            _ => "kubepki undo".to_owned(),
        };
        context.note(format_args!(
            "the old files are in {}; `{undo}` brings them back",
            backup.display()
        ));
    }
    if verified {
        return Ok(ExitCode::Fine);
    }
    Err(not_verified(outcome))
}

/// What was asked of the host, and what was left alone.
fn show_checks(context: &Context, outcome: &Outcome) -> Result<(), CliError> {
    let mut stdout = context.stdout();
    if !(outcome.verdict.checks.is_empty() && outcome.left_alone.is_empty()) {
        writeln!(stdout)?;
    }
    for check in &outcome.verdict.checks {
        let (style, word) = match (check.ok, check.asked) {
            (false, _) => (BAD, "FAILED"),
            (true, true) => (GOOD, "ok"),
            (true, false) => (DIM, "not asked"),
        };
        // The word before it says already that it was not asked.
        let found = check.found.trim_start_matches("not asked: ");
        writeln!(stdout, "{style}{word:9}{style:#} {}: {found}", check.what)?;
    }
    for reason in &outcome.left_alone {
        writeln!(stdout, "{DIM}left      {DIM:#} {reason}")?;
    }
    Ok(stdout.flush()?)
}

fn not_verified(outcome: &Outcome) -> CliError {
    let failed: Vec<String> = outcome
        .verdict
        .failed()
        .map(|check| {
            format!(
                "{}: expected {}, found {}",
                check.what, check.expected, check.found
            )
        })
        .collect();
    CliError::new(
        "not-verified",
        "the files are in place, but the host does not use all of them yet",
    )
    .detail("failed", failed.join("\n"))
    .hint("`kubepki undo` brings the old files back; `kubepki status` shows how things stand")
}

/// An error of a run, with what to do about it.
pub fn failed(error: &ExecuteError) -> CliError {
    SessionError::from(error).into()
}

/// An error of the change itself, with what to do about it.
pub fn apply_failed(error: &ApplyError) -> CliError {
    SessionError::from(error).into()
}

/// An interrupted run that cannot be finished can still be undone.
fn unsettled(error: &ExecuteError) -> CliError {
    kubepki_fleet::local::unsettled(error).into()
}

/// Shows a plan, asks, and carries it out.
pub fn propose(
    context: &Context,
    carry: &Carry<'_>,
    inventory: &Inventory,
    plan: &Plan,
) -> Result<ExitCode, CliError> {
    protection(carry.backup)?;
    plan_view::show(context, plan)?;
    if !carry.confirmed && !context.confirm("Carry out this plan?")? {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    carry_out(context, carry, inventory, plan)
}
