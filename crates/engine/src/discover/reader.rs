//! Reading for discovery: every file once, its hash kept as the basis of plans, every refusal a gap.

use crate::ports::FILE_LIMIT;
use crate::ports::{FileKind, FileMetadata, HostErrorKind, HostRead};
use kubepki_core::model::{FileTime, Gap};
use kubepki_sealed::{Sealed, danger};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What came of reading a file.
pub(crate) enum Read {
    /// Its contents and its permission bits.
    Contents(Sealed, u32),
    /// It does not exist.
    Missing,
    /// It could not be read; the text says why.
    Problem(String),
}

/// Reads a host and remembers what it read.
pub(crate) struct Reader<'a> {
    pub(crate) host: &'a dyn HostRead,
    pub(crate) files: BTreeMap<PathBuf, Option<String>>,
    pub(crate) file_times: BTreeMap<PathBuf, FileTime>,
    pub(crate) gaps: Vec<Gap>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(host: &'a dyn HostRead) -> Self {
        Self {
            host,
            files: BTreeMap::new(),
            file_times: BTreeMap::new(),
            gaps: Vec::new(),
        }
    }

    /// Reads a file; what stands in the way is returned, not recorded as a gap.
    pub(crate) fn read(&mut self, path: &Path) -> Read {
        match self.host.read(path, FILE_LIMIT) {
            Ok(contents) => {
                let hash = hex::encode(Sha256::digest(danger::open(&contents)));
                self.files.insert(path.to_owned(), Some(hash));
                Read::Contents(contents, self.mode_noting_times(path))
            }
            Err(error) if error.kind == HostErrorKind::NotFound => {
                self.files.insert(path.to_owned(), None);
                Read::Missing
            }
            Err(error) => Read::Problem(error.to_string()),
        }
    }

    /// The permission bits; when the file was changed is kept. A path that is a link has been changed
    /// when the link was set or its target written, whichever is later.
    fn mode_noting_times(&mut self, path: &Path) -> u32 {
        let Ok(metadata) = self.host.metadata(path) else {
            return 0;
        };
        let link = self
            .symlink_metadata(path)
            .filter(|link| link.kind == FileKind::Symlink);
        let time = FileTime {
            path: path.to_owned(),
            modified: link.as_ref().map_or(metadata.modified, |link| {
                link.modified.max(metadata.modified)
            }),
            changed: link
                .as_ref()
                .map_or(metadata.changed, |link| link.changed.max(metadata.changed)),
        };
        self.file_times.insert(path.to_owned(), time);
        metadata.attributes.mode
    }

    /// Reads a file that need not exist; anything else in the way becomes a gap.
    pub(crate) fn optional(&mut self, path: &Path) -> Option<Sealed> {
        match self.read(path) {
            Read::Contents(contents, _) => Some(contents),
            Read::Missing => None,
            Read::Problem(reason) => {
                self.gap(path, reason);
                None
            }
        }
    }

    /// Like [`Self::optional`], as text; what is not UTF-8 becomes a gap.
    pub(crate) fn optional_text(&mut self, path: &Path) -> Option<String> {
        let contents = self.optional(path)?;
        match std::str::from_utf8(danger::open(&contents)) {
            Ok(text) => Some(text.to_owned()),
            Err(error) => {
                self.gap(path, format!("it is not UTF-8 text: {error}"));
                None
            }
        }
    }

    /// Names in a folder; a missing folder is empty, anything else in the way becomes a gap.
    pub(crate) fn list(&mut self, folder: &Path) -> Vec<String> {
        match self.host.list(folder) {
            Ok(names) => names,
            Err(error) => {
                if error.kind != HostErrorKind::NotFound {
                    self.gap(folder, error.to_string());
                }
                Vec::new()
            }
        }
    }

    /// Metadata of the path itself, when there is something.
    pub(crate) fn symlink_metadata(&self, path: &Path) -> Option<FileMetadata> {
        self.host.symlink_metadata(path).ok()
    }

    /// Where the link points, made absolute, when the path is a link.
    pub(crate) fn link_target(&self, path: &Path) -> Option<PathBuf> {
        let is_link = self
            .symlink_metadata(path)
            .is_some_and(|metadata| metadata.kind == FileKind::Symlink);
        if !is_link {
            return None;
        }
        let target = self.host.read_link(path).ok()?;
        Some(
            path.parent()
                .map_or(target.clone(), |parent| parent.join(target)),
        )
    }

    /// The file that a path names in the end: two names of one file are one file.
    pub(crate) fn real_path(&self, path: &Path) -> PathBuf {
        self.host
            .canonicalize(path)
            .unwrap_or_else(|_| path.to_owned())
    }

    pub(crate) fn gap(&mut self, object: &Path, reason: impl Into<String>) {
        self.gaps
            .push(Gap::new(object.display().to_string(), reason));
    }
}
