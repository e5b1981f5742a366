//! What no flag names in clusters that kubeadm did not make: looked for where what flags name lies.

use super::Scene;
use super::entries::{Entries, FileEntry, file_entry};
use super::kubeconfigs;
use super::reader::Reader;
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::layouts::by_hand::{FURTHER_CERTIFICATES, FURTHER_KUBECONFIGS, FolderRule};
use kubepki_core::layouts::component_files::{
    AUTHORITY_KEY_PAIRS, KEY_PAIRS, KUBECONFIGS, TRUST_BUNDLES,
};
use kubepki_core::model::role::AuthorityName;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Adds what the tables find; `host` is the host's name, which some files carry.
pub(super) fn find(reader: &mut Reader<'_>, scene: &Scene<'_>, host: &str, entries: &mut Entries) {
    for row in FURTHER_CERTIFICATES {
        for folder in folders(scene, row.folder) {
            let in_folder = |file: &str| folder.join(file.replace("{host}", host.trim()));
            let (certificate, key) = (in_folder(row.certificate), in_folder(row.key));
            let is_new = reader.symlink_metadata(&certificate).is_some()
                && reader.symlink_metadata(&key).is_some()
                && !entries.holds(reader, &certificate);
            if !is_new {
                continue;
            }
            let entry = file_entry(
                reader,
                FileEntry {
                    name: certificate.display().to_string(),
                    role: row.role,
                    certificate,
                    key: Some(key),
                    used_by: Vec::new(),
                    expected_authority: Some(row.authority.as_str().to_owned()),
                    required: false,
                    kubeconfig: None,
                },
            );
            entries.add(reader, entry);
        }
    }
    let on_host = PathMap::of_host();
    for row in FURTHER_KUBECONFIGS {
        for folder in folders(scene, row.folder) {
            let path = folder.join(row.file);
            let is_new =
                reader.symlink_metadata(&path).is_some() && entries.of_kubeconfig(&path).is_none();
            if !is_new {
                continue;
            }
            kubeconfigs::note_trust(reader, &path, None, entries);
            let name = path.display().to_string();
            if let Some(entry) = kubeconfigs::entry(
                reader,
                name,
                kubeconfigs::Named::by_nobody(&path, row.role, &on_host),
            ) {
                entries.add(reader, entry);
            }
        }
    }
}

fn folders(scene: &Scene<'_>, rule: FolderRule) -> BTreeSet<PathBuf> {
    let named: Vec<PathBuf> = match rule {
        FolderRule::Fixed(folder) => return BTreeSet::from([PathBuf::from(folder)]),
        FolderRule::BesideAuthority(authority) => beside_authority(scene, authority),
        FolderRule::BesideKubeconfigs => {
            let paths = scene.components.iter().flat_map(|component| {
                KUBECONFIGS
                    .iter()
                    .filter(|row| row.component == component.kind)
                    .filter_map(|row| component.host_path(row.flag))
            });
            paths.collect()
        }
    };
    let folders = named.iter().filter_map(|path| path.parent());
    folders.map(Path::to_owned).collect()
}

/// Certificates of the authority, and those that it should have signed.
fn beside_authority(scene: &Scene<'_>, authority: AuthorityName) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for component in scene.components {
        let bundles = TRUST_BUNDLES
            .iter()
            .filter(|row| row.component == component.kind && row.authority == authority)
            .map(|row| row.flag);
        let issuers = AUTHORITY_KEY_PAIRS
            .iter()
            .filter(|row| row.component == component.kind && row.authority == authority)
            .map(|row| row.certificate);
        let leafs = KEY_PAIRS
            .iter()
            .filter(|row| row.component == component.kind && row.authority == Some(authority))
            .map(|row| row.certificate);
        paths.extend(
            bundles
                .chain(issuers)
                .chain(leafs)
                .filter_map(|flag| component.host_path(flag)),
        );
    }
    paths
}
