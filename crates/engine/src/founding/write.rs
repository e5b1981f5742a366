//! Writing what was made: all of it or nothing.
//!
//! Every file is new, so there is nothing to lose and no journal: what fails is answered by removing
//! what this run created, and only that. A run that is killed in these few milliseconds leaves files
//! that the next one names instead of overwriting.

use super::error::FoundingError;
use super::mint::NewFile;
use crate::ports::{FileAttributes, HostError, HostErrorKind, HostWrite};
use std::path::{Path, PathBuf};

/// As kubeadm makes folders.
const FOLDER_MODE: u32 = 0o755;

/// Writes every file; none of them may exist.
pub fn write(host: &dyn HostWrite, files: &[NewFile]) -> Result<(), FoundingError> {
    let mut written = Written {
        host,
        folders: Vec::new(),
        files: Vec::new(),
    };
    match written.all(files) {
        Ok(()) => Ok(()),
        Err(source) => match written.take_back() {
            left if left.is_empty() => Err(source.into()),
            left => Err(FoundingError::HalfDone { source, left }),
        },
    }
}

struct Written<'a> {
    host: &'a dyn HostWrite,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Written<'_> {
    fn all(&mut self, files: &[NewFile]) -> Result<(), HostError> {
        let (uid, gid) = self.host.identity();
        for file in files {
            let path = &file.made.path;
            if let Some(folder) = path.parent() {
                self.folder(folder)?;
            }
            let attributes = FileAttributes {
                mode: file.mode,
                uid,
                gid,
                xattrs: Vec::new(),
            };
            self.host.create(path, &file.contents, &attributes)?;
            self.files.push(path.clone());
        }
        Ok(())
    }

    /// Creates a folder and those above it one by one, so that each is known to be ours.
    fn folder(&mut self, folder: &Path) -> Result<(), HostError> {
        match self.host.metadata(folder) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind == HostErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if let Some(above) = folder.parent() {
            self.folder(above)?;
        }
        self.host.create_directory(folder, FOLDER_MODE)?;
        self.folders.push(folder.to_path_buf());
        Ok(())
    }

    /// Removes what was created and answers what could not be removed.
    fn take_back(&mut self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for path in self.files.drain(..).rev() {
            if self.host.remove(&path).is_err() {
                left.push(path);
            }
        }
        for folder in self.folders.drain(..).rev() {
            // Somebody else may have put a file there meanwhile; then it is no longer only ours.
            let is_empty = self.host.list(&folder).is_ok_and(|names| names.is_empty());
            if is_empty && self.host.remove_directory(&folder).is_err() {
                left.push(folder);
            }
        }
        left
    }
}
