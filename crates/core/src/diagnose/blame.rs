//! From a connection that fails to the one object that is wrong.
//!
//! What can be told from one object alone decides first: it has expired, its key is another's, it is
//! not there. Only "signed by unknown authority", a wrong name and a wrong identity have two
//! suspects; those are in [`super::trust`] and [`super::names`].

use super::copies;
use super::draft::Draft;
use super::names;
use super::remedy;
use super::scene::{Scene, file, leaf, named};
use super::suspects::Signers;
use super::trust;
use crate::connections::{
    Connection, Credential, Failure, FailureReason, Held, KeyMatch, Material, Place, Side, Slot,
    SlotId,
};
use crate::findings::code;
use crate::model::{ComponentKind, Severity};
use kubepki_x509::Certificate;
use kubepki_x509::path::PathError;

/// One failed direction of one connection, with what lies in its slots.
pub(super) struct Case<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) signers: &'a Signers,
    pub(super) material: &'a Material,
    pub(super) connection: &'a Connection,
    pub(super) failure: &'a Failure,
}

impl<'a> Case<'a> {
    pub(super) fn slot(&self, id: Option<SlotId>) -> Option<&'a Slot> {
        self.scene.graph.slot(id?)
    }

    pub(super) fn presented(&self) -> Option<&'a Slot> {
        self.slot(self.failure.presented)
    }

    pub(super) fn trusted_by(&self) -> Option<&'a Slot> {
        self.slot(self.failure.trusted_by)
    }

    pub(super) fn credential(&self) -> Option<&'a Credential> {
        match self.material.held(self.failure.presented?) {
            Held::Credential(credential) => Some(credential),
            _ => None,
        }
    }

    pub(super) fn leaf(&self) -> Option<&'a Certificate> {
        leaf(self.material.held(self.failure.presented?))
    }

    /// Who refuses whom, in words.
    pub(super) fn refusal(&self) -> String {
        refusal(self.scene, self.connection, self.failure.side)
    }

    fn draft(&self, code: &str, place: &Place, message: impl Into<String>) -> Draft {
        Draft::new(code, Severity::Critical, place, message)
            .fact(self.refusal())
            .fails(&self.connection.id)
    }
}

/// Who refuses whom, in words.
pub(super) fn refusal(scene: &Scene<'_>, connection: &Connection, side: Side) -> String {
    let (client, server) = (&connection.client, &connection.server);
    let (who, whom) = match side {
        Side::Server => (client, server),
        Side::Client => (server, client),
    };
    format!("{} does not accept {}", scene.party(who), scene.party(whom))
}

/// What is wrong where a connection fails: mostly one object, seldom two that contradict all others.
pub(super) fn blame(case: &Case<'_>) -> Vec<Draft> {
    let presented = case.presented();
    let trusted_by = case.trusted_by();
    match (&case.failure.reason, presented, trusted_by) {
        (FailureReason::Path(error), _, _) => path(case, error),
        (FailureReason::KeyDiffers, Some(slot), _) => vec![key_differs(case, slot)],
        (FailureReason::KeyUnusable(reason), Some(slot), _) => vec![
            case.draft(
                code::KEY_UNUSABLE,
                slot.key_place.as_ref().unwrap_or(&slot.place),
                reason,
            )
            .mend(remedy::renew_slot(case.scene, slot)),
        ],
        (FailureReason::Missing(reason), Some(slot), _) => vec![missing(case, slot, reason)],
        (FailureReason::Unusable(reason), Some(slot), _) => vec![
            case.draft(code::UNREADABLE, &slot.place, reason)
                .mend(remedy::renew_slot(case.scene, slot)),
        ],
        (FailureReason::TrustMissing(reason), _, Some(slot)) => vec![
            case.draft(code::MISSING, &slot.place, reason)
                .mend(trust::put_right(case, slot)),
        ],
        (FailureReason::TrustUnusable(reason), _, Some(slot)) => vec![
            case.draft(code::UNREADABLE, &slot.place, reason)
                .mend(trust::put_right(case, slot)),
        ],
        (FailureReason::Identity { expected, found }, Some(slot), _) => {
            vec![names::identity(case, slot, expected, found)]
        }
        _ => Vec::new(),
    }
}

