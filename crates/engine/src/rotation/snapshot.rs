//! A snapshot of etcd, saved on its host and proved: its hash is checked, and a member of its own is
//! started from it, by the very program that runs, whose keys are counted against the live ones.
//!
//! It holds every secret of the cluster as etcd has it: 0600, in a folder of mode 0700.
//! <https://etcd.io/docs/v3.5/op-guide/recovery/>

use super::etcd::{EtcdActError, EtcdPorts, component, connect};
use crate::apply::{RunId, SNAPSHOTS};
use crate::ports::{EtcdErrorKind, EtcdMember};
use kubepki_core::model::Inventory;
use std::path::Path;

/// What a scratch member takes beside its database: two log segments of 64 MiB that it reserves.
const BESIDE: u64 = 192 << 20;

/// Takes one; what came of it. `chance` makes its name unique.
///
/// # Errors
/// When it cannot be taken, is damaged, or holds another number of keys than the live member.
pub fn take(
    ports: &EtcdPorts<'_>,
    inventory: &Inventory,
    chance: [u8; 4],
) -> Result<String, EtcdActError> {
    let etcd = component(inventory)?;
    let member = connect(ports, inventory)?;
    let folder = Path::new(SNAPSHOTS);
    ports.host.create_directory(folder, 0o700)?;
    let database = member.status()?.database_bytes;
    let free = ports.etcd.free_bytes(folder)?;
    let needed = database.saturating_mul(2).saturating_add(BESIDE);
    if free < needed {
        return Err(EtcdActError::NoSpace {
            folder: folder.to_owned(),
            free,
            database,
            needed,
        });
    }
    let run = RunId::new(ports.clock.now(), chance);
    let path = folder.join(format!("etcd-{run}.db"));
    ports
        .progress
        .say(&format!("saving a snapshot of etcd, {database} bytes"));
    let saved = ports.etcd.save(&*member, &path)?;
    if !saved.hash_matches {
        return Err(EtcdActError::Damaged { path });
    }
    let said = format!(
        "etcd's snapshot {} is saved: {} bytes, SHA-256 {}, its hash is right",
        path.display(),
        saved.bytes,
        saved.sha256.get(..16).unwrap_or_default()
    );
    let only_hash = |why: &str| format!("{said}; it was not restored: {why}");
    let pid = etcd.processes.first().map(|process| process.pid);
    let Some(programs) = pid.and_then(|pid| ports.etcd.programs(pid)) else {
        return Ok(only_hash(
            "the program of the running etcd cannot be reached",
        ));
    };
    ports
        .progress
        .say("starting a member of its own from the snapshot");
    let scratch_folder = folder.join(format!(".proof-{run}"));
    let scratch = match ports.etcd.scratch(&path, &scratch_folder, &programs) {
        Ok(scratch) => scratch,
        Err(error) if error.kind == EtcdErrorKind::NotRunnable => {
            return Ok(only_hash(&error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let revision = scratch.member().status()?.revision;
    let found = scratch.member().count(revision)?;
    let how = match scratch.restored_by_tool() {
        true => "restored by etcd's own tool",
        false => "put in place",
    };
    let counted = match compare(&*member, &path, revision, found)? {
        true => "as many as the live member had then",
        false => "the live member has forgotten that revision, so they could not be compared",
    };
    Ok(format!(
        "{said}; {how} and started, it holds {found} keys at revision {revision}, {counted}"
    ))
}

/// Whether the live member held as many keys at that revision; false when it has been compacted away.
fn compare(
    member: &dyn EtcdMember,
    path: &Path,
    revision: i64,
    found: u64,
) -> Result<bool, EtcdActError> {
    match member.count(revision) {
        Ok(expected) if expected == found => Ok(true),
        Ok(expected) => Err(EtcdActError::OtherKeys {
            path: path.to_owned(),
            revision,
            found,
            expected,
        }),
        Err(error) if error.kind == EtcdErrorKind::Compacted => Ok(false),
        Err(error) => Err(error.into()),
    }
}
