//! What the running processes hold, as far as it can be told.
//!
//! A server shows what it serves. Of trust it shows names only: the client CAs that it lists. What
//! nobody shows follows from when the process started, when the file changed, and whether the
//! component re-reads it ([`crate::layouts::reload`](mod@crate::layouts::reload), measured). Where
//! that leaves two answers, the slot holds [`Held::Unknown`].

use super::scene::{Scene, moment};
use crate::connections::{Credential, Held, KeyMatch, Material, Place, Slot, SlotId, Use};
use crate::layouts::Reload;
use crate::model::ComponentKind;
use crate::model::live::{LiveObservation, ServedChain, ServedFact};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::Certificate;
use std::sync::Arc;

/// How far a process's start and a file's change can be off each other without meaning anything.
pub(super) const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// What every slot holds in its process.
pub(super) fn material(scene: &Scene<'_>) -> Material {
    let mut loaded = scene.disk.clone();
    for (id, slot) in scene.slots() {
        if let Some(held) = in_process(scene, id, slot) {
            loaded = loaded.with(id, held);
        }
    }
    loaded
}

/// What a slot holds in its process, when that is not plainly what lies on disk.
fn in_process(scene: &Scene<'_>, id: SlotId, slot: &Slot) -> Option<Held> {
    let host = slot.party.host.as_deref()?;
    let seen = scene.host(host)?;
    // Endpoints may have been asked where processes could not be.
    let live = seen.live.as_ref().filter(|_| seen.inventory.live);
    let Some(live) = live else {
        // Without processes nothing is loaded.
        return slot
            .party
            .component
            .map(|_| Held::Unknown("the running processes were not asked".to_owned()));
    };
    if let Some(chain) = served(live, slot) {
        if slot.purpose == Use::Present {
            return Some(Held::Credential(Arc::new(Credential {
                chain: chain.chain.clone(),
                key: KeyMatch::Matches,
            })));
        }
    } else if slot.purpose == Use::Present
        && let Some(reason) = unanswered(live, slot)
    {
        return Some(Held::Unknown(reason));
    }
    if slot.purpose == Use::Trust {
        match lists_as_on_disk(scene, live, id, slot) {
            Some(true) => return None,
            Some(false) => {
                return Some(Held::Unknown(
                    "the running process lists other client CAs than the file holds".to_owned(),
                ));
            }
            None => {}
        }
    }
    by_age(scene, host, slot).map(Held::Unknown)
}

/// What the slot's component serves by the slot's flag.
pub(super) fn served<'a>(live: &'a LiveObservation, slot: &Slot) -> Option<&'a ServedChain> {
    facts(live, slot).find_map(|fact| fact.outcome.as_ref().ok())
}

fn unanswered(live: &LiveObservation, slot: &Slot) -> Option<String> {
    facts(live, slot).find_map(|fact| {
        let reason = fact.outcome.as_ref().err()?;
        Some(format!(
            "{}:{} did not answer: {}",
            fact.host, fact.port, reason.detail
        ))
    })
}

/// What was seen of the endpoint that presents a slot. Certificates that are chosen by name (SNI) are
/// others than the server's own, which may have no flag.
fn facts<'a, 'b>(
    live: &'a LiveObservation,
    slot: &'b Slot,
) -> impl Iterator<Item = &'a ServedFact> + use<'a, 'b> {
    live.served.iter().filter(move |fact| {
        let Some(component) = slot.party.component else {
            return false;
        };
        let default = serving_flag(component);
        // What a kubeconfig names has no flag either, and is never served.
        let in_memory = matches!(slot.place, Place::Memory { .. });
        let own = slot.flag.as_deref().or(in_memory.then_some(default));
        fact.component == Some(component) && Some(fact.flag.as_deref().unwrap_or(default)) == own
    })
}

/// The flag of a component's own serving certificate, where none is given.
fn serving_flag(component: ComponentKind) -> &'static str {
    match component {
        ComponentKind::Etcd => "cert-file",
        _ => "tls-cert-file",
    }
}

