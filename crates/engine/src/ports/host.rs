//! One host's files and processes.
//!
//! Paths are absolute paths *of the host*; an adapter that serves a mounted disk (`--root`) maps
//! them below its folder, symbolic links included, and never leaves it.

use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::path::{Path, PathBuf};

/// Largest file that belongs to a PKI; anything above is somebody's mistake.
pub const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What kind of file a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Directory,
    /// A regular file.
    Regular,
    /// A symbolic link.
    Symlink,
    /// A socket, device or pipe.
    Other,
}

/// Owner, mode, times and extended attributes: what a replacement must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAttributes {
    /// Permission bits, e.g. `0o600`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes that a process may set (`security.selinux`, `user.*`), by name.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// What the file system says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// The kind of file.
    pub kind: FileKind,
    /// Owner, mode and extended attributes.
    pub attributes: FileAttributes,
    /// Size in bytes.
    pub len: u64,
    /// Time of the last change of the contents.
    pub modified: Timestamp,
    /// Time of the last change of the file itself: written, renamed onto, owner or mode set
    /// (`st_ctime`; nobody can set it back).
    pub changed: Timestamp,
}

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id, as the host sees it.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Its arguments, the executable first.
    pub argv: Vec<String>,
    /// Whether it runs in the same mount namespace as this program (a container's does not).
    pub in_host_namespace: bool,
    /// The systemd unit whose control group holds it, e.g. `kubelet.service`.
    pub unit: Option<String>,
}

/// Why a host refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostErrorKind {
    /// The path does not exist.
    NotFound,
    /// EACCES or EPERM.
    PermissionDenied,
    /// EROFS.
    ReadOnlyFilesystem,
    /// ENOSPC or EDQUOT.
    NoSpace,
    /// A directory where a file belongs, or a file where a directory belongs.
    WrongKind,
    /// The path exists already.
    AlreadyExists,
    /// The file is larger than the reader accepts.
    TooLarge,
    /// Source and target of a rename lie on different file systems.
    CrossesDevices,
    /// Another run holds the lock; the detail names it.
    Locked,
    /// Anything else; the detail says what.
    Other,
}

/// An operation on a host that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {detail}", path.display())]
pub struct HostError {
    /// What was attempted, e.g. `read`.
    pub operation: &'static str,
    /// The path, as the host names it.
    pub path: PathBuf,
    /// The kind of refusal.
    pub kind: HostErrorKind,
    /// The operating system's words, or the lock's holder.
    pub detail: String,
}

/// Reading a host.
pub trait HostRead: Send + Sync {
    /// The host's own name (`/etc/hostname`, or the kernel's for the live host).
    fn hostname(&self) -> Result<String, HostError>;

    /// Whether processes, services and endpoints of this tree can be asked; false for `--root`.
    fn is_live(&self) -> bool;

    /// The whole contents of a regular file, following links; files above `limit` bytes are refused.
    fn read(&self, path: &Path, limit: u64) -> Result<Sealed, HostError>;

    /// The last bytes of a regular file, no more than `length`, following links.
    fn read_end(&self, path: &Path, length: u64) -> Result<Sealed, HostError> {
        let whole = self.read(path, u64::MAX)?;
        let bytes = open(&whole);
        let start = usize::try_from(length).map_or(0, |length| bytes.len().saturating_sub(length));
        Ok(Sealed::new(bytes.get(start..).unwrap_or_default().to_vec()))
    }

    /// Metadata of the path, links followed.
    fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError>;

    /// Metadata of the path itself, links not followed.
    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError>;

    /// Where a symbolic link points, as written in it.
    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError>;

    /// The path with every link resolved; it must exist.
    fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError>;

    /// Names in a folder, sorted.
    fn list(&self, directory: &Path) -> Result<Vec<String>, HostError>;

    /// Every process whose arguments can be read; empty when the host is not live.
    fn processes(&self) -> Result<Vec<Process>, HostError>;

    /// Who holds the lock on a file at this moment, as they wrote into it; `None` when nobody does.
    fn lock_holder(&self, path: &Path) -> Result<Option<String>, HostError>;
}

/// Holds a lock until dropped.
pub trait HostLock: Send {}

/// Changing a host. Each method is one effect: a crash falls between two of them or inside one,
/// never half-way through something larger.
pub trait HostWrite: HostRead {
    /// Creates a new file, 0600 before its first byte, then gives it `attributes` and syncs it.
    /// Refused when the path exists.
    fn create(
        &self,
        path: &Path,
        contents: &Sealed,
        attributes: &FileAttributes,
    ) -> Result<(), HostError>;

    /// Whether a file staged in `staging` (a folder) could be renamed onto `path`, as far as can be
    /// told without trying: both folders writable and on one mount, nothing immutable, no folder
    /// and no mount point in the way. Changes nothing.
    fn check_replace(&self, staging: &Path, path: &Path) -> Result<(), HostError>;

    /// Creates a new symbolic link. Refused when the path exists.
    fn symlink(&self, target: &Path, path: &Path) -> Result<(), HostError>;

    /// Renames within one file system, replacing what is there, and syncs both folders.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), HostError>;

    /// Removes a file or link and syncs its folder. A missing path is not an error.
    fn remove(&self, path: &Path) -> Result<(), HostError>;

    /// Writes other bytes over every byte of a regular file, and syncs it: what comes before the
    /// removal of a secret. Below it a journal, a snapshot or a flash disk may keep the old ones.
    fn overwrite(&self, path: &Path) -> Result<(), HostError>;

    /// Creates a folder and its missing parents with `mode`. An existing one is not an error.
    fn create_directory(&self, path: &Path, mode: u32) -> Result<(), HostError>;

    /// Removes an empty folder and syncs its parent. A missing one is not an error.
    fn remove_directory(&self, path: &Path) -> Result<(), HostError>;

    /// Appends to a 0600 file, creating it when missing, and syncs it: the journal's line.
    fn append(&self, path: &Path, contents: &[u8]) -> Result<(), HostError>;

    /// Sets the modification time of a file (restore brings the old one back).
    fn set_modified(&self, path: &Path, modified: Timestamp) -> Result<(), HostError>;

    /// Takes an exclusive lock on a file, created when missing; `holder` is written into it. When
    /// another run holds it the error is [`HostErrorKind::Locked`] and its detail names the holder.
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn HostLock>, HostError>;

    /// Owner and group that this program writes files as: (uid, gid).
    fn identity(&self) -> (u32, u32);
}
