//! Processes that go on with what they had: served certificates against files, ages of processes
//! against changes of files, and what metrics tell of certificates in memory.
//!
//! A file that is wrong is the finding; that its process has not noticed yet is then a fact beside it.

use super::blame::flag_of;
use super::draft::{Draft, Ledger};
use super::loaded::{self, Change};
use super::remedy::{self, ComponentWord};
use super::scene::{Scene, moment, named};
use crate::connections::{Held, Material, Place, Slot, SlotId, Use};
use crate::findings::code;
use crate::layouts::Reload;
use crate::model::live::LiveObservation;
use crate::model::{ComponentKind, Severity};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::{Certificate, ValidityState};

/// A year, as kubeadm and Go's self-made certificates have it.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Everything that a process holds and its file does not.
pub(super) fn check(scene: &Scene<'_>, loaded: &Material, ledger: &mut Ledger) {
    for (id, slot) in scene.slots() {
        let Some(host) = slot.party.host.as_deref() else {
            continue;
        };
        let Some(live) = scene.host(host).and_then(|host| host.live.as_ref()) else {
            continue;
        };
        match slot.purpose {
            Use::Present => presented(scene, live, host, id, slot, ledger),
            Use::Trust => trusted(scene, live, host, id, slot, loaded, ledger),
        }
    }
}

fn presented(
    scene: &Scene<'_>,
    live: &LiveObservation,
    host: &str,
    id: SlotId,
    slot: &Slot,
    ledger: &mut Ledger,
) {
    let Some(component) = slot.party.component else {
        return;
    };
    let served = loaded::served(live, slot).and_then(|chain| chain.chain.first());
    let Some(served) = served else {
        if scene.presented(id).is_some() {
            by_age(scene, host, id, slot, ledger);
        }
        return;
    };
    if matches!(slot.place, Place::Memory { .. }) {
        return;
    }
    let Some(file) = scene.presented(id) else {
        // The file is gone or damaged, which is said of it.
        let fact = format!(
            "{component} still serves {}: it has what the file held before, until it restarts",
            named(served)
        );
        ledger.append(&slot.place, &fact, None);
        return;
    };
    if served == file || is_due(scene, host, slot) || flag_is_blamed(slot, ledger) {
        return;
    }
    differs(scene, host, slot, component, served, file, ledger);
}

fn differs(
    scene: &Scene<'_>,
    host: &str,
    slot: &Slot,
    component: ComponentKind,
    served: &Certificate,
    file: &Certificate,
    ledger: &mut Ledger,
) {
    let place = &slot.place;
    let key = slot.key_place.as_ref().unwrap_or(place);
    let is_expired = served.validity().state(scene.now()) == ValidityState::Expired;
    if !is_expired
        && (ledger.blames(place, Severity::Critical) || ledger.blames(key, Severity::Critical))
    {
        let fact = format!(
            "{component} still serves {}, and comes to use the file at its next restart at the latest",
            named(served)
        );
        ledger.append(place, &fact, None);
        ledger.append(key, &fact, None);
        return;
    }
    let connections = scene
        .connections_of(place)
        .into_iter()
        .map(|c| c.id.clone());
    let draft = if is_expired {
        let end = served.validity().not_after;
        let message = format!(
            "{component} serves a certificate that expired at {end}, and the file is good until {}",
            file.validity().not_after
        );
        connections.fold(
            Draft::new(code::EXPIRED_IN_MEMORY, Severity::Critical, place, message),
            |draft, id| draft.fails(&id),
        )
    } else {
        let message = format!(
            "{component} serves {}, which is not the file's certificate",
            named(served)
        );
        Draft::new(code::NOT_TAKEN_UP, Severity::Warning, place, message)
    };
    ledger.add(
        draft
            .fact(format!("the file holds {}", named(file)))
            .facts(since(scene, host, slot))
            .mend(remedy::on(
                scene,
                host,
                remedy::restart(component, ComponentWord::Read),
            )),
    );
}

fn since(scene: &Scene<'_>, host: &str, slot: &Slot) -> Option<String> {
    let component = slot.party.component?;
    let started = scene.started(host, component)?;
    let modified = scene.file_time(host, slot.place.path()?)?.modified;
    Some(format!(
        "{component} runs since {}, the file changed at {}",
        moment(started),
        moment(modified)
    ))
}

/// Whether the flag is what is wrong: then its file is right, and somebody else's.
fn flag_is_blamed(slot: &Slot, ledger: &Ledger) -> bool {
    flag_of(slot).is_some_and(|flag| ledger.blames(&flag, Severity::Critical))
}

/// Whether the component may take the file up by itself yet.
fn is_due(scene: &Scene<'_>, host: &str, slot: &Slot) -> bool {
    let Reload::Live { within_seconds } = slot.reload else {
        return false;
    };
    let modified = slot
        .place
        .path()
        .and_then(|path| scene.file_time(host, path))
        .map(|time| time.modified);
    let observed = scene
        .inventory(host)
        .map_or(scene.now(), |inventory| inventory.observed_at);
    modified.is_some_and(|modified| {
        let age = observed.duration_since(modified);
        age < SignedDuration::from_secs(i64::from(within_seconds))
    })
}

