//! Where the manifest of a halted static pod lies: a dot-file, which no kubelet runs and discovery does not
//! see.

use super::static_pod::{dot_file, folder_above};
use crate::ports::{HostError, HostErrorKind, HostWrite};
use std::path::{Path, PathBuf};

const HALTED: &str = "kubepki-halted";

/// Where the manifest of a halted static pod may lie: above its folder, or beside it where that is
/// another file system.
pub(super) fn parked_places(manifest: &Path) -> [PathBuf; 2] {
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    [folder_above(manifest), folder].map(|folder| dot_file(manifest, folder, HALTED))
}

/// The manifest's path with the links of its folder resolved; it may itself be away.
pub(super) fn real(host: &dyn HostWrite, manifest: &Path) -> PathBuf {
    if let Ok(path) = host.canonicalize(manifest) {
        return path;
    }
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let folder = host
        .canonicalize(folder)
        .unwrap_or_else(|_| folder.to_owned());
    folder.join(manifest.file_name().unwrap_or_default())
}

/// Whether something lies there, be it a link to nothing.
pub(super) fn exists(host: &dyn HostWrite, path: &Path) -> Result<bool, HostError> {
    match host.symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes a manifest away.
pub(super) fn park(host: &dyn HostWrite, manifest: &Path) -> Result<(), HostError> {
    let [above, beside] = parked_places(manifest);
    match host.rename(manifest, &above) {
        Err(error) if error.kind == HostErrorKind::CrossesDevices => host.rename(manifest, &beside),
        other => other,
    }
}
