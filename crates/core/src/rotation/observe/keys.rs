//! Places of the service-account key: files that verify and sign, and the tokens that are there.

use super::book::{Book, place, read_by};
use super::loaded::readers;
use crate::connections::Place;
use crate::diagnose::Evidence;
use crate::layouts::component_files::{SERVICE_ACCOUNT_KEYS, ServiceAccountKeyUse};
use crate::model::cluster::ClusterObservation;
use crate::model::{Inventory, ObjectReference, ServiceAccountKeyContents, UsedBy};
use crate::rotation::generations::{Keys, Side, holds as held, public_keys};
use crate::rotation::picture::{Holds, Keeper, Purpose};
use crate::rotation::successor;
use kubepki_x509::PublicKey;
use std::collections::BTreeMap;

/// `sa.pub` and `sa.key`, by whatever names.
pub(super) fn files(book: &mut Book, inventory: &Inventory, root: &Keys) {
    for key in &inventory.service_account_keys {
        if successor::is_of_a_rotation(&key.path) {
            continue;
        }
        let here = Place::File {
            host: inventory.host.clone(),
            path: key.path.clone(),
        };
        let holds = match &key.contents {
            ServiceAccountKeyContents::Problem(reason) => Holds::Unknown {
                reason: reason.clone(),
            },
            _ => {
                let sides = public_keys(key).into_iter().filter_map(|it| root.side(it));
                held(sides).unwrap_or_else(|| Holds::Neither {
                    found: "another key".to_owned(),
                })
            }
        };
        let (signing, verifying): (Vec<UsedBy>, Vec<UsedBy>) =
            key.used_by.iter().cloned().partition(is_signing);
        let is_private = matches!(key.contents, ServiceAccountKeyContents::Private(_));
        if is_private || !signing.is_empty() {
            let found = place(here.clone(), Purpose::Sign, holds.clone());
            book.add(read_by(found, readers(inventory, &key.path, &signing)));
        }
        if !is_private || !verifying.is_empty() {
            let found = place(here, Purpose::Trust, holds);
            book.add(read_by(found, readers(inventory, &key.path, &verifying)));
        }
    }
}

fn is_signing(used: &UsedBy) -> bool {
    let mut rows = SERVICE_ACCOUNT_KEYS.iter();
    rows.any(|row| {
        row.component == used.component
            && row.flag == used.flag
            && row.used_to == ServiceAccountKeyUse::Sign
    })
}

/// Whether a host holds such a key file.
pub(super) fn holds(
    inventory: &Inventory,
    root: &Keys,
    is_successor: bool,
    is_private: bool,
) -> bool {
    inventory.service_account_keys.iter().any(|key| {
        let fits = matches!(key.contents, ServiceAccountKeyContents::Private(_)) == is_private
            && successor::is_successor(&key.path) == is_successor
            && !successor::is_previous(&key.path);
        fits && public_keys(key).iter().any(|it| root.side(it).is_some())
    })
}

/// ServiceAccounts with token Secrets: by which keys those were signed. A second one is listed first.
pub(super) fn tokens(
    book: &mut Book,
    cluster: &ClusterObservation,
    evidence: &Evidence<'_>,
    root: &Keys,
) {
    let told = told(cluster, evidence);
    let mut accounts: BTreeMap<(Option<&str>, &str), Vec<Side>> = BTreeMap::new();
    for secret in cluster.token_secrets.iter().filter(|it| it.has_token) {
        let namespace = secret.object.namespace.as_deref();
        let sides = secret.verified_by.iter();
        let sides = sides.filter_map(|index| root.side(told.get(*index).copied()??));
        let account = accounts.entry((namespace, secret.service_account.as_str()));
        account.or_default().extend(sides);
    }
    for ((namespace, name), mut sides) in accounts {
        sides.sort_by_key(|side| *side == Side::Old);
        let Some(holds) = held(sides) else { continue };
        let mut object = ObjectReference::cluster_wide("ServiceAccount", name);
        object.namespace = namespace.map(ToOwned::to_owned);
        let mut found = place(Place::Api(object), Purpose::Present, holds);
        found.kept_by = Keeper::ControllerManager;
        book.add(found);
    }
}

/// The keys that the scan was told, in its order; `None` for one that no host has any more.
fn told<'e>(cluster: &ClusterObservation, evidence: &Evidence<'e>) -> Vec<Option<&'e PublicKey>> {
    let hosts = evidence.hosts.iter();
    let all: Vec<&PublicKey> = hosts
        .flat_map(|host| &host.inventory.service_account_keys)
        .flat_map(public_keys)
        .collect();
    let named = cluster.service_account_keys.iter().map(|named| {
        let mut all = all.iter();
        all.find(|key| hex::encode(key.sha256()) == *named).copied()
    });
    named.collect()
}
