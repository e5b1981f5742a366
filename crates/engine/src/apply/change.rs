//! One change to a host's files, before anything is decided about how it is made.
//!
//! A change to what is already so is none: nothing is staged or renamed for it.

use crate::ports::FileAttributes;
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use std::path::{Path, PathBuf};

/// One change.
pub enum Change {
    /// A folder exists, with its missing parents. An existing one is left as it is.
    Directory {
        /// The folder.
        path: PathBuf,
        /// Mode of what has to be created.
        mode: u32,
    },
    /// A regular file has these contents. Where `path` is a symbolic link, the link stays and the
    /// file behind it is replaced.
    Write {
        /// The file, or a link to it.
        path: PathBuf,
        /// Its contents.
        contents: Sealed,
        /// Its owner, mode and extended attributes.
        attributes: FileAttributes,
    },
    /// A regular file as it once was: what is at `path` is replaced, link or file.
    Replace {
        /// The file.
        path: PathBuf,
        /// Its contents.
        contents: Sealed,
        /// Its owner, mode and extended attributes.
        attributes: FileAttributes,
        /// Its modification time.
        modified: Timestamp,
    },
    /// A symbolic link points to `target`; what was at `path` is replaced, link or file.
    Symlink {
        /// The link.
        path: PathBuf,
        /// Where it points, as written in it.
        target: PathBuf,
    },
    /// A file or link is gone (a link itself, never what it points to).
    Remove {
        /// The file or link.
        path: PathBuf,
    },
}

impl Change {
    /// The path that is changed, as asked.
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory { path, .. }
            | Self::Write { path, .. }
            | Self::Replace { path, .. }
            | Self::Symlink { path, .. }
            | Self::Remove { path } => path,
        }
    }
}
