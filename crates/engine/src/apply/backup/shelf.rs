//! Archives on the host: written, listed, read back.

use super::archive::manifest_of;
use super::collect::{Request, assemble};
use super::encryption::{Protection, Unlock};
use super::{Archive, BackupError, Manifest};
use crate::apply::RunId;
use crate::apply::store::BACKUPS;
use crate::ports::{FileAttributes, HostErrorKind, HostRead, HostWrite};
use kubepki_sealed::Sealed;
use std::path::{Path, PathBuf};

/// No archive of certificates comes near it; reading one into memory must not exhaust the host.
pub(super) const ARCHIVE_LIMIT: u64 = 1 << 30;

const PARTIAL: &str = ".kubepki-partial";

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// What it holds.
    pub manifest: Manifest,
}

/// An archive on the shelf.
#[derive(Debug)]
pub struct Listed {
    /// Where.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// What it holds: `Ok(None)` when it is encrypted, an error when it cannot be read.
    pub manifest: Result<Option<Manifest>, BackupError>,
}

/// Where a run's archive goes unless told otherwise.
pub fn default_path(id: &RunId, protection: &Protection) -> PathBuf {
    let ending = if matches!(protection, Protection::Plain) {
        "tar"
    } else {
        "tar.age"
    };
    Path::new(BACKUPS).join(format!("{id}.{ending}"))
}

/// Backs up and writes the archive to `destination` (0600), where nothing may be yet; its folder is
/// made when missing. The name appears when the archive is complete.
pub fn create(
    host: &dyn HostWrite,
    request: &Request<'_>,
    destination: &Path,
) -> Result<Written, BackupError> {
    match host.symlink_metadata(destination) {
        Err(error) if error.kind == HostErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return Err(BackupError::Host(crate::ports::HostError {
                operation: "create",
                path: destination.to_path_buf(),
                kind: HostErrorKind::AlreadyExists,
                detail: "it exists already".to_owned(),
            }));
        }
    }
    let (manifest, archive) = assemble(host, request)?;
    if let Some(folder) = destination.parent() {
        host.create_directory(folder, 0o700)?;
    }
    let partial = write_partial(host, destination, &archive)?;
    host.rename(&partial, destination).inspect_err(|_| {
        let _ = host.remove(&partial);
    })?;
    Ok(Written {
        path: destination.to_path_buf(),
        size: archive.len() as u64,
        manifest,
    })
}

/// Writes an archive (0600) beside its destination, to be renamed there; its path.
pub(super) fn write_partial(
    host: &dyn HostWrite,
    destination: &Path,
    archive: &Sealed,
) -> Result<PathBuf, BackupError> {
    let partial = hidden(destination, PARTIAL);
    let (uid, gid) = host.identity();
    let attributes = FileAttributes {
        mode: 0o600,
        uid,
        gid,
        xattrs: Vec::new(),
    };
    host.remove(&partial)?;
    host.create(&partial, archive, &attributes)?;
    Ok(partial)
}

/// Beside it, where nobody takes it for an archive.
pub(super) fn hidden(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{ending}"))
}

/// Whatever lies on the shelf.
pub(super) fn names(host: &dyn HostRead) -> Result<Vec<String>, BackupError> {
    match host.list(Path::new(BACKUPS)) {
        Ok(names) => Ok(names),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a name on the shelf is that of an archive that was never completed.
pub fn is_partial(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(PARTIAL)
}

/// Archives in the host's own folder for them, oldest run first.
pub fn list(host: &dyn HostRead) -> Result<Vec<Listed>, BackupError> {
    let mut listed = Vec::new();
    for name in names(host)? {
        if name.starts_with('.') || !(name.ends_with(".tar") || name.ends_with(".tar.age")) {
            continue;
        }
        let path = Path::new(BACKUPS).join(name);
        let size = host.metadata(&path)?.len;
        let read = host.read(&path, ARCHIVE_LIMIT).map_err(BackupError::from);
        let manifest = read.and_then(|bytes| manifest_of(&bytes));
        listed.push(Listed {
            path,
            size,
            manifest,
        });
    }
    listed.sort_by_cached_key(order);
    Ok(listed)
}

/// By the second in the name, then by the time inside, where that can be read.
fn order(listed: &Listed) -> (String, Option<jiff::Timestamp>) {
    let name = listed
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let second = name.split('-').next().unwrap_or_default().to_owned();
    let manifest = listed.manifest.as_ref().ok().and_then(Option::as_ref);
    (second, manifest.map(|manifest| manifest.time))
}

/// Where an archive lies that a journal names: sealed since or not, its ending tells.
pub fn whereabouts(host: &dyn HostRead, recorded: &Path) -> PathBuf {
    let is_there = |path: &Path| host.symlink_metadata(path).is_ok();
    let sibling = match recorded.extension().is_some_and(|it| it == "age") {
        true => recorded.with_extension(""),
        false => recorded.with_extension("tar.age"),
    };
    match !is_there(recorded) && is_there(&sibling) {
        true => sibling,
        false => recorded.to_owned(),
    }
}

/// What an archive of the host says that it holds, unchecked; `None` when it is encrypted.
pub fn manifest(host: &dyn HostRead, path: &Path) -> Result<Option<Manifest>, BackupError> {
    manifest_of(&host.read(path, ARCHIVE_LIMIT)?)
}

/// Reads an archive of the host and checks all of it.
pub fn read(host: &dyn HostRead, path: &Path, unlock: &Unlock) -> Result<Archive, BackupError> {
    Archive::open(host.read(path, ARCHIVE_LIMIT)?, unlock)
}
