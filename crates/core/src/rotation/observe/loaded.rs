//! Whether a process has read what lies in a file now: told by its start being later than the file's last
//! change. What is re-read while it runs and was changed since is asked on the wire instead.

use crate::layouts::{Reload, reload};
use crate::model::{ComponentKind, Inventory, UsedBy};
use crate::rotation::picture::Reader;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// A process's start is told in whole seconds since the host's own start on some systems.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// Readers of a file.
pub(super) fn readers(inventory: &Inventory, path: &Path, used_by: &[UsedBy]) -> Vec<Reader> {
    let reader = |used: &UsedBy| Reader {
        host: inventory.host.clone(),
        component: used.component,
        flag: used.flag.clone(),
        loaded: loaded(inventory, used.component, &used.flag, path),
    };
    used_by.iter().map(reader).collect()
}

fn loaded(
    inventory: &Inventory,
    component: ComponentKind,
    flag: &str,
    path: &Path,
) -> Option<bool> {
    let started = started(inventory, component)?;
    let changed = changed(inventory, path)?;
    match reload(component, flag) {
        // It may have read it again since; one that started later has, for certain.
        Reload::Live { .. } | Reload::NextHandshake => return (started > changed).then_some(true),
        // Kept connections go on with the old certificate: only a start makes it sure.
        Reload::NextConnection | Reload::Restart => {}
    }
    let since = started.checked_add(SLACK).unwrap_or(Timestamp::MAX);
    Some(since >= changed)
}

/// When the oldest process of a component was started.
pub(in crate::rotation) fn started(
    inventory: &Inventory,
    component: ComponentKind,
) -> Option<Timestamp> {
    let processes = inventory.component(component)?.processes.iter();
    processes.map(|process| process.started).min()
}

/// When a file was last changed or put into its place.
pub(super) fn changed(inventory: &Inventory, path: &Path) -> Option<Timestamp> {
    let time = inventory.file_times.get(path)?;
    Some(time.changed.max(time.modified))
}
