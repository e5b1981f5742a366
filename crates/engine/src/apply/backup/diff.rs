//! What an archive holds beside what the host has now.

use super::manifest::{Entry, Kind};
use super::{Archive, BackupError};
use crate::apply::targets::{FILE_LIMIT, sha256};
use crate::ports::{FileKind, FileMetadata, HostErrorKind, HostRead};
use kubepki_sealed::danger::open;
use std::path::PathBuf;

/// How a path compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathState {
    /// It was absent at backup time and is there now.
    Appeared,
    /// It is there and differs.
    Changed(Vec<Difference>),
    /// It was a private key, and the archive does not hold it any more.
    Destroyed,
    /// It was there and is gone.
    Missing,
    /// As it was, times aside or not: see [`Difference::Modified`].
    Same,
}

/// One way in which a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The bytes.
    Contents,
    /// Extended attributes.
    ExtendedAttributes,
    /// A link where a file was, or the like.
    Kind,
    /// Where a link points.
    LinkTarget,
    /// Permission bits.
    Mode,
    /// The modification time alone.
    Modified,
    /// Owner or group.
    Owner,
}

/// Compares every path of the archive, in its order. A folder counts as the same while it is there.
pub fn diff(
    archive: &Archive,
    host: &dyn HostRead,
) -> Result<Vec<(PathBuf, PathState)>, BackupError> {
    let entries = archive.manifest().entries.iter();
    entries
        .map(|entry| Ok((entry.path.clone(), compare(entry, host)?)))
        .collect()
}

fn compare(entry: &Entry, host: &dyn HostRead) -> Result<PathState, BackupError> {
    if let Kind::Destroyed { .. } = entry.kind {
        return Ok(PathState::Destroyed);
    }
    let look = match entry.kind {
        Kind::Directory { .. } => host.metadata(&entry.path),
        _ => host.symlink_metadata(&entry.path),
    };
    let found = match look {
        Ok(found) => found,
        Err(error) if error.kind == HostErrorKind::NotFound => {
            let was_absent = entry.kind == Kind::Absent;
            return Ok(if was_absent {
                PathState::Same
            } else {
                PathState::Missing
            });
        }
        Err(error) => return Err(error.into()),
    };
    let kind = |same: bool| {
        if same {
            Vec::new()
        } else {
            vec![Difference::Kind]
        }
    };
    let differences = match &entry.kind {
        Kind::Absent => return Ok(PathState::Appeared),
        Kind::Destroyed { .. } => return Ok(PathState::Destroyed),
        Kind::Directory { .. } => kind(found.kind == FileKind::Directory),
        Kind::Symlink { target } if found.kind == FileKind::Symlink => {
            let is_same = host.read_link(&entry.path)? == *target;
            if is_same {
                Vec::new()
            } else {
                vec![Difference::LinkTarget]
            }
        }
        Kind::File { .. } if found.kind == FileKind::Regular => file(entry, &found, host)?,
        Kind::Symlink { .. } | Kind::File { .. } => kind(false),
    };
    Ok(if differences.is_empty() {
        PathState::Same
    } else {
        PathState::Changed(differences)
    })
}

fn file(
    entry: &Entry,
    found: &FileMetadata,
    host: &dyn HostRead,
) -> Result<Vec<Difference>, BackupError> {
    let Kind::File {
        size,
        sha256: expected,
        modified,
        attributes,
    } = &entry.kind
    else {
        return Ok(Vec::new());
    };
    let Some(wanted) = attributes.decode() else {
        return Ok(Vec::new());
    };
    let has_same_bytes =
        found.len == *size && sha256(open(&host.read(&entry.path, FILE_LIMIT)?)) == *expected;
    let has = &found.attributes;
    let claims = [
        (has_same_bytes, Difference::Contents),
        (has.mode == wanted.mode, Difference::Mode),
        (
            (has.uid, has.gid) == (wanted.uid, wanted.gid),
            Difference::Owner,
        ),
        (
            sorted(&has.xattrs) == sorted(&wanted.xattrs),
            Difference::ExtendedAttributes,
        ),
        (found.modified == *modified, Difference::Modified),
    ];
    let differing = claims.into_iter().filter(|(is_same, _)| !is_same);
    Ok(differing.map(|(_, difference)| difference).collect())
}

fn sorted(xattrs: &[(String, Vec<u8>)]) -> Vec<&(String, Vec<u8>)> {
    let mut sorted: Vec<_> = xattrs.iter().collect();
    sorted.sort();
    sorted
}
