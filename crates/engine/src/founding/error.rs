//! What can go wrong while a PKI is founded.

use crate::ports::{HostError, HostErrorKind};
use kubepki_keys::{IssueError, KeyError, UnknownKeyType};
use std::path::PathBuf;

/// A founding that failed. Nothing was left behind, unless the error says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoundingError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file that should hold certificates.
    #[error("cannot read certificates from {}: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that should hold a key.
    #[error("cannot read the key {}: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
    /// A kind of key that does not exist.
    #[error("`{name}`: {source}")]
    KeyType {
        /// Whose key.
        name: String,
        /// What is wrong.
        source: UnknownKeyType,
    },
    /// A key that could not be made or written.
    #[error("cannot make the key of {name}: {source}")]
    Key {
        /// Whose key.
        name: String,
        /// What is wrong.
        source: KeyError,
    },
    /// A certificate or request that could not be made.
    #[error("cannot make {name}: {source}")]
    Issue {
        /// Its name.
        name: String,
        /// What is wrong.
        source: IssueError,
    },
    /// An authority whose certificate or key is no longer there.
    #[error("{name} needs authority {authority}, which cannot be used")]
    Authority {
        /// What needs it.
        name: String,
        /// The authority.
        authority: String,
    },
    /// A signed certificate that is not what was asked for.
    #[error("cannot install {}: {reason}", path.display())]
    Install {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Writing failed, and taking back what was written did too.
    #[error("{source}; these could not be removed again: {}", shown(.left))]
    HalfDone {
        /// What failed first.
        source: HostError,
        /// What is left.
        left: Vec<PathBuf>,
    },
}

impl FoundingError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host(error) => match error.kind {
                HostErrorKind::NotFound => "not-found",
                HostErrorKind::PermissionDenied => "permission-denied",
                HostErrorKind::ReadOnlyFilesystem => "read-only-filesystem",
                HostErrorKind::NoSpace => "no-space",
                HostErrorKind::WrongKind => "wrong-kind",
                HostErrorKind::AlreadyExists => "already-exists",
                HostErrorKind::TooLarge => "too-large",
                HostErrorKind::CrossesDevices => "crosses-devices",
                HostErrorKind::Locked => "locked",
                HostErrorKind::Other => "host-failed",
            },
            Self::Certificates { .. } => "certificates-unreadable",
            Self::KeyFile { source, .. } | Self::Key { source, .. } => source.code(),
            Self::KeyType { .. } => "unknown-key-type",
            Self::Issue { source, .. } => source.code(),
            Self::Authority { .. } => "ca-not-usable",
            Self::Install { .. } => "not-what-was-asked-for",
            Self::HalfDone { .. } => "half-done",
        }
    }

    /// The file that it is about, if it is one.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Host(source) | Self::HalfDone { source, .. } => Some(&source.path),
            Self::Certificates { path, .. }
            | Self::KeyFile { path, .. }
            | Self::Install { path, .. } => Some(path),
            _ => None,
        }
    }
}

fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}
