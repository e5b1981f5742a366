//! Why a rotation is not taken back.

use std::path::PathBuf;

/// Why a rotation is not taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackError {
    /// No host has a run of a rotation that was not taken back.
    #[error("there is nothing to take back: no host has a run of a rotation that changed files")]
    Nothing,
    /// A run was made without a backup.
    #[error("run {run} on {host} made no backup, so what it changed cannot come back")]
    NoBackup {
        /// The host.
        host: String,
        /// The run.
        run: String,
    },
    /// The old private key was destroyed on purpose.
    #[error(
        "the old private key that run {run} on {host} replaced was destroyed (`--old-key destroy`), so nothing of this rotation can be taken back"
    )]
    KeyDestroyed {
        /// The host.
        host: String,
        /// The run.
        run: String,
    },
    /// What is to come back is encrypted, and no host has what opens it.
    #[error("the backup of run {run} on {host} is encrypted: {}", archive.display())]
    Sealed {
        /// The host.
        host: String,
        /// The run.
        run: String,
        /// The archive.
        archive: PathBuf,
    },
    /// Nobody trusts the old generation any more, and nothing of it is left to trust again.
    #[error(
        "the rotation is over: the old generation is no longer known in the cluster, and only its last phase can be taken back"
    )]
    Over,
}

impl BackError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing-to-take-back",
            Self::NoBackup { .. } => "no-backup",
            Self::KeyDestroyed { .. } => "key-destroyed",
            Self::Sealed { .. } => "backup-encrypted",
            Self::Over => "rotation-over",
        }
    }
}
