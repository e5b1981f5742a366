//! `kubepki backup prune`: old runs forgotten, after they were shown.

use crate::args::BackupPruneArgs;
use crate::commands::run::apply_failed;
use crate::commands::wiring::Outside;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, Cell, Column, DIM, NAME, Table};
use kubepki_engine::apply::{self, Keep, OldRun};
use kubepki_engine::ports::HostWrite;
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupPrune<'a> {
    api_version: &'static str,
    kind: &'static str,
    removed: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    run: &'a str,
    verb: Option<&'a str>,
    time: jiff::Timestamp,
    size: u64,
    files: Vec<String>,
}

/// Shows what would be forgotten, asks, and forgets it.
pub fn run(context: &Context, args: &BackupPruneArgs) -> Result<ExitCode, CliError> {
    let keep = keep(context, args)?;
    let outside = Outside::new(context);
    let host: &dyn HostWrite = outside.host();
    let proposed = apply::prunable(host, keep).map_err(|error| apply_failed(&error))?;
    if proposed.is_empty() {
        context.note("nothing to remove");
        return told(context, &[]);
    }
    if context.structured().is_none() {
        show(context, &proposed)?;
    }
    if !context.confirm("Remove their journals and archives?")? {
        context.note("nothing was removed");
        return told(context, &[]);
    }
    let holder = apply::holder_name(std::process::id(), "backup prune", context.now());
    let _lock = apply::lock(host, &holder).map_err(|error| apply_failed(&error))?;
    // Somebody may have undone a run while the question stood.
    let mut removed = apply::prunable(host, keep).map_err(|error| apply_failed(&error))?;
    removed.retain(|run| proposed.contains(run));
    apply::forget(host, &removed).map_err(|error| apply_failed(&error))?;
    context.note(format_args!(
        "{} removed, {} bytes",
        match removed.len() {
            1 => "1 run".to_owned(),
            count => format!("{count} runs"),
        },
        removed.iter().map(|run| run.size).sum::<u64>()
    ));
    told(context, &removed)
}

fn keep(context: &Context, args: &BackupPruneArgs) -> Result<Keep, CliError> {
    if let Some(age) = args.older_than {
        return context
            .now()
            .checked_sub(age)
            .map(Keep::Since)
            .map_err(|_| {
                CliError::new(
                    "no-such-time",
                    "no calendar reaches back as far as --older-than",
                )
            });
    }
    let count = args.keep.unwrap_or(u32::MAX);
    Ok(Keep::Newest(usize::try_from(count).unwrap_or(usize::MAX)))
}

fn told(context: &Context, removed: &[OldRun]) -> Result<ExitCode, CliError> {
    if let Some(structured) = context.structured() {
        let rows = removed.iter().map(|run| Row {
            run: run.id.as_str(),
            verb: run.verb.as_deref(),
            time: run.started_at,
            size: run.size,
            files: run
                .files
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        });
        let removed = BackupPrune {
            api_version: API_VERSION,
            kind: "BackupPrune",
            removed: rows.collect(),
        };
        context.emit(structured, &removed)?;
    }
    Ok(ExitCode::Fine)
}

fn show(context: &Context, runs: &[OldRun]) -> Result<(), CliError> {
    let rows: Vec<Vec<Cell>> = runs
        .iter()
        .map(|run| {
            vec![
                Cell::new(run.started_at.strftime("%Y-%m-%d %H:%MZ").to_string()),
                Cell::new(run.verb.clone().unwrap_or_else(|| "backup".to_owned())),
                Cell::styled(run.id.to_string(), NAME),
                Cell::styled(run.size.to_string(), DIM),
            ]
        })
        .collect();
    let columns = ["MADE", "FOR", "RUN", "BYTES"].map(Column::fixed).to_vec();
    let mut stdout = context.stdout();
    Table::new(columns, output::terminal_width()).write(&mut stdout, &rows)?;
    Ok(stdout.flush()?)
}
