//! A host whose changes are counted and may be the last.

use super::Faults;
use crate::ports::{
    FileAttributes, FileMetadata, HostError, HostErrorKind, HostLock, HostRead, HostWrite, Process,
};
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Passes everything on to another host; reading is free, changing is counted.
pub struct FaultingHost<H> {
    inner: H,
    faults: Arc<Faults>,
}

impl<H> FaultingHost<H> {
    /// Decorates a host.
    pub fn new(inner: H, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }

    fn effect<T>(
        &self,
        operation: &'static str,
        path: &Path,
        torn: Option<&dyn Fn() -> Result<T, HostError>>,
        whole: &dyn Fn() -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let refusal = || HostError {
            operation,
            path: path.to_path_buf(),
            kind: HostErrorKind::Other,
            detail: "a fault was injected".to_owned(),
        };
        self.faults
            .effect(operation, &path.display(), torn, whole, &refusal)
    }
}

fn half(contents: &[u8]) -> &[u8] {
    contents.get(..contents.len() / 2).unwrap_or_default()
}

impl<H: HostRead> HostRead for FaultingHost<H> {
    fn hostname(&self) -> Result<String, HostError> {
        self.inner.hostname()
    }

    fn is_live(&self) -> bool {
        self.inner.is_live()
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Sealed, HostError> {
        self.inner.read(path, limit)
    }

    fn read_end(&self, path: &Path, length: u64) -> Result<Sealed, HostError> {
        self.inner.read_end(path, length)
    }

    fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.inner.metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.inner.symlink_metadata(path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.inner.read_link(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.inner.canonicalize(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, HostError> {
        self.inner.list(directory)
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        self.inner.processes()
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<String>, HostError> {
        self.inner.lock_holder(path)
    }
}

impl<H: HostWrite> HostWrite for FaultingHost<H> {
    fn create(
        &self,
        path: &Path,
        contents: &Sealed,
        attributes: &FileAttributes,
    ) -> Result<(), HostError> {
        // A crash half-way leaves a file that has not been given its owner and mode yet.
        let (uid, gid) = self.inner.identity();
        let early = FileAttributes {
            mode: 0o600,
            uid,
            gid,
            xattrs: Vec::new(),
        };
        let torn = || {
            let contents = Sealed::new(half(open(contents)).to_vec());
            self.inner.create(path, &contents, &early)
        };
        self.effect("create", path, Some(&torn), &|| {
            self.inner.create(path, contents, attributes)
        })
    }

    fn check_replace(&self, staging: &Path, path: &Path) -> Result<(), HostError> {
        self.inner.check_replace(staging, path)
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<(), HostError> {
        self.effect("symlink", path, None, &|| self.inner.symlink(target, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        self.effect("rename", to, None, &|| self.inner.rename(from, to))
    }

    fn remove(&self, path: &Path) -> Result<(), HostError> {
        self.effect("remove", path, None, &|| self.inner.remove(path))
    }

    fn overwrite(&self, path: &Path) -> Result<(), HostError> {
        self.effect("overwrite", path, None, &|| self.inner.overwrite(path))
    }

    fn create_directory(&self, path: &Path, mode: u32) -> Result<(), HostError> {
        self.effect("create-directory", path, None, &|| {
            self.inner.create_directory(path, mode)
        })
    }

    fn remove_directory(&self, path: &Path) -> Result<(), HostError> {
        self.effect("remove-directory", path, None, &|| {
            self.inner.remove_directory(path)
        })
    }

    fn append(&self, path: &Path, contents: &[u8]) -> Result<(), HostError> {
        let torn = || self.inner.append(path, half(contents));
        self.effect("append", path, Some(&torn), &|| {
            self.inner.append(path, contents)
        })
    }

    fn set_modified(&self, path: &Path, modified: Timestamp) -> Result<(), HostError> {
        self.effect("set-modified", path, None, &|| {
            self.inner.set_modified(path, modified)
        })
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn HostLock>, HostError> {
        self.effect("lock", path, None, &|| self.inner.lock(path, holder))
    }

    fn identity(&self) -> (u32, u32) {
        self.inner.identity()
    }
}
