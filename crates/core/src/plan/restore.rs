//! Planning a restoration: files from a backup, and the components that must take them up again.
//!
//! The manifests of static pods are left as they are unless they are asked for by name: what a
//! renewal changes in them is the annotation that restarts them, and bringing the old text back
//! would give the kubelet a pod with the identity of one that it has just ended.

use super::components::{self, Change};
use super::document::{API_VERSION, BasisFile, Notice, Plan, Restoration};
use crate::model::{Inventory, UsedBy};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Plans to bring `paths` back from `archive`.
pub fn plan_restoration(
    inventory: &Inventory,
    verb: &str,
    restoration: Restoration,
    restart: bool,
    now: Timestamp,
) -> Plan {
    let touched = |path: &Path| restoration.paths.iter().any(|other| other == path);
    let mut changed: Vec<(String, Vec<UsedBy>)> = Vec::new();
    for entry in &inventory.entries {
        let key = entry.holder.key_path();
        if touched(entry.holder.path()) || key.is_some_and(touched) {
            changed.push((entry.name.clone(), entry.used_by.clone()));
        }
    }
    for authority in &inventory.authorities {
        let key = authority.key_path.as_deref();
        if touched(&authority.certificate_path) || key.is_some_and(touched) {
            changed.push((authority.name.clone(), authority.used_by.clone()));
        }
    }
    let changes: Vec<Change<'_>> = changed
        .iter()
        .map(|(name, used_by)| Change { name, used_by })
        .collect();
    let components = if restart {
        components::actions(inventory, &changes)
    } else {
        Vec::new()
    };
    let basis = restoration
        .paths
        .iter()
        .filter_map(|path| {
            let sha256 = inventory.files.get(path)?.clone();
            Some(BasisFile {
                path: path.clone(),
                sha256,
            })
        })
        .collect();
    let notices = vec![Notice {
        code: "restores".to_owned(),
        object: restoration.archive.display().to_string(),
        message: format!("{} files come back as they were", restoration.paths.len()),
    }];
    Plan {
        api_version: API_VERSION.to_owned(),
        kind: "Plan".to_owned(),
        id: String::new(),
        verb: verb.to_owned(),
        host: inventory.host.clone(),
        created_at: now,
        basis,
        issuances: Vec::new(),
        restoration: Some(restoration),
        trust_updates: Vec::new(),
        file_edits: Vec::new(),
        rotation: None,
        components,
        static_pod_folders: inventory.static_pod_folders.clone(),
        notices,
    }
    .with_id()
}

/// Whether a path lies in a static-pod folder: brought back only when asked for by name.
pub fn is_manifest(inventory: &Inventory, path: &Path) -> bool {
    let folders: &[PathBuf] = &inventory.static_pod_folders;
    folders
        .iter()
        .any(|folder| path.parent() == Some(folder.as_path()))
}
