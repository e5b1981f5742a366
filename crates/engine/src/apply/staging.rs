//! From changes to a batch: which name each one really changes, what is there, where the new file is
//! staged, and whether all of it can work. Reading only; `transaction` then does it.

use super::journal::{Batch, Presence, Step};
use super::targets::{Link, look, observe, resolve, sha256, wrong_kind};
use super::{ApplyError, Change, RunId};
use crate::ports::{FileAttributes, FileKind, HostErrorKind, HostWrite};
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The longest file name of the file systems in use.
const NAME_LIMIT: usize = 255;

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
        if before == after && is_there(&content, &previous) {
            return Ok(());
        }
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

/// Whether a change would change nothing: whoever watches the file must then not be woken.
fn is_there(wanted: &Content, found: &Content) -> bool {
    let sorted = |attributes: &FileAttributes| {
        let mut sorted = attributes.clone();
        sorted.xattrs.sort();
        sorted
    };
    match (wanted, found) {
        (
            Content::File {
                attributes,
                modified,
                ..
            },
            Content::File {
                attributes: has,
                modified: was,
                ..
            },
        ) => sorted(attributes) == sorted(has) && (modified.is_none() || modified == was),
        // Links and absences are equal when what is told of them is.
        _ => true,
    }
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
