//! The old private keys of roots, when nobody needs them any more: what the backups of this host and the
//! old pair that was kept still hold of them is destroyed, or sealed for somebody.
//!
//! What is old is seen, not remembered: a private key in an archive that lies where a root's own key lies,
//! or lay beside it as that of a generation before or after, and is in use nowhere; and any other with the
//! same public half. So it may be done twice, and what was cut short is ended by doing it again.
//!
//! Only under the host's lock. Bytes are overwritten before they go, which a disk with a journal, snapshots
//! or flash may not honour.

use crate::apply::backup::{self, Archive, BackupError, Kind, Protection, Unlock};
use crate::apply::{ApplyError, BatchState, Record, history};
use crate::ports::{FILE_LIMIT, FileKind, HostError, HostErrorKind, HostWrite, Progress};
use jiff::Timestamp;
use kubepki_core::rotation::successor::{previous, successor};
use kubepki_keys::public_half;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What is to be done.
pub struct OldKeys<'a> {
    /// Where the roots' own private keys lie.
    pub paths: &'a [PathBuf],
    /// SHA-256 of the public halves of keys in use, hexadecimal: none of them is old.
    pub in_use: &'a BTreeSet<String>,
    /// For whom they are sealed; `None` destroys them.
    pub seal: Option<&'a Protection>,
}

/// Why it could not be done, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OldKeyError {
    /// The runs of this host cannot be read.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// An archive could not be replaced.
    #[error("{}: {source}", path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why.
        source: BackupError,
    },
    /// The backups of this host cannot be listed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The host refused something.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl OldKeyError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Apply(error) => error.code(),
            Self::Archive { source, .. } => source.code(),
            Self::Backup(error) => error.code(),
            Self::Host(_) => "host-error",
        }
    }
}

/// A private key in an archive, and SHA-256 of its public half where that can be told.
type Found = (PathBuf, Option<String>);

/// Does it; what was done, in words, one for each archive and file.
pub fn retire(
    host: &dyn HostWrite,
    order: &OldKeys<'_>,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Vec<String>, OldKeyError> {
    backup::settle_doomed(host)?;
    let runs = history(host)?;
    let archives: Vec<PathBuf> = backup::list(host)?.into_iter().map(|it| it.path).collect();
    let mut doing = Doing {
        host,
        order,
        old: order.known_old(host, &archives),
        now,
        progress,
        told: Vec::new(),
    };
    for path in &archives {
        match backup::read(host, path, &Unlock::Nothing) {
            Ok(archive) => doing.clear(path, archive),
            Err(BackupError::Encrypted { .. }) => doing.encrypted(path, &runs),
            Err(BackupError::Host(error)) => return Err(error.into()),
            Err(error) => {
                doing.tell(
                    path,
                    format_args!("left as it is, it cannot be looked into: {error}"),
                );
                Ok(())
            }
        }
        .map_err(|source| OldKeyError::Archive {
            path: path.clone(),
            source,
        })?;
    }
    for path in order.paths {
        doing.put_away(&previous(path))?;
    }
    let told = doing.told;
    if told.is_empty() {
        progress.say("no backup here holds an old private key");
    }
    Ok(told)
}

struct Doing<'a> {
    host: &'a dyn HostWrite,
    order: &'a OldKeys<'a>,
    /// SHA-256 of public halves that are known to be old.
    old: BTreeSet<String>,
    now: Timestamp,
    progress: &'a dyn Progress,
    told: Vec<String>,
}