/// A file that is read at the start only, and changed since.
fn by_age(scene: &Scene<'_>, host: &str, id: SlotId, slot: &Slot, ledger: &mut Ledger) {
    if slot.reload != Reload::Restart {
        return;
    }
    let Some(change) = Change::of(scene, host, slot) else {
        return;
    };
    let component = change.component;
    let place = &slot.place;
    if flag_is_blamed(slot, ledger) {
        return;
    }
    if ledger.blames(place, Severity::Critical) {
        let fact = format!(
            "{component} runs since {} with what it held before it changed at {}, and reads it at its next restart",
            moment(change.started),
            moment(change.modified)
        );
        ledger.append(place, &fact, None);
        return;
    }
    let certificates: Vec<&Certificate> = match slot.purpose {
        Use::Present => scene.presented(id).into_iter().collect(),
        Use::Trust => scene.trusted(id).iter().collect(),
    };
    let younger = certificates
        .iter()
        .find(|certificate| was_made_since(certificate, &change));
    let severity = match younger {
        Some(_) => Severity::Warning,
        None => Severity::Info,
    };
    let message = format!(
        "changed at {}, {component} runs since {} and reads it only when it starts",
        moment(change.modified),
        moment(change.started)
    );
    let fact = match younger {
        Some(certificate) => format!(
            "{} in it was made after {component} had started",
            named(certificate)
        ),
        None => {
            "what is in it is older than the process, so it may be the same as before".to_owned()
        }
    };
    ledger.add(
        Draft::new(code::STALE_IN_MEMORY, severity, place, message)
            .fact(fact)
            .mend(remedy::on(
                scene,
                host,
                remedy::restart(component, ComponentWord::Read),
            )),
    );
}

/// Whether a certificate cannot have been in the file when the process started. kubeadm before 1.26
/// dates a renewed certificate back to its CA's beginning, so that only its end tells when it was
/// made: a year before that, which has to agree with the file's change.
fn was_made_since(certificate: &Certificate, change: &Change) -> bool {
    let validity = certificate.validity();
    if validity.not_before > change.started {
        return true;
    }
    let made = validity.not_after.checked_sub(YEAR).ok();
    made.is_some_and(|made| {
        let apart = change.modified.duration_since(made).abs();
        made > change.started && apart < SignedDuration::from_hours(24)
    })
}

fn trusted(
    scene: &Scene<'_>,
    live: &LiveObservation,
    host: &str,
    id: SlotId,
    slot: &Slot,
    loaded: &Material,
    ledger: &mut Ledger,
) {
    let Some(component) = slot.party.component else {
        return;
    };
    if flag_is_blamed(slot, ledger) {
        return;
    }
    match loaded::lists_as_on_disk(scene, live, id, slot) {
        Some(true) => return,
        Some(false) if !is_due(scene, host, slot) => {
            let place = &slot.place;
            let fact = "the list of client CAs that it sends holds other names";
            if ledger.blames(place, Severity::Critical) {
                let fact = format!("{component} still goes by what the file held before: {fact}");
                ledger.append(place, &fact, None);
                return;
            }
            let message = format!("{component} goes by other client CAs than the file holds");
            ledger.add(
                Draft::new(code::STALE_IN_MEMORY, Severity::Warning, place, message)
                    .fact(fact)
                    .facts(since(scene, host, slot))
                    .mend(remedy::on(
                        scene,
                        host,
                        remedy::restart(component, ComponentWord::Read),
                    )),
            );
            return;
        }
        _ => {}
    }
    if matches!(loaded.held(id), Held::Unknown(_)) && !scene.trusted(id).is_empty() {
        by_age(scene, host, id, slot, ledger);
    }
}

/// Certificates that only live in memory: self-made serving certificates, and the one by which the API
/// server talks to itself, which nobody can see.
/// <https://github.com/kubernetes/kubernetes/issues/86552>
pub(super) fn memory(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let Some(live) = &host.live else { continue };
        let name = host.inventory.host.as_str();
        for component in &host.inventory.components {
            let kind = component.kind;
            let serves_own = matches!(
                kind,
                ComponentKind::KubeControllerManager | ComponentKind::KubeScheduler
            ) && component.host_path("tls-cert-file").is_none();
            let started = scene.started(name, kind);
            let ends = if serves_own {
                live.served
                    .iter()
                    .filter(|fact| fact.component == Some(kind))
                    .find_map(|fact| fact.outcome.as_ref().ok()?.chain.first())
                    .map(|certificate| (certificate.validity().not_after, true))
                    .or_else(|| Some((started?.checked_add(YEAR).ok()?, false)))
            } else if kind == ComponentKind::KubeApiserver {
                started
                    .and_then(|started| started.checked_add(YEAR).ok())
                    .map(|end| (end, false))
            } else {
                None
            };
            if let Some((end, seen)) = ends {
                ledger.extend(ending(scene, name, kind, end, seen, started));
            }
        }
    }
}

fn ending(
    scene: &Scene<'_>,
    host: &str,
    component: ComponentKind,
    end: Timestamp,
    seen: bool,
    started: Option<Timestamp>,
) -> Option<Draft> {
    let left = end.duration_since(scene.now());
    let severity = if left < scene.options.thresholds.critical {
        Severity::Critical
    } else if left < scene.options.thresholds.warn {
        Severity::Warning
    } else {
        return None;
    };
    let what = if component == ComponentKind::KubeApiserver {
        "the certificate by which it talks to itself"
    } else {
        "its self-made serving certificate"
    };
    let verb = if left.is_negative() { "ended" } else { "ends" };
    let place = Place::Memory {
        host: host.to_owned(),
        component,
    };
    let how = match (seen, started) {
        (true, _) => "it serves that certificate".to_owned(),
        (false, Some(started)) => format!(
            "it runs since {}, and makes a certificate for a year when it starts",
            moment(started)
        ),
        (false, None) => return None,
    };
    Some(
        Draft::new(
            code::MEMORY_CERTIFICATE_ENDS,
            severity,
            &place,
            format!("{what} {verb} at {}", moment(end)),
        )
        .fact(how)
        .mend(remedy::on(
            scene,
            host,
            remedy::restart(component, ComponentWord::Start),
        )),
    )
}
