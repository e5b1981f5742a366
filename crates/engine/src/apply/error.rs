//! Why a change was refused, failed, or cannot be finished.

use super::RunId;
use super::journal::ReplayError;
use crate::ports::{HostError, HostErrorKind};
use jiff::Timestamp;
use std::path::PathBuf;

/// A change, or the recovery of one, that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The plan no longer fits: a file changed after it was looked at.
    #[error("{} changed after it was looked at (expected {expected}, found {found})", path.display())]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
        /// What was there when the change was staged.
        expected: String,
        /// What is there now.
        found: String,
    },
    /// A change was interrupted half-way and what it needs is gone.
    #[error("run {id} cannot be finished: {} {detail}{}", path.display(), backup_hint(backup.as_ref()))]
    CannotFinish {
        /// The interrupted run.
        id: RunId,
        /// The file that stands in the way.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// The archive with the old files.
        backup: Option<PathBuf>,
    },
    /// Two changes of one batch end at the same file.
    #[error("{} and {} are the same file ({})", first.display(), second.display(), target.display())]
    DuplicateTarget {
        /// The path of the earlier change.
        first: PathBuf,
        /// The path of the later one.
        second: PathBuf,
        /// The file that both name.
        target: PathBuf,
    },
    /// A commit failed half-way and could not be taken back either.
    #[error("run {id} stopped half-way and must be finished by another run: {source}")]
    HalfDone {
        /// The run.
        id: RunId,
        /// What failed.
        source: HostError,
    },
    /// The host refused something; nothing was changed.
    #[error(transparent)]
    Host(HostError),
    /// A journal that cannot be read.
    #[error("journal {}: {source}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        source: ReplayError,
    },
    /// Another run is going on.
    #[error("another run is going on: {holder}")]
    Locked {
        /// Who holds the lock.
        holder: String,
    },
    /// The journal has no such run, or it is finished.
    #[error("there is no interrupted run {id}")]
    NotInterrupted {
        /// The run asked for.
        id: RunId,
    },
    /// Paths are kept in JSON, which cannot hold these bytes.
    #[error("the path {path:?} is not UTF-8")]
    PathNotText {
        /// The path.
        path: PathBuf,
    },
    /// A commit failed half-way; every file was put back as it was.
    #[error("nothing was changed: {source}")]
    TakenBack {
        /// What failed.
        source: HostError,
    },
    /// An earlier run was interrupted and must be finished or rolled back first.
    #[error("run {id} (`{verb}`, begun {started_at}) was interrupted while {stage}")]
    Unfinished {
        /// The interrupted run.
        id: RunId,
        /// What it was doing.
        verb: String,
        /// When it began.
        started_at: Timestamp,
        /// How far it came.
        stage: &'static str,
    },
    /// The caller asked for something that the run's stage does not allow.
    #[error("run {id} is {found}; that needs a run that is {expected}")]
    WrongStage {
        /// The run.
        id: RunId,
        /// The stage needed.
        expected: &'static str,
        /// The stage it is in.
        found: &'static str,
    },
}

impl ApplyError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ChangedMeanwhile { .. } => "changed-meanwhile",
            Self::CannotFinish { .. } => "cannot-finish",
            Self::DuplicateTarget { .. } => "duplicate-target",
            Self::HalfDone { .. } => "half-done",
            Self::Host(error) | Self::TakenBack { source: error } => host_code(error.kind),
            Self::Journal {
                source: ReplayError::FromTheFuture { .. },
                ..
            } => "journal-too-new",
            Self::Journal { .. } => "journal-damaged",
            Self::Locked { .. } => "locked",
            Self::NotInterrupted { .. } => "not-interrupted",
            Self::PathNotText { .. } => "path-not-text",
            Self::Unfinished { .. } => "unfinished-run",
            Self::WrongStage { .. } => "wrong-stage",
        }
    }
}

impl From<HostError> for ApplyError {
    fn from(error: HostError) -> Self {
        if error.kind == HostErrorKind::Locked {
            let holder = error.detail.strip_prefix("another run holds it: ");
            return Self::Locked {
                holder: holder.unwrap_or(&error.detail).to_owned(),
            };
        }
        Self::Host(error)
    }
}

fn host_code(kind: HostErrorKind) -> &'static str {
    match kind {
        HostErrorKind::NotFound => "not-found",
        HostErrorKind::PermissionDenied => "permission-denied",
        HostErrorKind::ReadOnlyFilesystem => "read-only-file-system",
        HostErrorKind::NoSpace => "no-space",
        HostErrorKind::WrongKind => "wrong-kind-of-file",
        HostErrorKind::AlreadyExists => "already-exists",
        HostErrorKind::TooLarge => "too-large",
        HostErrorKind::CrossesDevices => "crosses-file-systems",
        HostErrorKind::Locked => "locked",
        HostErrorKind::Other => "host-error",
    }
}

fn backup_hint(backup: Option<&PathBuf>) -> String {
    match backup {
        Some(archive) => format!("; the old files are in {}", archive.display()),
        None => String::new(),
    }
}
