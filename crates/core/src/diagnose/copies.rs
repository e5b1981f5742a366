//! Certificates that lie where others belong: copies of another file of the same host, or of another
//! node's.

use super::draft::Draft;
use super::scene::{Scene, place_of};
use crate::connections::{Place, Slot, Use};
use crate::model::Severity;
use kubepki_x509::Certificate;

/// The place that a presented certificate was copied from: another one that holds the very same, and
/// where nothing is wrong with it.
pub(super) fn original(scene: &Scene<'_>, slot: &Slot, certificate: &Certificate) -> Option<Place> {
    let entries = scene.evidence.hosts.iter().flat_map(|host| {
        let name = host.inventory.host.as_str();
        host.inventory
            .entries
            .iter()
            .map(move |entry| (place_of(name, entry), entry))
    });
    entries
        .filter(|(place, entry)| {
            *place != slot.place
                && place.path()
                    != slot
                        .place
                        .path()
                        .filter(|_| place.host() == slot.place.host())
                && entry.certificate() == Some(certificate)
        })
        .map(|(place, _)| place)
        .find(|place| scene.is_sound(place, None))
}

/// The file that a trust file is a copy of: another one with the same certificates, where they are
/// right, or where they would be if the two had not changed places.
pub(super) fn original_bundle(
    scene: &Scene<'_>,
    slot: &Slot,
    bundle: &[Certificate],
) -> Option<Place> {
    if bundle.is_empty() {
        return None;
    }
    let at_home = scene.slots().find(|(id, other)| {
        other.purpose == Use::Trust
            && other.place != slot.place
            && matches!(other.place, Place::File { .. })
            && other.place.host() == slot.place.host()
            && other.authority != slot.authority
            && scene.trusted(*id) == bundle
    });
    if let Some((_, other)) = at_home {
        return Some(other.place.clone());
    }
    // Exchanged: the CA that lies here has its key beside the other file.
    let host = slot.place.host()?;
    let inventory = scene.inventory(host)?;
    let other = inventory.authorities.iter().find(|authority| {
        Some(authority.certificate_path.as_path()) != slot.place.path()
            && authority
                .key
                .public_key()
                .is_some_and(|key| bundle.iter().any(|ca| ca.public_key() == key))
    })?;
    Some(super::scene::file(host, &other.certificate_path))
}

/// The finding of a copy.
pub(super) fn draft(scene: &Scene<'_>, slot: &Slot, original: &Place) -> Draft {
    let elsewhere = original.host() != slot.place.host();
    let code = if elsewhere {
        "copied-from-another-node"
    } else {
        "copy-of-other-file"
    };
    let original = if elsewhere {
        match original.host() {
            Some(host) => format!("{original} on {host}"),
            None => original.to_string(),
        }
    } else {
        scene.on_host(original)
    };
    Draft::new(
        code,
        Severity::Critical,
        &slot.place,
        format!("is a copy of {original}, which does not belong here"),
    )
}
