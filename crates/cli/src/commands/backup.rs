//! `kubepki backup`: archives made, listed, compared and removed.

mod prune;

use super::run::apply_failed;
use super::wiring::{self, Outside};
use crate::args::{BackupArgs, BackupChoice, BackupCreateArgs, BackupDiffArgs, BackupVerb};
use crate::context::{Context, host_error};
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, BAD, Cell, Column, DIM, GOOD, NAME, Table, WARN};
use kubepki_core::model::Inventory;
use kubepki_engine::apply::backup::{
    self, Archive, BackupError, Kind, Listed, PathState, Protection, Written,
};
use kubepki_engine::apply::{self, RunId};
use kubepki_engine::ports::{HostRead, HostWrite};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Makes, lists, compares and removes archives.
pub fn run(context: &Context, args: &BackupArgs) -> Result<ExitCode, CliError> {
    match &args.verb {
        BackupVerb::Create(args) => create(context, args),
        BackupVerb::List => list(context),
        BackupVerb::Diff(args) => diff(context, args),
        BackupVerb::Prune(args) => prune::run(context, args),
    }
}

fn create(context: &Context, args: &BackupCreateArgs) -> Result<ExitCode, CliError> {
    let protection = protection(&args.recipient)?;
    let outside = Outside::new(context);
    let host: &dyn HostWrite = outside.host();
    if let Ok(Some(found)) = apply::interrupted(host) {
        context.note(format_args!(
            "run {} was interrupted while {}: that state is saved",
            found.record.id,
            found.stage.words()
        ));
    }
    // While a run changes files, old and new ones would be mixed.
    let holder = apply::holder_name(std::process::id(), "backup create", context.now());
    let _lock = apply::lock(host, &holder).map_err(|error| apply_failed(&error))?;
    let inventory = wiring::inventory(context, host, &args.ca_dir)?;
    let id = RunId::new(context.now(), wiring::chance());
    let paths = everything(&inventory);
    let destination = match &args.out {
        Some(path) => context.host_path(path)?,
        None => backup::default_path(&id, &protection),
    };
    let request = backup::Request {
        id: &id,
        verb: "backup",
        time: context.now(),
        paths: &paths,
        protection: &protection,
    };
    let written = backup::create(host, &request, &destination).map_err(|error| refused(&error))?;
    show_written(context, &written)
}

/// For these recipients, or plain for none.
pub fn protection(recipients: &[String]) -> Result<Protection, CliError> {
    if recipients.is_empty() {
        return Ok(Protection::Plain);
    }
    let protection = Protection::Recipients(recipients.to_vec());
    protection.check().map_err(|error| refused(&error))?;
    Ok(protection)
}

/// Every file of the inventory, keys of CAs included, the manifests, and the kubelet's store.
fn everything(inventory: &Inventory) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = inventory.static_pod_folders.clone();
    for entry in &inventory.entries {
        paths.push(entry.holder.path().to_owned());
        paths.extend(entry.holder.key_path().map(Path::to_owned));
    }
    for authority in &inventory.authorities {
        paths.push(authority.certificate_path.clone());
        paths.extend(authority.key_path.clone());
    }
    paths.extend(
        inventory
            .service_account_keys
            .iter()
            .map(|key| key.path.clone()),
    );
    paths.sort();
    paths.dedup();
    paths
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupResult<'a> {
    api_version: &'static str,
    kind: &'static str,
    archive: String,
    size: u64,
    files: Vec<&'a Path>,
}

