//! The local machine, or a folder that is another machine's `/` (`--root`), as a host.
//!
//! Paths are the host's; below a root every link is resolved inside it. The files' effects are in
//! `files`, the question before them in `replaceable`, the lock in `lock`.

mod attributes;
mod failure;
mod files;
mod lock;
mod processes;
mod replaceable;
mod root_path;
pub mod services;

use failure::{failed, failed_with, refused};
use jiff::Timestamp;
use kubepki_engine::ports::{
    FileAttributes, FileMetadata, HostError, HostErrorKind, HostLock, HostRead, HostWrite, Process,
};
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use root_path::LastLink;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// This machine, or a folder that stands for another one's `/`.
#[derive(Clone, Debug)]
pub struct LocalHost {
    root: Option<PathBuf>,
}

impl LocalHost {
    /// The machine that this program runs on.
    pub fn live() -> Self {
        Self { root: None }
    }

    /// The host whose `/` is `folder`: a mounted disk, or a tree made for a test. Its processes,
    /// services and endpoints cannot be asked.
    pub fn at_root(folder: &Path) -> Result<Self, HostError> {
        let root =
            std::fs::canonicalize(folder).map_err(|error| failed("use as root", folder, &error))?;
        if !root.is_dir() {
            let detail = "it is not a folder";
            return Err(refused(
                "use as root",
                folder,
                HostErrorKind::WrongKind,
                detail,
            ));
        }
        Ok(Self { root: Some(root) })
    }

    /// The folder that stands for `/`, if any.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    fn real(
        &self,
        operation: &'static str,
        path: &Path,
        last: LastLink,
    ) -> Result<PathBuf, HostError> {
        match &self.root {
            None => Ok(path.to_path_buf()),
            Some(root) => root_path::resolve(root, path, last)
                .map_err(|error| failed(operation, path, &error)),
        }
    }

    /// Where the last component is changed itself, never what it points to.
    fn name(&self, operation: &'static str, path: &Path) -> Result<PathBuf, HostError> {
        if !matches!(path.components().next_back(), Some(Component::Normal(_))) {
            let detail = "the path does not end in a name";
            return Err(refused(operation, path, HostErrorKind::WrongKind, detail));
        }
        self.real(operation, path, LastLink::Keep)
    }

    fn open_regular(&self, path: &Path) -> Result<(File, fs::Stat), HostError> {
        let real = self.real("read", path, LastLink::Follow)?;
        // A path below a root is resolved already; a link now would lead outside.
        let no_follow = if self.root.is_some() {
            OFlags::NOFOLLOW
        } else {
            OFlags::empty()
        };
        // NONBLOCK: a pipe must be refused, not waited for.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = fs::open(&real, flags | no_follow, Mode::empty())
            .map_err(|error| failed_with("read", path, error))?;
        let stat = fs::fstat(&file).map_err(|error| failed_with("read", path, error))?;
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return Ok((file.into(), stat)),
            FileType::Directory => "it is a folder",
            FileType::Fifo => "it is a pipe",
            FileType::Socket => "it is a socket",
            _ => "it is not a regular file",
        };
        Err(refused("read", path, HostErrorKind::WrongKind, what))
    }

    fn metadata_of(&self, path: &Path, last: LastLink) -> Result<FileMetadata, HostError> {
        let operation = "look at";
        let real = self.real(operation, path, last)?;
        let flags = match last {
            LastLink::Follow if self.root.is_none() => AtFlags::empty(),
            _ => AtFlags::SYMLINK_NOFOLLOW,
        };
        let stat = fs::statat(fs::CWD, &real, flags)
            .map_err(|error| failed_with(operation, path, error))?;
        let xattrs = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory => attributes::xattrs_of_path(&real)
                .map_err(|error| failed_with(operation, path, error))?,
            _ => Vec::new(),
        };
        attributes::metadata(&stat, xattrs).map_err(|error| failed(operation, path, &error))
    }
}

impl HostRead for LocalHost {
    fn hostname(&self) -> Result<String, HostError> {
        if self.root.is_none() {
            let system = rustix::system::uname();
            return Ok(system.nodename().to_string_lossy().into_owned());
        }
        let path = Path::new("/etc/hostname");
        let contents = self.read(path, 4096)?;
        let text = String::from_utf8_lossy(open(&contents)).into_owned();
        let name = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'));
        name.map(str::to_owned)
            .ok_or_else(|| refused("read", path, HostErrorKind::Other, "it holds no host name"))
    }

