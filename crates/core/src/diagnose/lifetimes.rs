//! Lifetimes that do not fit each other: certificates that outlive their CA, a CA that will end before
//! what it signs.

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, file, place_of};
use crate::connections::Place;
use crate::findings::code;
use crate::model::{Entry, Inventory, Severity};
use jiff::SignedDuration;
use kubepki_x509::{Certificate, ValidityState};

/// How long a certificate of a cluster is meant to live, where its own dates do not say less.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);
/// What is made within a day of its CA, for as long, was meant to end with it.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A CA with what it signed on one host.
struct Family<'a> {
    place: Place,
    name: &'a str,
    authority: &'a Certificate,
    members: Vec<(&'a Entry, &'a Certificate)>,
}

/// Findings about lifetimes.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        for family in families(&host.inventory) {
            judge(scene, &host.inventory.host, &family, ledger);
        }
    }
}

fn families(inventory: &Inventory) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for entry in &inventory.entries {
        let Some(certificate) = entry.certificate() else {
            continue;
        };
        let Some((authority, ca)) = inventory.issuer_of(certificate) else {
            continue;
        };
        let known = families.iter_mut().find(|family| family.authority == ca);
        match known {
            Some(family) => family.members.push((entry, certificate)),
            None => families.push(Family {
                place: file(&inventory.host, &authority.certificate_path),
                name: &authority.name,
                authority: ca,
                members: vec![(entry, certificate)],
            }),
        }
    }
    families
}

fn judge(scene: &Scene<'_>, host: &str, family: &Family<'_>, ledger: &mut Ledger) {
    let end = family.authority.validity().not_after;
    let said = [code::EXPIRED, code::EXPIRES_SOON, code::NOT_YET_VALID];
    let valid = family.authority.validity().state(scene.now()) == ValidityState::Valid;
    if !valid || ledger.says(&family.place, &said) {
        return;
    }
    let outliving: Vec<_> = family
        .members
        .iter()
        .filter(|(_, certificate)| certificate.validity().not_after.duration_since(end) > DAY)
        .collect();
    if let [(entry, certificate)] = outliving.as_slice() {
        let place = place_of(host, entry);
        let message = format!(
            "ends at {}, and its CA {} ends first, at {end}",
            certificate.validity().not_after,
            family.name
        );
        ledger.add(
            Draft::new(code::OUTLIVES_CA, Severity::Warning, &place, message).mend(remedy::renew(
                scene,
                host,
                &entry.name,
            )),
        );
        return;
    }
    let usual = family
        .members
        .iter()
        .map(|(_, certificate)| certificate.validity().duration())
        .chain([YEAR])
        .min()
        .unwrap_or(YEAR);
    let left = end.duration_since(scene.now());
    if outliving.is_empty() && left >= usual {
        return;
    }
    let message = if outliving.is_empty() {
        let days = usual.as_hours() / 24;
        format!("ends at {end}, before certificates of {days} days that are issued from now on")
    } else {
        format!(
            "ends at {end}, before {} of the {} certificates that it signed here",
            outliving.len(),
            family.members.len()
        )
    };
    let facts = outliving.iter().take(4).map(|(entry, certificate)| {
        format!(
            "{} says that it is valid until {}",
            entry.holder,
            certificate.validity().not_after
        )
    });
    ledger.add(
        Draft::new(
            code::CA_ENDS_BEFORE_LEAFS,
            Severity::Warning,
            &family.place,
            message,
        )
        .facts(facts)
        .mend(
            "plan the rotation of this CA while everything works: renewed certificates end with it",
        ),
    );
}
