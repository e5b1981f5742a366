//! From changes to a batch: which name each one really changes, what is there, where the new file is
//! staged, and whether all of it can work. Reading only; `transaction` then does it.

use super::journal::{Batch, Presence, Step};
use super::{ApplyError, Change, RunId};
use crate::ports::{FileAttributes, FileKind, HostError, HostErrorKind, HostRead, HostWrite};
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// As many links as the kernel follows.
const MAX_LINKS: u32 = 40;

/// The largest file that is replaced: its old contents are kept in memory until the commit is done.
pub const FILE_LIMIT: u64 = 64 << 20;

/// The longest file name of the file systems in use.
const NAME_LIMIT: usize = 255;

/// Whether a link at a path is followed to the file that changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Follow,
    Replace,
}

/// What is staged for a step.
pub enum Content {
    /// A file.
    File {
        contents: Sealed,
        attributes: FileAttributes,
        modified: Option<Timestamp>,
    },
    /// A link.
    Link(PathBuf),
    /// Nothing: a removal.
    Nothing,
}

/// A batch ready to be staged.
pub struct Prepared {
    /// As journaled.
    pub batch: Batch,
    /// For each step what is staged.
    pub contents: Vec<Content>,
    /// For each step what would take it back.
    pub previous: Vec<Content>,
    /// Modes of the folders that are created.
    pub directory_modes: Vec<u32>,
}

/// What every batch of a run shares.
pub struct Surroundings<'a> {
    /// The host.
    pub host: &'a dyn HostWrite,
    /// The run.
    pub id: &'a RunId,
    /// Folders that a kubelet watches for static pods, canonical.
    pub static_pod_folders: &'a [PathBuf],
}

