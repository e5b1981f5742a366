//! A snapshot on its way to the disk, and its hash.
//!
//! etcd sends the database and behind it the SHA-256 of what it sent; the database's own length is a
//! multiple of 512 bytes (`snapshot.Status` in etcd's etcdutl).

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use kubepki_engine::ports::{EtcdError, EtcdMember, SavedSnapshot};
use sha2::{Digest, Sha256};

/// Bytes of the hash behind the database.
pub(super) const TRAILER: u64 = 32;

/// A database is a multiple of this.
const SECTOR: u64 = 512;

pub(super) fn save(member: &dyn EtcdMember, path: &Path) -> Result<SavedSnapshot, EtcdError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed(path, &error))?;
    let written = write(member, file, path).and_then(|()| examined(path));
    if written.is_err() {
        // Half a snapshot would be taken for a whole one.
        let _ = fs_err::remove_file(path);
    }
    written
}

fn write(member: &dyn EtcdMember, file: File, path: &Path) -> Result<(), EtcdError> {
    let failed = |error: std::io::Error| failed(path, &error);
    let mut file = BufWriter::with_capacity(1 << 20, file);
    member.snapshot(&mut |piece| file.write_all(piece).map_err(|error| error.to_string()))?;
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    if let Some(folder) = path.parent() {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
    }
    Ok(())
}

/// What lies on the disk, read again: what was sent is not what counts.
fn examined(path: &Path) -> Result<SavedSnapshot, EtcdError> {
    let failed = |error: std::io::Error| failed(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let database = bytes.saturating_sub(TRAILER);
    let mut content = Sha256::new();
    let mut whole = Sha256::new();
    let mut left = database;
    let mut piece = vec![0; 1 << 20];
    while left > 0 {
        let most = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        let into = piece.get_mut(..most).unwrap_or_default();
        let read = file.read(into).map_err(failed)?;
        if read == 0 {
            return Err(EtcdError::new(
                path.display().to_string(),
                "it became shorter while it was read",
            ));
        }
        let read_bytes = piece.get(..read).unwrap_or_default();
        content.update(read_bytes);
        whole.update(read_bytes);
        left -= read as u64;
    }
    let mut trailer = Vec::new();
    file.read_to_end(&mut trailer).map_err(failed)?;
    whole.update(&trailer);
    let expected = content.finalize();
    let is_whole = database > 0 && database.is_multiple_of(SECTOR);
    Ok(SavedSnapshot {
        bytes,
        hash_matches: is_whole && expected.as_slice() == trailer.as_slice(),
        sha256: hex::encode(whole.finalize()),
    })
}

pub(super) fn failed(path: &Path, error: &std::io::Error) -> EtcdError {
    EtcdError::new(path.display().to_string(), error)
}
