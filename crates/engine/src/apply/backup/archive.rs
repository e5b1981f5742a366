//! The tar file: written in one piece, read back with every digest checked.

use super::BackupError;
use super::encryption::{Unlock, is_encrypted, unprotect};
use super::manifest::{Entry, FORMAT_VERSION, Kind, Manifest, member_name};
use crate::apply::targets::sha256;
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "manifest.json";

/// The last member: hex digest of the first. Whoever reads it knows that nothing is cut off.
const SEAL: &str = "manifest.json.sha256";
const BLOCK: usize = 512;

/// What the tar reader says instead quotes what it read: of the wrong file that may be a key.
const NO_TAR: &str = "it is no tar file";
const CUT: &str = "it is cut short, or no tar file from some point on";

/// An archive that was read and found whole.
pub struct Archive {
    manifest: Manifest,
    contents: BTreeMap<PathBuf, Sealed>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Archive")
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Decrypts where needed, reads, and checks every file against the manifest.
    pub fn open(bytes: Sealed, unlock: &Unlock) -> Result<Self, BackupError> {
        let bytes = unprotect(bytes, unlock)?;
        let mut members = tar::Archive::new(open(&bytes));
        let mut members = members.entries().map_err(|_| not_a_backup(&NO_TAR))?;
        let (manifest, digest) = match members.next() {
            Some(first) => read_manifest(first)?,
            None => return Err(not_a_backup(&"it is empty")),
        };
        let mut found: BTreeMap<String, Sealed> = BTreeMap::new();
        for member in members {
            let mut member = member.map_err(|_| damaged(CUT.to_owned()))?;
            if member.header().entry_type() != tar::EntryType::Regular {
                continue;
            }
            let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            let size = usize::try_from(member.size()).unwrap_or(usize::MAX);
            // The size is the archive's word; what is there is the truth.
            let mut contents = Vec::with_capacity(size.min(bytes.len()) + 1);
            let read = member.read_to_end(&mut contents);
            let contents = Sealed::new(contents);
            read.map_err(|_| damaged(CUT.to_owned()))?;
            found.insert(name, contents);
        }
        match found.remove(SEAL) {
            Some(sealed) if open(&sealed) == digest.as_bytes() => {}
            Some(_) => return Err(damaged("manifest.json does not have its digest".to_owned())),
            None => return Err(damaged("its end is missing; it is cut short".to_owned())),
        }
        let contents = manifest
            .entries
            .iter()
            .filter_map(|entry| checked(entry, &mut found).transpose())
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Self { manifest, contents })
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Every file with its contents.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &Sealed)> {
        let files = self.contents.iter();
        files.map(|(path, contents)| (path.as_path(), contents))
    }

    /// The same archive without the contents of these files, which were private keys: each with
    /// SHA-256 of its public half.
    pub fn without(
        mut self,
        keys: &[(PathBuf, Option<String>)],
        at: Timestamp,
    ) -> Result<Sealed, BackupError> {
        let mut manifest = self.manifest;
        manifest.kubepki_backup = FORMAT_VERSION;
        for (path, public_key_sha256) in keys {
            self.contents.remove(path);
            let entry = manifest.entries.iter_mut().find(|it| it.path == *path);
            if let Some(entry) = entry {
                entry.kind = Kind::Destroyed {
                    at,
                    public_key_sha256: public_key_sha256.clone(),
                };
            }
        }
        let contents: Vec<Option<Sealed>> = manifest
            .entries
            .iter()
            .map(|entry| self.contents.remove(&entry.path))
            .collect();
        write(&manifest, &contents)
    }

    /// A file's contents.
    pub fn contents(&self, path: &Path) -> Option<&Sealed> {
        self.contents.get(path)
    }
}

/// The manifest alone, without checking the rest; `None` for an encrypted archive.
pub fn manifest_of(bytes: &Sealed) -> Result<Option<Manifest>, BackupError> {
    let bytes = open(bytes);
    if is_encrypted(bytes) {
        return Ok(None);
    }
    let mut members = tar::Archive::new(bytes);
    let mut members = members.entries().map_err(|_| not_a_backup(&NO_TAR))?;
    match members.next() {
        Some(first) => read_manifest(first).map(|(manifest, _)| Some(manifest)),
        None => Err(not_a_backup(&"it is empty")),
    }
}

