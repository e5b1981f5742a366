//! An archive replaced by one that says less to whoever finds it, and destroyed.
//!
//! Its bytes are overwritten before they go, which on a disk with a journal, snapshots or flash may
//! leave them readable below the file system: nothing here can promise more. Cut short anywhere, the
//! archive or what replaces it is whole, and [`settle_doomed`] ends what was begun.

use super::BackupError;
use super::archive::write;
use super::encryption::{Protection, protect};
use super::manifest::{Entry, FORMAT_VERSION, Kind, Manifest};
use super::shelf::{ARCHIVE_LIMIT, hidden, names, whereabouts, write_partial};
use crate::apply::Record;
use crate::apply::store::BACKUPS;
use crate::ports::{HostErrorKind, HostRead, HostWrite};
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use std::path::{Path, PathBuf};

/// How the name of an archive ends while its replacement takes its place.
const DOOMED: &str = ".kubepki-doomed";

/// Puts `replacement` (0600) at `destination` and destroys the archive at `path`.
pub fn doom(
    host: &dyn HostWrite,
    path: &Path,
    destination: &Path,
    replacement: &Sealed,
) -> Result<(), BackupError> {
    let partial = write_partial(host, destination, replacement)?;
    let doomed = hidden(path, DOOMED);
    host.rename(path, &doomed)?;
    host.rename(&partial, destination)?;
    destroy(host, &doomed)?;
    Ok(())
}

/// The archive at `path` is encrypted, and what lay there in the clear destroyed; where it lies now.
pub fn seal(
    host: &dyn HostWrite,
    path: &Path,
    protection: &Protection,
) -> Result<PathBuf, BackupError> {
    let sealed = protect(host.read(path, ARCHIVE_LIMIT)?, protection)?;
    let destination = path.with_extension("tar.age");
    doom(host, path, &destination, &sealed)?;
    Ok(destination)
}

/// Ends what an interrupted [`doom`] began: an archive whose replacement is in place is destroyed, one
/// without comes back. Only under the lock.
pub fn settle_doomed(host: &dyn HostWrite) -> Result<(), BackupError> {
    for name in names(host)? {
        let Some(own) = name
            .strip_prefix('.')
            .and_then(|name| name.strip_suffix(DOOMED))
        else {
            continue;
        };
        let doomed = Path::new(BACKUPS).join(&name);
        let path = Path::new(BACKUPS).join(own);
        match host.symlink_metadata(&whereabouts(host, &path)) {
            Ok(_) => destroy(host, &doomed)?,
            Err(error) if error.kind == HostErrorKind::NotFound => host.rename(&doomed, &path)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What stands for an archive that could not be looked into and was destroyed as a whole: that of a run
/// that replaced these private keys.
pub fn tombstone(
    host: &dyn HostRead,
    record: &Record,
    keys: &[PathBuf],
    at: Timestamp,
) -> Result<Sealed, BackupError> {
    let entries: Vec<Entry> = keys
        .iter()
        .map(|path| Entry {
            path: path.clone(),
            kind: Kind::Destroyed {
                at,
                public_key_sha256: None,
            },
        })
        .collect();
    let contents: Vec<Option<Sealed>> = entries.iter().map(|_| None).collect();
    let manifest = Manifest {
        kubepki_backup: FORMAT_VERSION,
        host: host.hostname().unwrap_or_default(),
        time: record.started_at,
        id: record.id.to_string(),
        verb: record.verb.clone(),
        entries,
    };
    write(&manifest, &contents)
}

fn destroy(host: &dyn HostWrite, path: &Path) -> Result<(), BackupError> {
    host.overwrite(path)?;
    Ok(host.remove(path)?)
}
