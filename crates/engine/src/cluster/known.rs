//! What a scan is told of a host, to say of each certificate and token whose it is.

use kubepki_core::model::cluster::KnownKeys;
use kubepki_core::model::{Inventory, ServiceAccountKeyContents};

/// The authorities and service-account keys of a host.
pub fn known_keys(inventory: &Inventory) -> KnownKeys {
    let authorities = inventory.authorities.iter();
    let mut service_account_keys = Vec::new();
    for key in &inventory.service_account_keys {
        match &key.contents {
            ServiceAccountKeyContents::Private(state) => {
                service_account_keys.extend(state.public_key().cloned());
            }
            ServiceAccountKeyContents::Public(keys) => service_account_keys.extend(keys.clone()),
            ServiceAccountKeyContents::Problem(_) => {}
        }
    }
    KnownKeys {
        authorities: authorities
            .flat_map(|authority| authority.certificates.clone())
            .collect(),
        service_account_keys,
    }
}