fn path(case: &Case<'_>, error: &PathError) -> Vec<Draft> {
    let certificate = error.certificate();
    let (place, slot) = match certificate {
        Some(certificate) => culprit_of(case, certificate),
        None => (None, case.presented()),
    };
    let Some(place) = place
        .or_else(|| slot.map(|slot| slot.place.clone()))
        .or_else(|| case.trusted_by().map(|slot| slot.place.clone()))
    else {
        return Vec::new();
    };
    let renew = || match slot {
        Some(slot) if slot.place == place => remedy::renew_slot(case.scene, slot),
        _ => authority_remedy(&place),
    };
    let whose = |text: String| match certificate {
        Some(certificate) if case.leaf() != Some(certificate) => {
            format!("{text} ({})", named(certificate))
        }
        _ => text,
    };
    let draft = match error {
        PathError::Expired { certificate, .. } => {
            let at = certificate.validity().not_after;
            case.draft(code::EXPIRED, &place, whose(format!("expired at {at}")))
                .mend(if certificate.is_ca() {
                    "kubepki renew all --renew-expired-ca".to_owned()
                } else {
                    renew()
                })
        }
        PathError::NotYetValid { certificate, .. } => {
            let at = certificate.validity().not_before;
            case.draft(
                code::NOT_YET_VALID,
                &place,
                whose(format!("not valid before {at}")),
            )
            .mend(format!("set the clock right (timedatectl), or {}", renew()))
        }
        PathError::NameMismatch { .. } => return names::mismatch(case, error),
        PathError::UnknownAuthority {
            certificate,
            rejected,
            ..
        } => return trust::unknown_authority(case, error, certificate, rejected),
        PathError::IncompatibleUsage { needed, .. } => case
            .draft(code::USAGE_MISSING, &place, error.to_string())
            .fact(format!("it is presented for {needed}"))
            .mend(renew()),
        PathError::NotAuthorizedToSign { certificate } => case
            .draft(
                code::NOT_A_CA,
                &place,
                format!("{} is not a CA certificate", named(certificate)),
            )
            .mend(authority_remedy(&place)),
        other => case
            .draft(code::PATH_INVALID, &place, other.to_string())
            .mend(renew()),
    };
    vec![draft]
}

/// Where the certificate lies that an error names: what was presented, or a CA that is trusted. A CA
/// is one object however many copies of it there are: the file beside its key.
fn culprit_of<'a>(case: &Case<'a>, certificate: &Certificate) -> (Option<Place>, Option<&'a Slot>) {
    let is_presented = case
        .credential()
        .is_some_and(|credential| credential.chain.contains(certificate));
    let trusted = case.trusted_by();
    if is_presented && case.leaf() == Some(certificate) {
        let place = case.presented().map(|slot| slot.place.clone());
        return (place, case.presented());
    }
    if let Some(place) = home(case.scene, certificate, trusted.map(|slot| &slot.place)) {
        return (Some(place), None);
    }
    if is_presented {
        let place = case.presented().map(|slot| slot.place.clone());
        return (place, case.presented());
    }
    (trusted.map(|slot| slot.place.clone()), None)
}

/// The file that a CA certificate belongs to: one with its key, on the same host where there is one.
pub(super) fn home(
    scene: &Scene<'_>,
    certificate: &Certificate,
    near: Option<&Place>,
) -> Option<Place> {
    let mut found: Vec<(bool, bool, Place)> = Vec::new();
    for host in scene.evidence.hosts {
        for authority in &host.inventory.authorities {
            if authority.certificates.contains(certificate) {
                let away = near.and_then(Place::host) != Some(host.inventory.host.as_str());
                let keyless = authority.key.public_key() != Some(certificate.public_key());
                let place = file(&host.inventory.host, &authority.certificate_path);
                found.push((away, keyless, place));
            }
        }
    }
    found.sort();
    found.into_iter().next().map(|(.., place)| place)
}

fn authority_remedy(place: &Place) -> String {
    match place {
        Place::Api(object) => format!("put the present CA into {object}"),
        place => format!("put a CA certificate that is fit for it into {place}"),
    }
}

