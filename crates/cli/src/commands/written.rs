//! Files that a verb writes for its user: whole or not at all, and never over another without being
//! told to.

use crate::context::host_error;
use crate::error::CliError;
use kubepki_engine::ports::{FileAttributes, HostErrorKind, HostRead, HostWrite};
use kubepki_sealed::Sealed;
use std::path::Path;

/// Refuses a path where something is already, unless it may be replaced.
pub fn check_free(host: &dyn HostRead, path: &Path, force: bool) -> Result<(), CliError> {
    match host.symlink_metadata(path) {
        Ok(_) if !force => Err(CliError::new(
            "already-exists",
            format!("{} exists", path.display()),
        )
        .location(path.display())
        .hint("replace it with --force")),
        Err(error) if error.kind != HostErrorKind::NotFound => Err(host_error(&error)),
        _ => Ok(()),
    }
}

/// Writes a file of this program's user.
pub fn write(
    host: &dyn HostWrite,
    path: &Path,
    contents: &Sealed,
    mode: u32,
    force: bool,
) -> Result<(), CliError> {
    let (uid, gid) = host.identity();
    let attributes = FileAttributes {
        mode,
        uid,
        gid,
        xattrs: Vec::new(),
    };
    if !force {
        return host
            .create(path, contents, &attributes)
            .map_err(|error| host_error(&error));
    }
    // Beside it and renamed, so that there is always a whole file.
    let name = path.file_name().map(|name| name.to_string_lossy());
    let staged = path.with_file_name(format!(
        ".{}.{}",
        name.unwrap_or_default(),
        std::process::id()
    ));
    host.create(&staged, contents, &attributes)
        .and_then(|()| host.rename(&staged, path))
        .map_err(|error| {
            // The first error is the one to tell.
            let _ = host.remove(&staged);
            host_error(&error)
        })
}
