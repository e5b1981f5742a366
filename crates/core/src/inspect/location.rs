//! Where an item was found: in which file, stream or endpoint, and where in it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;
use std::sync::Arc;

/// What was read as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file.
    File {
        /// The path, as the user or the folder named it.
        path: String,
        /// What the path points at, when it is a symbolic link.
        link_target: Option<String>,
        /// The kubeconfig that named the file, when the user did not.
        named_by: Option<String>,
    },
    /// Standard input.
    StandardInput,
    /// A TLS server: `host:port`.
    Endpoint(String),
}

impl Source {
    /// A file that the user named and that is no link.
    pub fn file(path: impl Into<String>) -> Self {
        Self::File {
            path: path.into(),
            link_target: None,
            named_by: None,
        }
    }

    /// The folder that a file lies in; nothing for other sources.
    pub fn folder(&self) -> Option<&str> {
        match self {
            Self::File { path, .. } => Some(path.rsplit_once('/').map_or("", |(folder, _)| folder)),
            Self::StandardInput | Self::Endpoint(_) => None,
        }
    }
}

/// The path, `-` for standard input, or `host:port`.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => formatter.write_str(path),
            Self::StandardInput => formatter.write_str("-"),
            Self::Endpoint(endpoint) => formatter.write_str(endpoint),
        }
    }
}

/// Where an item lies. Cheap to clone: all items of a source share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// What was read.
    pub source: Arc<Source>,
    /// The item's number in it, the first is 1.
    pub index: u32,
    /// JSON pointer (RFC 6901) of the field in a kubeconfig or manifest.
    pub pointer: Option<Arc<str>>,
    /// The object that the field belongs to: `user kubernetes-admin`, `Secret kube-system/web`, a
    /// PKCS#12 friendly name.
    pub object: Option<Arc<str>>,
}

impl Location {
    /// The beginning of a source.
    pub fn start_of(source: Arc<Source>) -> Self {
        Self {
            source,
            index: 1,
            pointer: None,
            object: None,
        }
    }

    /// The container in which items are beside each other: the field's parent, else the source.
    pub(super) fn pointer_parent(&self) -> Option<&str> {
        let pointer = self.pointer.as_deref()?;
        Some(pointer.rsplit_once('/').map_or("", |(parent, _)| parent))
    }
}

/// `pki/ca.crt`, `bundle.pem (item 2)`, `admin.conf (user kubernetes-admin)`.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.source)?;
        match (&self.object, &self.pointer) {
            (Some(object), _) => write!(formatter, " ({object})"),
            (None, Some(pointer)) => write!(formatter, " ({pointer})"),
            (None, None) if self.index > 1 => write!(formatter, " (item {})", self.index),
            (None, None) => Ok(()),
        }
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &*self.source {
            Source::File {
                path,
                link_target,
                named_by,
            } => {
                map.serialize_entry("path", path)?;
                if let Some(target) = link_target {
                    map.serialize_entry("linkTarget", target)?;
                }
                if let Some(named_by) = named_by {
                    map.serialize_entry("namedBy", named_by)?;
                }
            }
            Source::StandardInput => map.serialize_entry("path", "-")?,
            Source::Endpoint(endpoint) => map.serialize_entry("endpoint", endpoint)?,
        }
        map.serialize_entry("index", &self.index)?;
        if let Some(pointer) = &self.pointer {
            map.serialize_entry("pointer", &**pointer)?;
        }
        if let Some(object) = &self.object {
            map.serialize_entry("object", &**object)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_well_and_serializes_in_full() {
        let link = Source::File {
            path: "pki/current.pem".into(),
            link_target: Some("2026.pem".into()),
            named_by: Some("kubelet.conf".into()),
        };
        let mut location = Location::start_of(Arc::new(link));
        assert_eq!(location.to_string(), "pki/current.pem");
        location.index = 2;
        assert_eq!(location.to_string(), "pki/current.pem (item 2)");
        location.pointer = Some("/users/0/user/client-key-data".into());
        location.object = Some("user admin".into());
        assert_eq!(location.to_string(), "pki/current.pem (user admin)");
        assert_eq!(
            serde_json::to_value(&location).unwrap(),
            json!({
                "path": "pki/current.pem", "linkTarget": "2026.pem", "namedBy": "kubelet.conf",
                "index": 2, "pointer": "/users/0/user/client-key-data", "object": "user admin",
            })
        );
        assert_eq!(location.pointer_parent(), Some("/users/0/user"));
    }

    #[test]
    fn folders_are_of_files_only() {
        assert_eq!(Source::file("/a/b.crt").folder(), Some("/a"));
        assert_eq!(Source::file("b.crt").folder(), Some(""));
        assert_eq!(Source::StandardInput.folder(), None);
    }
}
