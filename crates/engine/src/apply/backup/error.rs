//! Why a backup could not be made or read.

use crate::ports::HostError;
use std::path::PathBuf;

/// A backup that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The archive does not hold what its manifest says, or is cut short.
    #[error("the archive is damaged: {detail}")]
    Damaged {
        /// What does not fit.
        detail: String,
    },
    /// The archive is encrypted and nothing to open it with was given.
    #[error("the archive is encrypted with age; {needed} is needed")]
    Encrypted {
        /// What opens it: `a passphrase` or `an identity`.
        needed: &'static str,
    },
    /// Encryption itself failed.
    #[error("cannot encrypt: {detail}")]
    Encryption {
        /// age's words.
        detail: String,
    },
    /// Written by a newer program.
    #[error(
        "backup format version {found}, written by a newer kubepki; this one reads up to {supported}"
    )]
    FromTheFuture {
        /// The manifest's version.
        found: u64,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// The host refused something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A recipient or identity that is not in age's notation. Its text is not repeated: it may be a
    /// key.
    #[error("{what} is not valid: {detail}")]
    InvalidKey {
        /// e.g. `the recipient`.
        what: &'static str,
        /// What is expected.
        detail: &'static str,
    },
    /// What was to come back is a private key that was destroyed on purpose.
    #[error(
        "the archive does not hold the private key {} any more: it was destroyed {at}, when a rotation had retired it (`--old-key destroy`)",
        path.display()
    )]
    KeyDestroyed {
        /// Where it lay.
        path: PathBuf,
        /// When.
        at: jiff::Timestamp,
    },
    /// A path was asked for that the archive does not have.
    #[error("the archive has no {}", path.display())]
    NotInArchive {
        /// The path asked for.
        path: PathBuf,
    },
    /// Not an archive of this program at all.
    #[error("not a kubepki backup: {detail}")]
    NotABackup {
        /// Why not.
        detail: String,
    },
    /// Paths are kept in JSON, which cannot hold these bytes.
    #[error("the path {path:?} is not UTF-8")]
    PathNotText {
        /// The path.
        path: PathBuf,
    },
    /// The passphrase or identity does not open the archive.
    #[error("{what} does not open the archive")]
    WrongKey {
        /// `the passphrase` or `the identity`.
        what: &'static str,
    },
}

impl BackupError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "backup-damaged",
            Self::Encrypted { .. } => "backup-encrypted",
            Self::Encryption { .. } => "backup-encryption-failed",
            Self::FromTheFuture { .. } => "backup-too-new",
            Self::Host(_) => "host-error",
            Self::InvalidKey { .. } => "age-key-invalid",
            Self::KeyDestroyed { .. } => "key-destroyed",
            Self::NotABackup { .. } => "not-a-backup",
            Self::NotInArchive { .. } => "not-in-backup",
            Self::PathNotText { .. } => "path-not-text",
            Self::WrongKey { .. } => "backup-wrong-key",
        }
    }
}
