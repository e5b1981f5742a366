//! The first member of an archive: what it holds, with everything a tar header has no room for.

use crate::ports::FileAttributes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The newest format that this program reads.
pub const FORMAT_VERSION: u32 = 2;

/// What a new archive is written in.
pub const FIRST_VERSION: u32 = 1;

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The format's version.
    pub kubepki_backup: u32,
    /// The host's name.
    pub host: String,
    /// When it was made.
    pub time: Timestamp,
    /// The run that it was made for.
    pub id: String,
    /// e.g. `renew`.
    pub verb: String,
    /// Every path, folders before what is in them.
    pub entries: Vec<Entry>,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The path on the host.
    pub path: PathBuf,
    /// What was there.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What was at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Kind {
    /// Nothing: restoring removes what is there by then.
    Absent,
    /// A private key that was destroyed in the archive, later than that was made. From version 2 on.
    Destroyed {
        /// When.
        at: Timestamp,
        /// SHA-256 of its public half, hexadecimal, where it could be read.
        public_key_sha256: Option<String>,
    },
    /// A folder, kept so that a lost one can be made again.
    Directory {
        /// Owner and mode.
        #[serde(flatten)]
        attributes: Attributes,
    },
    /// A regular file; its contents are the member `files` + path.
    File {
        /// Size in bytes.
        size: u64,
        /// Hex digest of the contents.
        sha256: String,
        /// When the contents last changed.
        modified: Timestamp,
        /// Owner and mode.
        #[serde(flatten)]
        attributes: Attributes,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as written in it.
        target: PathBuf,
    },
}

/// [`FileAttributes`] as JSON: the mode in octal, extended attributes in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    mode: String,
    uid: u32,
    gid: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
}

impl From<&FileAttributes> for Attributes {
    fn from(attributes: &FileAttributes) -> Self {
        let hex = |(name, value): &(String, Vec<u8>)| (name.clone(), hex::encode(value));
        Self {
            mode: format!("{:04o}", attributes.mode),
            uid: attributes.uid,
            gid: attributes.gid,
            xattrs: attributes.xattrs.iter().map(hex).collect(),
        }
    }
}

impl Attributes {
    /// Back again; `None` when the text is no octal mode or no hex.
    pub fn decode(&self) -> Option<FileAttributes> {
        let mode = u32::from_str_radix(&self.mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)?;
        let xattrs = self
            .xattrs
            .iter()
            .map(|(name, value)| hex::decode(value).ok().map(|value| (name.clone(), value)));
        let xattrs = xattrs.collect::<Option<Vec<_>>>()?;
        Some(FileAttributes {
            mode,
            uid: self.uid,
            gid: self.gid,
            xattrs,
        })
    }
}

/// The member of an archive that holds a path's contents, or `None` when the path is not absolute
/// or has `..` in it: an archive must not reach where it was not made.
pub fn member_name(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let below = text.strip_prefix('/')?;
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    below
        .split('/')
        .all(is_plain)
        .then(|| format!("files/{below}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_could_lead_elsewhere_has_no_member() {
        assert_eq!(
            member_name(Path::new("/etc/x")).as_deref(),
            Some("files/etc/x")
        );
        for path in ["etc/x", "/etc/../x", "/", "/etc//x", "/etc/./x", ""] {
            assert_eq!(member_name(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn attributes_survive_json() {
        let wanted = FileAttributes {
            mode: 0o4640,
            uid: 7,
            gid: 9,
            xattrs: vec![("user.note".to_owned(), vec![0, 255])],
        };
        let json = serde_json::to_string(&Attributes::from(&wanted)).unwrap();
        let read: Attributes = serde_json::from_str(&json).unwrap();
        assert_eq!(read.decode(), Some(wanted));
    }
}
