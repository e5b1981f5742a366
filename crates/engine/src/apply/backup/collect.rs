//! From paths of a host to an archive in memory.

use super::encryption::{Protection, protect};
use super::manifest::{self, Entry, Kind, Manifest, member_name};
use super::{BackupError, archive};
use crate::apply::targets::{FILE_LIMIT, sha256};
use crate::apply::{Change, RunId};
use crate::ports::{FileKind, HostErrorKind, HostRead};
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The paths whose old state a set of changes would lose: what to back up before applying it.
/// Missing ones belong there too, so that undoing removes them again.
pub fn touched_paths(changes: &[Change]) -> Vec<PathBuf> {
    let files = changes
        .iter()
        .filter(|change| !matches!(change, Change::Directory { .. }));
    files.map(|change| change.path().to_path_buf()).collect()
}

/// What to back up, and why.
pub struct Request<'a> {
    /// The run that it is made for.
    pub id: &'a RunId,
    /// e.g. `renew`.
    pub verb: &'a str,
    /// The time.
    pub time: Timestamp,
    /// Files, links and folders. A folder is taken with everything in it, a link with what it points
    /// to; a missing path is remembered as missing, so that restoring removes it again.
    pub paths: &'a [PathBuf],
    /// Encryption.
    pub protection: &'a Protection,
}

/// Reads every path and builds the archive's bytes. Nothing is written.
pub fn assemble(
    host: &dyn HostRead,
    request: &Request<'_>,
) -> Result<(Manifest, Sealed), BackupError> {
    let mut collected = Collected {
        host,
        found: BTreeMap::new(),
    };
    for path in request.paths {
        collected.add(path, true)?;
    }
    let mut entries = Vec::new();
    let mut contents = Vec::new();
    for (path, (kind, bytes)) in collected.found {
        entries.push(Entry { path, kind });
        contents.push(bytes);
    }
    let manifest = Manifest {
        kubepki_backup: manifest::FIRST_VERSION,
        // A disk without /etc/hostname is still worth saving.
        host: host.hostname().unwrap_or_default(),
        time: request.time,
        id: request.id.to_string(),
        verb: request.verb.to_owned(),
        entries,
    };
    let archive = archive::write(&manifest, &contents)?;
    let archive = protect(archive, request.protection)?;
    Ok((manifest, archive))
}

struct Collected<'h> {
    host: &'h dyn HostRead,
    found: BTreeMap<PathBuf, (Kind, Option<Sealed>)>,
}

impl Collected<'_> {
    fn add(&mut self, path: &Path, is_asked_for: bool) -> Result<(), BackupError> {
        if member_name(path).is_none() {
            return Err(BackupError::PathNotText {
                path: path.to_path_buf(),
            });
        }
        if self
            .found
            .get(path)
            .is_some_and(|(kind, _)| !matches!(kind, Kind::Directory { .. }))
        {
            return Ok(());
        }
        let metadata = match self.host.symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind == HostErrorKind::NotFound => {
                if is_asked_for {
                    self.found.insert(path.to_path_buf(), (Kind::Absent, None));
                }
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.add_folders_above(path)?;
        match metadata.kind {
            FileKind::Regular => {
                let contents = self.host.read(path, FILE_LIMIT)?;
                let kind = Kind::File {
                    size: contents.len() as u64,
                    sha256: sha256(open(&contents)),
                    modified: metadata.modified,
                    attributes: (&metadata.attributes).into(),
                };
                self.found
                    .insert(path.to_path_buf(), (kind, Some(contents)));
            }
            FileKind::Symlink => {
                let target = self.host.read_link(path)?;
                self.add_behind(path, &target, is_asked_for)?;
                self.found
                    .insert(path.to_path_buf(), (Kind::Symlink { target }, None));
            }
            FileKind::Directory => {
                let attributes = (&metadata.attributes).into();
                self.found
                    .insert(path.to_path_buf(), (Kind::Directory { attributes }, None));
                for name in self.host.list(path)? {
                    self.add(&path.join(name), false)?;
                }
            }
            // Sockets and devices in a folder are made anew by whoever listens there.
            FileKind::Other => {}
        }
        Ok(())
    }

    /// One hop behind a link, so that every link of a chain is kept. A folder is entered only behind
    /// a link that was asked for: one found on the way may lead to the whole disk.
    fn add_behind(
        &mut self,
        link: &Path,
        target: &Path,
        is_asked_for: bool,
    ) -> Result<(), BackupError> {
        let behind = link.parent().unwrap_or(Path::new("/")).join(target);
        let found = match self.host.metadata(&behind) {
            Ok(found) => found,
            Err(error) if error.kind == HostErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if found.kind == FileKind::Directory {
            let folder = self.host.canonicalize(&behind)?;
            return if is_asked_for {
                self.add(&folder, false)
            } else {
                Ok(())
            };
        }
        match (behind.parent(), behind.file_name()) {
            (Some(folder), Some(name)) => {
                let folder = self.host.canonicalize(folder)?;
                self.add(&folder.join(name), false)
            }
            _ => Ok(()),
        }
    }

    fn add_folders_above(&mut self, path: &Path) -> Result<(), BackupError> {
        for folder in path.ancestors().skip(1) {
            if folder.parent().is_none() || self.found.contains_key(folder) {
                break;
            }
            let metadata = self.host.metadata(folder)?;
            let attributes = (&metadata.attributes).into();
            self.found
                .insert(folder.to_path_buf(), (Kind::Directory { attributes }, None));
        }
        Ok(())
    }
}
