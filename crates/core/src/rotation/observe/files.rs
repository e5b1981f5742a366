//! Places of a CA on a host: bundles, signing files and keys, kubeconfigs, certificates.

use super::book::{Book, place, read_by};
use super::loaded::readers;
use crate::connections::Place;
use crate::layouts::component_files::AUTHORITY_KEY_PAIRS;
use crate::model::{
    Authority, Entry, Holder, Inventory, KeyState, KubeconfigTrust, KubeconfigUse, UsedBy,
};
use crate::rotation::generations::{Authorities, own_files};
use crate::rotation::picture::{Holds, Keeper, Purpose};
use crate::rotation::successor;
use std::path::Path;

/// CA files: who trusts by them, and who signs with them.
pub(super) fn bundles(book: &mut Book, inventory: &Inventory, root: &Authorities) {
    for authority in &inventory.authorities {
        let path = &authority.certificate_path;
        let held = root.holds(&authority.certificates);
        let is_own = own_files(inventory, &root.names)
            .iter()
            .any(|own| own.certificate_path == *path);
        let is_unused = authority.used_by.is_empty();
        // The successor itself, and what nobody names any more.
        if is_unused && successor::is_of_a_rotation(path) || held.is_none() && !is_own {
            continue;
        }
        let holds = held.unwrap_or_else(|| nothing_of_it(inventory, authority));
        let (signing, trusting): (Vec<UsedBy>, Vec<UsedBy>) =
            authority.used_by.iter().cloned().partition(is_signing);
        let file = file(inventory, path);
        if !signing.is_empty() {
            let found = place(file.clone(), Purpose::Sign, holds.clone());
            book.add(read_by(found, readers(inventory, path, &signing)));
        }
        if !trusting.is_empty() || signing.is_empty() || !successor::is_signer(path) {
            let found = place(file, Purpose::Trust, holds);
            book.add(read_by(found, readers(inventory, path, &trusting)));
        }
    }
}

fn is_signing(used: &UsedBy) -> bool {
    let mut pairs = AUTHORITY_KEY_PAIRS.iter();
    pairs.any(|row| row.component == used.component && row.certificate == used.flag)
}

/// The keys that sign.
pub(super) fn signing_keys(book: &mut Book, inventory: &Inventory, root: &Authorities) {
    for own in own_files(inventory, &root.names) {
        let Some(path) = &own.key_path else { continue };
        let holds = match &own.key {
            KeyState::Present { public_key, .. } => match root.side_of_key(public_key) {
                Some(side) => crate::rotation::generations::holds([side]),
                None => Some(Holds::Neither {
                    found: "a key of another CA".to_owned(),
                }),
            },
            KeyState::Unreadable(reason) | KeyState::Unusable(reason) => Some(Holds::Unknown {
                reason: reason.clone(),
            }),
            KeyState::Absent | KeyState::NotExpected => None,
        };
        let Some(holds) = holds else { continue };
        let signing: Vec<UsedBy> = inventory
            .components
            .iter()
            .flat_map(|component| {
                AUTHORITY_KEY_PAIRS
                    .iter()
                    .filter(|row| row.component == component.kind)
                    .filter(|row| component.host_path(row.key).as_ref() == Some(path))
                    .map(|row| UsedBy {
                        component: component.kind,
                        flag: row.key.to_owned(),
                    })
            })
            .collect();
        let found = place(file(inventory, path), Purpose::Sign, holds);
        book.add(read_by(found, readers(inventory, path, &signing)));
    }
}

/// What kubeconfigs trust.
pub(super) fn kubeconfigs(book: &mut Book, inventory: &Inventory, root: &Authorities) {
    for trust in &inventory.embedded_trust {
        let Some(holds) = root.holds(&trust.certificates) else {
            continue;
        };
        let cluster = Place::KubeconfigCluster {
            host: inventory.host.clone(),
            path: trust.kubeconfig.clone(),
            cluster: trust.cluster.clone(),
        };
        let readers = readers(inventory, &trust.kubeconfig, &trust.used_by);
        book.add(read_by(place(cluster, Purpose::Trust, holds), readers));
    }
    for kubeconfig in &inventory.kubeconfigs {
        of_use(book, inventory, root, kubeconfig);
    }
}

