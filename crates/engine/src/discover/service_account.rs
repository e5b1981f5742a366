//! Service-account keys: what flags name, then kubeadm's `sa.key` and `sa.pub` and what is declared;
//! last what a rotation has put beside them.

use super::Scene;
use super::authorities::key_state;
use super::reader::{Read, Reader};
use super::vendors;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::layouts::component_files::SERVICE_ACCOUNT_KEYS;
use kubepki_core::model::{KeyState, ServiceAccountKey, ServiceAccountKeyContents, UsedBy};
use kubepki_core::rotation::successor;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{PublicKey, pem};
use std::path::{Path, PathBuf};

pub(super) fn find(reader: &mut Reader<'_>, scene: &Scene<'_>) -> Vec<ServiceAccountKey> {
    let mut files: Vec<(PathBuf, Vec<UsedBy>)> = Vec::new();
    for component in scene.components {
        for row in SERVICE_ACCOUNT_KEYS
            .iter()
            .filter(|row| row.component == component.kind)
        {
            for value in component.flags.all(row.flag) {
                let Some(path) = component.mounts.host_path(Path::new(value)) else {
                    continue;
                };
                let used_by = UsedBy {
                    component: component.kind,
                    flag: row.flag.to_owned(),
                };
                let real_path = reader.real_path(&path);
                match files
                    .iter_mut()
                    .find(|(other, _)| reader.real_path(other) == real_path)
                {
                    Some((_, users)) => users.push(used_by),
                    None => files.push((path, vec![used_by])),
                }
            }
        }
    }
    let in_table = ["key", "pub"].map(|ending| {
        let name = format!("{}.{ending}", KUBEADM.service_account_key);
        scene.pki_folder.join(name)
    });
    let pairs = scene
        .declared
        .iter()
        .flat_map(|it| &it.service_account_keys);
    let declared = pairs.flat_map(|pair| [pair.private.clone(), pair.public.clone()]);
    for path in in_table.into_iter().chain(declared) {
        let real_path = reader.real_path(&path);
        let known = files
            .iter()
            .any(|(other, _)| reader.real_path(other) == real_path);
        if !known && reader.symlink_metadata(&path).is_some() {
            files.push((path, Vec::new()));
        }
    }
    for path in vendors::service_account_keys(reader) {
        let real_path = reader.real_path(&path);
        let known = files
            .iter()
            .any(|(other, _)| reader.real_path(other) == real_path);
        if !known {
            files.push((path, Vec::new()));
        }
    }
    let of_rotations: Vec<PathBuf> = files
        .iter()
        .flat_map(|(path, _)| [successor::successor(path), successor::previous(path)])
        .filter(|path| reader.symlink_metadata(path).is_some())
        .collect();
    for path in of_rotations {
        if !files.iter().any(|(other, _)| *other == path) {
            files.push((path, Vec::new()));
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
        .into_iter()
        .map(|(path, used_by)| ServiceAccountKey {
            contents: contents(reader, &path),
            path,
            used_by,
        })
        .collect()
}

fn contents(reader: &mut Reader<'_>, path: &Path) -> ServiceAccountKeyContents {
    let contents = match reader.read(path) {
        Read::Contents(contents, _) => contents,
        Read::Missing => {
            return ServiceAccountKeyContents::Problem(format!(
                "{} does not exist",
                path.display()
            ));
        }
        Read::Problem(reason) => return ServiceAccountKeyContents::Problem(reason),
    };
    let public = public_keys(&contents);
    if !public.is_empty() {
        return ServiceAccountKeyContents::Public(public);
    }
    match key_state(reader, path) {
        KeyState::Unreadable(reason) | KeyState::Unusable(reason) => {
            ServiceAccountKeyContents::Problem(reason)
        }
        state => ServiceAccountKeyContents::Private(state),
    }
}

/// `PUBLIC KEY` blocks and the keys of certificates: what a verifier of tokens takes.
fn public_keys(contents: &Sealed) -> Vec<PublicKey> {
    let file = pem::parse(danger::open(contents));
    file.blocks
        .iter()
        .filter_map(|block| match block.label.as_str() {
            "PUBLIC KEY" => PublicKey::from_spki_der(danger::open(&block.contents)).ok(),
            "CERTIFICATE" => kubepki_x509::Certificate::from_der(danger::open(&block.contents))
                .ok()
                .map(|certificate| certificate.public_key().clone()),
            _ => None,
        })
        .collect()
}
