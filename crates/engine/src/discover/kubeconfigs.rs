//! Kubeconfigs: those that flags name, then kubeadm's; the kubelet's has a room of its own.

use super::Scene;
use super::authorities::key_state;
use super::entries::{Entries, FileEntry, file_entry};
use super::reader::{Read, Reader};
use kubepki_core::formats::kubeconfig::{KeyMaterial, Kubeconfig, PublicMaterial};
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::layouts::component_files::KUBECONFIGS;
use kubepki_core::model::{ComponentKind, EmbeddedTrust, Entry, Holder, KeyState, Role, UsedBy};
use kubepki_keys::public_half;
use kubepki_sealed::Sealed;
use kubepki_x509::pem;
use std::path::{Path, PathBuf};

pub(super) fn find(reader: &mut Reader<'_>, scene: &Scene<'_>, entries: &mut Entries) {
    for component in scene.components {
        for row in KUBECONFIGS
            .iter()
            .filter(|row| row.component == component.kind)
        {
            let Some(path) = component.host_path(row.flag) else {
                continue;
            };
            let used_by = UsedBy {
                component: component.kind,
                flag: row.flag.to_owned(),
            };
            note_trust(reader, &path, Some(&used_by), entries);
            if row.role == Role::Bootstrap {
                bootstrap(reader, &path, vec![used_by], entries);
                continue;
            }
            if is_of_kubelet(row.role) {
                continue;
            }
            let name = row
                .kubeadm_name
                .map_or_else(|| path.display().to_string(), ToOwned::to_owned);
            let named = Named {
                path: &path,
                mounts: &component.mounts,
                role: row.role,
                used_by: vec![used_by],
                required: true,
            };
            if let Some(entry) = entry(reader, name, named) {
                entries.add(reader, entry);
            }
        }
    }
    let host = PathMap::of_host();
    for row in KUBEADM.kubeconfigs {
        let path = Path::new(KUBEADM.kubeconfig_folder).join(row.name);
        // kubeadm makes it on every control plane, and misses it.
        let required = row.role == Role::Admin
            && scene.is_kubeadms(ComponentKind::KubeApiserver, "tls-cert-file");
        let exists = reader.symlink_metadata(&path).is_some();
        if entries.has(row.name) || !(exists || required) {
            continue;
        }
        note_trust(reader, &path, None, entries);
        if row.role == Role::Bootstrap {
            bootstrap(reader, &path, Vec::new(), entries);
            continue;
        }
        if is_of_kubelet(row.role) {
            continue;
        }
        let name = row.name.to_owned();
        let named = Named {
            required,
            ..Named::by_nobody(&path, row.role, &host)
        };
        if let Some(entry) = entry(reader, name, named) {
            entries.add(reader, entry);
        }
    }
}

/// The kubelet's own are looked at together with its certificate store.
fn is_of_kubelet(role: Role) -> bool {
    matches!(role, Role::KubeletClient | Role::Bootstrap)
}

/// The kubelet's bootstrap kubeconfig, which is there until the kubelet has its certificate, and too
/// often for good. Its user is a token: an entry without a certificate, worth showing all the same.
fn bootstrap(reader: &mut Reader<'_>, path: &Path, used_by: Vec<UsedBy>, entries: &mut Entries) {
    if reader.symlink_metadata(path).is_none() {
        return;
    }
    let name = "bootstrap-kubelet.conf".to_owned();
    let role = Role::Bootstrap;
    let host = PathMap::of_host();
    let named = Named {
        used_by: used_by.clone(),
        ..Named::by_nobody(path, role, &host)
    };
    let certificate = entry(reader, name.clone(), named);
    let token = || Entry {
        name,
        also_known_as: Vec::new(),
        role,
        holder: Holder::Kubeconfig {
            path: path.to_owned(),
            user: String::new(),
        },
        used_by,
        chain: Vec::new(),
        key: KeyState::NotExpected,
        kubeconfig: Some(path.to_owned()),
        expected_authority: Some("ca".to_owned()),
        problem: None,
        embedded_copy: None,
        required: false,
    };
    entries.add(reader, certificate.unwrap_or_else(token));
}

