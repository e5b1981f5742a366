//! A static pod's manifest, and the annotation that restarts the pod.
//!
//! Any change of the pod's specification gives it a new UID: the kubelet starts a new process within
//! a second and without back-off, as often as one likes. Deleting the mirror pod restarts nothing.

use super::error::TakeUpError;
use super::health::FILE_LIMIT;
use super::setting::Setting;
use crate::ports::{FileAttributes, HostError, HostErrorKind, HostRead, HostWrite, Ports};
use jiff::SignedDuration;
use kubepki_core::formats::static_pod::{RESTARTED_AT, StaticPod};
use kubepki_core::model::ComponentKind;
use kubepki_sealed::{Sealed, danger};
use std::path::{Path, PathBuf};

/// A static pod's manifest as it is.
pub struct Manifest {
    /// Its path, links resolved.
    pub path: PathBuf,
    /// The component's flags as they are spelled in it; a process of this manifest has them all.
    pub words: Vec<String>,
    kind: ComponentKind,
    contents: Sealed,
    attributes: FileAttributes,
    /// What the annotation says now.
    annotation: Option<String>,
    /// Whether its folder is read by the kubelet (not when a link leads elsewhere).
    in_pod_folder: bool,
}

/// Reads the manifest of a component.
pub fn read(
    host: &dyn HostRead,
    kind: ComponentKind,
    manifest: &Path,
    container: &str,
) -> Result<Manifest, TakeUpError> {
    let unusable = |reason: String| TakeUpError::Manifest {
        component: kind,
        path: manifest.to_owned(),
        reason,
    };
    let refused = |error: HostError| unusable(error.detail);
    let path = host.canonicalize(manifest).map_err(refused)?;
    let contents = host.read(&path, FILE_LIMIT).map_err(refused)?;
    let attributes = host.metadata(&path).map_err(refused)?.attributes;
    let pod =
        StaticPod::parse(danger::open(&contents)).map_err(|error| unusable(error.to_string()))?;
    let argv = pod
        .container_of(kind)
        .or_else(|| pod.containers.iter().find(|found| found.name == container))
        .map(|found| found.argv.clone())
        .unwrap_or_default();
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let in_pod_folder = host
        .canonicalize(folder)
        .is_ok_and(|folder| path.parent() == Some(&*folder));
    Ok(Manifest {
        words: flags_in(&argv),
        annotation: pod.annotations.get(RESTARTED_AT).cloned(),
        path,
        kind,
        contents,
        attributes,
        in_pod_folder,
    })
}

impl Manifest {
    /// Whether an earlier restart left its annotation.
    pub fn is_marked(&self) -> bool {
        self.annotation.is_some()
    }
}

/// Restarts the pod by taking the annotation of earlier restarts away, which must be there. The pod gets
/// the identity back that it had before them, and with it the back-off of that, if it is not over.
pub fn unmark(ports: &Ports<'_>, manifest: &Manifest, setting: &Setting<'_>) -> Result<(), String> {
    let edited = unmarked(manifest)?;
    put(ports, manifest, setting, &edited)
}

/// Restarts the pod by making its manifest what it was before; `false` when it is so already.
pub fn put_as_before(
    ports: &Ports<'_>,
    manifest: &Manifest,
    setting: &Setting<'_>,
    before: &Sealed,
) -> Result<bool, String> {
    match as_before(manifest, before)? {
        Some(edited) => put(ports, manifest, setting, &edited).map(|()| true),
        None => Ok(false),
    }
}

/// The very bytes of before where nothing but the annotation of restarts differs. What somebody else has
/// changed meanwhile stays, and only loses the annotation. `None` when nothing is to be changed.
fn as_before(manifest: &Manifest, before: &Sealed) -> Result<Option<Sealed>, String> {
    let bare = |text: &[u8]| StaticPod::without_restart(text).map_err(|error| error.to_string());
    let (now, then) = (danger::open(&manifest.contents), danger::open(before));
    if now == then {
        return Ok(None);
    }
    let mine = bare(now)?;
    if mine == bare(then)? {
        return Ok(Some(Sealed::new(then.to_vec())));
    }
    Ok(manifest.is_marked().then(|| Sealed::new(mine)))
}

fn unmarked(manifest: &Manifest) -> Result<Sealed, String> {
    StaticPod::without_restart(danger::open(&manifest.contents))
        .map(Sealed::new)
        .map_err(|error| error.to_string())
}

/// Restarts the pod by changing its annotation. The error says why the manifest cannot be changed.
pub fn annotate(
    ports: &Ports<'_>,
    manifest: &Manifest,
    setting: &Setting<'_>,
) -> Result<(), String> {
    let edited = annotated(ports, manifest)?;
    put(ports, manifest, setting, &edited)
}

