//! What `status` says of each certificate, authority and key, told once and of the right object.
//!
//! The checks are those of [`crate::assess`]. What they say of a certificate because something else is
//! wrong (its CA was replaced, its CA has expired) is left to whoever is to blame.

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, file, place_of};
use super::suspects::{SignerId, Signers};
use crate::assess::checks;
use crate::connections::{Place, Side};
use crate::findings::code;
use crate::model::{Authority, Entry, Finding, Inventory, Role, Severity};

/// Findings of every host's inventory.
pub(super) fn check(scene: &Scene<'_>, signers: &Signers, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        for entry in &inventory.entries {
            let relevant = entry.required
                || !entry.chain.is_empty()
                || entry.problem.is_some()
                || entry.is_bootstrap_token();
            if relevant {
                entry_findings(scene, signers, inventory, entry, ledger);
            }
        }
        for authority in &inventory.authorities {
            authority_findings(scene, signers, inventory, authority, ledger);
        }
    }
}

fn entry_findings(
    scene: &Scene<'_>,
    signers: &Signers,
    inventory: &Inventory,
    entry: &Entry,
    ledger: &mut Ledger,
) {
    let place = place_of(&inventory.host, entry);
    let thresholds = &scene.options.thresholds;
    for finding in checks::entry(inventory, entry, scene.now(), thresholds) {
        let place = match finding.code.as_str() {
            // Where the doctor has said of a certificate what is wrong, its file is explained.
            code::MISSING if ledger.says(&place, &[code::MISSING, code::BROKEN_LINK]) => continue,
            code::UNREADABLE if entry.chain.is_empty() && is_broken_link(entry) => {
                ledger.add(broken_link(scene, inventory, entry, &place, &finding));
                continue;
            }
            // Who is to blame for these was said where connections fail; here they count only when
            // the certificate is the one that contradicts all others.
            code::NOT_SIGNED_BY_CA | code::SIGNED_BY_OTHER_CA => {
                if ledger.blames(&place, Severity::Critical) || !contradicts(scene, signers, entry)
                {
                    continue;
                }
                place.clone()
            }
            // Told once for the CA: `lifetimes`.
            code::OUTLIVES_CA => continue,
            code::KEY_MISMATCH if key_is_blamed(entry, &inventory.host, ledger) => continue,
            code::KEY_MISSING => key_place(entry, &inventory.host).unwrap_or_else(|| place.clone()),
            code::KEY_UNREADABLE | code::KEY_UNUSABLE | code::KEY_READABLE_BY_OTHERS => {
                key_place(entry, &inventory.host).unwrap_or_else(|| place.clone())
            }
            // The kubeconfig is the object, also where it only names the certificate.
            code::CA_DATA_STALE => {
                let path = entry.kubeconfig.as_deref().unwrap_or(entry.holder.path());
                let place = file(&inventory.host, path);
                if ledger.says(&place, &[code::WRONG_CA_DATA]) || ca_is_blamed(inventory, ledger) {
                    continue;
                }
                place
            }
            // The kubeconfig is what was edited, and what is to be changed.
            code::EMBEDDED_KUBELET_CERTIFICATE => {
                let copy = entry.embedded_copy.as_ref().map(|copy| copy.path.as_path());
                let path = copy.or(entry.kubeconfig.as_deref());
                path.map_or_else(|| place.clone(), |path| file(&inventory.host, path))
            }
            _ => place.clone(),
        };
        let remedy = mend(scene, inventory, entry, &finding);
        ledger
            .add(Draft::new(&finding.code, finding.severity, &place, finding.message).mend(remedy));
    }
}

fn mend(scene: &Scene<'_>, inventory: &Inventory, entry: &Entry, finding: &Finding) -> String {
    let host = &inventory.host;
    match finding.code.as_str() {
        code::KEY_READABLE_BY_OTHERS => {
            let path = entry.holder.key_path().unwrap_or(entry.holder.path());
            remedy::on(scene, host, format!("chmod 600 {}", path.display()))
        }
        code::BOOTSTRAP_TOKEN => remedy::on(
            scene,
            host,
            format!(
                "remove {} once the kubelet has its certificate",
                entry.holder.path().display()
            ),
        ),
        code::MISSING => remedy::on(scene, host, format!("kubepki init --only {}", entry.name)),
        code::CA_DATA_STALE => {
            remedy::on(scene, host, format!("kubepki renew {} --force", entry.name))
        }
        code::WEAK_KEY => remedy::on(
            scene,
            host,
            format!("kubepki renew {} --key-type ecdsa:p256", entry.name),
        ),
        _ => remedy::renew(scene, host, &entry.name),
    }
}

