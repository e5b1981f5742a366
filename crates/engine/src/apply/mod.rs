//! Applying: many files changed as one, with a journal, and every file saved before.
//!
//! ```text
//! begin ─► backup ─► stage ─► commit ─► steps (restarts, waits) ─► finish
//!   │                  │        │          │
//!   └─ nothing left ◄──┘        │          └─ interrupted: roll_forward hands the run back
//!                               └─ interrupted: roll_forward finishes the renames
//! ```
//!
//! A [`Transaction`] is one run; it may stage and commit several batches. After a crash
//! [`interrupted`] tells how far the run came and [`roll_back`] or [`roll_forward`] settles it.
//! [`backup`] is the archive that `restore` and `undo` read. Nothing here knows what a certificate
//! is, and no secret reaches a journal.

pub mod backup;
mod batch;
mod change;
mod error;
mod journal;
mod prune;
mod record;
mod recovery;
mod run_id;
mod staging;
mod store;
mod targets;
mod transaction;

pub use change::Change;
pub use error::ApplyError;
pub use journal::{Batch, FORMAT_VERSION, Presence, ReplayError, Step};
pub use prune::{Keep, OldRun, SNAPSHOT, forget, prunable};
pub use record::{BatchState, Record, Stage};
pub use recovery::{
    Interrupted, Resumed, abandon, history, interrupted, last_to_undo, roll_back, roll_forward,
};
pub use run_id::{InvalidRunId, RunId};
pub use store::{BACKUPS, JOURNALS, LOCK, SNAPSHOTS, STATE_FOLDER, holder_name, lock, running};
pub use transaction::{Runner, Start, Transaction};