fn put(
    ports: &Ports<'_>,
    manifest: &Manifest,
    setting: &Setting<'_>,
    edited: &Sealed,
) -> Result<(), String> {
    setting
        .progress
        .say(&format!("{}: restarting its static pod", manifest.kind));
    let staging = if manifest.in_pod_folder {
        above(&manifest.path)
    } else {
        beside(&manifest.path)
    };
    replace(
        ports.host,
        &manifest.path,
        &staging,
        edited,
        &manifest.attributes,
    )
    .map_err(|error| error.to_string())
}

/// The manifest with a value of the annotation that it does not have yet.
fn annotated(ports: &Ports<'_>, manifest: &Manifest) -> Result<Sealed, String> {
    let mut at = ports.clock.now();
    if manifest.annotation == Some(at.to_string()) {
        at = at.checked_add(SignedDuration::from_millis(1)).unwrap_or(at);
    }
    StaticPod::with_restart(danger::open(&manifest.contents), at)
        .map(Sealed::new)
        .map_err(|error| error.to_string())
}

/// Gives a manifest that was parked (moved to `parked`) a new annotation, so that the pod has no
/// back-off when it is put back.
pub fn annotate_parked(
    ports: &Ports<'_>,
    manifest: &Manifest,
    parked: &Path,
) -> Result<(), String> {
    mark_parked(ports, manifest, parked, false, None)
}

/// The same; or takes the annotation of earlier restarts away from it; or makes it what it was before.
pub fn mark_parked(
    ports: &Ports<'_>,
    manifest: &Manifest,
    parked: &Path,
    leaves_no_mark: bool,
    before: Option<&Sealed>,
) -> Result<(), String> {
    let edited = match (before, leaves_no_mark, manifest.is_marked()) {
        (Some(before), ..) => match as_before(manifest, before)? {
            Some(edited) => edited,
            None => return Ok(()),
        },
        (None, true, false) => return Ok(()),
        (None, true, true) => unmarked(manifest)?,
        (None, false, _) => annotated(ports, manifest)?,
    };
    let staging = parked.with_extension("kubepki-staged");
    replace(ports.host, parked, &staging, &edited, &manifest.attributes)
        .map_err(|error| error.to_string())
}

/// Where a manifest is staged: a dot-file in the folder above, so that nothing but manifests ever
/// lies in a folder whose every file is run.
fn above(manifest: &Path) -> PathBuf {
    dot_file(manifest, folder_above(manifest), "kubepki-staged")
}

/// The same beside the manifest; the kubelet ignores dot-files.
fn beside(manifest: &Path) -> PathBuf {
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    dot_file(manifest, folder, "kubepki-staged")
}

/// The folder above the manifest's own.
pub fn folder_above(manifest: &Path) -> &Path {
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    folder.parent().unwrap_or(folder)
}

/// `.NAME.SUFFIX` in `folder`.
pub fn dot_file(manifest: &Path, folder: &Path, suffix: &str) -> PathBuf {
    let name = manifest.file_name().unwrap_or_default().to_string_lossy();
    folder.join(format!(".{name}.{suffix}"))
}

fn replace(
    host: &dyn HostWrite,
    path: &Path,
    staging: &Path,
    contents: &Sealed,
    attributes: &FileAttributes,
) -> Result<(), HostError> {
    match stage_and_rename(host, path, staging, contents, attributes) {
        Err(error) if error.kind == HostErrorKind::CrossesDevices => {
            stage_and_rename(host, path, &beside(path), contents, attributes)
        }
        other => other,
    }
}

fn stage_and_rename(
    host: &dyn HostWrite,
    path: &Path,
    staging: &Path,
    contents: &Sealed,
    attributes: &FileAttributes,
) -> Result<(), HostError> {
    // Left behind by a run that was killed here. If it cannot go, creating says why.
    host.remove(staging).unwrap_or(());
    let staged = host
        .create(staging, contents, attributes)
        .and_then(|()| host.rename(staging, path));
    if staged.is_err() {
        // The first error is the one to tell; a dot-file left above the folder is harmless.
        host.remove(staging).unwrap_or(());
    }
    staged
}

/// The flags in an argument list, as a process shows them. A shell's script is no flag, and what
/// only the kubelet can fill in (`$(NODE_IP)`) cannot be compared.
fn flags_in(argv: &[String]) -> Vec<String> {
    if argv.iter().any(|word| word == "-c") {
        return Vec::new();
    }
    argv.iter()
        .filter(|word| word.starts_with('-') && !word.contains("$("))
        .cloned()
        .collect()
}
