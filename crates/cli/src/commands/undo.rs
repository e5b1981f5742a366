//! `kubepki undo` and `kubepki restore`: old files come back from an archive.

use super::backup::{archive_path, open, protected_alike, refused};
use super::fleet::session_error;
use super::run::{self, Carry};
use super::unfinished::{halted, halted_in_words};
use super::wiring::{self, Outside, Talk};
use crate::args::{RestoreArgs, RestoreChoice, UndoArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_core::model::{Holder, Inventory};
use kubepki_core::plan::restore::is_manifest;
use kubepki_core::plan::{Plan, Restoration, plan_restoration};
use kubepki_engine::apply::backup::{self, Archive, BackupError, PathState};
use kubepki_engine::apply::{self, Interrupted, Record, Stage};
use kubepki_engine::ports::HostRead;
use kubepki_fleet::campaign::start_halted_on;
use kubepki_fleet::local::LocalSession;
use std::path::{Path, PathBuf};

/// Undoes the last run, or the one that is named.
pub fn undo(context: &Context, args: &UndoArgs) -> Result<ExitCode, CliError> {
    let outside = Outside::new(context);
    let mut carry = carry(&outside, &args.how);
    let mut wanted = args.run.clone();
    if let Some(found) = run::interrupted(&carry)? {
        match answer(&found, args.run.as_deref()) {
            Answer::Settle => {
                run::settle(context, &carry, &found)?;
                return Ok(ExitCode::Fine);
            }
            Answer::SettleAndUndo => run::settle(context, &carry, &found)?,
            Answer::CloseAndUndo => {
                // Told before the run is ended: without its archive it could only be finished.
                let archive = archive_of(outside.host(), &found.record)
                    .map_err(|error| error.hint("`kubepki renew` finishes it"))?;
                open(outside.host(), &archive, args.how.identity.as_deref())?;
                if !run::close(context, &carry, &found)? {
                    return Ok(ExitCode::Fine);
                }
                carry.confirmed = true;
                wanted = Some(found.record.id.to_string());
            }
        }
    }
    let history = apply::history(outside.host()).map_err(|error| run::apply_failed(&error))?;
    let record = to_undo(&history, wanted.as_deref())?;
    let archive = archive_of(outside.host(), record)?;
    let plan: Plan = serde_json::from_value(record.plan.clone()).map_err(|error| {
        CliError::new(
            "plan-file",
            format!("the plan of run {} cannot be read: {error}", record.id),
        )
    })?;
    let saved = open(outside.host(), &archive, args.how.identity.as_deref())?;
    let inventory = wiring::inventory(context, outside.host(), &args.how.ca_dir)?;
    let restoration = Restoration {
        archive,
        paths: changed_by(record, &plan, &saved)
            .into_iter()
            .filter(|path| !is_manifest(&inventory, path) || has_written(record, path))
            .collect(),
        undoes: Some(record.id.to_string()),
    };
    is_there(&saved, &restoration)?;
    bring_back(context, &carry, &args.how, &inventory, "undo", restoration)
}

/// Brings files back from an archive.
pub fn restore(context: &Context, args: &RestoreArgs) -> Result<ExitCode, CliError> {
    let outside = Outside::new(context);
    let carry = carry(&outside, &args.how);
    run::settle_interrupted(context, &carry)?;
    let inventory = wiring::inventory(context, outside.host(), &args.how.ca_dir)?;
    let path = archive_path(context, outside.host(), args.archive.as_deref())?;
    let archive = open(outside.host(), &path, args.how.identity.as_deref())?;
    let changed = backup::diff(&archive, outside.host()).map_err(|error| refused(&error))?;
    let paths = if args.paths.is_empty() {
        // What is as it was need not be written again.
        changed
            .into_iter()
            .filter(|(path, state)| *state != PathState::Same && !is_manifest(&inventory, path))
            .map(|(path, _)| path)
            .collect()
    } else {
        let absolute = args.paths.iter().map(|path| context.host_path(path));
        absolute.collect::<Result<Vec<_>, _>>()?
    };
    if paths.is_empty() {
        context.note("everything is as it was when the backup was made");
        return Ok(ExitCode::Fine);
    }
    let restoration = Restoration {
        archive: path,
        paths,
        undoes: None,
    };
    is_there(&archive, &restoration)?;
    bring_back(
        context,
        &carry,
        &args.how,
        &inventory,
        "restore",
        restoration,
    )
}

/// A key that was destroyed on purpose is missed before anybody is asked.
fn is_there(archive: &Archive, restoration: &Restoration) -> Result<(), CliError> {
    match backup::destroyed_among(archive.manifest(), &restoration.paths) {
        None => Ok(()),
        Some((path, at)) => {
            let path = path.to_owned();
            Err(refused(&BackupError::KeyDestroyed { path, at }).hint(
                "nothing brings that key back; `kubepki restore --archive ARCHIVE PATH...` brings other files of the archive back",
            ))
        }
    }
}

fn bring_back(
    context: &Context,
    carry: &Carry<'_>,
    how: &RestoreChoice,
    inventory: &Inventory,
    verb: &str,
    restoration: Restoration,
) -> Result<ExitCode, CliError> {
    let backup = protected_alike(context, &how.backup, how.identity.as_deref())?;
    let carry = &Carry {
        backup: &backup,
        ..*carry
    };
    for entry in &inventory.entries {
        let named = |path: &Path| restoration.paths.iter().any(|it| it == path);
        if let Holder::Files {
            certificate,
            key: Some(key),
        } = &entry.holder
            && named(certificate) != named(key)
            && restoration.undoes.is_none()
        {
            context.note(format_args!(
                "{}: {} and {} belong together, and only one of them comes back",
                entry.name,
                certificate.display(),
                key.display()
            ));
        }
    }
    let plan = plan_restoration(inventory, verb, restoration, !how.no_restart, context.now());
    let runs = runs(carry)?;
    let done = run::propose(context, carry, inventory, &plan);
    if runs == self::runs(carry)? {
        // The answer was no.
        return done;
    }
    let started = start_halted(context, carry, how);
    done.and_then(|code| started.map(|()| code))
}

/// How many runs this host remembers.
fn runs(carry: &Carry<'_>) -> Result<usize, CliError> {
    let history = apply::history(carry.outside.host());
    history
        .map(|history| history.len())
        .map_err(|error| run::apply_failed(&error))
}

/// What a swap stopped and never started is started with the files that are back: discovery does not see it,
/// so no plan restarts it.
fn start_halted(context: &Context, carry: &Carry<'_>, how: &RestoreChoice) -> Result<(), CliError> {
    let halted = halted(carry.outside.host());
    let Some(words) = halted_in_words(&halted) else {
        return Ok(());
    };
    if how.no_restart {
        context.note(&words);
        context.note("they stay so, as --no-restart asks");
        return Ok(());
    }
    context.note("\nstarting what a swap had stopped on this host, with the files that are back:");
    let failed = |error| session_error("this host", &error);
    let mut session = LocalSession::open(Outside::new(context)).map_err(failed)?;
    start_halted_on(&mut session, &halted, &Talk(context)).map_err(failed)
}

/// What `undo` means while a run is interrupted.
enum Answer {
    /// Taking back what was only staged, or finishing an undoing, is all that was asked for.
    Settle,
    /// The interrupted run is not the one that is to be undone.
    SettleAndUndo,
    /// The interrupted run is the one: its files are completed and then brought back.
    CloseAndUndo,
}

fn answer(found: &Interrupted, wanted: Option<&str>) -> Answer {
    let is_wanted = wanted.is_none_or(|wanted| found.record.id.as_str() == wanted);
    let undoes = wanted.is_none() && found.record.verb == "undo";
    match (found.stage, is_wanted, undoes) {
        (_, false, _) | (Stage::Staging, true, true) => Answer::SettleAndUndo,
        (Stage::Staging, true, false) | (_, true, true) => Answer::Settle,
        (_, true, false) => Answer::CloseAndUndo,
    }
}

/// The newest run that was not undone since, or the one that is named.
fn to_undo<'a>(history: &'a [Record], wanted: Option<&str>) -> Result<&'a Record, CliError> {
    if let Some(wanted) = wanted {
        return history
            .iter()
            .find(|record| record.id.as_str() == wanted)
            .ok_or_else(|| {
                CliError::new("no-such-run", format!("there is no run {wanted}"))
                    .hint("`kubepki backup list` shows the runs")
            });
    }
    apply::last_to_undo(history)
        .ok_or_else(|| CliError::new("nothing-to-undo", "no run is left to undo on this host"))
}

