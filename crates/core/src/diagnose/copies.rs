//! Certificates that lie where others belong: copies of another file of the same host, or of another
//! node's.

use super::draft::{Draft, Ledger};
use super::scene::{Scene, place_of};
use crate::connections::{Place, Slot, Use};
use crate::findings::code;
use crate::layouts::{CommonNameRule, KUBEADM};
use crate::model::{Entry, Inventory, Role, Severity};
use kubepki_x509::{Certificate, GeneralName};

/// The place that a presented certificate was copied from: another one that holds the very same, and
/// where nothing is wrong with it.
pub(super) fn original(scene: &Scene<'_>, slot: &Slot, certificate: &Certificate) -> Option<Place> {
    let entries = scene.evidence.hosts.iter().flat_map(|host| {
        let name = host.inventory.host.as_str();
        host.inventory
            .entries
            .iter()
            .filter(|entry| entry.certificate() == Some(certificate))
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
                && entry
                    .key
                    .public_key()
                    .is_none_or(|key| key == certificate.public_key())
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

/// Certificates of servers that name another node and not this one, where nobody calls them by a name
/// that would show it: etcd is called by `127.0.0.1`.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        for entry in &inventory.entries {
            let serves = matches!(
                entry.role,
                Role::EtcdServer | Role::EtcdPeer | Role::ApiserverServing | Role::KubeletServing
            );
            let place = place_of(&inventory.host, entry);
            let Some(certificate) = entry.certificate().filter(|_| serves) else {
                continue;
            };
            let Some(other) = other_node(scene, inventory, entry, certificate) else {
                continue;
            };
            if ledger.blames(&place, Severity::Critical) {
                continue;
            }
            let names = certificate.subject_alt_names();
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let own = own_name(inventory);
            ledger.add(
                Draft::new(
                    code::COPIED_FROM_ANOTHER_NODE,
                    Severity::Critical,
                    &place,
                    format!(
                        "is for {other} ({}), and this host is {own}",
                        names.join(", ")
                    ),
                )
                .facts(twin(scene, inventory, certificate))
                .mend(super::remedy::renew(scene, &inventory.host, &entry.name)),
            );
        }
    }
}

fn own_name(inventory: &Inventory) -> &str {
    let node = inventory.node_name.as_ref();
    node.map_or(inventory.host.as_str(), |node| node.name.as_str())
}

/// The node that a certificate names in place of this one: by its subject where kubeadm puts the
/// node's name there, else by its names, when they are those of a node that is known.
fn other_node(
    scene: &Scene<'_>,
    inventory: &Inventory,
    entry: &Entry,
    certificate: &Certificate,
) -> Option<String> {
    let names = certificate.subject_alt_names();
    let holds = |name: &str| {
        names.iter().any(
            |held| matches!(held, GeneralName::DnsName(held) if held.eq_ignore_ascii_case(name)),
        )
    };
    let own = own_name(inventory);
    if names.is_empty() || holds(own) || holds(&inventory.host) {
        return None;
    }
    let hosts = scene.evidence.hosts.iter();
    let hosts = hosts.map(|host| own_name(&host.inventory).to_owned());
    let nodes = scene.evidence.cluster.into_iter();
    let nodes = nodes.flat_map(|cluster| cluster.nodes.iter().map(|node| node.name.clone()));
    let by_names = hosts.chain(nodes).find(|name| name != own && holds(name));
    let by_subject = || {
        let row = KUBEADM.certificate(&entry.name)?;
        let named = row.subject.common_name == CommonNameRule::NodeName;
        let common_name = certificate.subject().common_name()?;
        (named && common_name != own && holds(&common_name)).then_some(common_name)
    };
    by_names.or_else(by_subject)
}

fn twin(scene: &Scene<'_>, inventory: &Inventory, certificate: &Certificate) -> Option<String> {
    scene
        .evidence
        .hosts
        .iter()
        .filter(|host| host.inventory.host != inventory.host)
        .find_map(|host| {
            let mut entries = host.inventory.entries.iter();
            let twin = entries.find(|entry| entry.certificate() == Some(certificate))?;
            Some(format!(
                "{} on {} is the same",
                twin.holder, host.inventory.host
            ))
        })
}

/// The finding of a copy.
pub(super) fn draft(scene: &Scene<'_>, slot: &Slot, original: &Place) -> Draft {
    let elsewhere = original.host() != slot.place.host();
    let code = if elsewhere {
        code::COPIED_FROM_ANOTHER_NODE
    } else {
        code::COPY_OF_OTHER_FILE
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