fn authority_findings(
    scene: &Scene<'_>,
    signers: &Signers,
    inventory: &Inventory,
    authority: &Authority,
    ledger: &mut Ledger,
) {
    let host = &inventory.host;
    let place = file(host, &authority.certificate_path);
    let thresholds = &scene.options.thresholds;
    for finding in checks::authority(authority, scene.now(), thresholds) {
        let key = || authority.key_path.as_deref().map(|path| file(host, path));
        let place = match finding.code.as_str() {
            code::EXPIRED
            | code::EXPIRES_SOON
            | code::NOT_YET_VALID
            | code::WEAK_KEY
            | code::WEAK_SIGNATURE
                if is_copy(inventory, authority) =>
            {
                continue;
            }
            code::MISSING if ledger.says(&place, &[code::MISSING]) => continue,
            code::UNREADABLE if ledger.says(&place, &[code::UNREADABLE]) => continue,
            code::KEY_READABLE_BY_OTHERS | code::KEY_UNREADABLE | code::KEY_UNUSABLE => {
                key().unwrap_or_else(|| place.clone())
            }
            // The rest of the cluster speaks for the certificate: then the key is the wrong one.
            code::KEY_MISMATCH if is_reference(signers, authority) => {
                key().unwrap_or_else(|| place.clone())
            }
            _ => place.clone(),
        };
        let remedy = match finding.code.as_str() {
            code::EXPIRED => remedy::on(
                scene,
                host,
                "kubepki renew all --renew-expired-ca".to_owned(),
            ),
            code::EXPIRES_SOON => {
                "plan the rotation of this CA: everything that it signed ends with it".to_owned()
            }
            code::KEY_READABLE_BY_OTHERS => remedy::on(scene, host, format!("chmod 600 {place}")),
            code::MISSING | code::UNREADABLE | code::KEY_MISMATCH | code::NOT_A_CA => {
                remedy::restore(scene, &place)
            }
            _ => format!("replace the CA {place}"),
        };
        ledger
            .add(Draft::new(&finding.code, finding.severity, &place, finding.message).mend(remedy));
    }
}

/// Whether an authority's file holds the CA that the cluster agrees on.
fn is_reference(signers: &Signers, authority: &Authority) -> bool {
    let Some(name) = authority.role.authority() else {
        return false;
    };
    [Side::Server, Side::Client]
        .into_iter()
        .filter_map(|side| signers.reference(name, side))
        .any(|reference| {
            let mut certificates = authority.certificates.iter();
            certificates.any(|ca| SignerId::of(ca) == reference.id)
        })
}

/// Whether an authority's file is a copy of another's on this host that has the key: what is wrong
/// with the certificate is said there.
fn is_copy(inventory: &Inventory, authority: &Authority) -> bool {
    authority.key.public_key().is_none()
        && inventory.authorities.iter().any(|other| {
            other.certificate_path != authority.certificate_path
                && other.key.public_key().is_some()
                && authority
                    .certificates
                    .iter()
                    .all(|ca| other.certificates.contains(ca))
        })
}

fn is_broken_link(entry: &Entry) -> bool {
    matches!(
        &entry.holder,
        crate::model::Holder::CertificateStore {
            target: Some(_),
            ..
        }
    )
}

fn broken_link(
    scene: &Scene<'_>,
    inventory: &Inventory,
    entry: &Entry,
    place: &Place,
    finding: &Finding,
) -> Draft {
    Draft::new(
        code::BROKEN_LINK,
        Severity::Critical,
        place,
        finding.message.clone(),
    )
    .mend(remedy::renew(scene, &inventory.host, &entry.name))
}

fn key_place(entry: &Entry, host: &str) -> Option<Place> {
    match &entry.holder {
        crate::model::Holder::Kubeconfig { .. } => None,
        holder => holder.key_path().map(|path| file(host, path)),
    }
}

fn key_is_blamed(entry: &Entry, host: &str, ledger: &Ledger) -> bool {
    key_place(entry, host).is_some_and(|place| ledger.says(&place, &[code::KEY_MISMATCH]))
}

/// Whether the bundle that kubeconfigs are compared with is itself wrong.
fn ca_is_blamed(inventory: &Inventory, ledger: &Ledger) -> bool {
    inventory
        .authorities
        .iter()
        .filter(|authority| authority.role == Role::ClusterCa)
        .map(|authority| file(&inventory.host, &authority.certificate_path))
        .any(|place| ledger.blames(&place, Severity::Critical))
}

/// Whether the rest of the cluster speaks against who signed an entry.
fn contradicts(scene: &Scene<'_>, signers: &Signers, entry: &Entry) -> bool {
    let Some(certificate) = entry.certificate() else {
        return false;
    };
    let expected = entry.expected_authority.as_deref();
    let authority = crate::model::AuthorityName::ALL
        .into_iter()
        .find(|name| Some(name.as_str()) == expected);
    let Some(authority) = authority else {
        return false;
    };
    let ancestors = signers.ancestors(scene, certificate);
    [Side::Server, Side::Client]
        .into_iter()
        .filter_map(|side| signers.reference(authority, side))
        .all(|reference| !ancestors.contains(&reference.id))
}