fn missing(case: &Case<'_>, slot: &Slot, reason: &str) -> Draft {
    let key_is_absent = case
        .credential()
        .is_some_and(|credential| credential.key == KeyMatch::Absent);
    if key_is_absent {
        let place = slot.key_place.as_ref().unwrap_or(&slot.place);
        return case
            .draft(code::KEY_MISSING, place, reason)
            .mend(remedy::renew_slot(case.scene, slot));
    }
    let remedy = match slot.renewable_as.as_deref() {
        Some("kubelet-client") => remedy::renew_slot(case.scene, slot),
        Some(name) => format!(
            "kubepki init --only {name}, or {}",
            remedy::restore(case.scene, &slot.place)
        ),
        None => remedy::restore(case.scene, &slot.place),
    };
    case.draft(code::MISSING, &slot.place, reason).mend(remedy)
}

/// Certificate and key are not a pair: which of the two was changed?
fn key_differs(case: &Case<'_>, slot: &Slot) -> Draft {
    // A certificate that lies elsewhere beside its own key was copied from there.
    if let Some(certificate) = case.leaf()
        && let Some(original) = copies::original(case.scene, slot, certificate)
    {
        return copies::draft(case.scene, slot, &original)
            .fact(case.refusal())
            .fact("the key beside it is another's")
            .fails(&case.connection.id)
            .mend(remedy::renew_slot(case.scene, slot));
    }
    let certificate_place = &slot.place;
    let key_place = slot
        .key_place
        .as_ref()
        .filter(|key| *key != certificate_place);
    let (place, why) = which_half(case, slot, key_place);
    let other = if place == *certificate_place {
        key_place.unwrap_or(certificate_place)
    } else {
        certificate_place
    };
    let message = if place == *other {
        "the key in it belongs to another certificate".to_owned()
    } else if place == *certificate_place {
        format!("the key {other} belongs to another certificate")
    } else {
        format!("is not the key of the certificate in {other}")
    };
    case.draft(code::KEY_MISMATCH, &place, message)
        .facts(why)
        .mend(remedy::renew_slot(case.scene, slot))
}

/// The half that was changed: a copy of another's, else the younger file, else the certificate.
fn which_half(case: &Case<'_>, slot: &Slot, key: Option<&Place>) -> (Place, Option<String>) {
    let undecided = (slot.place.clone(), None);
    let (Some(key), Some(host)) = (key, slot.place.host()) else {
        return undecided;
    };
    let Some(inventory) = case.scene.inventory(host) else {
        return undecided;
    };
    let entry = remedy::entry_at(case.scene, &slot.place);
    if let Some(public_key) = entry.and_then(|entry| entry.key.public_key()) {
        let owner = inventory.entries.iter().find(|other| {
            let certificate = other.certificate();
            certificate.is_some_and(|certificate| certificate.public_key() == public_key)
        });
        if let Some(owner) = owner {
            let fact = format!("it is the key of the certificate in {}", owner.holder);
            return (key.clone(), Some(fact));
        }
        let authority = inventory.authorities.iter().find(|authority| {
            let mut certificates = authority.certificates.iter();
            certificates.any(|ca| ca.public_key() == public_key)
        });
        if let Some(authority) = authority {
            let path = authority.certificate_path.display();
            return (
                key.clone(),
                Some(format!("it is the key of the CA in {path}")),
            );
        }
    }
    let changed = |place: &Place| {
        let path = place.path()?;
        Some(case.scene.file_time(host, path)?.modified)
    };
    match (changed(&slot.place), changed(key)) {
        (Some(certificate), Some(key_changed)) if key_changed > certificate => {
            let apart = key_changed.duration_since(certificate).as_secs();
            if apart > 5 {
                let fact =
                    format!("it was changed {apart} s after the certificate, at {key_changed}");
                return (key.clone(), Some(fact));
            }
            undecided
        }
        _ => undecided,
    }
}

/// The flag that names a slot's file.
pub(super) fn flag_of(slot: &Slot) -> Option<Place> {
    let component: ComponentKind = slot.party.component?;
    Some(Place::Flag {
        host: slot.place.host()?.to_owned(),
        component,
        flag: slot.flag.clone()?,
    })
}
