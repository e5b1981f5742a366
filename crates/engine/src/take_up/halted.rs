//! Which components of a host are halted: written down before they are stopped, struck out when they
//! are started.
//!
//! One JSON object a line, only ever added to; a line that a crash cut is as good as none, since a
//! halt is written before anything is done, and starting twice is harmless.

use crate::apply::STATE_FOLDER;
use crate::ports::{FILE_LIMIT, HostError, HostErrorKind, HostRead, HostWrite};
use jiff::Timestamp;
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_sealed::danger;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where it is written.
pub const HALTED: &str = "/var/lib/kubepki/halted.jsonl";

/// A halted component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Halted {
    /// Which.
    pub component: ComponentKind,
    /// How it ran, hence how it is started again.
    pub runs_as: RunsAs,
    /// When it was to stop.
    pub since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Halted(Halted),
    Started(ComponentKind),
}

/// Components that were halted and not started since, in the order in which they were halted.
pub fn halted(host: &dyn HostRead) -> Result<Vec<Halted>, HostError> {
    let contents = match host.read(Path::new(HALTED), FILE_LIMIT) {
        Ok(contents) => contents,
        Err(error) if error.kind == HostErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut halted: Vec<Halted> = Vec::new();
    for line in danger::open(&contents).split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Line::Halted(new)) => {
                halted.retain(|old| old.component != new.component);
                halted.push(new);
            }
            Ok(Line::Started(kind)) => halted.retain(|old| old.component != kind),
            Err(_) => {}
        }
    }
    Ok(halted)
}

/// Notes that a component is about to be halted.
pub(super) fn note_halted(host: &dyn HostWrite, halted: &Halted) -> Result<(), HostError> {
    host.create_directory(Path::new(STATE_FOLDER), 0o700)?;
    note(host, &Line::Halted(halted.clone()))
}

/// Notes that a component is no longer halted.
pub(super) fn note_started(host: &dyn HostWrite, kind: ComponentKind) -> Result<(), HostError> {
    note(host, &Line::Started(kind))
}

/// Removes a list that names nothing any more.
pub(super) fn sweep(host: &dyn HostWrite) -> Result<(), HostError> {
    match host.symlink_metadata(Path::new(HALTED)) {
        Ok(_) if halted(host)?.is_empty() => host.remove(Path::new(HALTED)),
        _ => Ok(()),
    }
}

/// A newline before it, too: the line before may have been cut.
fn note(host: &dyn HostWrite, line: &Line) -> Result<(), HostError> {
    // Serialization of plain enums and strings cannot fail.
    let json = serde_json::to_string(line).unwrap_or_default();
    host.append(Path::new(HALTED), format!("\n{json}\n").as_bytes())
}
