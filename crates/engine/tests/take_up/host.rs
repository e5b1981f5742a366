//! The world's files and processes, behind the engine's ports.

use crate::world::{File, State, World};
use jiff::Timestamp;
use kubepki_engine::ports::*;
use kubepki_sealed::{Sealed, danger};
use std::path::{Path, PathBuf};

fn refused(operation: &'static str, path: &Path, kind: HostErrorKind) -> HostError {
    HostError {
        operation,
        path: path.to_owned(),
        kind,
        detail: format!("{kind:?}"),
    }
}

impl HostRead for World {
    fn hostname(&self) -> Result<String, HostError> {
        Ok("cp1".to_owned())
    }

    fn is_live(&self) -> bool {
        self.state().is_live
    }

    fn read(&self, path: &Path, _: u64) -> Result<Sealed, HostError> {
        let state = self.state();
        let file = state
            .files
            .get(path)
            .ok_or_else(|| refused("read", path, HostErrorKind::NotFound))?;
        Ok(Sealed::new(file.contents.clone()))
    }

    fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        let state = self.state();
        let file = state
            .files
            .get(path)
            .ok_or_else(|| refused("stat", path, HostErrorKind::NotFound))?;
        Ok(FileMetadata {
            kind: FileKind::Regular,
            attributes: file.attributes.clone(),
            len: file.contents.len() as u64,
            modified: file.modified,
            changed: file.modified,
        })
    }

    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.metadata(path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        Err(refused("read", path, HostErrorKind::WrongKind))
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError> {
        let state = self.state();
        match state.files.keys().any(|file| file.starts_with(path)) {
            true => Ok(path.to_owned()),
            false => Err(refused("resolve", path, HostErrorKind::NotFound)),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, HostError> {
        let state = self.state();
        let below = state
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(directory).ok());
        let mut names: Vec<String> = below
            .filter_map(|rest| {
                Some(
                    rest.components()
                        .next()?
                        .as_os_str()
                        .to_string_lossy()
                        .into(),
                )
            })
            .collect();
        names.dedup();
        Ok(names)
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        Ok(self
            .state()
            .processes
            .iter()
            .map(|running| running.process.clone())
            .collect())
    }

    fn lock_holder(&self, _: &Path) -> Result<Option<String>, HostError> {
        Ok(None)
    }
}

impl State {
    /// One effect on files in these folders.
    fn change(
        &mut self,
        operation: &'static str,
        paths: &[&Path],
        text: String,
    ) -> Result<(), HostError> {
        for path in paths {
            if path
                .parent()
                .is_some_and(|folder| self.read_only.contains(folder))
            {
                return Err(refused(operation, path, HostErrorKind::ReadOnlyFilesystem));
            }
        }
        self.effect(text)
            .map_err(|kind| refused(operation, paths[0], kind))
    }
}

impl HostWrite for World {
    fn create(
        &self,
        path: &Path,
        contents: &Sealed,
        attributes: &FileAttributes,
    ) -> Result<(), HostError> {
        let mut state = self.state();
        assert!(
            !state.files.contains_key(path),
            "{} exists already",
            path.display()
        );
        state.change("create", &[path], format!("create {}", path.display()))?;
        let modified = state.now;
        let contents = danger::open(contents).to_vec();
        state.files.insert(
            path.to_owned(),
            File {
                contents,
                attributes: attributes.clone(),
                modified,
            },
        );
        Ok(())
    }

    fn check_replace(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        Ok(())
    }

    fn symlink(&self, _: &Path, path: &Path) -> Result<(), HostError> {
        Err(refused("link", path, HostErrorKind::Other))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        let mut state = self.state();
        let own = |path: &Path| {
            path.parent()
                .filter(|folder| state.own_devices.contains(*folder))
                .map(Path::to_owned)
        };
        if own(from) != own(to) {
            return Err(refused("rename", to, HostErrorKind::CrossesDevices));
        }
        if !state.files.contains_key(from) {
            return Err(refused("rename", from, HostErrorKind::NotFound));
        }
        state.change(
            "rename",
            &[from, to],
            format!("rename {} {}", from.display(), to.display()),
        )?;
        let file = state.files.remove(from).unwrap();
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), HostError> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            state.change("remove", &[path], format!("remove {}", path.display()))?;
            state.files.remove(path);
        }
        Ok(())
    }

    fn overwrite(&self, path: &Path) -> Result<(), HostError> {
        Err(refused("overwrite", path, HostErrorKind::Other))
    }

    /// Folders are there when something is in them.
    fn create_directory(&self, _: &Path, _: u32) -> Result<(), HostError> {
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<(), HostError> {
        Err(refused("remove", path, HostErrorKind::Other))
    }

    fn append(&self, path: &Path, contents: &[u8]) -> Result<(), HostError> {
        let mut state = self.state();
        state.change("append to", &[path], format!("append {}", path.display()))?;
        let before = state.files.get(path).map(|file| file.contents.clone());
        let contents = [before.unwrap_or_default(), contents.to_vec()].concat();
        state.write(path, &contents);
        Ok(())
    }

    fn set_modified(&self, path: &Path, _: Timestamp) -> Result<(), HostError> {
        Err(refused("set the time of", path, HostErrorKind::Other))
    }

    fn lock(&self, path: &Path, _: &str) -> Result<Box<dyn HostLock>, HostError> {
        Err(refused("lock", path, HostErrorKind::Other))
    }

    fn identity(&self) -> (u32, u32) {
        (0, 0)
    }
}
