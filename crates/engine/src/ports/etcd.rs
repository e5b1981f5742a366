//! etcd: one member asked over its own client port, and what is needed to prove that a snapshot of it
//! can be restored.
//!
//! The questions are those of etcd's API v3. A snapshot is the whole of a cluster's secrets: it goes
//! from the stream into a file that only its owner can read, and nowhere else.
//! <https://etcd.io/docs/v3.5/dev-guide/api_reference_v3/>

use super::attempt::Expectation;
use super::host::HostError;
use super::tls::{ClientIdentity, Endpoint};
use std::path::{Path, PathBuf};

/// Where a member is asked, and as whom.
#[derive(Clone, Copy)]
pub struct EtcdTarget<'a> {
    /// Its client port.
    pub endpoint: &'a Endpoint,
    /// What is demanded of it; `None` for a member that speaks no TLS.
    pub expectation: Option<&'a Expectation>,
    /// What is presented to it.
    pub identity: Option<&'a ClientIdentity>,
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdStatus {
    /// Its own id.
    pub member: u64,
    /// The leader's id; 0 when there is none.
    pub leader: u64,
    /// Revision of its store.
    pub revision: i64,
    /// e.g. `3.4.13`.
    pub version: String,
    /// Bytes of its database on disk.
    pub database_bytes: u64,
    /// What it complains of (`NOSPACE`, `CORRUPT`, no leader).
    pub errors: Vec<String>,
    /// Whether it only listens.
    pub learner: bool,
}

/// A member as the cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdPeer {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it has started once.
    pub name: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Whether it only listens.
    pub learner: bool,
}

/// etcd did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint}: {detail}")]
pub struct EtcdError {
    /// `host:port`, or the file that was worked on.
    pub endpoint: String,
    /// The kind of refusal.
    pub kind: EtcdErrorKind,
    /// What happened.
    pub detail: String,
}

/// What kind of refusal it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdErrorKind {
    /// The revision that was asked for has been compacted away.
    Compacted,
    /// A program cannot be run at all.
    NotRunnable,
    /// Anything else.
    Other,
}

impl EtcdError {
    /// The same with another kind.
    #[must_use]
    pub fn of_kind(self, kind: EtcdErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// An error of a member or file.
    pub fn new(endpoint: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self {
            endpoint: endpoint.into(),
            kind: EtcdErrorKind::Other,
            detail: detail.to_string(),
        }
    }

    /// Stable name.
    pub fn code(&self) -> &'static str {
        "etcd-failed"
    }
}

/// One member.
pub trait EtcdMember: Send + Sync {
    /// What it says of itself.
    fn status(&self) -> Result<EtcdStatus, EtcdError>;

    /// The members of its cluster.
    fn members(&self) -> Result<Vec<EtcdPeer>, EtcdError>;

    /// Gives leadership to another member; asked of the leader.
    fn move_leader(&self, to: u64) -> Result<(), EtcdError>;

    /// How many keys the store held at a revision.
    fn count(&self, revision: i64) -> Result<u64, EtcdError>;

    /// A snapshot of its database, piece by piece, its SHA-256 behind it.
    fn snapshot(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), String>) -> Result<(), EtcdError>;
}

/// A snapshot on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSnapshot {
    /// Its bytes, the hash behind it included.
    pub bytes: u64,
    /// Whether the hash behind it is that of what is before it.
    pub hash_matches: bool,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Programs by which a snapshot is restored and started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdPrograms {
    /// etcd itself.
    pub etcd: PathBuf,
    /// `etcdutl` or `etcdctl`, where there is one; without, the database is put in place by hand.
    pub restore: Option<PathBuf>,
}

/// A member that was started from a snapshot, out of everybody's reach; ended, and its files removed,
/// when dropped.
pub trait ScratchMember: Send {
    /// It.
    fn member(&self) -> &dyn EtcdMember;

    /// Whether the database was restored by etcd's own tool.
    fn restored_by_tool(&self) -> bool;
}

/// Reaches members and works on snapshots.
pub trait EtcdAccess: Send + Sync {
    /// A client of one member.
    fn connect(&self, target: &EtcdTarget<'_>) -> Result<Box<dyn EtcdMember>, EtcdError>;

    /// The programs of a running member, as far as they can be found and run from here.
    fn programs(&self, pid: u32) -> Option<EtcdPrograms>;

    /// Bytes that can be written below a folder.
    fn free_bytes(&self, folder: &Path) -> Result<u64, HostError>;

    /// Writes a snapshot into a new file, 0600, synced; one that breaks off is removed.
    fn save(&self, member: &dyn EtcdMember, path: &Path) -> Result<SavedSnapshot, EtcdError>;

    /// Restores a snapshot below `folder` and starts a member on it.
    fn scratch(
        &self,
        snapshot: &Path,
        folder: &Path,
        programs: &EtcdPrograms,
    ) -> Result<Box<dyn ScratchMember>, EtcdError>;
}
