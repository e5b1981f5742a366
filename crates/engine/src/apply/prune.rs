//! Old runs forgotten: their journals and archives are removed, and snapshots of etcd that rotations saved.
//!
//! Never the run that an undoing would take, and never one that is not finished. What has another
//! name than a run gives its files is somebody else's and stays.

use super::store::{self, BACKUPS, SNAPSHOTS};
use super::{ApplyError, RunId, backup, history, last_to_undo};
use crate::ports::{HostErrorKind, HostRead, HostWrite};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// Which runs are kept, besides those that must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many, the newest.
    Newest(usize),
    /// Those that began at this time or later.
    Since(Timestamp),
}

/// A run that may be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldRun {
    /// Its name.
    pub id: RunId,
    /// e.g. `renew`; `None` for an archive without a journal; [`SNAPSHOT`] for a snapshot of etcd.
    pub verb: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// Its journal and archives, in the order in which they are removed.
    pub files: Vec<PathBuf>,
    /// Bytes in them.
    pub size: u64,
}

/// What the verb of a snapshot of etcd is called. Snapshots are kept as runs are, and counted by themselves.
pub const SNAPSHOT: &str = "etcd-snapshot";

/// What may be forgotten, oldest first.
pub fn prunable(host: &dyn HostRead, keep: Keep) -> Result<Vec<OldRun>, ApplyError> {
    let history = history(host)?;
    let needed = last_to_undo(&history).map(|record| &record.id);
    let mut runs: Vec<(OldRun, bool)> = Vec::new();
    for record in &history {
        let journal = store::journal_path(&record.id);
        let old = OldRun {
            id: record.id.clone(),
            verb: Some(record.verb.clone()),
            started_at: record.started_at,
            size: host.metadata(&journal)?.len,
            // First: an archive without its journal is only an archive, the other way round a run
            // would claim that it can be undone.
            files: vec![journal],
        };
        let stays = record.finished.is_none() || needed == Some(&record.id);
        runs.push((old, stays));
    }
    for name in names(host, BACKUPS)? {
        let Some((id, started_at)) = run_of(&name) else {
            continue;
        };
        let path = Path::new(BACKUPS).join(&name);
        let size = host.metadata(&path)?.len;
        match runs.iter_mut().find(|(run, _)| run.id == id) {
            Some((run, _)) => {
                run.files.push(path);
                run.size += size;
            }
            None => {
                let (verb, files) = (None, vec![path]);
                let old = OldRun {
                    id,
                    verb,
                    started_at,
                    files,
                    size,
                };
                runs.push((old, false));
            }
        }
    }
    let mut old = overdue(runs, keep);
    old.extend(overdue(snapshots(host)?, keep));
    old.sort_by_key(|run| run.started_at);
    Ok(old)
}

/// Those that are not kept, oldest first, but for those that must stay.
fn overdue(mut runs: Vec<(OldRun, bool)>, keep: Keep) -> Vec<OldRun> {
    runs.sort_by_key(|(run, _)| run.started_at);
    let newest = match keep {
        Keep::Newest(count) => runs.len().saturating_sub(count),
        Keep::Since(time) => runs
            .iter()
            .take_while(|(run, _)| run.started_at < time)
            .count(),
    };
    runs.truncate(newest);
    let old = runs.into_iter().filter(|(_, stays)| !stays);
    old.map(|(run, _)| run).collect()
}

/// Snapshots of etcd, each as a run of its own: it holds every secret of the cluster as it was then.
fn snapshots(host: &dyn HostRead) -> Result<Vec<(OldRun, bool)>, ApplyError> {
    let mut found = Vec::new();
    for name in names(host, SNAPSHOTS)? {
        let id = name
            .strip_prefix("etcd-")
            .and_then(|name| name.strip_suffix(".db"));
        let Some((id, started_at)) = id.and_then(began) else {
            continue;
        };
        let path = Path::new(SNAPSHOTS).join(&name);
        let old = OldRun {
            id,
            verb: Some(SNAPSHOT.to_owned()),
            started_at,
            size: host.metadata(&path)?.len,
            files: vec![path],
        };
        found.push((old, false));
    }
    Ok(found)
}

/// Removes the files of runs, oldest first, so that an undoing is never forgotten before what it
/// undid. Only under the lock, with what [`prunable`] said under it.
pub fn forget(host: &dyn HostWrite, runs: &[OldRun]) -> Result<(), ApplyError> {
    for path in runs.iter().flat_map(|run| &run.files) {
        host.remove(path)?;
    }
    Ok(())
}

fn names(host: &dyn HostRead, folder: &str) -> Result<Vec<String>, ApplyError> {
    match host.list(Path::new(folder)) {
        Ok(names) => Ok(names),
        Err(error) if error.kind == HostErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The run that an archive is named after, and when it began.
fn run_of(name: &str) -> Option<(RunId, Timestamp)> {
    let (id, ending) = name.split_once('.')?;
    if backup::is_partial(name) || !["tar", "tar.age"].contains(&ending) {
        return None;
    }
    began(id)
}

/// A run's name, and when it began.
fn began(id: &str) -> Option<(RunId, Timestamp)> {
    let (second, _) = id.split_once('-')?;
    let began = DateTime::strptime("%Y%m%dT%H%M%SZ", second).ok()?;
    let began = began.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((id.parse().ok()?, began))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_runs_are_runs() {
        let (id, began) = run_of("20261118T221100Z-3fa9c1d2.tar.age").unwrap();
        assert_eq!(id.as_str(), "20261118T221100Z-3fa9c1d2");
        assert_eq!(began.to_string(), "2026-11-18T22:11:00Z");
        assert!(run_of("20261118T221100Z-3fa9c1d2.tar").is_some());
        for other in [
            "mine.tar",
            "before-the-upgrade.tar",
            "20261118T221100Z-3fa9c1d2.tar.gz",
            "20261118T221100Z-3fa9c1d2",
            ".20261118T221100Z-3fa9c1d2.tar.kubepki-partial",
        ] {
            assert_eq!(run_of(other), None, "{other}");
        }
    }
}
