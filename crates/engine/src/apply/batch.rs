//! The effects of one batch, each of which can be done again after a crash: stage, perform, finish
//! what was interrupted, drop what was not begun.

use super::ApplyError;
use super::journal::{Batch, Presence, Step};
use super::record::Record;
use super::staging::{Content, Prepared};
use super::targets::observe;
use crate::ports::{HostError, HostErrorKind, HostWrite};
use std::path::{Path, PathBuf};

/// Creates the folders and stages every new file, synced, without touching what is in use.
pub fn stage(host: &dyn HostWrite, prepared: &Prepared) -> Result<(), HostError> {
    for (folder, mode) in prepared
        .batch
        .directories
        .iter()
        .zip(&prepared.directory_modes)
    {
        host.create_directory(folder, *mode)?;
    }
    for (step, content) in prepared.batch.steps.iter().zip(&prepared.contents) {
        let Some(staged) = &step.staged else { continue };
        match content {
            Content::File {
                contents,
                attributes,
                modified,
            } => {
                host.create(staged, contents, attributes)?;
                if let Some(modified) = modified {
                    host.set_modified(staged, *modified)?;
                }
            }
            Content::Link(target) => host.symlink(target, staged)?,
            Content::Nothing => {}
        }
    }
    Ok(())
}

/// Makes a staged change real: one rename or one removal.
pub fn perform(host: &dyn HostWrite, step: &Step) -> Result<(), HostError> {
    match &step.staged {
        Some(staged) => host.rename(staged, &step.target),
        None => host.remove(&step.target),
    }
}

/// Removes what [`stage`] made, as far as it came.
pub fn remove_staged(host: &dyn HostWrite, batch: &Batch) -> Result<(), HostError> {
    for staged in batch.steps.iter().filter_map(|step| step.staged.as_ref()) {
        host.remove(staged)?;
    }
    for folder in batch.directories.iter().rev() {
        match host.list(folder) {
            // Someone may have put a file of their own there.
            Ok(names) if names.is_empty() => host.remove_directory(folder)?,
            Ok(_) => {}
            Err(error) if error.kind == HostErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether every target is still as it was when the batch was prepared.
pub fn check_unchanged(host: &dyn HostWrite, batch: &Batch) -> Result<(), ApplyError> {
    for step in &batch.steps {
        let found = observe(host, &step.target)?;
        if found != step.before {
            return Err(changed(step, &found));
        }
    }
    Ok(())
}

/// Does what an interrupted commit left undone, whatever it was. Returns targets that someone else
/// changed after their rename; those are left alone.
pub fn roll_forward(
    host: &dyn HostWrite,
    record: &Record,
    batch: &Batch,
) -> Result<Vec<PathBuf>, ApplyError> {
    let mut overtaken = Vec::new();
    for step in &batch.steps {
        if !finish_step(host, record, step)? {
            overtaken.push(step.target.clone());
        }
    }
    Ok(overtaken)
}

/// False when the step was done and then overtaken by someone else's change.
fn finish_step(host: &dyn HostWrite, record: &Record, step: &Step) -> Result<bool, ApplyError> {
    let found = observe(host, &step.target)?;
    let staged = match &step.staged {
        Some(staged) => observe(host, staged)?,
        // A removal needs nothing staged: it is as good as there while the old file is.
        None if found == step.before => step.after.clone(),
        None => return Ok(found == step.after),
    };
    if step.staged.is_some() && staged == Presence::Absent {
        if found == step.after {
            return Ok(true);
        }
        if found == step.before {
            return Err(cannot_finish(
                record,
                &step.target,
                "is old and its staged file is gone",
            ));
        }
        return Ok(false);
    }
    if staged != step.after {
        let path = step.staged.as_deref().unwrap_or(&step.target);
        return Err(cannot_finish(
            record,
            path,
            "is not the file that was staged",
        ));
    }
    if found != step.before && found != step.after {
        return Err(changed(step, &found));
    }
    perform(host, step)?;
    Ok(true)
}

fn cannot_finish(record: &Record, path: &Path, detail: &str) -> ApplyError {
    ApplyError::CannotFinish {
        id: record.id.clone(),
        path: path.to_path_buf(),
        detail: detail.to_owned(),
        backup: record.backup.clone(),
    }
}

fn changed(step: &Step, found: &Presence) -> ApplyError {
    ApplyError::ChangedMeanwhile {
        path: step.target.clone(),
        expected: step.before.to_string(),
        found: found.to_string(),
    }
}
