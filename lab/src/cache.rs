//! Where everything that can be made again is kept: `$KUBEPKI_CACHE`, else `~/.cache/kubepki`.
//!
//! What was made is stamped with a digest of all that it was made from, so a changed recipe, package
//! list or Kubernetes version makes it anew, and an interrupted run is never taken for a finished one.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The folder of everything that the developer commands keep between runs.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds the cache after the environment, and makes the folder.
    pub fn open() -> Result<Self> {
        let root = match std::env::var_os("KUBEPKI_CACHE") {
            Some(folder) => PathBuf::from(folder),
            None => {
                let home = std::env::var_os("HOME")
                    .context("neither KUBEPKI_CACHE nor HOME says where to keep the cache")?;
                Path::new(&home).join(".cache/kubepki")
            }
        };
        Self::at(&root)
    }

    /// Takes `root` for the cache.
    pub fn at(root: &Path) -> Result<Self> {
        fs_err::create_dir_all(root)?;
        Ok(Cache {
            root: fs_err::canonicalize(root)?,
        })
    }

    /// A path in the cache.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder of programs: Kubernetes, etcd and etcdctl. It serves as `KUBEBUILDER_ASSETS`.
    pub fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// A folder that `make` fills, unless it stands there finished already. The folder's name ends
    /// in the stamp; folders with other stamps stay until [`Cache::prune`].
    pub fn folder(
        &self,
        name: &str,
        stamp: &Stamp,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let finished = self.path(&format!("{name}-{}", stamp.text()));
        if finished.is_dir() {
            return Ok(finished);
        }
        let unfinished = self.path(&format!("{name}-{}.unfinished", stamp.text()));
        remove_tree(&unfinished)?;
        fs_err::create_dir_all(&unfinished)?;
        make(&unfinished)?;
        fs_err::rename(&unfinished, &finished)?;
        Ok(finished)
    }

    /// Removes the folders `name-*` other than `keep`, except those that a mount still uses.
    pub fn prune(&self, name: &str, keep: &Path) -> Result<()> {
        let mounts = fs_err::read_to_string("/proc/self/mountinfo")?;
        for entry in fs_err::read_dir(&self.root)? {
            let path = entry?.path();
            let known = path
                .file_name()
                .and_then(|file| file.to_str())
                .is_some_and(|file| {
                    file.strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('-'))
                });
            if known && path != keep && !mounts.contains(&path.display().to_string()) {
                remove_tree(&path)?;
            }
        }
        Ok(())
    }

    /// Waits until no other process holds the lock of this name, and holds it until dropped.
    pub fn lock(&self, name: &str) -> Result<Lock> {
        let path = self.path(&format!("{name}.lock"));
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock { _file: file })
    }
}

/// A lock between processes, held until dropped. The kernel drops it with a killed process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// A digest of all that something was made from.
#[derive(Clone, Default)]
pub struct Stamp {
    digest: Sha256,
}

impl Stamp {
    /// Adds text: a recipe, a package list, a file's contents.
    pub fn with(mut self, text: &str) -> Self {
        self.digest.update((text.len() as u64).to_le_bytes());
        self.digest.update(text);
        self
    }

    /// Adds a file by its size and time, which is enough for programs of 100 MB.
    pub fn with_file(self, path: &Path) -> Result<Self> {
        let metadata = fs_err::metadata(path)?;
        let modified = metadata.modified().context("no modification time")?;
        Ok(self.with(&format!(
            "{} {} {modified:?}",
            path.display(),
            metadata.len()
        )))
    }

    /// The first 12 hexadecimal digits.
    pub fn text(&self) -> String {
        hexadecimal(&self.digest.clone().finalize())
            .chars()
            .take(12)
            .collect()
    }
}

/// Lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Removes a folder and all in it; nothing there is fine.
pub fn remove_tree(path: &Path) -> Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str) -> Cache {
        let root =
            std::env::temp_dir().join(format!("kubepki-cache-{name}-{}", std::process::id()));
        Cache::at(&root).unwrap()
    }

    #[test]
    fn a_finished_folder_is_made_once_and_an_unfinished_one_again() {
        let cache = temporary("folder");
        let stamp = Stamp::default().with("recipe");
        cache
            .folder("layer", &stamp, |_| anyhow::bail!("interrupted"))
            .unwrap_err();
        let first = cache
            .folder("layer", &stamp, |folder| {
                Ok(fs_err::write(folder.join("file"), "once")?)
            })
            .unwrap();
        let second = cache
            .folder("layer", &stamp, |_| panic!("made twice"))
            .unwrap();
        assert_eq!(first, second);
        assert_eq!(fs_err::read_to_string(second.join("file")).unwrap(), "once");

        let newer = cache
            .folder("layer", &Stamp::default().with("other"), |_| Ok(()))
            .unwrap();
        cache.prune("layer", &newer).unwrap();
        assert!(newer.is_dir() && !first.is_dir());
        remove_tree(&cache.root).unwrap();
    }

    #[test]
    fn a_stamp_keeps_its_parts_apart() {
        let one = Stamp::default().with("ab").with("c");
        let other = Stamp::default().with("a").with("bc");
        assert_ne!(one.text(), other.text());
        assert_eq!(one.text().len(), 12);
    }
}
