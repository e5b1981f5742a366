//! Owner, mode and extended attributes of open files.
//!
//! Kept are `security.selinux`, `system.posix_acl_access` and `user.*`; other attributes belong to
//! the kernel or to a file's contents (`security.ima`) and are not ours to copy.

use jiff::Timestamp;
use kubepki_engine::ports::{FileAttributes, FileKind, FileMetadata};
use rustix::fd::AsFd;
use rustix::fs::{self, FileType, Gid, Mode, Stat, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use std::io;
use std::path::Path;

const SELINUX: &str = "security.selinux";

/// Metadata from a `stat` and the attributes read beside it.
pub fn metadata(stat: &Stat, xattrs: Vec<(String, Vec<u8>)>) -> io::Result<FileMetadata> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FileKind::Directory,
        FileType::RegularFile => FileKind::Regular,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    };
    Ok(FileMetadata {
        kind,
        attributes: FileAttributes {
            mode: Mode::from_raw_mode(stat.st_mode).bits() & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            xattrs,
        },
        len: u64::try_from(stat.st_size).unwrap_or(0),
        modified: modified(stat)?,
        changed: changed(stat)?,
    })
}

/// Extended attributes of the file that a path names, links followed.
pub fn xattrs_of_path(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let names = match fs::listxattr_query(path) {
        Ok(0) => return Ok(Vec::new()),
        Ok(size) => {
            let mut names = vec![0_u8; size];
            let read = fs::listxattr(path, &mut names)?;
            names.truncate(read);
            names
        }
        Err(error) if is_unsupported(error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    kept_names(&names)
        .map(|name| {
            let mut value = vec![0_u8; fs::getxattr_query(path, name)?];
            let read = fs::getxattr(path, name, &mut value)?;
            value.truncate(read);
            Ok((name.to_owned(), value))
        })
        .collect()
}

/// Gives an open file owner, mode and extended attributes, in the order that never shows more than
/// is wanted: a change of owner clears set-id bits, an access control list widens the mode.
pub fn give(file: impl AsFd, wanted: &FileAttributes) -> Result<()> {
    let file = file.as_fd();
    let found = fs::fstat(file)?;
    if (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid) {
        let (owner, group) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
        fs::fchown(file, Some(owner), Some(group))?;
    }
    fs::fchmod(file, Mode::from_raw_mode(wanted.mode & 0o7777))?;
    drop_inherited(file, wanted)?;
    for (name, value) in &wanted.xattrs {
        if same(file, name, value) {
            continue;
        }
        match fs::fsetxattr(file, name.as_str(), value, XattrFlags::empty()) {
            Err(error) if !is_unsupported(error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A folder's default access control list must not open a key file that had none.
fn drop_inherited(file: impl AsFd, wanted: &FileAttributes) -> Result<()> {
    let file = file.as_fd();
    let size = match fs::flistxattr_query(file) {
        Ok(size) if size > 0 => size,
        Ok(_) => return Ok(()),
        Err(error) if is_unsupported(error) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut names = vec![0_u8; size];
    let read = fs::flistxattr(file, &mut names)?;
    names.truncate(read);
    for name in kept_names(&names) {
        if name != SELINUX && !wanted.xattrs.iter().any(|(wanted, _)| wanted == name) {
            fs::fremovexattr(file, name)?;
        }
    }
    Ok(())
}

/// An unprivileged user may not set a label again, even to what it is.
fn same(file: impl AsFd, name: &str, value: &[u8]) -> bool {
    let mut found = vec![0_u8; value.len() + 1];
    match fs::fgetxattr(file, name, &mut found) {
        Ok(read) => found.get(..read) == Some(value),
        Err(_) => false,
    }
}

fn kept_names(names: &[u8]) -> impl Iterator<Item = &str> {
    names
        .split(|byte| *byte == 0)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| {
            *name == SELINUX || *name == "system.posix_acl_access" || name.starts_with("user.")
        })
}

fn is_unsupported(error: Errno) -> bool {
    error == Errno::NOTSUP || error == Errno::NOSYS
}

fn modified(stat: &Stat) -> io::Result<Timestamp> {
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Timestamp::new(stat.st_mtime, nanoseconds).map_err(io::Error::other)
}

fn changed(stat: &Stat) -> io::Result<Timestamp> {
    let nanoseconds = i32::try_from(stat.st_ctime_nsec).unwrap_or(0);
    Timestamp::new(stat.st_ctime, nanoseconds).map_err(io::Error::other)
}