    fn is_live(&self) -> bool {
        self.root.is_none()
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Sealed, HostError> {
        let (file, stat) = self.open_regular(path)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let too_large = |size: u64| {
            let detail = format!("it has {size} bytes or more; the limit is {limit}");
            refused("read", path, HostErrorKind::TooLarge, detail)
        };
        if size > limit {
            return Err(too_large(size));
        }
        // Room for everything at once: a buffer that grows leaves unwiped copies of a key behind.
        let mut contents = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
        let read = file
            .take(limit.saturating_add(1))
            .read_to_end(&mut contents);
        let contents = Sealed::new(contents);
        read.map_err(|error| failed("read", path, &error))?;
        let read = u64::try_from(contents.len()).unwrap_or(u64::MAX);
        if read > limit {
            Err(too_large(read))
        } else {
            Ok(contents)
        }
    }

    fn read_end(&self, path: &Path, length: u64) -> Result<Sealed, HostError> {
        let (mut file, stat) = self.open_regular(path)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut contents = Vec::with_capacity(usize::try_from(size.min(length)).unwrap_or(0) + 1);
        let read = file
            .seek(SeekFrom::Start(size.saturating_sub(length)))
            .and_then(|_| file.take(length).read_to_end(&mut contents));
        let contents = Sealed::new(contents);
        read.map_err(|error| failed("read", path, &error))?;
        Ok(contents)
    }

    fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.metadata_of(path, LastLink::Follow)
    }

    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.metadata_of(path, LastLink::Keep)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        let real = self.real("read the link", path, LastLink::Keep)?;
        std::fs::read_link(real).map_err(|error| failed("read the link", path, &error))
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError> {
        let found = match &self.root {
            None => std::fs::canonicalize(path),
            Some(root) => root_path::resolve(root, path, LastLink::Follow).and_then(|real| {
                std::fs::symlink_metadata(&real)?;
                Ok(root_path::as_host_names_it(root, &real))
            }),
        };
        found.map_err(|error| failed("resolve", path, &error))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, HostError> {
        let real = self.real("list", directory, LastLink::Follow)?;
        let listed = || -> std::io::Result<Vec<String>> {
            std::fs::read_dir(real)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        let mut names = listed().map_err(|error| failed("list", directory, &error))?;
        names.sort_unstable();
        Ok(names)
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        if self.is_live() {
            processes::processes(Path::new("/proc"))
        } else {
            Ok(Vec::new())
        }
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<String>, HostError> {
        match self.name("read", path) {
            Ok(real) => lock::holder(&real, path),
            Err(error) if error.kind == HostErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl HostWrite for LocalHost {
    fn create(
        &self,
        path: &Path,
        contents: &Sealed,
        attributes: &FileAttributes,
    ) -> Result<(), HostError> {
        files::create(
            &self.name("create", path)?,
            path,
            open(contents),
            attributes,
        )
    }

    fn check_replace(&self, staging: &Path, path: &Path) -> Result<(), HostError> {
        let staging_real = self.real("write to", staging, LastLink::Follow)?;
        let target_real = self.name("replace", path)?;
        replaceable::check((&staging_real, staging), (&target_real, path))
    }

    fn symlink(&self, target: &Path, path: &Path) -> Result<(), HostError> {
        files::symlink(target, &self.name("create", path)?, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        let (from_real, to_real) = (self.name("rename", from)?, self.name("replace", to)?);
        files::rename((&from_real, from), (&to_real, to))
    }

    fn remove(&self, path: &Path) -> Result<(), HostError> {
        match self.name("remove", path) {
            Ok(real) => files::remove(&real, path),
            Err(error) if error.kind == HostErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn overwrite(&self, path: &Path) -> Result<(), HostError> {
        files::overwrite(&self.name("overwrite", path)?, path)
    }

    fn create_directory(&self, path: &Path, mode: u32) -> Result<(), HostError> {
        let mut folder = PathBuf::from("/");
        for component in path.components() {
            if let Component::Prefix(_) | Component::RootDir | Component::CurDir = component {
                continue;
            }
            folder.push(component);
            if component == Component::ParentDir {
                continue;
            }
            let real = self.real("create", &folder, LastLink::Follow)?;
            files::create_folder(&real, &folder, mode)?;
        }
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<(), HostError> {
        match self.name("remove", path) {
            Ok(real) => files::remove_folder(&real, path),
            Err(error) if error.kind == HostErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn append(&self, path: &Path, contents: &[u8]) -> Result<(), HostError> {
        files::append(&self.name("append to", path)?, path, contents)
    }

    fn set_modified(&self, path: &Path, modified: Timestamp) -> Result<(), HostError> {
        let operation = "set the modification time of";
        files::set_modified(&self.name(operation, path)?, path, modified)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn HostLock>, HostError> {
        lock::take(&self.name("lock", path)?, path, holder)
    }

    fn identity(&self) -> (u32, u32) {
        (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        )
    }
}