fn of_use(book: &mut Book, inventory: &Inventory, root: &Authorities, kubeconfig: &KubeconfigUse) {
    let Some(target) = &kubeconfig.cluster else {
        return;
    };
    let (file, certificates) = match &target.trust {
        KubeconfigTrust::Embedded(Ok(certificates)) => {
            let cluster = Place::KubeconfigCluster {
                host: inventory.host.clone(),
                path: kubeconfig.path.clone(),
                cluster: target.name.clone(),
            };
            (cluster, certificates)
        }
        KubeconfigTrust::File(named) => (file(inventory, &named.path), &named.certificates),
        KubeconfigTrust::Embedded(Err(_)) | KubeconfigTrust::System => return,
    };
    let Some(holds) = root.holds(certificates) else {
        return;
    };
    let path = file.path().unwrap_or(&kubeconfig.path).to_owned();
    let readers = readers(inventory, &path, &kubeconfig.used_by);
    book.add(read_by(place(file, Purpose::Trust, holds), readers));
}

/// Certificates that are presented.
pub(super) fn certificates(book: &mut Book, inventory: &Inventory, root: &Authorities) {
    for entry in &inventory.entries {
        let name = (!entry.is_bootstrap_token()).then(|| entry.name.clone());
        certificate(book, inventory, root, entry, name);
    }
    let credentials = inventory.kubeconfigs.iter();
    let credentials = credentials.filter_map(|kubeconfig| kubeconfig.credential.as_ref());
    let clients = inventory.etcd_clients.iter();
    for entry in credentials.chain(clients.map(|client| &client.credential)) {
        certificate(book, inventory, root, entry, None);
    }
}

fn certificate(
    book: &mut Book,
    inventory: &Inventory,
    root: &Authorities,
    entry: &Entry,
    renewable_as: Option<String>,
) {
    let Some(side) = root.signer(&entry.chain) else {
        return;
    };
    let presented = match &entry.holder {
        Holder::Kubeconfig { path, user } => Place::KubeconfigUser {
            host: inventory.host.clone(),
            path: path.clone(),
            user: user.clone(),
        },
        holder => file(inventory, holder.path()),
    };
    let Some(holds) = crate::rotation::generations::holds([side]) else {
        return;
    };
    let path = entry.holder.path();
    let readers = readers(inventory, path, &entry.used_by);
    let mut found = read_by(place(presented, Purpose::Present, holds), readers);
    found.kept_by = match renewable_as.is_some() {
        true => Keeper::Rotation,
        false => Keeper::Outside,
    };
    found.renewable_as = renewable_as;
    book.add(found);
}

/// Why a file of a CA holds nothing of it.
fn nothing_of_it(inventory: &Inventory, authority: &Authority) -> Holds {
    let path = &authority.certificate_path;
    if !authority.certificates.is_empty() {
        let names = authority.certificates.iter();
        let names: Vec<String> = names.map(|it| it.subject().to_string()).collect();
        return Holds::Neither {
            found: names.join("; "),
        };
    }
    match (inventory.files.get(path), &authority.problem) {
        (None, Some(problem)) => Holds::Unknown {
            reason: problem.clone(),
        },
        (Some(None) | None, _) => Holds::Neither {
            found: "nothing".to_owned(),
        },
        (Some(Some(_)), problem) => Holds::Neither {
            found: problem
                .clone()
                .unwrap_or_else(|| "no certificate".to_owned()),
        },
    }
}

fn file(inventory: &Inventory, path: &Path) -> Place {
    Place::File {
        host: inventory.host.clone(),
        path: path.to_owned(),
    }
}
