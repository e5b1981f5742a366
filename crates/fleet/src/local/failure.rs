//! The engine's errors as whoever asked is told: code, sentence, evidence, and what to do next. One
//! place for the agent and for the verbs of one host.

use crate::session::SessionError;
use kubepki_engine::apply::ApplyError;
use kubepki_engine::apply::backup::BackupError;
use kubepki_engine::execute::ExecuteError;
use kubepki_engine::ports::{HostError, HostErrorKind};
use kubepki_engine::take_up::TakeUpError;

/// The name under which a detail holds a path, shown first.
pub const LOCATION: &str = "location";

/// An interrupted run that cannot be finished can still be undone.
pub fn unsettled(error: &ExecuteError) -> SessionError {
    match error {
        ExecuteError::Apply(
            stuck @ (ApplyError::CannotFinish { .. } | ApplyError::ChangedMeanwhile { .. }),
        ) => SessionError::new(stuck.code(), stuck)
            .hint("`kubepki undo` brings the old files back from the backup"),
        other => other.into(),
    }
}

impl From<&HostError> for SessionError {
    fn from(error: &HostError) -> Self {
        let (code, hint) = match error.kind {
            HostErrorKind::NotFound => ("not-found", None),
            HostErrorKind::PermissionDenied => ("permission-denied", Some("run it as root")),
            HostErrorKind::ReadOnlyFilesystem => (
                "read-only-filesystem",
                Some("mount this file system read-write first"),
            ),
            HostErrorKind::NoSpace => ("no-space", Some("make room on this file system first")),
            HostErrorKind::WrongKind => ("wrong-kind", None),
            HostErrorKind::AlreadyExists => ("already-exists", None),
            HostErrorKind::TooLarge => ("too-large", None),
            HostErrorKind::CrossesDevices => ("crosses-devices", None),
            HostErrorKind::Locked => ("locked", Some("wait until the other run has ended")),
            HostErrorKind::Other => ("host-failed", None),
        };
        let shown = Self::new(code, error).detail(LOCATION, error.path.display());
        match hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}

impl From<&ApplyError> for SessionError {
    fn from(error: &ApplyError) -> Self {
        // The host's word for it, in the sentence of the change.
        let of_host = |source: &HostError| Self {
            message: error.to_string(),
            ..Self::from(source)
        };
        match error {
            ApplyError::Host(source) => Self::from(source),
            ApplyError::TakenBack { source } => of_host(source),
            ApplyError::HalfDone { source, .. } => {
                of_host(source).hint("then run it again: the journal knows what is missing")
            }
            ApplyError::Locked { .. } => {
                Self::new(error.code(), error).hint("wait until the other run has ended")
            }
            ApplyError::ChangedMeanwhile { .. } => {
                Self::new(error.code(), error).hint("run it again: the plan is made anew")
            }
            ApplyError::Journal { path, .. } => Self::new(error.code(), error).hint(format_args!(
                "nothing is changed while it cannot be read; where it does not matter, move {} away",
                path.display()
            )),
            _ => Self::new(error.code(), error),
        }
    }
}

impl From<&BackupError> for SessionError {
    fn from(error: &BackupError) -> Self {
        match error {
            BackupError::Host(source) => Self::from(source),
            other => Self::new(other.code(), other),
        }
    }
}

impl From<&TakeUpError> for SessionError {
    fn from(error: &TakeUpError) -> Self {
        let shown = Self::new(error.code(), error);
        let shown = match error.log() {
            [] => shown,
            log => shown.detail("last log", log.join("\n")),
        };
        match error.hint() {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}

impl From<&ExecuteError> for SessionError {
    fn from(error: &ExecuteError) -> Self {
        match error {
            ExecuteError::Apply(error) => Self::from(error),
            ExecuteError::Host(error) | ExecuteError::Backup(BackupError::Host(error)) => {
                Self::from(error)
            }
            ExecuteError::WorldChanged { .. } => {
                Self::new(error.code(), error).hint("make a new plan")
            }
            ExecuteError::TakeUp(source) => {
                let next = "the new files are in place: run it again to carry on, or `kubepki undo` to go back";
                let hint = match source.hint() {
                    Some(hint) => format!("{hint}; {next}"),
                    None => next.to_owned(),
                };
                Self {
                    code: error.code().to_owned(),
                    ..Self::from(source).hint(hint)
                }
            }
            other => Self::new(other.code(), other),
        }
    }
}