/// Whether the client CAs that a server lists are those of the file; `None` when it lists none, does
/// not list this file's, or lists more than it judges by.
pub(super) fn lists_as_on_disk(
    scene: &Scene<'_>,
    live: &LiveObservation,
    id: SlotId,
    slot: &Slot,
) -> Option<bool> {
    let by = listed_by(slot)?;
    let mut served = live
        .served
        .iter()
        .filter(|fact| fact.component == slot.party.component && fact.flag.as_deref() == Some(by));
    let chain = served.find_map(|fact| fact.outcome.as_ref().ok())?;
    let names = &chain.acceptable_client_authorities;
    if names.is_empty() {
        return None;
    }
    let file = scene.trusted(id);
    if file.is_empty() {
        return None;
    }
    if !file.iter().all(|ca| names.contains(ca.subject())) {
        return Some(false);
    }
    // The list also holds the names of the other file, the front proxy's CAs. What neither holds was in
    // one of them before: in the other one, if that is known to have changed or holds the same.
    let others: Vec<&[Certificate]> = scene
        .slots()
        .filter(|(other_id, other)| {
            *other_id != id
                && other.purpose == Use::Trust
                && other.party == slot.party
                && listed_by(other) == Some(by)
        })
        .map(|(id, _)| scene.trusted(id))
        .collect();
    let other_changed = others.iter().any(|other| {
        let is_listed = other.iter().all(|ca| names.contains(ca.subject()));
        other.is_empty() || !is_listed || *other == file
    });
    let held = |name| {
        let mut all = file.iter().chain(others.iter().copied().flatten());
        all.any(|ca| ca.subject() == name)
    };
    let is_same = other_changed || names.iter().all(held);
    // A kubelet lists what it knew when it started, and judges its clients by the file of now: a name more
    // is left of a CA that went, and does no harm. One that is missing keeps clients from coming with theirs.
    match slot.party.component {
        Some(ComponentKind::Kubelet) if !is_same => None,
        _ => Some(is_same),
    }
}

/// The flag of the serving certificate of the endpoint that lists a trust file's names.
fn listed_by(slot: &Slot) -> Option<&'static str> {
    let flag = slot.flag.as_deref()?;
    match (slot.party.component?, flag) {
        (ComponentKind::Etcd, "trusted-ca-file") => Some("cert-file"),
        (ComponentKind::Etcd, "peer-trusted-ca-file") => Some("peer-cert-file"),
        (
            ComponentKind::KubeApiserver
            | ComponentKind::KubeControllerManager
            | ComponentKind::KubeScheduler
            | ComponentKind::Kubelet,
            "client-ca-file" | "requestheader-client-ca-file",
        ) => Some("tls-cert-file"),
        _ => None,
    }
}

/// Why it cannot be told from the ages of process and file whether the process holds what the file
/// does; `None` when it does.
fn by_age(scene: &Scene<'_>, host: &str, slot: &Slot) -> Option<String> {
    let change = Change::of(scene, host, slot)?;
    match slot.reload {
        Reload::Restart => Some(format!(
            "{} read it when it started at {}, before the file changed at {}",
            change.component,
            moment(change.started),
            moment(change.modified)
        )),
        Reload::Live { within_seconds } => {
            let due = change
                .modified
                .checked_add(SignedDuration::from_secs(i64::from(within_seconds)))
                .unwrap_or(Timestamp::MAX);
            (scene.now() < due).then(|| {
                format!(
                    "{} reads it again within {within_seconds} s, and it changed at {}",
                    change.component,
                    moment(change.modified)
                )
            })
        }
        Reload::NextConnection => Some(format!(
            "{} reads it for new connections, and may keep older ones since it changed at {}",
            change.component,
            moment(change.modified)
        )),
        Reload::NextHandshake => None,
    }
}

/// A file that changed after its process had started.
pub(super) struct Change {
    pub(super) component: ComponentKind,
    pub(super) started: Timestamp,
    pub(super) modified: Timestamp,
}

impl Change {
    /// The change of a slot's file, when it came after the start of the oldest process.
    pub(super) fn of(scene: &Scene<'_>, host: &str, slot: &Slot) -> Option<Self> {
        let component = slot.party.component?;
        let started = scene.started(host, component)?;
        let modified = scene.file_time(host, slot.place.path()?)?.modified;
        let after = started.checked_add(SLACK).unwrap_or(Timestamp::MAX);
        let change = Self {
            component,
            started,
            modified,
        };
        (modified > after && !written_by_itself(scene, host, slot, modified)).then_some(change)
    }
}

/// A kubelet that joins writes its own kubeconfig while it runs, together with its first certificate;
/// so only what is younger than the certificate was changed by somebody else. The certificate itself
/// is always its own work.
fn written_by_itself(scene: &Scene<'_>, host: &str, slot: &Slot, modified: Timestamp) -> bool {
    if slot.party.component != Some(ComponentKind::Kubelet) {
        return false;
    }
    let Some(inventory) = scene.inventory(host) else {
        return false;
    };
    let current = inventory
        .entries
        .iter()
        .find(|entry| matches!(entry.holder, crate::model::Holder::CertificateStore { .. }));
    let store = current.map(|entry| entry.holder.path());
    if slot.purpose == Use::Present {
        return store.is_some() && slot.place.path() == store;
    }
    if slot.flag.as_deref() != Some("kubeconfig") {
        return false;
    }
    let written = store.and_then(|path| scene.file_time(host, path));
    written.is_some_and(|written| {
        modified.duration_since(written.modified) < SignedDuration::from_secs(120)
    })
}
