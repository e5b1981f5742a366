//! The files of a host as they were when it was healthy, and putting them back: bytes, mode, time of
//! change and links. What is the same stays untouched, and what was not there is removed. etcd's data
//! and what runs are not among them.

use std::collections::BTreeMap;
use std::fs::{FileTimes, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::host::Host;

/// What tests break, and programs under test write.
const PLACES: [&str; 3] = [
    "/etc/kubernetes",
    "/var/lib/kubelet/pki",
    "/var/lib/kubelet/config.yaml",
];

#[derive(Clone, Debug, Eq, PartialEq)]
enum Entry {
    Link(PathBuf),
    File {
        bytes: Vec<u8>,
        mode: u32,
        changed: SystemTime,
    },
}

impl Entry {
    fn is_same(&self, other: &Entry) -> bool {
        match (self, other) {
            (Entry::Link(one), Entry::Link(another)) => one == another,
            (
                Entry::File { bytes, mode, .. },
                Entry::File {
                    bytes: other_bytes,
                    mode: other_mode,
                    ..
                },
            ) => bytes == other_bytes && mode == other_mode,
            _ => false,
        }
    }

    /// Lines that only the other one has; none of a file that may be a key.
    fn beside(&self, other: &Entry) -> String {
        let (
            Entry::File { bytes, mode, .. },
            Entry::File {
                bytes: now,
                mode: new_mode,
                ..
            },
        ) = (self, other)
        else {
            return "a link, or where it leads".to_owned();
        };
        if mode != new_mode {
            return format!("mode {mode:o}, now {new_mode:o}");
        }
        let (before, now) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(now));
        if before.contains("PRIVATE KEY") || before.contains("client-key-data") {
            return "a private key, or what stands beside one".to_owned();
        }
        let before: Vec<&str> = before.lines().collect();
        let new = now.lines().filter(|line| !before.contains(line));
        format!("{:?}", new.collect::<Vec<_>>())
    }
}

/// A host's files.
pub struct Saved {
    host: Host,
    files: BTreeMap<PathBuf, Entry>,
}

impl Saved {
    /// Keeps what is there now.
    pub fn of(host: &Host) -> Result<Self> {
        Ok(Saved {
            host: host.clone(),
            files: read(host)?,
        })
    }

    /// Makes the files what they were.
    pub fn restore(&self) -> Result<()> {
        let found = read(&self.host)?;
        for path in found.keys().filter(|path| !self.files.contains_key(*path)) {
            fs_err::remove_file(self.host.path(path))?;
        }
        for (path, entry) in &self.files {
            if found.get(path) != Some(entry) {
                self.write(path, entry)
                    .with_context(|| format!("cannot restore {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// What is not the same in `later`, in words: bytes, mode, and where a link leads; when it was changed
    /// does not count.
    pub fn differences(&self, later: &Saved) -> Vec<String> {
        let host = self.host.name();
        let mut found = Vec::new();
        for (name, before) in &self.files {
            let path = name.display();
            match later.files.get(name) {
                None => found.push(format!("{host}: {path} is gone")),
                Some(now) if !before.is_same(now) => {
                    found.push(format!("{host}: {path} differs: {}", before.beside(now)));
                }
                Some(_) => {}
            }
        }
        let new = later
            .files
            .keys()
            .filter(|it| !self.files.contains_key(*it));
        found.extend(new.map(|it| format!("{host}: {} is new", it.display())));
        found
    }

    /// The bytes of a file as it was.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        match self.files.get(Path::new(path))? {
            Entry::File { bytes, .. } => Some(bytes),
            Entry::Link(_) => None,
        }
    }

    fn write(&self, path: &Path, entry: &Entry) -> Result<()> {
        let target = self.host.path(path);
        let folder = target.parent().context("no folder")?;
        fs_err::create_dir_all(folder)?;
        // kubelet runs what lies in its folder, but for dot-files
        let staged = folder.join(".restored");
        let _not_there = fs_err::remove_file(&staged);
        match entry {
            Entry::Link(to) => symlink(to, &staged)?,
            Entry::File {
                bytes,
                mode,
                changed,
            } => {
                let mut open = OpenOptions::new();
                let file = open.write(true).create(true).mode(0o600).open(&staged)?;
                fs_err::write(&staged, bytes)?;
                file.set_permissions(PermissionsExt::from_mode(*mode))?;
                file.set_times(FileTimes::new().set_modified(*changed))?;
            }
        }
        Ok(fs_err::rename(staged, target)?)
    }
}

fn read(host: &Host) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut files = BTreeMap::new();
    let mut left: Vec<PathBuf> = PLACES.map(PathBuf::from).to_vec();
    while let Some(path) = left.pop() {
        let seen = host.path(&path);
        let metadata = fs_err::symlink_metadata(&seen)?;
        if metadata.is_dir() {
            for entry in fs_err::read_dir(&seen)? {
                left.push(path.join(entry?.file_name()));
            }
        } else if metadata.is_symlink() {
            files.insert(path, Entry::Link(fs_err::read_link(&seen)?));
        } else {
            let entry = Entry::File {
                bytes: fs_err::read(&seen)?,
                mode: metadata.permissions().mode() & 0o7777,
                changed: metadata.modified()?,
            };
            files.insert(path, entry);
        }
    }
    Ok(files)
}
