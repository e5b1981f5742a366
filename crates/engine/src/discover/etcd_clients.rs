//! Clients of etcd that no flag names: what the folders of the usual ones (Calico, Cilium, Prometheus,
//! kubespray's etcd) hold, when etcd's authority signed it and its key lies beside it.

use super::Scene;
use super::authorities::{key_beside, key_state};
use super::entries::{Entries, FileEntry, file_entry, read_chain};
use super::kubeconfig_uses::trust_file;
use super::reader::Reader;
use crate::ports::FileKind;
use kubepki_core::layouts::component_files::ETCD_CLIENT_FOLDERS;
use kubepki_core::model::{Authority, EtcdClientFiles, KeyState, Role, TrustFile};
use kubepki_x509::Certificate;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A folder with more files than this is no folder of certificates.
const MOST_FILES: usize = 200;

pub(super) fn find(
    reader: &mut Reader<'_>,
    scene: &Scene<'_>,
    authorities: &[Authority],
    entries: &Entries,
) -> Vec<EtcdClientFiles> {
    let etcds: Vec<&Certificate> = authorities
        .iter()
        .filter(|authority| authority.role == Role::EtcdCa && authority.also_known_as.is_empty())
        .flat_map(|authority| &authority.certificates)
        .collect();
    if etcds.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for folder in folders(scene, authorities) {
        let mut names = reader.host.list(&folder).unwrap_or_default();
        if names.len() > MOST_FILES {
            continue;
        }
        names.sort_unstable();
        for name in &names {
            let path = folder.join(name);
            let is_new = looks_like_certificate(name)
                && is_file(reader, &path)
                && seen.insert(reader.real_path(&path))
                && !entries.holds(reader, &path);
            if is_new && let Some(client) = client(reader, &folder, &names, &path, &etcds) {
                found.push(client);
            }
        }
    }
    found
}

/// The folders of the table, and those in which etcd's authority itself lies.
fn folders(scene: &Scene<'_>, authorities: &[Authority]) -> BTreeSet<PathBuf> {
    let mut folders: BTreeSet<PathBuf> = ETCD_CLIENT_FOLDERS.iter().map(PathBuf::from).collect();
    folders.insert(scene.pki_folder.join("etcd"));
    let etcds = authorities
        .iter()
        .filter(|authority| authority.role == Role::EtcdCa);
    folders.extend(
        etcds
            .filter_map(|authority| authority.certificate_path.parent())
            .map(Path::to_owned),
    );
    folders
}

fn looks_like_certificate(name: &str) -> bool {
    let is_key = name.ends_with("-key.pem") || name.ends_with(".key");
    let by_ending = [".crt", ".pem", ".cert", "-cert"];
    !is_key && (by_ending.iter().any(|ending| name.ends_with(ending)))
}

fn is_file(reader: &Reader<'_>, path: &Path) -> bool {
    let metadata = reader.host.metadata(path);
    metadata.is_ok_and(|metadata| metadata.kind == FileKind::Regular)
}

fn client(
    reader: &mut Reader<'_>,
    folder: &Path,
    names: &[String],
    path: &Path,
    etcds: &[&Certificate],
) -> Option<EtcdClientFiles> {
    let (chain, _) = read_chain(reader, path);
    let leaf = chain.first()?;
    let is_etcds = etcds.iter().any(|ca| leaf.verify_issued_by(ca).is_ok());
    if leaf.is_ca() || !is_etcds {
        return None;
    }
    let key = key_of(reader, path, leaf)?;
    let credential = file_entry(
        reader,
        FileEntry {
            name: path.display().to_string(),
            role: Role::Other,
            certificate: path.to_owned(),
            key: Some(key),
            used_by: Vec::new(),
            expected_authority: Some("etcd-ca".to_owned()),
            required: false,
            kubeconfig: None,
        },
    );
    let trust = trust_beside(reader, folder, names);
    Some(EtcdClientFiles { credential, trust })
}

/// The key beside a certificate, by the field's ways of naming it; a certificate without one is only
/// a copy. Where the names lead to nothing the key may be in the same file.
fn key_of(reader: &mut Reader<'_>, path: &Path, leaf: &Certificate) -> Option<PathBuf> {
    let text = path.to_str()?;
    let mut candidates: Vec<PathBuf> = key_beside(path).into_iter().collect();
    for ending in [".pem", ".crt", ".cert", "-cert.pem", "-cert"] {
        if let Some(base) = text.strip_suffix(ending) {
            candidates
                .extend([".key", "-key.pem", "-key"].map(|end| format!("{base}{end}").into()));
        }
    }
    let exists = |reader: &Reader<'_>, path: &PathBuf| reader.symlink_metadata(path).is_some();
    if let Some(key) = candidates.into_iter().find(|key| exists(reader, key)) {
        return Some(key);
    }
    match key_state(reader, path) {
        KeyState::Present { public_key, .. } if public_key == *leaf.public_key() => {
            Some(path.to_owned())
        }
        _ => None,
    }
}

/// The CA file in the same folder, when it can be told.
fn trust_beside(reader: &mut Reader<'_>, folder: &Path, names: &[String]) -> Option<TrustFile> {
    const NAMES: [&str; 8] = [
        "etcd-ca.crt",
        "etcd-ca.pem",
        "etcd-ca",
        "etcd_ca.crt",
        "ca_cert.crt",
        "ca.crt",
        "ca.pem",
        "ca.cert",
    ];
    let name = NAMES
        .into_iter()
        .find(|name| names.iter().any(|other| other == name))?;
    Some(trust_file(reader, folder.join(name)))
}