/// Builds the tar file. `contents` are in the order of the manifest's entries.
pub fn write(manifest: &Manifest, contents: &[Option<Sealed>]) -> Result<Sealed, BackupError> {
    let json = serde_json::to_vec_pretty(manifest).map_err(|error| damaged(error.to_string()))?;
    // Room for everything at once: a buffer that grows leaves unwiped copies of keys behind.
    let members: usize = manifest
        .entries
        .iter()
        .zip(contents)
        .map(|(entry, contents)| {
            let size = contents.as_ref().map_or(0, Sealed::len);
            size + entry.path.as_os_str().len() + 6 * BLOCK
        })
        .sum();
    let mut tar = tar::Builder::new(Vec::with_capacity(members + json.len() + 8 * BLOCK));
    let written = write_members(&mut tar, manifest, contents, &json);
    let bytes = Sealed::new(
        tar.into_inner()
            .map_err(|error| damaged(error.to_string()))?,
    );
    written.map_err(|error| damaged(error.to_string()))?;
    Ok(bytes)
}

fn write_members(
    tar: &mut tar::Builder<Vec<u8>>,
    manifest: &Manifest,
    contents: &[Option<Sealed>],
    json: &[u8],
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(json.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(manifest.time.as_second()).unwrap_or(0));
    tar.append_data(&mut header, MANIFEST, json)?;
    for (entry, contents) in manifest.entries.iter().zip(contents) {
        let Some(name) = member_name(&entry.path) else {
            continue;
        };
        let mut header = tar::Header::new_gnu();
        let attributes = match &entry.kind {
            Kind::Absent | Kind::Destroyed { .. } => continue,
            Kind::Symlink { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                header.set_mode(0o777);
                tar.append_link(&mut header, name, target)?;
                continue;
            }
            Kind::Directory { attributes } => {
                header.set_entry_type(tar::EntryType::Directory);
                attributes.decode()
            }
            Kind::File {
                attributes,
                modified,
                ..
            } => {
                header.set_mtime(u64::try_from(modified.as_second()).unwrap_or(0));
                attributes.decode()
            }
        };
        if let Some(attributes) = attributes {
            header.set_mode(attributes.mode);
            header.set_uid(u64::from(attributes.uid));
            header.set_gid(u64::from(attributes.gid));
        }
        let bytes = contents.as_ref().map(open).unwrap_or_default();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes)?;
    }
    let digest = sha256(json);
    let mut header = tar::Header::new_gnu();
    header.set_size(digest.len() as u64);
    header.set_mode(0o600);
    tar.append_data(&mut header, SEAL, digest.as_bytes())
}

fn read_manifest<R: Read>(
    first: std::io::Result<tar::Entry<'_, R>>,
) -> Result<(Manifest, String), BackupError> {
    let mut first = first.map_err(|_| not_a_backup(&NO_TAR))?;
    if first.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(not_a_backup(&"its first member is not manifest.json"));
    }
    let mut json = Vec::new();
    first
        .read_to_end(&mut json)
        .map_err(|_| damaged(CUT.to_owned()))?;
    let version = serde_json::from_slice::<serde_json::Value>(&json)
        .map_err(|error| damaged(format!("manifest.json: {error}")))?
        .get("kubepkiBackup")
        .and_then(serde_json::Value::as_u64);
    match version {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            return Err(BackupError::FromTheFuture {
                found,
                supported: FORMAT_VERSION,
            });
        }
        Some(_) => {}
        None => return Err(not_a_backup(&"manifest.json names no version")),
    }
    let manifest = serde_json::from_slice(&json)
        .map_err(|error| damaged(format!("manifest.json: {error}")))?;
    Ok((manifest, sha256(&json)))
}

/// The contents that belong to an entry, if it has any, after every claim about them was checked.
fn checked(
    entry: &Entry,
    found: &mut BTreeMap<String, Sealed>,
) -> Result<Option<(PathBuf, Sealed)>, BackupError> {
    let path = entry.path.display();
    let Some(name) = member_name(&entry.path) else {
        return Err(damaged(format!(
            "{path} is not an absolute path without `..`"
        )));
    };
    let (Kind::Directory { attributes } | Kind::File { attributes, .. }) = &entry.kind else {
        return Ok(None);
    };
    if attributes.decode().is_none() {
        return Err(damaged(format!("owner or mode of {path} cannot be read")));
    }
    let Kind::File {
        size,
        sha256: expected,
        ..
    } = &entry.kind
    else {
        return Ok(None);
    };
    let Some(contents) = found.remove(&name) else {
        return Err(damaged(format!(
            "{path} is missing; the archive is cut short"
        )));
    };
    if contents.len() as u64 != *size || sha256(open(&contents)) != *expected {
        return Err(damaged(format!(
            "{path} does not have the digest in the manifest"
        )));
    }
    Ok(Some((entry.path.clone(), contents)))
}

fn damaged(detail: String) -> BackupError {
    BackupError::Damaged { detail }
}

fn not_a_backup(detail: &impl std::fmt::Display) -> BackupError {
    BackupError::NotABackup {
        detail: detail.to_string(),
    }
}