impl Doing<'_> {
    fn tell(&mut self, path: &Path, what: impl Display) {
        let words = format!("{}: {what}", path.display());
        self.progress.say(&words);
        self.told.push(words);
    }

    fn clear(&mut self, path: &Path, archive: Archive) -> Result<(), BackupError> {
        let keys = self.order.old_among(&archive, &self.old);
        if keys.is_empty() {
            return Ok(());
        }
        let names = named(&keys);
        match self.order.seal {
            None => {
                let without = archive.without(&keys, self.now)?;
                backup::doom(self.host, path, path, &without)?;
                self.tell(path, format_args!("{names} destroyed"));
            }
            Some(protection) => {
                let sealed = backup::seal(self.host, path, protection)?;
                self.tell(
                    path,
                    format_args!("sealed with {names}: {}", sealed.display()),
                );
            }
        }
        Ok(())
    }

    /// What an encrypted archive holds is told by the journal of the run that it was made for.
    fn encrypted(&mut self, path: &Path, runs: &[Record]) -> Result<(), BackupError> {
        let Some((run, keys)) = self.order.run_of(runs, path) else {
            self.tell(
                path,
                "left as it is: it is encrypted, and not known to hold an old private key",
            );
            return Ok(());
        };
        if keys.is_empty() {
            return Ok(());
        }
        if self.order.seal.is_some() {
            self.tell(path, "encrypted already, left as it is");
            return Ok(());
        }
        let instead = backup::tombstone(self.host, run, &keys, self.now)?;
        backup::doom(self.host, path, &path.with_extension(""), &instead)?;
        self.tell(
            path,
            "destroyed as a whole, since it is encrypted and held an old private key",
        );
        Ok(())
    }

    /// The old pair's key that one host had kept.
    fn put_away(&mut self, path: &Path) -> Result<(), HostError> {
        match self.host.symlink_metadata(path) {
            Ok(found) => {
                if found.kind == FileKind::Regular {
                    self.host.overwrite(path)?;
                }
                self.host.remove(path)?;
                self.tell(path, "destroyed");
                Ok(())
            }
            Err(error) if error.kind == HostErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl OldKeys<'_> {
    /// Whether a root's own key lies there, or a generation's beside it.
    fn names(&self, path: &Path) -> bool {
        self.is_own(path) || self.paths.iter().any(|own| path == successor(own))
    }

    /// Whether a root's own key lies there, or the old one that was put away.
    fn is_own(&self, path: &Path) -> bool {
        self.paths
            .iter()
            .any(|own| path == own || path == previous(own))
    }

    /// The public halves of what is old, over all archives: of what they hold, and of what they held.
    fn known_old(&self, host: &dyn HostWrite, archives: &[PathBuf]) -> BTreeSet<String> {
        let mut old = BTreeSet::new();
        for path in archives {
            let Ok(archive) = backup::read(host, path, &Unlock::Nothing) else {
                continue;
            };
            for entry in &archive.manifest().entries {
                if let Kind::Destroyed {
                    public_key_sha256: Some(sha256),
                    ..
                } = &entry.kind
                {
                    old.insert(sha256.clone());
                }
            }
            let keys = self.old_among(&archive, &BTreeSet::new()).into_iter();
            old.extend(keys.filter_map(|(_, sha256)| sha256));
        }
        // The old pair that one host keeps until the end.
        for own in self.paths {
            let kept = host.read(&previous(own), FILE_LIMIT);
            let half = kept.ok().and_then(|contents| public_half(&contents).ok());
            old.extend(half.map(|half| hex::encode(half.public_key.sha256())));
        }
        old.retain(|sha256| !self.in_use.contains(sha256));
        old
    }

    fn old_among(&self, archive: &Archive, old: &BTreeSet<String>) -> Vec<Found> {
        let found = archive.files().filter_map(|(path, contents)| {
            let sha256 = public_half(contents)
                .ok()
                .map(|half| hex::encode(half.public_key.sha256()));
            let is_old = match &sha256 {
                Some(sha256) if self.in_use.contains(sha256) => false,
                Some(sha256) if old.contains(sha256) => true,
                // Of what lies there and cannot be read nobody knows that it is none.
                _ => self.names(path),
            };
            is_old.then(|| (path.to_owned(), sha256))
        });
        found.collect()
    }

    /// The run whose archive this is, and the keys that it replaced.
    fn run_of<'r>(&self, runs: &'r [Record], archive: &Path) -> Option<(&'r Record, Vec<PathBuf>)> {
        let run = runs
            .iter()
            .find(|run| run.backup.as_deref() == Some(archive))?;
        let committed = run
            .batches
            .iter()
            .filter(|(batch, state)| *state == BatchState::Committed && batch.reverts.is_none());
        let written = committed.flat_map(|(batch, _)| &batch.steps);
        let mut keys: Vec<PathBuf> = written
            .flat_map(|step| [&step.path, &step.target])
            // What lay in the successor's place became the one in use.
            .filter(|path| self.is_own(path))
            .cloned()
            .collect();
        keys.sort();
        keys.dedup();
        Some((run, keys))
    }
}

fn named(keys: &[Found]) -> String {
    let names: Vec<String> = keys
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    match names.len() {
        1 => format!("the old private key {}", names.join(", ")),
        _ => format!("the old private keys {}", names.join(", ")),
    }
}
