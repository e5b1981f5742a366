//! One effect on real paths each: create, rename, remove, append, and what is asked before them.
//!
//! An effect is durable when it returns: contents are synced before a name appears, and the folder
//! after it (fsync(2) names both). What fails half-way takes its own half back.

use super::attributes;
use super::failure::{failed, failed_with, refused};
use jiff::Timestamp;
use kubepki_engine::ports::{FileAttributes, HostError, HostErrorKind};
use rustix::fs::{self, AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Everything below takes the real path first and the host's name for it second; errors speak of
/// the host's name.
pub fn create(
    real: &Path,
    path: &Path,
    contents: &[u8],
    wanted: &FileAttributes,
) -> Result<(), HostError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = fs::open(real, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| missing_folder("create", real, path, error))?;
    let mut file = File::from(opened);
    let written = file
        .write_all(contents)
        .map_err(|error| failed("write", path, &error))
        .and_then(|()| give(&file, path, wanted))
        .and_then(|()| {
            file.sync_all()
                .map_err(|error| failed("sync", path, &error))
        })
        .and_then(|()| sync_folder_of(real, path));
    if written.is_err() {
        // The first error is the one to tell; the name is ours, so taking it back is safe.
        let _ = fs::unlink(real);
    }
    written
}

fn give(file: &File, path: &Path, wanted: &FileAttributes) -> Result<(), HostError> {
    attributes::give(file, wanted).map_err(|error| {
        let mut refusal = failed_with("create", path, error);
        refusal.detail = format!(
            "owner {}:{}, mode {:04o} or its extended attributes cannot be given to it: {}",
            wanted.uid, wanted.gid, wanted.mode, refusal.detail
        );
        refusal
    })
}

/// A new symbolic link.
pub fn symlink(target: &Path, real: &Path, path: &Path) -> Result<(), HostError> {
    fs::symlink(target, real).map_err(|error| missing_folder("create", real, path, error))?;
    sync_folder_of(real, path)
}

/// Renames `from` (its host name second) to `to`.
pub fn rename(from: (&Path, &Path), to: (&Path, &Path)) -> Result<(), HostError> {
    let ((from_real, from_path), (to_real, to_path)) = (from, to);
    if is_folder(to_real) {
        let detail = "a folder is in the way";
        return Err(refused(
            "replace",
            to_path,
            HostErrorKind::WrongKind,
            detail,
        ));
    }
    if let Err(error) = fs::rename(from_real, to_real) {
        let of = if error == Errno::NOENT && fs::lstat(from_real).is_err() {
            ("rename", from_path)
        } else {
            ("replace", to_path)
        };
        return Err(failed_with(of.0, of.1, error));
    }
    sync_folder_of(to_real, to_path)?;
    if from_real.parent() != to_real.parent() {
        sync_folder_of(from_real, from_path)?;
    }
    Ok(())
}

/// Removes a file or link; a missing one is not an error.
pub fn remove(real: &Path, path: &Path) -> Result<(), HostError> {
    match fs::unlink(real) {
        Ok(()) => sync_folder_of(real, path),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed_with("remove", path, error)),
    }
}

/// Writes zeros over every byte of a regular file, in place.
pub fn overwrite(real: &Path, path: &Path) -> Result<(), HostError> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = fs::open(real, flags, Mode::empty())
        .map_err(|error| failed_with("overwrite", path, error))?;
    let mut file = File::from(opened);
    let overwritten = file.metadata().and_then(|found| {
        std::io::copy(&mut std::io::repeat(0).take(found.len()), &mut file)?;
        file.sync_all()
    });
    overwritten.map_err(|error| failed("overwrite", path, &error))
}

