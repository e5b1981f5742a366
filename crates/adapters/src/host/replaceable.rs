//! Whether a rename will succeed, asked before the first byte is staged.
//!
//! Nothing is tried: the answer comes from statx(2) and access(2). What it cannot see (a security
//! module's rules, a file system that breaks between the question and the rename) still fails later,
//! and is then undone.

use super::failure::{failed_with, refused};
use kubepki_engine::ports::{HostError, HostErrorKind};
use rustix::fs::{self, AtFlags, FileType, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::path::Path;

/// Whether a file staged in `staging` (its host name second) could be renamed onto `path`.
pub fn check(staging: (&Path, &Path), target: (&Path, &Path)) -> Result<(), HostError> {
    let (target_real, target_path) = target;
    let (Some(folder_real), Some(folder_path)) = (target_real.parent(), target_path.parent())
    else {
        let detail = "the root folder is no file";
        return Err(refused(
            "replace",
            target_path,
            HostErrorKind::WrongKind,
            detail,
        ));
    };
    let folder = writable_folder(folder_real, folder_path)?;
    let staging_folder = writable_folder(staging.0, staging.1)?;
    if !on_one_mount(&folder, &staging_folder) {
        let detail = format!(
            "it lies on another file system than {}, where it would be staged",
            staging.1.display()
        );
        return Err(refused(
            "replace",
            target_path,
            HostErrorKind::CrossesDevices,
            detail,
        ));
    }
    match statx(target_real, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => existing_file(&found, &folder, target_path),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed_with("replace", target_path, error)),
    }
}

fn writable_folder(real: &Path, path: &Path) -> Result<Statx, HostError> {
    let found =
        statx(real, AtFlags::empty()).map_err(|error| failed_with("write to", path, error))?;
    if file_type(&found) != FileType::Directory {
        let detail = "it is not a folder";
        return Err(refused("write to", path, HostErrorKind::WrongKind, detail));
    }
    refuse_locked_attributes(&found, "the folder", "write to", path)?;
    fs::access(real, fs::Access::WRITE_OK | fs::Access::EXEC_OK)
        .map_err(|error| failed_with("write to", path, error))?;
    Ok(found)
}

fn existing_file(found: &Statx, folder: &Statx, path: &Path) -> Result<(), HostError> {
    let refuse = |kind, detail: &str| Err(refused("replace", path, kind, detail));
    if file_type(found) == FileType::Directory {
        return refuse(
            HostErrorKind::WrongKind,
            "a folder is where the file belongs",
        );
    }
    refuse_locked_attributes(found, "the file", "replace", path)?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return refuse(
            HostErrorKind::Other,
            "it is a mount point (a bind-mounted file)",
        );
    }
    let sticky = u32::from(folder.stx_mode) & 0o1000 != 0;
    let user = geteuid();
    let owners = [found.stx_uid, folder.stx_uid];
    if sticky && !user.is_root() && !owners.contains(&user.as_raw()) {
        let detail = "its folder is sticky and both belong to someone else";
        return refuse(HostErrorKind::PermissionDenied, detail);
    }
    Ok(())
}

fn refuse_locked_attributes(
    found: &Statx,
    what: &str,
    operation: &'static str,
    path: &Path,
) -> Result<(), HostError> {
    let locked = [
        (
            StatxAttributes::IMMUTABLE,
            "immutable (chattr -i takes it off)",
        ),
        (
            StatxAttributes::APPEND,
            "append-only (chattr -a takes it off)",
        ),
    ];
    for (attribute, words) in locked {
        if found.stx_attributes.contains(attribute) {
            let detail = format!("{what} is {words}");
            return Err(refused(
                operation,
                path,
                HostErrorKind::PermissionDenied,
                detail,
            ));
        }
    }
    Ok(())
}

/// A rename between two bind mounts of one file system fails too, hence the mount's number; kernels
/// before 5.8 do not tell it.
fn on_one_mount(one: &Statx, other: &Statx) -> bool {
    let device = |found: &Statx| (found.stx_dev_major, found.stx_dev_minor);
    let knows = |found: &Statx| found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    device(one) == device(other)
        && (!knows(one) || !knows(other) || one.stx_mnt_id == other.stx_mnt_id)
}

fn file_type(found: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(found.stx_mode))
}

fn statx(real: &Path, links: AtFlags) -> rustix::io::Result<Statx> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    fs::statx(fs::CWD, real, links, mask)
}