fn show_written(context: &Context, written: &Written) -> Result<ExitCode, CliError> {
    let files: Vec<&Path> = written
        .manifest
        .entries
        .iter()
        .filter(|entry| {
            !matches!(
                entry.kind,
                Kind::Directory { .. } | Kind::Absent | Kind::Destroyed { .. }
            )
        })
        .map(|entry| entry.path.as_path())
        .collect();
    if let Some(structured) = context.structured() {
        context.emit(
            structured,
            &BackupResult {
                api_version: API_VERSION,
                kind: "Backup",
                archive: written.path.display().to_string(),
                size: written.size,
                files,
            },
        )?;
    } else {
        let mut stdout = context.stdout();
        writeln!(
            stdout,
            "{NAME}{}{NAME:#} {} files, {} bytes",
            written.path.display(),
            files.len(),
            written.size
        )?;
        stdout.flush()?;
    }
    Ok(ExitCode::Fine)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupRow {
    archive: String,
    size: u64,
    encrypted: bool,
    run: Option<String>,
    verb: Option<String>,
    time: Option<jiff::Timestamp>,
    files: Option<usize>,
    problem: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupList {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<BackupRow>,
}

fn list(context: &Context) -> Result<ExitCode, CliError> {
    let host = context.host();
    let items: Vec<BackupRow> = backup::list(host)
        .map_err(|error| refused(&error))?
        .into_iter()
        .map(|listed| {
            let (manifest, encrypted, problem) = match listed.manifest {
                Ok(Some(manifest)) => (Some(manifest), false, None),
                Ok(None) => (None, true, None),
                Err(error) => (None, false, Some(error.to_string())),
            };
            BackupRow {
                archive: listed.path.display().to_string(),
                size: listed.size,
                encrypted,
                run: manifest.as_ref().map(|manifest| manifest.id.clone()),
                verb: manifest.as_ref().map(|manifest| manifest.verb.clone()),
                time: manifest.as_ref().map(|manifest| manifest.time),
                files: manifest.as_ref().map(|manifest| manifest.entries.len()),
                problem,
            }
        })
        .collect();
    if let Some(structured) = context.structured() {
        let list = BackupList {
            api_version: API_VERSION,
            kind: "BackupList",
            items,
        };
        context.emit(structured, &list)?;
        return Ok(ExitCode::Fine);
    }
    if items.is_empty() {
        context.note("no backups on this host");
        return Ok(ExitCode::Fine);
    }
    let rows: Vec<Vec<Cell>> = items
        .iter()
        .map(|item| {
            let state = match (&item.problem, item.encrypted) {
                (Some(problem), _) => Cell::styled(problem.clone(), BAD),
                (None, true) => Cell::styled("encrypted", DIM),
                (None, false) => Cell::styled("ok", GOOD),
            };
            vec![
                Cell::new(item.time.map_or("-".to_owned(), |at| {
                    at.strftime("%Y-%m-%d %H:%MZ").to_string()
                })),
                Cell::new(item.verb.clone().unwrap_or_default()),
                Cell::styled(item.run.clone().unwrap_or_default(), NAME),
                Cell::new(item.size.to_string()),
                state,
                Cell::styled(item.archive.clone(), DIM),
            ]
        })
        .collect();
    let columns = vec![
        Column::fixed("MADE"),
        Column::fixed("FOR"),
        Column::fixed("RUN"),
        Column::fixed("BYTES"),
        Column::shrinking("STATE", 10),
        Column::path("ARCHIVE", 24),
    ];
    let mut stdout = context.stdout();
    Table::new(columns, output::terminal_width()).write(&mut stdout, &rows)?;
    stdout.flush()?;
    Ok(ExitCode::Fine)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiffRow {
    path: String,
    state: &'static str,
    differences: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupDiff {
    api_version: &'static str,
    kind: &'static str,
    archive: String,
    items: Vec<DiffRow>,
}

fn diff(context: &Context, args: &BackupDiffArgs) -> Result<ExitCode, CliError> {
    let host = context.host();
    let path = archive_path(context, host, args.archive.as_deref())?;
    let archive = open(host, &path, args.identity.as_deref())?;
    let items: Vec<DiffRow> = backup::diff(&archive, host)
        .map_err(|error| refused(&error))?
        .into_iter()
        .map(|(path, state)| {
            let (state, differences) = match state {
                PathState::Appeared => ("appeared", Vec::new()),
                PathState::Destroyed => ("key-destroyed", Vec::new()),
                PathState::Missing => ("missing", Vec::new()),
                PathState::Same => ("same", Vec::new()),
                PathState::Changed(differences) => (
                    "changed",
                    differences
                        .iter()
                        .map(|difference| format!("{difference:?}").to_lowercase())
                        .collect(),
                ),
            };
            DiffRow {
                path: path.display().to_string(),
                state,
                differences,
            }
        })
        .collect();
    if let Some(structured) = context.structured() {
        let object = BackupDiff {
            api_version: API_VERSION,
            kind: "BackupDiff",
            archive: path.display().to_string(),
            items,
        };
        context.emit(structured, &object)?;
        return Ok(ExitCode::Fine);
    }
    let mut stdout = context.stdout();
    let mut changed = 0;
    for item in items.iter().filter(|item| item.state != "same") {
        changed += 1;
        writeln!(
            stdout,
            "{WARN}{:8}{WARN:#} {}  {DIM}{}{DIM:#}",
            item.state,
            item.path,
            item.differences.join(", ")
        )?;
    }
    writeln!(
        stdout,
        "{changed} of {} paths differ from {}",
        items.len(),
        path.display()
    )?;
    stdout.flush()?;
    Ok(ExitCode::Fine)
}

/// The archive that is named, or the newest of the host that no restoration made.
pub fn archive_path(
    context: &Context,
    host: &dyn HostRead,
    named: Option<&Path>,
) -> Result<PathBuf, CliError> {
    if let Some(path) = named {
        return context.host_path(path);
    }
    let archives = backup::list(host).map_err(|error| refused(&error))?;
    // What a restoration saved is for undoing it: taken here, restoring twice would go to and fro.
    let history = apply::history(host).map_err(|error| apply_failed(&error))?;
    let of_restoration = |listed: &&Listed| {
        let manifest = listed.manifest.as_ref().ok().and_then(Option::as_ref);
        let record = history
            .iter()
            .find(|record| record.backup.as_ref() == Some(&listed.path));
        let verb = manifest
            .map(|manifest| manifest.verb.as_str())
            .or(record.map(|record| record.verb.as_str()));
        matches!(verb, Some("undo" | "restore"))
    };
    let newest = archives.iter().rfind(|listed| !of_restoration(listed));
    newest.map(|listed| listed.path.clone()).ok_or_else(|| {
        CliError::new("no-backup", "there is no backup on this host")
            .hint("name an archive, or make one with `kubepki backup create`")
    })
}

/// Reads an archive and checks all of it.
pub fn open(
    host: &dyn HostRead,
    path: &Path,
    identity: Option<&Path>,
) -> Result<Archive, CliError> {
    let unlock = wiring::unlock(identity)?;
    backup::read(host, path, &unlock).map_err(|error| refused(&error).location(path.display()))
}

/// How the present files are saved: no less protected than those that come back. Whoever opened the
/// archive can open the new one, and so undo this too.
pub fn protected_alike(
    context: &Context,
    backup: &BackupChoice,
    identity: Option<&Path>,
) -> Result<BackupChoice, CliError> {
    let mut backup = backup.clone();
    if backup.backup_recipient.is_empty() && !backup.no_backup {
        let unlock = wiring::unlock(identity)?;
        backup.backup_recipient = unlock.recipients().map_err(|error| refused(&error))?;
        if !backup.backup_recipient.is_empty() {
            context.note(
                "the files as they are now will be saved encrypted for the identity given; --backup-recipient names another",
            );
        }
    }
    Ok(backup)
}

/// An error of an archive, with what to do about it.
pub fn refused(error: &BackupError) -> CliError {
    match error {
        BackupError::Host(error) => host_error(error),
        BackupError::Encrypted { .. } | BackupError::WrongKey { .. } => {
            CliError::new(error.code(), error)
                .hint("name the file with the age identity by --identity")
        }
        other => CliError::new(other.code(), other),
    }
}
