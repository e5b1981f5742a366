//! Where a container's paths are on the host.
//!
//! A flag of a static pod names a path inside the container; `volumeMounts` and `hostPath` volumes
//! say which file on the host that is. The longest mount path wins, as in a mount table.
//! <https://kubernetes.io/docs/concepts/storage/volumes/#hostpath>

use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// One mount: a path in the container and the host path behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The path inside the container.
    pub container: PathBuf,
    /// The path on the host; none for a volume that is not on the host (a ConfigMap, an empty
    /// folder), which still hides what lies behind it.
    pub host: Option<PathBuf>,
    /// Whether the container may only read.
    pub read_only: bool,
}

/// The mounts of one container. No mounts at all means that the process sees the host itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMap {
    mounts: Vec<Mount>,
    contained: bool,
}

impl PathMap {
    /// For a process that sees the host's own files.
    pub fn of_host() -> Self {
        Self::default()
    }

    /// For a container with these mounts. Everything else it sees is in its image.
    pub fn of_container(mut mounts: Vec<Mount>) -> Self {
        // Stable, so that of two mounts of one path the later stays the later, and wins.
        mounts.sort_by_key(|mount| mount.container.components().count());
        Self {
            mounts,
            contained: true,
        }
    }

    /// The path on the host, or none if the path is in the container's own image.
    pub fn host_path(&self, path: &Path) -> Option<PathBuf> {
        if !self.contained {
            return Some(path.to_owned());
        }
        let path = normalized(path);
        let mount = self
            .mounts
            .iter()
            .rev()
            .find(|mount| path.starts_with(&mount.container))?;
        let rest = path.strip_prefix(&mount.container).ok()?;
        Some(joined(mount.host.as_ref()?, rest))
    }

    /// Whether the path lies in a volume or on the host: what does not is in the container's image.
    pub fn covers(&self, path: &Path) -> bool {
        let path = normalized(path);
        let mut mounts = self.mounts.iter();
        !self.contained || mounts.any(|mount| path.starts_with(&mount.container))
    }

    /// The path on the host; the path itself where no mount covers it.
    pub fn to_host(&self, path: &Path) -> PathBuf {
        self.host_path(path).unwrap_or_else(|| path.to_owned())
    }

    /// The path inside the container of a file on the host, or none if the container does not
    /// see it.
    pub fn container_path(&self, host: &Path) -> Option<PathBuf> {
        if !self.contained {
            return Some(host.to_owned());
        }
        let host = normalized(host);
        self.mounts.iter().rev().find_map(|mount| {
            let rest = host.strip_prefix(mount.host.as_ref()?).ok()?;
            let seen = joined(&mount.container, rest);
            // A deeper mount may hide the file.
            (self.host_path(&seen).as_deref() == Some(&*host)).then_some(seen)
        })
    }

    /// The mounts, outer before inner.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }
}

/// `base.join("")` would add a slash.
fn joined(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() {
        base.to_owned()
    } else {
        base.join(rest)
    }
}

/// Without `.`, `..` and doubled slashes, by text: the container's own links are not known here.
pub(super) fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(container: &str, host: Option<&str>) -> Mount {
        Mount {
            container: container.into(),
            host: host.map(PathBuf::from),
            read_only: true,
        }
    }

    fn map() -> PathMap {
        PathMap::of_container(vec![
            mount("/pki/etcd", Some("/srv/etcd-pki")),
            mount("/pki", Some("/etc/kubernetes/pki")),
            mount("/pki/hidden", None),
            mount("/conf", Some("/etc/kubernetes/scheduler.conf")),
        ])
    }

    #[test]
    fn the_longest_mount_wins() {
        for (container, host) in [
            ("/pki/ca.crt", Some("/etc/kubernetes/pki/ca.crt")),
            ("/pki//etcd/./ca.crt", Some("/srv/etcd-pki/ca.crt")),
            ("/pki/etcd/../ca.crt", Some("/etc/kubernetes/pki/ca.crt")),
            ("/pkix/ca.crt", None),
            ("/pki/hidden/ca.crt", None),
            ("/conf", Some("/etc/kubernetes/scheduler.conf")),
            ("/etc/ssl/x", None),
        ] {
            assert_eq!(
                map().host_path(Path::new(container)),
                host.map(PathBuf::from),
                "{container}"
            );
        }
        assert_eq!(
            map().to_host(Path::new("/etc/ssl/x")),
            Path::new("/etc/ssl/x")
        );
    }

    #[test]
    fn a_host_file_is_found_in_the_container_unless_hidden() {
        let seen = |host: &str| map().container_path(Path::new(host));
        assert_eq!(seen("/srv/etcd-pki/a"), Some("/pki/etcd/a".into()));
        assert_eq!(
            seen("/etc/kubernetes/pki/ca.crt"),
            Some("/pki/ca.crt".into())
        );
        assert_eq!(seen("/etc/kubernetes/pki/etcd/ca.crt"), None);
        assert_eq!(seen("/elsewhere"), None);
    }

    #[test]
    fn a_process_of_the_host_sees_the_host() {
        let map = PathMap::of_host();
        assert_eq!(map.host_path(Path::new("/a")), Some("/a".into()));
        assert_eq!(map.container_path(Path::new("/a")), Some("/a".into()));
    }
}
