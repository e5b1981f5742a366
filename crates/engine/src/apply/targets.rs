//! What a path of the host really names, and what is there: questions only.

use super::journal::Presence;
use super::staging::Content;
use crate::ports::{FileKind, HostError, HostErrorKind, HostRead};
use kubepki_sealed::danger::open;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// As many links as the kernel follows.
const MAX_LINKS: u32 = 40;

/// The largest file that is replaced: its old contents are kept in memory until the commit is done.
pub const FILE_LIMIT: u64 = 64 << 20;

/// Whether a link at a path is followed to the file that changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The file behind the link changes.
    Follow,
    /// The link itself changes.
    Replace,
}

/// What is at a path, for telling old from new.
pub fn observe(host: &dyn HostRead, path: &Path) -> Result<Presence, HostError> {
    look(host, path).map(|(presence, _)| presence)
}

/// What is at a path, and what would put it back.
pub fn look(host: &dyn HostRead, path: &Path) -> Result<(Presence, Content), HostError> {
    let found = match host.symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind == HostErrorKind::NotFound => {
            return Ok((Presence::Absent, Content::Nothing));
        }
        Err(error) => return Err(error),
    };
    match found.kind {
        FileKind::Regular => {
            let contents = host.read(path, FILE_LIMIT)?;
            let presence = Presence::Regular(sha256(open(&contents)));
            let (attributes, modified) = (found.attributes, Some(found.modified));
            Ok((
                presence,
                Content::File {
                    contents,
                    attributes,
                    modified,
                },
            ))
        }
        FileKind::Symlink => {
            let target = host.read_link(path)?;
            Ok((Presence::Symlink(target.clone()), Content::Link(target)))
        }
        FileKind::Directory => Err(wrong_kind(path, "a folder is where the file belongs")),
        FileKind::Other => Err(wrong_kind(
            path,
            "a socket, device or pipe is where the file belongs",
        )),
    }
}

/// The name that a change of `path` changes: its folder resolved, and a link followed when asked.
/// Folders in `new` do not exist yet.
pub fn resolve(
    host: &dyn HostRead,
    path: &Path,
    link: Link,
    new: &[PathBuf],
) -> Result<PathBuf, HostError> {
    let mut path = path.to_path_buf();
    for _ in 0..=MAX_LINKS {
        let Some(name) = path.file_name() else {
            return Err(wrong_kind(&path, "the path does not end in a name"));
        };
        let folder = resolve_folder(host, path.parent().unwrap_or(Path::new("/")), new)?;
        let target = folder.join(name);
        if link == Link::Replace || new.contains(&folder) {
            return Ok(target);
        }
        match host.symlink_metadata(&target) {
            Ok(found) if found.kind == FileKind::Symlink => {
                path = folder.join(host.read_link(&target)?);
            }
            Ok(_) => return Ok(target),
            Err(error) if error.kind == HostErrorKind::NotFound => return Ok(target),
            Err(error) => return Err(error),
        }
    }
    let detail = "too many levels of symbolic links".to_owned();
    Err(HostError {
        operation: "resolve",
        path,
        kind: HostErrorKind::Other,
        detail,
    })
}

fn resolve_folder(
    host: &dyn HostRead,
    folder: &Path,
    new: &[PathBuf],
) -> Result<PathBuf, HostError> {
    match (
        host.canonicalize(folder),
        folder.file_name(),
        folder.parent(),
    ) {
        (Ok(real), _, _) => Ok(real),
        (Err(error), Some(name), Some(parent)) if error.kind == HostErrorKind::NotFound => {
            let real = resolve_folder(host, parent, new)?.join(name);
            if new.contains(&real) {
                Ok(real)
            } else {
                Err(error)
            }
        }
        (Err(error), _, _) => Err(error),
    }
}

/// Hex SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A refusal because of what is there.
pub fn wrong_kind(path: &Path, detail: &str) -> HostError {
    HostError {
        operation: "change",
        path: path.to_path_buf(),
        kind: HostErrorKind::WrongKind,
        detail: detail.to_owned(),
    }
}
