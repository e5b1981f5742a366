//! Copies of a host, so that a prepared one serves hundreds of runs.

use super::tree::Tree;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;
use tempfile::TempDir;

/// A folder that goes with its test, in memory where there is such a place: runs sync every file.
pub fn temporary_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let in_memory = memory.is_dir().then(|| tempfile::tempdir_in(memory).ok());
    in_memory
        .flatten()
        .unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// Copies a folder with modes, owners, times of files, and links.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            copy_folder(&from, &to);
        } else if metadata.is_symlink() {
            symlink(fs::read_link(&from).unwrap(), &to).unwrap();
            own_as(&to, &metadata);
        } else {
            assert!(metadata.is_file(), "{} is no file", from.display());
            fs::copy(&from, &to).unwrap();
            own_as(&to, &metadata);
            let times = FileTimes::new()
                .set_accessed(metadata.accessed().unwrap())
                .set_modified(metadata.modified().unwrap());
            File::open(&to).unwrap().set_times(times).unwrap();
        }
    }
    let metadata = fs::metadata(from).unwrap();
    own_as(to, &metadata);
    let mode = Permissions::from_mode(metadata.permissions().mode());
    fs::set_permissions(to, mode).unwrap();
}

/// Only where it differs: it may need a right that the test lacks.
fn own_as(path: &Path, owner: &fs::Metadata) {
    let found = fs::symlink_metadata(path).unwrap();
    let wanted = (owner.uid(), owner.gid());
    if (found.uid(), found.gid()) != wanted {
        lchown(path, Some(wanted.0), Some(wanted.1)).unwrap();
    }
}

impl Tree {
    /// A copy of this host with a scratch folder of its own.
    pub fn copied(&self) -> Self {
        let copy = Self {
            folder: temporary_folder(),
            now: self.now,
        };
        fs::create_dir_all(copy.scratch()).unwrap();
        copy_folder(&self.root(), &copy.root());
        copy
    }
}
