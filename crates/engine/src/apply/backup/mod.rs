//! Backups: one archive per run with every file that the run may touch.
//!
//! A plain tar file, 0600: `manifest.json` first, the files under `files/`, the manifest's digest
//! last; any `tar` reads it on the day when this program does not. Encrypted ones are age files
//! (age-encryption.org) around the same tar and end in `.age`. Archives are written under another
//! name and renamed when complete.

mod archive;
mod collect;
mod diff;
mod encryption;
mod error;
mod manifest;
mod restore;
mod retire;
mod shelf;

pub use archive::Archive;
pub use collect::{Request, assemble, touched_paths};
pub use diff::{Difference, PathState, diff};
pub use encryption::{Protection, Unlock};
pub use error::BackupError;
pub use manifest::{Entry, Kind, Manifest};
pub use restore::{Selection, destroyed_among, restore_changes};
pub use retire::{doom, seal, settle_doomed, tombstone};
pub use shelf::{
    Listed, Written, create, default_path, is_partial, list, manifest, read, whereabouts,
};
