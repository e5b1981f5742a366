//! Keys in more than one place: two CAs of one key, and certificates that share theirs.

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, file, named, place_of};
use crate::connections::Place;
use crate::findings::code;
use crate::model::{Entry, Severity};
use std::collections::BTreeMap;

/// Findings about keys.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    authorities(scene, ledger);
    leafs(scene, ledger);
}

/// Two CAs, told apart by their names, with one key. The same CA in two files is one CA, and so is one
/// that was renewed with its key.
fn authorities(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        let all: Vec<_> = inventory
            .authorities
            .iter()
            .flat_map(|authority| {
                authority
                    .certificates
                    .iter()
                    .map(move |certificate| (authority, certificate))
            })
            .collect();
        for (index, (authority, certificate)) in all.iter().enumerate() {
            let twin = all.iter().take(index).find(|(other, twin)| {
                other.certificate_path != authority.certificate_path
                    && twin.public_key() == certificate.public_key()
                    && twin.subject() != certificate.subject()
            });
            let Some((other, twin)) = twin else { continue };
            let place = file(&inventory.host, &authority.certificate_path);
            let other = file(&inventory.host, &other.certificate_path);
            ledger.add(
                Draft::new(
                    code::SAME_KEY_TWO_AUTHORITIES,
                    Severity::Warning,
                    &place,
                    format!(
                        "{} has the same key as {} in {other}",
                        named(certificate),
                        named(twin)
                    ),
                )
                .fact("what one of them signs, those who trust the other accept too")
                .mend("give each CA a key of its own: rotate the one with fewer certificates"),
            );
        }
    }
}

/// Different files with one key. Hand-made clusters do that on purpose, so it is only worth knowing.
fn leafs(scene: &Scene<'_>, ledger: &mut Ledger) {
    let mut by_key: BTreeMap<[u8; 32], Vec<(Place, &Entry)>> = BTreeMap::new();
    for host in scene.evidence.hosts {
        for entry in &host.inventory.entries {
            if let Some(certificate) = entry.certificate() {
                by_key
                    .entry(certificate.public_key().sha256())
                    .or_default()
                    .push((place_of(&host.inventory.host, entry), entry));
            }
        }
    }
    for sharers in by_key.values() {
        let Some(((first, _), others)) = sharers.split_first() else {
            continue;
        };
        for (place, entry) in others {
            // Two users of one kubeconfig, or one file under two names, are no copies.
            let same_file = place.path() == first.path() && place.host() == first.host();
            if same_file || ledger.blames(place, Severity::Critical) {
                continue;
            }
            let host = place.host().unwrap_or_default();
            ledger.add(
                Draft::new(
                    code::SHARED_KEY,
                    Severity::Info,
                    place,
                    format!("has the same key as {}", where_else(scene, place, first)),
                )
                .mend(remedy::renew(scene, host, &entry.name)),
            );
        }
    }
}

fn where_else(scene: &Scene<'_>, place: &Place, other: &Place) -> String {
    if place.host() == other.host() {
        other.to_string()
    } else {
        scene.on_host(other)
    }
}