/// The entry of a kubeconfig's current user: embedded, or the files it names. `None` when the user
/// has no certificate (a token, an exec plugin).
pub(super) fn entry(reader: &mut Reader<'_>, name: String, named: Named<'_>) -> Option<Entry> {
    let Named {
        path,
        mounts,
        role,
        used_by,
        required,
    } = named;
    let blank = |user: String, problem: Option<String>| Entry {
        name: name.clone(),
        also_known_as: Vec::new(),
        role,
        holder: Holder::Kubeconfig {
            path: path.to_owned(),
            user,
        },
        used_by: used_by.clone(),
        chain: Vec::new(),
        key: KeyState::NotExpected,
        kubeconfig: Some(path.to_owned()),
        expected_authority: Some("ca".to_owned()),
        problem,
        embedded_copy: None,
        required,
    };
    let (contents, mode) = match reader.read(path) {
        Read::Contents(contents, mode) => (contents, mode),
        Read::Missing => return Some(blank(String::new(), None)),
        Read::Problem(reason) => return Some(blank(String::new(), Some(reason))),
    };
    let kubeconfig = match Kubeconfig::parse(&contents) {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let reason = format!("{}: {error}", path.display());
            return Some(blank(String::new(), Some(reason)));
        }
    };
    let Some(user) = kubeconfig.current_user() else {
        let reason = format!("{}: its current context names no user", path.display());
        return Some(blank(String::new(), Some(reason)));
    };
    match &user.client_certificate {
        None => None,
        Some(PublicMaterial::Embedded(certificate)) => {
            let mut entry = blank(user.name.clone(), None);
            match pem::certificates(certificate) {
                Ok(chain) if chain.is_empty() => {
                    entry.problem = Some(format!(
                        "{}: client-certificate-data holds no certificate",
                        path.display()
                    ));
                }
                Ok(chain) => entry.chain = chain,
                Err(error) => entry.problem = Some(format!("{}: {error}", path.display())),
            }
            entry.key = match &user.client_key {
                Some(KeyMaterial::Embedded(key)) => match public_half(key) {
                    Ok(half) => KeyState::Present {
                        public_key: half.public_key,
                        mode,
                    },
                    Err(error) => KeyState::Unusable(format!("{}: {error}", path.display())),
                },
                Some(other) => match other.path_from(Path::new("")) {
                    Some(file) => key_state(reader, &on_host(path, &file, mounts)),
                    None => KeyState::Absent,
                },
                None => KeyState::Absent,
            };
            Some(entry)
        }
        Some(file) => {
            let certificate = on_host(path, &file.path_from(Path::new(""))?, mounts);
            let key = user
                .client_key
                .as_ref()
                .and_then(|key| key.path_from(Path::new("")))
                .map(|key| on_host(path, &key, mounts));
            Some(file_entry(
                reader,
                FileEntry {
                    name,
                    role,
                    certificate,
                    key,
                    used_by,
                    expected_authority: Some("ca".to_owned()),
                    required,
                    kubeconfig: Some(path.to_owned()),
                },
            ))
        }
    }
}

/// Notes the embedded CA certificates of every cluster in a kubeconfig; those behind a path are an
/// authority's file. What is wrong with the kubeconfig itself is said where it is an entry.
pub(super) fn note_trust(
    reader: &mut Reader<'_>,
    path: &Path,
    used_by: Option<&UsedBy>,
    entries: &mut Entries,
) {
    let real_path = reader.real_path(path);
    let mut is_known = false;
    for known in &mut entries.trust {
        if reader.real_path(&known.kubeconfig) == real_path {
            is_known = true;
            known.used_by.extend(used_by.cloned());
        }
    }
    let Read::Contents(contents, _) = reader.read(path) else {
        return;
    };
    let Ok(kubeconfig) = Kubeconfig::parse(&contents) else {
        return;
    };
    if is_known {
        return;
    }
    for cluster in &kubeconfig.clusters {
        let embedded = cluster
            .certificate_authority
            .as_ref()
            .and_then(PublicMaterial::embedded);
        let Some(embedded) = embedded else { continue };
        match pem::certificates(embedded) {
            Ok(certificates) => entries.trust.push(EmbeddedTrust {
                kubeconfig: path.to_owned(),
                cluster: cluster.name.clone(),
                certificates,
                used_by: used_by.cloned().into_iter().collect(),
            }),
            Err(error) => reader.gap(
                path,
                format!(
                    "certificate-authority-data of cluster {}: {error}",
                    cluster.name
                ),
            ),
        }
    }
}

/// A kubeconfig and what is known of it before it is read.
pub(super) struct Named<'a> {
    pub(super) path: &'a Path,
    /// Of the component that reads it: it may see other paths than the host's.
    pub(super) mounts: &'a PathMap,
    pub(super) role: Role,
    pub(super) used_by: Vec<UsedBy>,
    pub(super) required: bool,
}

impl<'a> Named<'a> {
    /// One that no flag names and nobody misses.
    pub(super) fn by_nobody(path: &'a Path, role: Role, host: &'a PathMap) -> Self {
        Self {
            path,
            mounts: host,
            role,
            used_by: Vec::new(),
            required: false,
        }
    }
}

/// The host's file that a kubeconfig names: a relative path starts where the kubeconfig is, an
/// absolute one is meant as its reader sees it.
pub(super) fn on_host(kubeconfig: &Path, file: &Path, mounts: &PathMap) -> PathBuf {
    if file.is_absolute() {
        mounts.to_host(file)
    } else {
        folder(kubeconfig).join(file)
    }
}

/// The folder that relative paths in a kubeconfig start from.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// The name of a kubeconfig's current user, where there is such a kubeconfig.
pub(super) fn current_user(reader: &mut Reader<'_>, path: &Path) -> Option<String> {
    let Read::Contents(contents, _) = reader.read(path) else {
        return None;
    };
    let kubeconfig = Kubeconfig::parse(&contents).ok()?;
    kubeconfig.current_user().map(|user| user.name.clone())
}

/// The certificate and key files that a kubeconfig's current user names, if it names files.
pub(super) fn named_files(
    path: &Path,
    contents: &Sealed,
    mounts: &PathMap,
) -> Option<(PathBuf, Option<PathBuf>)> {
    let kubeconfig = Kubeconfig::parse(contents).ok()?;
    let user = kubeconfig.current_user()?;
    let named = user.client_certificate.as_ref()?.path_from(Path::new(""))?;
    let key = user
        .client_key
        .as_ref()
        .and_then(|key| key.path_from(Path::new("")))
        .map(|key| on_host(path, &key, mounts));
    Some((on_host(path, &named, mounts), key))
}
