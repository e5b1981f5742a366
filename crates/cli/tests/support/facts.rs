//! What can be said about a host's certificates without asking the product: OpenSSL is asked.

use super::kubeadm::LEAFS;
use super::tree::{Tree, unbase64};
use kubepki_x509::{Certificate, pem};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file or link of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    File {
        contents: Vec<u8>,
        mode: u32,
        owner: (u32, u32),
    },
    Link(PathBuf),
}

/// Every file and link of a host but the product's own, by path on the host.
pub type Snapshot = BTreeMap<PathBuf, FileState>;

impl Tree {
    /// Everything on the host but what the product keeps for itself.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let host_path = Path::new("/").join(path.strip_prefix(self.root()).unwrap());
                if host_path.starts_with("/var/lib/kubepki") || host_path.starts_with("/run") {
                    continue;
                }
                if metadata.is_dir() {
                    folders.push(path);
                    continue;
                }
                // A pipe has no contents to compare, and reading it would wait for a writer.
                if !metadata.is_symlink() && !metadata.is_file() {
                    continue;
                }
                let state = if metadata.is_symlink() {
                    FileState::Link(fs::read_link(&path).unwrap())
                } else {
                    FileState::File {
                        contents: fs::read(&path).unwrap(),
                        mode: metadata.permissions().mode() & 0o7777,
                        owner: (metadata.uid(), metadata.gid()),
                    }
                };
                snapshot.insert(host_path, state);
            }
        }
        snapshot
    }

    /// Asserts that nothing on the host differs from an earlier snapshot.
    #[track_caller]
    pub fn assert_unchanged(&self, before: &Snapshot) {
        let changed = self.changed(before);
        assert!(changed.is_empty(), "changed: {changed:?}");
    }

    /// Paths that appeared, went or changed since an earlier snapshot.
    pub fn changed(&self, before: &Snapshot) -> Vec<PathBuf> {
        let after = self.snapshot();
        let mut paths: Vec<PathBuf> = before
            .iter()
            .filter(|(path, state)| after.get(*path) != Some(state))
            .map(|(path, _)| path.clone())
            .chain(
                after
                    .keys()
                    .filter(|path| !before.contains_key(*path))
                    .cloned(),
            )
            .collect();
        paths.sort();
        paths
    }

    /// Asserts that every certificate of a kubeadm host is valid now, belongs to its key, and
    /// chains to its CA by OpenSSL's strictest rules.
    #[track_caller]
    pub fn assert_sound(&self) {
        for leaf in &LEAFS {
            self.assert_pair(&format!("{}.crt", leaf.base), &format!("{}.key", leaf.base));
            self.assert_signed(
                &format!("{}.crt", leaf.base),
                &format!("{}.crt", leaf.authority),
            );
        }
        for name in self.list("/etc/kubernetes") {
            let path = format!("/etc/kubernetes/{name}");
            if !name.ends_with(".conf") || !self.text(&path).contains("client-certificate-data") {
                continue;
            }
            let (certificate, key) = self.kubeconfig_pair(&path);
            self.assert_pair(&certificate, &key);
            self.assert_signed(&certificate, "/etc/kubernetes/pki/ca.crt");
        }
        for kind in ["client", "server"] {
            let link = format!("/var/lib/kubelet/pki/kubelet-{kind}-current.pem");
            if self.exists(&link) {
                self.assert_pair(&link, &link);
                self.assert_signed(&link, "/etc/kubernetes/pki/ca.crt");
            }
        }
    }

    /// Asserts that a certificate and a key on the host belong together.
    #[track_caller]
    pub fn assert_pair(&self, certificate: &str, key: &str) {
        let of_certificate =
            self.openssl(&["x509", "-in", &self.real(certificate), "-noout", "-pubkey"]);
        let of_key = self.openssl(&["pkey", "-in", &self.real(key), "-pubout"]);
        assert_eq!(of_certificate, of_key, "{certificate} and {key}");
    }

    /// Asserts that `openssl verify -x509_strict` accepts a certificate of the host.
    #[track_caller]
    pub fn assert_signed(&self, certificate: &str, authority: &str) {
        let verdict = self.verify(certificate, authority, &[]);
        assert!(
            verdict.is_ok(),
            "{certificate} under {authority}: {verdict:?}"
        );
    }

    /// `openssl verify -x509_strict`; every further certificate in the file may be an intermediate.
    pub fn verify(&self, certificate: &str, authority: &str, more: &[&str]) -> Result<(), String> {
        let (certificate, authority) = (self.real(certificate), self.real(authority));
        let output = std::process::Command::new("openssl")
            .args([
                "verify",
                "-x509_strict",
                "-CAfile",
                &authority,
                "-untrusted",
                &certificate,
            ])
            .args(more)
            .arg(&certificate)
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        let words = [output.stdout, output.stderr].concat();
        Err(String::from_utf8_lossy(&words).into_owned())
    }

    /// The embedded client certificate and key of a kubeconfig, as files: `/kubeconfigs/NAME.crt`.
    pub fn kubeconfig_pair(&self, kubeconfig: &str) -> (String, String) {
        let name = kubeconfig.rsplit('/').next().unwrap();
        let mut paths = Vec::new();
        for (field, ending) in [
            ("client-certificate-data", "crt"),
            ("client-key-data", "key"),
        ] {
            let path = self.scratch().join(format!("{name}.{ending}"));
            fs::write(&path, self.kubeconfig_value(kubeconfig, field)).unwrap();
            paths.push(path.to_str().unwrap().to_owned());
        }
        let key = paths.pop().unwrap();
        (paths.pop().unwrap(), key)
    }

    /// The first value of a `…-data` field of a kubeconfig, decoded.
    #[track_caller]
    pub fn kubeconfig_value(&self, kubeconfig: &str, field: &str) -> Vec<u8> {
        let text = self.text(kubeconfig);
        let value = text
            .lines()
            .find_map(|line| {
                let line = line.trim().trim_start_matches("- ");
                line.trim_start_matches('"').strip_prefix(field)
            })
            .and_then(|rest| rest.trim_start_matches('"').strip_prefix(':'))
            .unwrap_or_else(|| panic!("{kubeconfig} has no {field}"));
        let value = value.split(" #").next().unwrap().trim();
        unbase64(value.trim_matches(['"', '\'', ',']))
    }

    /// The certificates of a PEM file of the host, decoded, for byte-by-byte comparisons.
    #[track_caller]
    pub fn certificates(&self, path: &str) -> Vec<Certificate> {
        let contents = fs::read(self.real(path)).unwrap();
        pem::certificates(&contents).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The first of them.
    #[track_caller]
    pub fn certificate(&self, path: &str) -> Certificate {
        self.certificates(path).swap_remove(0)
    }

    /// The client certificate that a kubeconfig embeds.
    #[track_caller]
    pub fn kubeconfig_certificate(&self, kubeconfig: &str) -> Certificate {
        let contents = self.kubeconfig_value(kubeconfig, "client-certificate-data");
        pem::certificates(&contents).unwrap().swap_remove(0)
    }

    /// `openssl x509 -text` and friends on a certificate of the host.
    pub fn x509(&self, certificate: &str, words: &[&str]) -> String {
        let path = self.real(certificate);
        self.openssl(&[&["x509", "-in", &path, "-noout"], words].concat())
    }

    /// A path of the host (or of the scratch folder) for OpenSSL.
    pub fn real(&self, path: &str) -> String {
        if Path::new(path).starts_with(self.scratch()) {
            return path.to_owned();
        }
        self.real_path(Path::new(path)).to_str().unwrap().to_owned()
    }
}