fn archive_of(host: &dyn HostRead, record: &Record) -> Result<PathBuf, CliError> {
    let archive = record.backup.as_deref();
    archive
        .map(|path| backup::whereabouts(host, path))
        .ok_or_else(|| {
            let missing = format!(
                "run {} (`{}`, begun {}) made no backup: there is nothing to bring back",
                record.id, record.verb, record.started_at
            );
            CliError::new("no-backup", missing)
                .hint("`kubepki undo RUN` undoes an earlier run, `kubepki backup list` shows them")
        })
}

/// Whether the run itself wrote a file, as against: it was annotated by a restart.
fn has_written(record: &Record, path: &Path) -> bool {
    let mut steps = record.batches.iter().flat_map(|(batch, _)| &batch.steps);
    steps.any(|step| step.path == path || step.target == path)
}

/// What the run changed: the paths of its plan, and the files behind links among them.
fn changed_by(record: &Record, plan: &Plan, saved: &Archive) -> Vec<PathBuf> {
    let mut paths = plan.touched_files();
    let steps = record.batches.iter().flat_map(|(batch, _)| &batch.steps);
    let is_saved = |path: &Path| saved.manifest().entries.iter().any(|it| it.path == path);
    for step in steps {
        if !paths.contains(&step.target) && is_saved(&step.target) {
            paths.push(step.target.clone());
        }
    }
    paths
}

fn carry<'a>(outside: &'a Outside, how: &'a RestoreChoice) -> Carry<'a> {
    Carry {
        outside,
        ca_dir: &how.ca_dir,
        backup: &how.backup,
        identity: how.identity.as_deref(),
        confirmed: false,
    }
}
