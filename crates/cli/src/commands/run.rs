//! Carrying out a plan and telling what came of it; settling what an earlier run left.

use super::plan_view;
use super::wiring::{self, Outside, Talk};
use crate::args::BackupChoice;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::{BAD, DIM, GOOD};
use kubepki_core::model::Inventory;
use kubepki_core::plan::Plan;
use kubepki_engine::apply::backup::Protection;
use kubepki_engine::apply::{ApplyError, interrupted};
use kubepki_engine::execute::{ExecuteError, Execution, Outcome, Settled, execute, resume};
use kubepki_engine::ports::HostErrorKind;
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
    let outcome = execute(&execution, inventory, plan).map_err(|error| failed(&error))?;
    tell(context, plan, &outcome)
}

/// Finishes an interrupted run or takes it back, after asking. Without one nothing happens.
pub fn settle_interrupted(context: &Context, carry: &Carry<'_>) -> Result<(), CliError> {
    let found = interrupted(carry.outside.host()).map_err(|error| apply_failed(&error))?;
    let Some(found) = found else {
        return Ok(());
    };
    context.note(format_args!(
        "run {} (`{}`, begun {}) was interrupted while {}",
        found.record.id,
        found.record.verb,
        found.record.started_at,
        found.stage.words()
    ));
    if !context.confirm("Settle it first: take it back if nothing was changed, else finish it?")? {
        return Err(CliError::new(
            "interrupted-run",
            "an interrupted run must be settled before anything else is changed",
        ));
    }
    let talk = Talk(context);
    let execution = execution(context, carry, &talk)?;
    match resume(&execution, &found).map_err(|error| failed(&error))? {
        Settled::RolledBack => context.note("taken back: it had changed nothing in use"),
        Settled::Finished(outcome) => {
            context.note(format_args!("run {} is finished", outcome.id));
        }
    }
    Ok(())
}

fn execution<'a>(
    context: &Context,
    carry: &Carry<'a>,
    talk: &'a Talk<'a>,
) -> Result<Execution<'a>, CliError> {
    Ok(Execution {
        ports: carry.outside.ports(),
        options: wiring::options(context, carry.ca_dir)?,
        backup: protection(carry.backup),
        unlock: wiring::unlock(carry.identity)?,
        process: std::process::id(),
        chance: wiring::chance(),
        progress: talk,
    })
}

/// The encryption that was asked for; `None` for no backup at all.
pub fn protection(choice: &BackupChoice) -> Option<Protection> {
    if choice.no_backup {
        None
    } else if choice.backup_recipient.is_empty() {
        Some(Protection::Plain)
    } else {
        Some(Protection::Recipients(choice.backup_recipient.clone()))
    }
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
        let mut stdout = context.stdout();
        writeln!(stdout)?;
        for check in &outcome.verdict.checks {
            let (style, word) = match (check.ok, check.asked) {
                (false, _) => (BAD, "FAILED"),
                (true, true) => (GOOD, "ok"),
                (true, false) => (DIM, "not asked"),
            };
            writeln!(
                stdout,
                "{style}{word:9}{style:#} {}: {}",
                check.what, check.found
            )?;
        }
        for reason in &outcome.left_alone {
            writeln!(stdout, "{DIM}left      {DIM:#} {reason}")?;
        }
        stdout.flush()?;
    }
    let done = match &plan.restoration {
        Some(restoration) => format!("{} files brought back", restoration.paths.len()),
        None => format!("{} certificates", plan.issuances.len()),
    };
    context.note(format_args!("\nrun {}: {done}", outcome.id));
    if let Some(backup) = &outcome.backup {
        context.note(format_args!(
            "the old files are in {}; `kubepki undo` brings them back",
            backup.display()
        ));
    }
    if verified {
        return Ok(ExitCode::Fine);
    }
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
    Err(CliError::new(
        "not-verified",
        "the files are in place, but the host does not use all of them yet",
    )
    .detail("failed", failed.join("\n"))
    .hint("`kubepki undo` brings the old files back; `kubepki status` shows how things stand"))
}

fn failed(error: &ExecuteError) -> CliError {
    match error {
        ExecuteError::Apply(error) => apply_failed(error),
        ExecuteError::Host(error) => crate::context::host_error(error),
        ExecuteError::WorldChanged { .. } => {
            CliError::new(error.code(), error).hint("make a new plan")
        }
        ExecuteError::TakeUp(take_up) => {
            let shown = CliError::new(error.code(), take_up);
            let log = take_up.log();
            let shown = if log.is_empty() {
                shown
            } else {
                shown.detail("last log", log.join("\n"))
            };
            shown.hint("the new files are in place: run it again to carry on, or `kubepki undo` to go back")
        }
        other => CliError::new(other.code(), other),
    }
}

/// An error of the change itself, with what to do about it.
pub fn apply_failed(error: &ApplyError) -> CliError {
    let shown = CliError::new(error.code(), error);
    match error {
        ApplyError::Locked { .. } => shown.hint("wait until the other run has ended"),
        ApplyError::Host(host) => match host.kind {
            HostErrorKind::PermissionDenied => shown.hint("run it as root"),
            HostErrorKind::NoSpace => shown.hint("make room on this file system first"),
            HostErrorKind::ReadOnlyFilesystem => {
                shown.hint("mount this file system read-write first")
            }
            _ => shown,
        },
        _ => shown,
    }
}

/// Shows a plan, asks, and carries it out.
pub fn propose(
    context: &Context,
    carry: &Carry<'_>,
    inventory: &Inventory,
    plan: &Plan,
) -> Result<ExitCode, CliError> {
    plan_view::show(context, plan)?;
    if !context.confirm("Carry out this plan?")? {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    carry_out(context, carry, inventory, plan)
}
