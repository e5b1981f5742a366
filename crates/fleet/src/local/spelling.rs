//! How files of a PKI are called on a host: what is called otherwise is none of an agent's business.

use std::path::{Component, Path};

/// How certificates, keys and requests are called.
pub(super) const PEM_ENDINGS: [&str; 7] = ["crt", "pem", "key", "cer", "cert", "csr", "pub"];

/// How kubeconfigs are called.
pub(super) const KUBECONFIG_ENDINGS: [&str; 2] = ["conf", "kubeconfig"];

/// Folders of the system: what lies in them is not all the cluster's.
pub(super) const SYSTEM_FOLDERS: [&str; 24] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/etc/ssl/private",
    "/etc/pki",
    "/etc/pki/tls",
    "/etc/pki/tls/certs",
    "/home",
    "/lib",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/var",
    "/var/lib",
];

/// The longest path that Linux takes.
const PATH_LIMIT: usize = 4096;

/// Absolute, of names only.
pub(super) fn is_plain(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    path.is_absolute()
        && text.len() < PATH_LIMIT
        && !text.contains(&0)
        && path
            .components()
            .all(|component| matches!(component, Component::RootDir | Component::Normal(_)))
}

pub(super) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| endings.contains(&ending))
}
