//! What the user's layout declares: names and roles for what flags name already, and the certificates
//! and kubeconfigs that no flag names.
//!
//! A file that is absent and that no flag names is missed where the key of its signer lies, for there
//! it could be made; other hosts of a cluster with one layout need not have it.

use super::entries::{Entries, FileEntry, file_entry};
use super::kubeconfigs::{self, Named};
use super::reader::Reader;
use kubepki_core::formats::path_map::PathMap;
use kubepki_core::founding::{Declarations, Destination, Leaf};
use kubepki_core::layouts::declared::{authority_of, role_of};
use kubepki_core::model::{Entry, Role};
use std::path::Path;

/// Adds what the layout declares, and names what was found already as the layout does.
pub(super) fn find(reader: &mut Reader<'_>, declarations: &Declarations, entries: &mut Entries) {
    for leaf in &declarations.leafs {
        let is_taken = entries.has(&leaf.name);
        let known = match &leaf.destination {
            Destination::Files { certificate, .. } => entries.of_file(reader, certificate),
            Destination::Kubeconfig { file, .. } => entries.of_kubeconfig_mut(file),
        };
        if let Some(entry) = known {
            name_as_declared(entry, leaf, declarations, is_taken);
            continue;
        }
        let signer = declarations.authority(&leaf.signer);
        let required = signer.is_some_and(|signer| reader.symlink_metadata(&signer.key).is_some());
        let exists = |path: &Path| reader.symlink_metadata(path).is_some();
        let found = match &leaf.destination {
            Destination::Files { certificate, key } if exists(certificate) || required => {
                let file = FileEntry {
                    name: name(entries, leaf, certificate),
                    role: role_of(leaf),
                    certificate: certificate.clone(),
                    key: Some(key.clone()),
                    used_by: Vec::new(),
                    expected_authority: expected(leaf, declarations),
                    required,
                    kubeconfig: None,
                };
                Some(file_entry(reader, file))
            }
            Destination::Kubeconfig { file, .. } if exists(file) || required => {
                kubeconfigs::note_trust(reader, file, None, entries);
                let on_host = PathMap::of_host();
                let named = Named {
                    required,
                    ..Named::by_nobody(file, role_of(leaf), &on_host)
                };
                let entry = kubeconfigs::entry(reader, name(entries, leaf, file), named);
                entry.map(|entry| Entry {
                    expected_authority: expected(leaf, declarations),
                    ..entry
                })
            }
            _ => None,
        };
        if let Some(entry) = found {
            entries.add(reader, entry);
        }
    }
}

/// The layout's name for it, unless another file has it.
fn name(entries: &Entries, leaf: &Leaf, path: &Path) -> String {
    if entries.has(&leaf.name) {
        path.display().to_string()
    } else {
        leaf.name.clone()
    }
}

fn expected(leaf: &Leaf, declarations: &Declarations) -> Option<String> {
    let signer = declarations.authority(&leaf.signer)?;
    Some(authority_of(signer).as_str().to_owned())
}

/// An entry that has only a path for a name takes the layout's; what a flag says of its role stays.
fn name_as_declared(entry: &mut Entry, leaf: &Leaf, declarations: &Declarations, is_taken: bool) {
    let has_name = entry.name == leaf.name || entry.also_known_as.contains(&leaf.name);
    if !has_name && !is_taken {
        let mut name = leaf.name.clone();
        if entry.name.starts_with('/') {
            std::mem::swap(&mut entry.name, &mut name);
        }
        entry.also_known_as.push(name);
    }
    if entry.role == Role::Other {
        entry.role = role_of(leaf);
    }
    if entry.expected_authority.is_none() {
        entry.expected_authority = expected(leaf, declarations);
    }
}
