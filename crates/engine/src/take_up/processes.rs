//! Which of a host's processes are a component's.

use crate::ports::{HostError, HostRead, Process};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::formats::flags::Flags;
use kubepki_core::model::ComponentKind;

/// Start times are counted in ticks of 10 ms since boot, and the boot time is computed from two
/// clocks; a process that began just after a file was written may seem to have begun before.
const START_TIME_ERROR: SignedDuration = SignedDuration::from_millis(50);

/// Processes of this kind, looked at through shells and wrappers.
pub fn of_kind(host: &dyn HostRead, kind: ComponentKind) -> Result<Vec<Process>, HostError> {
    let mut processes = host.processes()?;
    processes.retain(|process| Flags::from_argv(&process.argv).component() == Some(kind));
    Ok(processes)
}

/// Whether the process was started with every one of these words (the flags of a manifest).
pub fn has_words(process: &Process, words: &[String]) -> bool {
    words.iter().all(|word| process.argv.contains(word))
}

/// Whether the process began when the files had changed.
pub fn started_since(process: &Process, files_changed_at: Timestamp) -> bool {
    let began = process
        .started
        .checked_add(START_TIME_ERROR)
        .unwrap_or(process.started);
    began >= files_changed_at
}

/// Process ids, to be read by people.
pub fn shown(pids: &[u32]) -> String {
    pids.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
