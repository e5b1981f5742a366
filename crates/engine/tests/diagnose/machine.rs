//! A host in memory, as discovery reads one: files, links, processes. Nothing is written and nothing
//! asked.

use jiff::Timestamp;
use kubepki_engine::ports::{
    FileAttributes, FileKind, FileMetadata, HostError, HostErrorKind, HostRead, Process,
};
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file or a link.
#[derive(Clone)]
pub enum Node {
    File {
        contents: Vec<u8>,
        mode: u32,
        modified: Timestamp,
    },
    Link(PathBuf),
}

/// One host.
#[derive(Clone)]
pub struct Machine {
    pub name: String,
    pub address: String,
    pub nodes: BTreeMap<PathBuf, Node>,
    pub processes: Vec<Process>,
    pub live: bool,
    pub written_at: Timestamp,
}

impl Machine {
    pub fn write(&mut self, path: &str, contents: impl Into<Vec<u8>>) {
        self.write_mode(
            path,
            contents,
            if path.ends_with(".crt") { 0o644 } else { 0o600 },
        );
    }

    pub fn write_mode(&mut self, path: &str, contents: impl Into<Vec<u8>>, mode: u32) {
        let node = Node::File {
            contents: contents.into(),
            mode,
            modified: self.written_at,
        };
        // A link is written through.
        let path = match self.nodes.get(Path::new(path)) {
            Some(Node::Link(target)) => target.clone(),
            _ => PathBuf::from(path),
        };
        self.nodes.insert(path, node);
    }

    pub fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        match &self.nodes[&self.resolved(Path::new(path)).unwrap()] {
            Node::File { contents, .. } => contents.clone(),
            Node::Link(_) => unreachable!(),
        }
    }

    pub fn copy(&mut self, from: &str, to: &str) {
        let contents = self.bytes(from);
        self.write(to, contents);
    }

    pub fn exchange(&mut self, one: &str, other: &str) {
        let (first, second) = (self.bytes(one), self.bytes(other));
        self.write(one, second);
        self.write(other, first);
    }

    pub fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = self.text(path);
        assert!(text.contains(from), "{path} does not hold {from}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    pub fn remove(&mut self, path: &str) {
        assert!(self.nodes.remove(Path::new(path)).is_some(), "{path}");
    }

    pub fn touch(&mut self, path: &str, at: Timestamp) {
        let path = self.resolved(Path::new(path)).unwrap();
        if let Some(Node::File { modified, .. }) = self.nodes.get_mut(&path) {
            *modified = at;
        }
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        match self.nodes.get(path)? {
            Node::Link(target) => {
                let target = path.parent()?.join(target);
                self.resolved(&target)
            }
            Node::File { .. } => Some(path.to_owned()),
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.nodes
            .keys()
            .any(|known| known != path && known.starts_with(path))
    }

    fn describe(&self, operation: &'static str, path: &Path) -> Result<FileMetadata, HostError> {
        let told = |kind, mode, len, modified| FileMetadata {
            kind,
            attributes: FileAttributes {
                mode,
                uid: 0,
                gid: 0,
                xattrs: Vec::new(),
            },
            len,
            modified,
            changed: modified,
        };
        match self.nodes.get(path) {
            Some(Node::File {
                contents,
                mode,
                modified,
            }) => Ok(told(
                FileKind::Regular,
                *mode,
                contents.len() as u64,
                *modified,
            )),
            Some(Node::Link(_)) => Ok(told(FileKind::Symlink, 0o777, 0, self.written_at)),
            None if self.is_directory(path) => {
                Ok(told(FileKind::Directory, 0o755, 0, self.written_at))
            }
            None => Err(not_found(operation, path)),
        }
    }
}

fn not_found(operation: &'static str, path: &Path) -> HostError {
    HostError {
        operation,
        path: path.to_owned(),
        kind: HostErrorKind::NotFound,
        detail: "no such file or directory".to_owned(),
    }
}

impl HostRead for Machine {
    fn hostname(&self) -> Result<String, HostError> {
        Ok(self.name.clone())
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn read(&self, path: &Path, _: u64) -> Result<Sealed, HostError> {
        let path = self.resolved(path).ok_or_else(|| not_found("read", path))?;
        match self.nodes.get(&path) {
            Some(Node::File { contents, .. }) => Ok(Sealed::new(contents.clone())),
            _ => Err(not_found("read", &path)),
        }
    }

    fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        match self.resolved(path) {
            Some(path) => self.describe("stat", &path),
            None if self.nodes.contains_key(path) => Err(not_found("stat", path)),
            None => self.describe("stat", path),
        }
    }

    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.describe("stat", path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        match self.nodes.get(path) {
            Some(Node::Link(target)) => Ok(target.clone()),
            _ => Err(not_found("read link", path)),
        }
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError> {
        match self.resolved(path) {
            Some(path) => Ok(path),
            None if self.is_directory(path) => Ok(path.to_owned()),
            None => Err(not_found("resolve", path)),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, HostError> {
        let below = self
            .nodes
            .keys()
            .filter_map(|path| path.strip_prefix(directory).ok());
        let mut names: Vec<String> = below
            .filter_map(|rest| {
                Some(
                    rest.components()
                        .next()?
                        .as_os_str()
                        .to_string_lossy()
                        .into(),
                )
            })
            .collect();
        names.dedup();
        if names.is_empty() {
            return Err(not_found("list", directory));
        }
        Ok(names)
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        Ok(self.processes.clone())
    }

    fn lock_holder(&self, _: &Path) -> Result<Option<String>, HostError> {
        Ok(None)
    }
}
