//! What is on a host at one moment, to be compared with another: files with their modes and link
//! targets, and the processes of its components.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::Host;

/// Where kubeadm and the kubelet keep certificates, keys and kubeconfigs. Manifests are not among
/// them: a restart annotates those.
const FOLDERS: [&str; 4] = [
    "/etc/kubernetes",
    "/etc/kubernetes/pki",
    "/etc/kubernetes/pki/etcd",
    "/var/lib/kubelet/pki",
];

/// The programs that a control plane consists of.
pub const COMPONENTS: [&str; 5] = [
    "kubelet",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// Files as they were: bytes, mode and link target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Snapshot {
    /// The paths that are not the same in `other`, those that only one of them has included.
    pub fn differing(&self, other: &Snapshot) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self
            .files
            .keys()
            .chain(other.files.keys())
            .cloned()
            .collect();
        paths.sort();
        paths.dedup();
        paths.retain(|path| self.files.get(path) != other.files.get(path));
        paths
    }

    /// The paths, in order.
    pub fn paths(&self) -> Vec<&Path> {
        self.files.keys().map(PathBuf::as_path).collect()
    }
}

impl Host {
    /// The certificates, keys and kubeconfigs of the host.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mut files = BTreeMap::new();
        for folder in FOLDERS {
            files.append(&mut self.snapshot_of(folder)?.files);
        }
        Ok(Snapshot { files })
    }

    /// The files right in one folder of the host.
    pub fn snapshot_of(&self, folder: &str) -> Result<Snapshot> {
        let mut files = BTreeMap::new();
        for entry in fs_err::read_dir(self.path(folder))? {
            let entry = entry?;
            let metadata = fs_err::symlink_metadata(entry.path())?;
            let mut seen = format!("{:o} ", metadata.permissions().mode()).into_bytes();
            if metadata.is_symlink() {
                let target = fs_err::read_link(entry.path())?;
                seen.extend(target.into_os_string().into_encoded_bytes());
            } else if metadata.is_file() {
                seen.extend(fs_err::read(entry.path())?);
            } else {
                continue;
            }
            files.insert(Path::new(folder).join(entry.file_name()), seen);
        }
        Ok(Snapshot { files })
    }

    /// The process ids of each of a control plane's components.
    pub fn component_processes(&self) -> Result<BTreeMap<&'static str, Vec<u32>>> {
        COMPONENTS
            .into_iter()
            .map(|program| Ok((program, self.processes(program)?)))
            .collect()
    }
}
