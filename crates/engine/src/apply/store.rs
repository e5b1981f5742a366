//! Where runs keep their state on the host: the lock, the journals, the backups.
//!
//! `/var/lib/kubepki` is 0700 and lies on the host itself, so that whoever takes up an interrupted
//! run, from wherever, finds it.

use super::journal::{self, Event};
use super::record::Record;
use super::{ApplyError, RunId};
use crate::ports::{HostErrorKind, HostLock, HostRead, HostWrite};
use jiff::Timestamp;
use kubepki_sealed::danger::open;
use std::path::{Path, PathBuf};

/// The folder that holds everything below.
pub const STATE_FOLDER: &str = "/var/lib/kubepki";

/// The file that keeps two runs apart.
pub const LOCK: &str = "/var/lib/kubepki/lock";

/// One journal per run.
pub const JOURNALS: &str = "/var/lib/kubepki/journal";

/// One archive per run, unless told otherwise.
pub const BACKUPS: &str = "/var/lib/kubepki/backups";

/// Snapshots of etcd that rotations save: `etcd-RUN.db`.
pub const SNAPSHOTS: &str = "/var/lib/kubepki/snapshots";

const FOLDER_MODE: u32 = 0o700;

/// A journal is a plan and a few hundred paths; beyond this something else is wrong.
const JOURNAL_LIMIT: u64 = 64 << 20;

/// Longer than any last line of a finished run. A cut line before it does not matter.
const LAST_LINE: u64 = 4 << 10;

/// Who holds the lock, as a second run reads it.
pub fn holder_name(process: u32, verb: &str, since: Timestamp) -> String {
    format!("process {process}, `{verb}`, since {since:.0}")
}

/// Takes the lock, making the state folder where needed.
pub fn lock(host: &dyn HostWrite, holder: &str) -> Result<Box<dyn HostLock>, ApplyError> {
    host.create_directory(Path::new(STATE_FOLDER), FOLDER_MODE)?;
    Ok(host.lock(Path::new(LOCK), holder)?)
}

/// Who is at work on this host now.
pub fn running(host: &dyn HostRead) -> Result<Option<String>, ApplyError> {
    Ok(host.lock_holder(Path::new(LOCK))?)
}

/// Makes the folders for journals and backups, and sweeps what a crash left in them. Only under the
/// lock: what looks left behind may otherwise be being written.
pub fn prepare(host: &dyn HostWrite) -> Result<(), ApplyError> {
    for folder in [JOURNALS, BACKUPS] {
        host.create_directory(Path::new(folder), FOLDER_MODE)?;
    }
    for name in host.list(Path::new(BACKUPS))? {
        if super::backup::is_partial(&name) {
            host.remove(&Path::new(BACKUPS).join(name))?;
        }
    }
    Ok(())
}

/// The journal's path.
pub fn journal_path(id: &RunId) -> PathBuf {
    Path::new(JOURNALS).join(format!("{id}.jsonl"))
}

/// One run's journal as read back.
pub struct Found {
    /// What its events add up to; `None` when its first line was never completed.
    pub record: Option<Record>,
    /// Where it is.
    pub path: PathBuf,
    /// Whether its last line lacks its newline.
    pub is_torn: bool,
}

/// Reads one journal.
pub fn read(host: &dyn HostRead, path: PathBuf) -> Result<Found, ApplyError> {
    let contents = host.read(&path, JOURNAL_LIMIT)?;
    let bytes = open(&contents);
    match Record::replay(bytes) {
        Ok(record) => {
            let is_torn = bytes.last().is_some_and(|last| *last != b'\n');
            Ok(Found {
                record,
                path,
                is_torn,
            })
        }
        Err(source) => Err(ApplyError::Journal { path, source }),
    }
}

/// Paths of every journal, oldest run first.
pub fn journals(host: &dyn HostRead) -> Result<Vec<PathBuf>, ApplyError> {
    let names = match host.list(Path::new(JOURNALS)) {
        Ok(names) => names,
        Err(error) if error.kind == HostErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let journals = names
        .iter()
        .filter(|name| name.ends_with(".jsonl") && !name.starts_with('.'));
    Ok(journals
        .map(|name| Path::new(JOURNALS).join(name))
        .collect())
}

/// Every journal that does not plainly end finished.
pub fn unfinished(host: &dyn HostRead) -> Result<Vec<Found>, ApplyError> {
    let mut unfinished = Vec::new();
    for path in journals(host)? {
        // Finished journals pile up, each with a plan of its own; only their last line is read.
        if journal::ends_finished(open(&host.read_end(&path, LAST_LINE)?)) {
            continue;
        }
        unfinished.push(read(host, path)?);
    }
    Ok(unfinished)
}

/// Writes events and keeps the record of what they add up to.
pub struct Journal<'h> {
    host: &'h dyn HostWrite,
    path: PathBuf,
    begins_anew: bool,
}

impl<'h> Journal<'h> {
    /// The journal of a new run.
    pub fn new(host: &'h dyn HostWrite, id: &RunId) -> Self {
        Self {
            host,
            path: journal_path(id),
            begins_anew: false,
        }
    }

    /// An interrupted run's journal.
    pub fn existing(host: &'h dyn HostWrite, found: &Found) -> Self {
        Self {
            host,
            path: found.path.clone(),
            begins_anew: found.is_torn,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes and syncs one line.
    pub fn write(&mut self, event: &Event) -> Result<(), ApplyError> {
        let mut line = journal::line(event).map_err(|error| ApplyError::Journal {
            path: self.path.clone(),
            source: journal::ReplayError::NotAnEvent {
                line: 0,
                detail: error.to_string(),
            },
        })?;
        if self.begins_anew {
            line.insert(0, b'\n');
        }
        self.host.append(&self.path, &line)?;
        self.begins_anew = false;
        Ok(())
    }

    /// Removes the journal of a run that changed nothing.
    pub fn remove(&self) -> Result<(), ApplyError> {
        Ok(self.host.remove(&self.path)?)
    }
}
