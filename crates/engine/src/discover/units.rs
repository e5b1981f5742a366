//! The files of one systemd unit: what it is started with is put together from them.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html>

use super::components::UNIT_FOLDERS;
use crate::ports::{FILE_LIMIT, HostError, HostErrorKind, HostRead};
use kubepki_core::formats::unit_file::UnitFile;
use kubepki_sealed::danger;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Paths of a unit's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFiles {
    /// The unit, then its drop-ins in their order.
    pub fragments: Vec<PathBuf>,
    /// Its environment files that are there, in their order.
    pub environments: Vec<PathBuf>,
}

impl UnitFiles {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.fragments.iter().chain(&self.environments)
    }
}

/// Finds the files of a unit; none when there is no such unit.
pub fn unit_files(host: &dyn HostRead, unit: &str) -> Result<UnitFiles, HostError> {
    let mut files = UnitFiles::default();
    let is_name = unit.ends_with(".service") && !unit.contains('/');
    let folders = UNIT_FOLDERS.map(Path::new);
    let Some(main) = folders
        .iter()
        .map(|folder| folder.join(unit))
        .find(|path| is_name && host.metadata(path).is_ok())
    else {
        return Ok(files);
    };
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in folders {
        let inner = folder.join(format!("{unit}.d"));
        for name in listed(host, &inner)? {
            if name.ends_with(".conf") {
                // The same file name in a stronger folder replaces the weaker one.
                drop_ins
                    .entry(name.clone())
                    .or_insert_with(|| inner.join(&name));
            }
        }
    }
    files.fragments.push(main);
    files.fragments.extend(drop_ins.into_values());
    let mut texts = Vec::new();
    for path in &files.fragments {
        texts.push(text(host, path)?);
    }
    for named in UnitFile::merge(&texts).environment_files() {
        let path = PathBuf::from(named.path);
        if host.metadata(&path).is_ok() {
            files.environments.push(path);
        }
    }
    Ok(files)
}

fn listed(host: &dyn HostRead, folder: &Path) -> Result<Vec<String>, HostError> {
    match host.list(folder) {
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

fn text(host: &dyn HostRead, path: &Path) -> Result<String, HostError> {
    let contents = host.read(path, FILE_LIMIT)?;
    Ok(String::from_utf8_lossy(danger::open(&contents)).into_owned())
}
