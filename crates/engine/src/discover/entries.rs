//! Certificates in files: what flags name, then what kubeadm's table demands and no flag names.

use super::Scene;
use super::authorities::{key_beside, key_state};
use super::reader::{Read, Reader};
use kubepki_core::formats::sni_key_pair::{SNI_FLAG, sni_key_pairs};
use kubepki_core::layouts::KUBEADM;
use kubepki_core::layouts::component_files::KEY_PAIRS;
use kubepki_core::model::{
    Component, ComponentKind, EmbeddedTrust, Entry, Holder, KeyState, Role, UsedBy,
};
use kubepki_sealed::danger;
use kubepki_x509::{Certificate, pem};
use std::path::{Path, PathBuf};

/// Entries as they are found; one file is one entry, however many flags and links name it.
#[derive(Default)]
pub(super) struct Entries {
    found: Vec<(PathBuf, Entry)>,
    /// What the kubeconfigs seen so far trust.
    pub(super) trust: Vec<EmbeddedTrust>,
}

impl Entries {
    /// Adds an entry, or who names it to the one that holds the same thing already.
    pub(super) fn add(&mut self, reader: &Reader<'_>, entry: Entry) {
        let path = reader.real_path(entry.holder.path());
        let known = self
            .found
            .iter_mut()
            .find(|(other_path, other)| *other_path == path && same_user(other, &entry));
        let Some((_, other)) = known else {
            self.found.push((path, entry));
            return;
        };
        for used_by in entry.used_by {
            if !other.used_by.contains(&used_by) {
                other.used_by.push(used_by);
            }
        }
        other.kubeconfig = other.kubeconfig.take().or(entry.kubeconfig);
        let is_known = entry.name == other.name || other.also_known_as.contains(&entry.name);
        if !is_known {
            let mut name = entry.name;
            // The API server's name before etcd's, where one certificate serves both.
            if entry.role < other.role {
                name = std::mem::replace(&mut other.name, name);
                other.role = entry.role;
                other.expected_authority = entry.expected_authority;
            }
            other.also_known_as.push(name);
        }
        other.required |= entry.required;
        // Whoever knows the key as well knows more.
        if other.key == KeyState::NotExpected {
            (other.holder, other.key) = (entry.holder, entry.key);
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(_, entry)| {
            entry.name == name || entry.also_known_as.iter().any(|other| other == name)
        })
    }

    /// The entry that is this kubeconfig's own: embedded in it, or in files that it alone names.
    pub(super) fn of_kubeconfig(&self, path: &Path) -> Option<&Entry> {
        let mut entries = self.found.iter().map(|(_, entry)| entry);
        entries.find(|entry| is_of_kubeconfig(entry, path))
    }

    /// Likewise, to say more of it.
    pub(super) fn of_kubeconfig_mut(&mut self, path: &Path) -> Option<&mut Entry> {
        let mut entries = self.found.iter_mut().map(|(_, entry)| entry);
        entries.find(|entry| is_of_kubeconfig(entry, path))
    }

    /// The entry that holds this file, to say more of it.
    pub(super) fn of_file(&mut self, reader: &Reader<'_>, path: &Path) -> Option<&mut Entry> {
        let path = reader.real_path(path);
        let mut found = self.found.iter_mut();
        found.find_map(|(real_path, entry)| (*real_path == path).then_some(entry))
    }

    /// Every kubeconfig of an entry that no flag names, with what it is for.
    pub(super) fn kubeconfigs(&self) -> Vec<(PathBuf, Role)> {
        let of_nobody = self
            .found
            .iter()
            .filter(|(_, entry)| entry.used_by.is_empty());
        of_nobody
            .filter_map(|(_, entry)| Some((entry.kubeconfig.clone()?, entry.role)))
            .collect()
    }

    /// Whether an entry holds this file.
    pub(super) fn holds(&self, reader: &Reader<'_>, path: &Path) -> bool {
        let path = reader.real_path(path);
        self.found.iter().any(|(real_path, _)| *real_path == path)
    }

    /// kubeadm's names first, as `kubeadm certs check-expiration` sorts them, then the others; a
    /// name that two files share is followed by the path.
    pub(super) fn sorted(self) -> (Vec<Entry>, Vec<EmbeddedTrust>) {
        let mut entries: Vec<Entry> = self.found.into_iter().map(|(_, entry)| entry).collect();
        entries.sort_by(|one, other| {
            let is_path = |entry: &Entry| entry.name.starts_with('/');
            (is_path(one), &one.name, one.holder.path()).cmp(&(
                is_path(other),
                &other.name,
                other.holder.path(),
            ))
        });
        let mut names: Vec<String> = Vec::new();
        for entry in &mut entries {
            if names.contains(&entry.name) {
                entry.name = entry.holder.path().display().to_string();
            }
            names.push(entry.name.clone());
        }
        (entries, self.trust)
    }
}

fn is_of_kubeconfig(entry: &Entry, path: &Path) -> bool {
    match &entry.holder {
        Holder::Kubeconfig { path: own, .. } => own == path,
        _ => entry.kubeconfig.as_deref() == Some(path) && entry.role != Role::Bootstrap,
    }
}