/// Creates one folder; its parent exists. `Ok(false)` when it was there.
pub fn create_folder(real: &Path, path: &Path, mode: u32) -> Result<bool, HostError> {
    match fs::mkdir(real, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) if std::fs::metadata(real).is_ok_and(|found| found.is_dir()) => {
            return Ok(false);
        }
        Err(Errno::EXIST) => {
            let detail = "something that is not a folder is in the way";
            return Err(refused("create", path, HostErrorKind::WrongKind, detail));
        }
        Err(error) => return Err(failed_with("create", path, error)),
    }
    fs::chmod(real, Mode::from_raw_mode(mode & 0o7777))
        .map_err(|error| failed_with("create", path, error))?;
    sync_folder_of(real, path)?;
    Ok(true)
}

/// Removes an empty folder; a missing one is not an error.
pub fn remove_folder(real: &Path, path: &Path) -> Result<(), HostError> {
    match fs::rmdir(real) {
        Ok(()) => sync_folder_of(real, path),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed_with("remove", path, error)),
    }
}

/// Appends to a 0600 file, created when missing. Not enough space leaves the file as it was.
pub fn append(real: &Path, path: &Path, contents: &[u8]) -> Result<(), HostError> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (opened, is_new) = match fs::open(real, flags, Mode::empty()) {
        Ok(opened) => (opened, false),
        Err(Errno::NOENT) => {
            let flags = flags | OFlags::CREATE | OFlags::EXCL;
            let opened = fs::open(real, flags, Mode::RUSR | Mode::WUSR)
                .map_err(|error| missing_folder("create", real, path, error))?;
            (opened, true)
        }
        Err(error) => return Err(failed_with("append to", path, error)),
    };
    let mut file = File::from(opened);
    let before = file
        .metadata()
        .map_err(|error| failed("append to", path, &error))?
        .len();
    let appended = file.write_all(contents).and_then(|()| file.sync_data());
    if let Err(error) = appended {
        // A line cut short would be read as a crash in the middle of it.
        let _ = file.set_len(before);
        return Err(failed("append to", path, &error));
    }
    if is_new {
        sync_folder_of(real, path)
    } else {
        Ok(())
    }
}

/// Sets the time of the last change of the contents.
pub fn set_modified(real: &Path, path: &Path, modified: Timestamp) -> Result<(), HostError> {
    let set = || -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::open(real, flags, Mode::empty())?;
        let unchanged = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        };
        let last_modification = timespec(modified);
        fs::futimens(
            &file,
            &Timestamps {
                last_access: unchanged,
                last_modification,
            },
        )?;
        fs::fsync(&file)
    };
    set().map_err(|error| failed_with("set the modification time of", path, error))
}

/// jiff counts nanoseconds towards zero, the kernel always forward.
fn timespec(time: Timestamp) -> Timespec {
    let (seconds, nanoseconds) = (time.as_second(), i64::from(time.subsec_nanosecond()));
    if nanoseconds < 0 {
        Timespec {
            tv_sec: seconds - 1,
            tv_nsec: nanoseconds + 1_000_000_000,
        }
    } else {
        Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        }
    }
}

/// Makes a name that appeared in or vanished from a folder durable.
fn sync_folder_of(real: &Path, path: &Path) -> Result<(), HostError> {
    let Some(folder) = real.parent() else {
        return Ok(());
    };
    let sync = || -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = fs::open(folder, flags, Mode::empty())?;
        match fs::fsync(&opened) {
            // Some network and user-space file systems have nothing to sync in a folder.
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            result => result,
        }
    };
    sync().map_err(|error| failed_with("sync the folder of", path, error))
}

fn is_folder(real: &Path) -> bool {
    fs::statat(fs::CWD, real, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| fs::FileType::from_raw_mode(found.st_mode) == fs::FileType::Directory)
}

fn missing_folder(operation: &'static str, real: &Path, path: &Path, error: Errno) -> HostError {
    let mut refusal = failed_with(operation, path, error);
    let folder_is_missing = real
        .parent()
        .is_some_and(|folder| fs::lstat(folder).is_err());
    if error == Errno::NOENT && folder_is_missing {
        refusal.detail = "its folder does not exist".to_owned();
    }
    refusal
}