impl Surroundings<'_> {
    /// Prepares a batch; nothing is written.
    pub fn prepare(&self, number: u32, changes: Vec<Change>) -> Result<Prepared, ApplyError> {
        let mut prepared = Prepared {
            batch: Batch {
                batch: number,
                reverts: None,
                directories: Vec::new(),
                steps: Vec::new(),
            },
            contents: Vec::new(),
            previous: Vec::new(),
            directory_modes: Vec::new(),
        };
        for change in &changes {
            if let Change::Directory { path, mode } = change {
                self.add_directory(path, *mode, &mut prepared)?;
            }
        }
        let mut taken = BTreeSet::new();
        for change in changes {
            self.add_step(change, &mut taken, &mut prepared)?;
        }
        for path in prepared
            .batch
            .steps
            .iter()
            .flat_map(paths)
            .chain(&prepared.batch.directories)
        {
            if path.to_str().is_none() {
                return Err(ApplyError::PathNotText { path: path.clone() });
            }
        }
        Ok(prepared)
    }

    fn add_directory(
        &self,
        path: &Path,
        mode: u32,
        prepared: &mut Prepared,
    ) -> Result<(), ApplyError> {
        let mut missing = Vec::new();
        let mut folder = path;
        loop {
            match self.host.metadata(folder) {
                Ok(found) if found.kind == FileKind::Directory => break,
                Ok(_) => return Err(wrong_kind(folder, "a folder belongs there").into()),
                Err(error) if error.kind == HostErrorKind::NotFound => {
                    let (Some(name), Some(parent)) = (folder.file_name(), folder.parent()) else {
                        return Err(error.into());
                    };
                    missing.push(name.to_owned());
                    folder = parent;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut real = self.host.canonicalize(folder)?;
        for name in missing.into_iter().rev() {
            if !prepared.batch.directories.contains(&real) {
                self.host.check_replace(&real, &real.join(&name))?;
            }
            real.push(name);
            if !prepared.batch.directories.contains(&real) {
                prepared.batch.directories.push(real.clone());
                prepared.directory_modes.push(mode);
            }
        }
        Ok(())
    }

    fn add_step(
        &self,
        change: Change,
        taken: &mut BTreeSet<PathBuf>,
        prepared: &mut Prepared,
    ) -> Result<(), ApplyError> {
        let (path, content, after, link) = match change {
            Change::Directory { .. } => return Ok(()),
            Change::Write {
                path,
                contents,
                attributes,
            } => {
                let after = Presence::Regular(sha256(open(&contents)));
                let content = Content::File {
                    contents,
                    attributes,
                    modified: None,
                };
                (path, content, after, Link::Follow)
            }
            Change::Replace {
                path,
                contents,
                attributes,
                modified,
            } => {
                let after = Presence::Regular(sha256(open(&contents)));
                let modified = Some(modified);
                (
                    path,
                    Content::File {
                        contents,
                        attributes,
                        modified,
                    },
                    after,
                    Link::Replace,
                )
            }
            Change::Symlink { path, target } => {
                let after = Presence::Symlink(target.clone());
                (path, Content::Link(target), after, Link::Replace)
            }
            Change::Remove { path } => (path, Content::Nothing, Presence::Absent, Link::Replace),
        };
        let new = &prepared.batch.directories;
        let target = resolve(self.host, &path, link, new)?;
        let earlier = prepared
            .batch
            .steps
            .iter()
            .find(|step| step.target == target);
        if let Some(earlier) = earlier {
            let first = earlier.path.clone();
            return Err(ApplyError::DuplicateTarget {
                first,
                second: path,
                target,
            });
        }
        let folder = target.parent().unwrap_or(Path::new("/"));
        let staging = self.staging_folder(folder);
        if !new.iter().any(|new| new == folder) {
            self.host.check_replace(staging, &target)?;
        }
        let (before, previous) = look(self.host, &target)?;
        let staged = match content {
            Content::Nothing => None,
            _ => Some(self.staged_name(staging, &target, prepared.batch.batch, taken)),
        };
        prepared.batch.steps.push(Step {
            path,
            target,
            staged,
            before,
            after,
        });
        prepared.contents.push(content);
        prepared.previous.push(previous);
        Ok(())
    }

    /// The batch that takes `batch` back, for those of its steps that are done.
    pub fn prepare_revert(
        &self,
        number: u32,
        batch: &Batch,
        previous: Vec<Content>,
    ) -> Result<Prepared, ApplyError> {
        let mut taken = BTreeSet::new();
        let mut steps = Vec::new();
        let mut contents = Vec::new();
        for (step, previous) in batch.steps.iter().zip(previous).rev() {
            if observe(self.host, &step.target)? != step.after {
                continue;
            }
            let staging = self.staging_folder(step.target.parent().unwrap_or(Path::new("/")));
            let staged = match previous {
                Content::Nothing => None,
                _ => Some(self.staged_name(staging, &step.target, number, &mut taken)),
            };
            let (before, after) = (step.after.clone(), step.before.clone());
            let (path, target) = (step.path.clone(), step.target.clone());
            steps.push(Step {
                path,
                target,
                staged,
                before,
                after,
            });
            contents.push(previous);
        }
        let batch = Batch {
            batch: number,
            reverts: Some(batch.batch),
            directories: Vec::new(),
            steps,
        };
        Ok(Prepared {
            batch,
            contents,
            previous: Vec::new(),
            directory_modes: Vec::new(),
        })
    }

    /// Beside the target, except in a folder that a kubelet watches: there one level up.
    fn staging_folder<'p>(&self, folder: &'p Path) -> &'p Path {
        let mut staging = folder;
        while self
            .static_pod_folders
            .iter()
            .any(|watched| watched == staging)
        {
            match staging.parent() {
                Some(parent) => staging = parent,
                None => break,
            }
        }
        staging
    }

    fn staged_name(
        &self,
        folder: &Path,
        target: &Path,
        batch: u32,
        taken: &mut BTreeSet<PathBuf>,
    ) -> PathBuf {
        let mut ending = format!(".kubepki-{}", self.id);
        if batch > 1 {
            ending.push_str(&format!("-{batch}"));
        }
        let name = target.file_name().unwrap_or_default();
        let mut count = 1_u32;
        loop {
            let distinct = if count == 1 {
                ending.clone()
            } else {
                format!("{ending}-{count}")
            };
            let mut staged = OsString::from(".");
            if name.len() + 1 + distinct.len() > NAME_LIMIT {
                staged.push(sha256(name.as_encoded_bytes()));
            } else {
                staged.push(name);
            }
            staged.push(distinct);
            let staged = folder.join(staged);
            if taken.insert(staged.clone()) {
                return staged;
            }
            count += 1;
        }
    }
}

/// What is at a path, for telling old from new.
pub fn observe(host: &dyn HostRead, path: &Path) -> Result<Presence, HostError> {
    look(host, path).map(|(presence, _)| presence)
}

/// What is at a path, and what would put it back.
fn look(host: &dyn HostRead, path: &Path) -> Result<(Presence, Content), HostError> {
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
fn resolve(
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

fn paths(step: &Step) -> impl Iterator<Item = &PathBuf> {
    let link = match &step.after {
        Presence::Symlink(target) => Some(target),
        _ => None,
    };
    [&step.path, &step.target]
        .into_iter()
        .chain(&step.staged)
        .chain(link)
}

fn wrong_kind(path: &Path, detail: &str) -> HostError {
    HostError {
        operation: "change",
        path: path.to_path_buf(),
        kind: HostErrorKind::WrongKind,
        detail: detail.to_owned(),
    }
}
