//! From an archive to the changes that bring its files back. They go through the same transaction as
//! any other change, so that restoring can be undone too.

use super::manifest::{Entry, Kind, Manifest};
use super::{Archive, BackupError};
use crate::apply::Change;
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::path::{Path, PathBuf};

/// Which paths of an archive are restored.
pub enum Selection {
    /// All.
    All,
    /// These, and what was in them where they are folders.
    Paths(Vec<PathBuf>),
}

impl Selection {
    fn takes(&self, path: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Paths(paths) => paths.iter().any(|selected| path.starts_with(selected)),
        }
    }
}

/// The first of these paths whose contents were a private key that was destroyed, and when.
pub fn destroyed_among<'a>(
    manifest: &'a Manifest,
    paths: &[PathBuf],
) -> Option<(&'a Path, Timestamp)> {
    manifest.entries.iter().find_map(|entry| match &entry.kind {
        Kind::Destroyed { at, .. } if paths.contains(&entry.path) => {
            Some((entry.path.as_path(), *at))
        }
        _ => None,
    })
}

/// What was there is written back as it was, times included; what was absent is removed; lost
/// folders are made again. Files that came later into a folder stay.
pub fn restore_changes(
    archive: &Archive,
    selection: &Selection,
) -> Result<Vec<Change>, BackupError> {
    let entries = &archive.manifest().entries;
    if let Selection::Paths(paths) = selection {
        let is_unknown = |path: &&PathBuf| !entries.iter().any(|entry| entry.path == **path);
        if let Some(path) = paths.iter().find(is_unknown) {
            return Err(BackupError::NotInArchive { path: path.clone() });
        }
    }
    let mut changes = Vec::new();
    for entry in entries {
        let is_above = || {
            let below = |other: &Entry| {
                other.path.starts_with(&entry.path)
                    && other.kind != Kind::Absent
                    && selection.takes(&other.path)
            };
            entries.iter().any(below)
        };
        match &entry.kind {
            Kind::Directory { attributes } => {
                if let (true, Some(attributes)) = (is_above(), attributes.decode()) {
                    let (path, mode) = (entry.path.clone(), attributes.mode);
                    changes.push(Change::Directory { path, mode });
                }
            }
            _ if !selection.takes(&entry.path) => {}
            Kind::Destroyed { at, .. } => {
                let (path, at) = (entry.path.clone(), *at);
                return Err(BackupError::KeyDestroyed { path, at });
            }
            Kind::Absent => changes.push(Change::Remove {
                path: entry.path.clone(),
            }),
            Kind::Symlink { target } => {
                let (path, target) = (entry.path.clone(), target.clone());
                changes.push(Change::Symlink { path, target });
            }
            Kind::File {
                attributes,
                modified,
                ..
            } => {
                let (Some(attributes), Some(contents)) =
                    (attributes.decode(), archive.contents(&entry.path))
                else {
                    let detail = format!("{} has no contents", entry.path.display());
                    return Err(BackupError::Damaged { detail });
                };
                changes.push(Change::Replace {
                    path: entry.path.clone(),
                    contents: Sealed::new(open(contents).to_vec()),
                    attributes,
                    modified: *modified,
                });
            }
        }
    }
    Ok(changes)
}