/// Whether two entries of one file are the same certificate: a kubeconfig may hold several users'.
fn same_user(one: &Entry, other: &Entry) -> bool {
    match (&one.holder, &other.holder) {
        (Holder::Kubeconfig { user, .. }, Holder::Kubeconfig { user: other, .. }) => user == other,
        (Holder::Kubeconfig { .. }, _) | (_, Holder::Kubeconfig { .. }) => false,
        _ => true,
    }
}

/// What the flags of components name.
pub(super) fn from_flags(reader: &mut Reader<'_>, scene: &Scene<'_>, entries: &mut Entries) {
    for component in scene.components {
        for row in KEY_PAIRS
            .iter()
            .filter(|row| row.component == component.kind)
        {
            let Some(certificate) = component.host_path(row.certificate) else {
                continue;
            };
            let key = component
                .host_path(row.key)
                .or_else(|| key_beside(&certificate));
            let name = match (row.kubeadm_name, row.role) {
                (Some(name), _) => name.to_owned(),
                (None, Role::KubeletServing) => "kubelet-server".to_owned(),
                (None, _) => certificate.display().to_string(),
            };
            let entry = file_entry(
                reader,
                FileEntry {
                    name,
                    role: row.role,
                    certificate,
                    key,
                    used_by: vec![UsedBy {
                        component: component.kind,
                        flag: row.certificate.to_owned(),
                    }],
                    expected_authority: row.authority.map(|name| name.as_str().to_owned()),
                    required: true,
                    kubeconfig: None,
                },
            );
            entries.add(reader, entry);
        }
        further(reader, component, entries);
    }
}

/// Certificates that a server chooses by the name that a client asks for; anybody may have signed
/// them.
fn further(reader: &mut Reader<'_>, component: &Component, entries: &mut Entries) {
    for pair in sni_key_pairs(&component.flags) {
        let host_path = |path: &str| component.mounts.host_path(Path::new(path));
        let Some(certificate) = host_path(&pair.certificate) else {
            continue;
        };
        let entry = file_entry(
            reader,
            FileEntry {
                name: certificate.display().to_string(),
                role: Role::Other,
                key: host_path(&pair.key),
                certificate,
                used_by: vec![UsedBy {
                    component: component.kind,
                    flag: SNI_FLAG.to_owned(),
                }],
                expected_authority: None,
                required: true,
                kubeconfig: None,
            },
        );
        entries.add(reader, entry);
    }
}

/// What kubeadm's table demands here, unless a flag named it.
pub(super) fn from_table(reader: &mut Reader<'_>, scene: &Scene<'_>, entries: &mut Entries) {
    let has_etcd = scene.is_kubeadms(ComponentKind::Etcd, "cert-file");
    let has_apiserver = scene.is_kubeadms(ComponentKind::KubeApiserver, "tls-cert-file");
    for row in KUBEADM.certificates {
        if entries.has(row.name) {
            continue;
        }
        let certificate = scene.pki_folder.join(format!("{}.crt", row.file_base));
        let exists = reader.symlink_metadata(&certificate).is_some();
        let is_etcds = matches!(
            row.role,
            Role::EtcdServer | Role::EtcdPeer | Role::EtcdHealthcheckClient
        );
        // A hand-made cluster need not have what no flag names.
        let required = has_apiserver && (has_etcd || !is_etcds);
        if !exists && !required {
            continue;
        }
        let entry = file_entry(
            reader,
            FileEntry {
                name: row.name.to_owned(),
                role: row.role,
                key: Some(scene.pki_folder.join(format!("{}.key", row.file_base))),
                certificate,
                used_by: Vec::new(),
                expected_authority: Some(row.authority.as_str().to_owned()),
                required,
                kubeconfig: None,
            },
        );
        entries.add(reader, entry);
    }
}

/// What is known of a certificate file before it is read.
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) certificate: PathBuf,
    pub(super) key: Option<PathBuf>,
    pub(super) used_by: Vec<UsedBy>,
    pub(super) expected_authority: Option<String>,
    pub(super) required: bool,
    pub(super) kubeconfig: Option<PathBuf>,
}

/// Reads a certificate file and the key beside it.
pub(super) fn file_entry(reader: &mut Reader<'_>, file: FileEntry) -> Entry {
    let (chain, problem) = read_chain(reader, &file.certificate);
    let key = match &file.key {
        Some(path) => key_state(reader, path),
        None => KeyState::NotExpected,
    };
    Entry {
        name: file.name,
        also_known_as: Vec::new(),
        role: file.role,
        holder: Holder::Files {
            certificate: file.certificate,
            key: file.key,
        },
        used_by: file.used_by,
        chain,
        key,
        kubeconfig: file.kubeconfig,
        expected_authority: file.expected_authority,
        problem,
        embedded_copy: None,
        required: file.required,
    }
}

/// The certificates of a PEM file, or what stands in the way.
pub(super) fn read_chain(
    reader: &mut Reader<'_>,
    path: &Path,
) -> (Vec<Certificate>, Option<String>) {
    match reader.read(path) {
        Read::Contents(contents, _) => match pem::certificates(danger::open(&contents)) {
            Ok(chain) if chain.is_empty() => (
                chain,
                Some(format!("{} holds no certificate", path.display())),
            ),
            Ok(chain) => (chain, None),
            Err(error) => (Vec::new(), Some(format!("{}: {error}", path.display()))),
        },
        Read::Missing => (Vec::new(), None),
        Read::Problem(reason) => (Vec::new(), Some(reason)),
    }
}
