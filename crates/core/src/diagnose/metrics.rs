//! What metrics tell of certificates in memory: what the kubelet still presents, whether renewing
//! fails, and whether clients come with certificates that are about to end.
//! <https://kubernetes.io/docs/reference/instrumentation/metrics/>

use super::draft::{Draft, Ledger};
use super::remedy::{self, ComponentWord};
use super::scene::{Scene, moment, place_of};
use crate::connections::Place;
use crate::findings::code;
use crate::model::live::LiveObservation;
use crate::model::{ComponentKind, Entry, Inventory, Role, Severity};
use jiff::{SignedDuration, Timestamp};

/// How exactly a rest of life in seconds tells a certificate's end.
const GRAIN: SignedDuration = SignedDuration::from_mins(5);

/// Findings from metrics.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let Some(live) = &host.live else { continue };
        let inventory = &host.inventory;
        for (side, role) in [
            ("client", Role::KubeletClient),
            ("server", Role::KubeletServing),
        ] {
            let entry = inventory
                .entries
                .iter()
                .find(|entry| entry.role == role && entry.certificate().is_some());
            if let Some(entry) = entry {
                in_memory(scene, inventory, live, side, entry, ledger);
                renewal(scene, inventory, live, side, entry, ledger);
            }
        }
        endings(inventory, live, ledger);
    }
}

fn value(live: &LiveObservation, component: ComponentKind, name: &str) -> Option<f64> {
    live.metrics
        .iter()
        .find(|fact| fact.component == component && fact.name == name)
        .map(|fact| fact.value)
}

/// The end of the certificate that the kubelet holds, as its metrics tell it.
fn held_until(inventory: &Inventory, live: &LiveObservation, side: &str) -> Option<Timestamp> {
    let of = |what: &str| {
        let name = format!("kubelet_certificate_manager_{side}_{what}_seconds");
        let value = value(live, ComponentKind::Kubelet, &name)?;
        // Infinite or absurd where the kubelet has no certificate of its own.
        (value.is_finite() && value.abs() < 1e11).then_some(value)
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds, and the size was looked at"
    )]
    let seconds = |value: f64| value as i64;
    if let Some(left) = of("ttl") {
        return inventory
            .observed_at
            .checked_add(SignedDuration::from_secs(seconds(left)))
            .ok();
    }
    let end = seconds(of("expiration")?);
    (end > 0).then(|| Timestamp::from_second(end).ok())?
}

fn in_memory(
    scene: &Scene<'_>,
    inventory: &Inventory,
    live: &LiveObservation,
    side: &str,
    entry: &Entry,
    ledger: &mut Ledger,
) {
    let (Some(held), Some(certificate)) = (held_until(inventory, live, side), entry.certificate())
    else {
        return;
    };
    let end = certificate.validity().not_after;
    // What it read when it started is what the file held; the metric is asked only for what changed
    // since, or was turned by the kubelet itself.
    let changed = scene
        .file_time(&inventory.host, entry.holder.path())
        .map(|time| time.modified.max(time.changed));
    let started = scene.started(&inventory.host, ComponentKind::Kubelet);
    let is_older =
        matches!((changed, started), (Some(changed), Some(started)) if changed < started);
    if is_older || held.duration_since(end).abs() < GRAIN {
        return;
    }
    let place = place_of(&inventory.host, entry);
    let fact = format!(
        "kubelet_certificate_manager_{side} tells that the kubelet holds a certificate until {}",
        moment(held)
    );
    if ledger.blames(&place, Severity::Critical) {
        ledger.append(&place, &fact, None);
        return;
    }
    let expired = held < scene.now();
    let (code, severity, message) = if expired {
        (
            code::EXPIRED_IN_MEMORY,
            Severity::Critical,
            format!(
                "the kubelet still holds a certificate that expired at {}, and the file is good until {end}",
                moment(held)
            ),
        )
    } else {
        (
            code::NOT_TAKEN_UP,
            Severity::Warning,
            format!(
                "the kubelet still holds another certificate, until {}, and the file's is good until {end}",
                moment(held)
            ),
        )
    };
    let connections = scene.connections_of(&place);
    let draft = Draft::new(code, severity, &place, message).fact(fact);
    let draft = if expired {
        connections
            .iter()
            .fold(draft, |draft, connection| draft.fails(&connection.id))
    } else {
        draft
    };
    ledger.add(draft.mend(remedy::on(
        scene,
        &inventory.host,
        remedy::restart(ComponentKind::Kubelet, ComponentWord::Read),
    )));
}

/// Attempts to renew that failed, where the certificate is old enough to be renewed.
fn renewal(
    scene: &Scene<'_>,
    inventory: &Inventory,
    live: &LiveObservation,
    side: &str,
    entry: &Entry,
    ledger: &mut Ledger,
) {
    let Some(certificate) = entry.certificate() else {
        return;
    };
    let names = match side {
        "client" => ["kubelet_certificate_manager_client_expiration_renew_errors"],
        _ => ["kubelet_server_expiration_renew_errors"],
    };
    let errors = names
        .iter()
        .find_map(|name| value(live, ComponentKind::Kubelet, name).map(|errors| (*name, errors)));
    let Some((name, errors)) = errors.filter(|(_, errors)| *errors > 0.0) else {
        return;
    };
    let validity = certificate.validity();
    let lived = scene.now().duration_since(validity.not_before).as_secs();
    // It begins to renew between 70 and 90 percent.
    if lived.saturating_mul(10) < validity.duration().as_secs().saturating_mul(7) {
        return;
    }
    let place = place_of(&inventory.host, entry);
    let message = format!("the kubelet tried to renew it and failed: {name} is {errors}");
    if ledger.blames(&place, Severity::Critical) {
        ledger.append(&place, &message, None);
        return;
    }
    ledger.add(
        Draft::new(code::RENEWAL_FAILS, Severity::Warning, &place, message)
            .fact(format!("it ends at {}", validity.not_after))
            .mend(format!(
                "look for its requests (kubectl get certificatesigningrequests), or {}",
                remedy::renew(scene, &inventory.host, &entry.name)
            )),
    );
}

/// Clients that presented certificates with less than a week left, since the server started.
fn endings(inventory: &Inventory, live: &LiveObservation, ledger: &mut Ledger) {
    const NAME: &str = "apiserver_client_certificate_expiration_seconds_bucket";
    for component in [
        ComponentKind::KubeApiserver,
        ComponentKind::KubeControllerManager,
        ComponentKind::KubeScheduler,
    ] {
        let within = live
            .metrics
            .iter()
            .filter(|fact| fact.component == component && fact.name == NAME && fact.value > 0.0)
            .filter_map(|fact| Some((bound(&fact.labels)?, fact.value)))
            .filter(|(bound, _)| *bound <= 7.0 * 86_400.0)
            .min_by(|one, other| one.0.total_cmp(&other.0));
        let Some((bound, count)) = within else {
            continue;
        };
        let place = Place::Memory {
            host: inventory.host.clone(),
            component,
        };
        let hours = bound / 3600.0;
        ledger.add(
            Draft::new(
                code::CLIENTS_ABOUT_TO_EXPIRE,
                Severity::Info,
                &place,
                format!(
                    "{count} requests came with certificates that had {hours} hours or less to live"
                ),
            )
            .fact(format!("counted by {NAME} since {component} started"))
            .mend("look for them among the clients of this cluster: kubepki status --api"),
        );
    }
}

/// The upper bound of a bucket: `le="604800"`.
fn bound(labels: &str) -> Option<f64> {
    let (_, rest) = labels.split_once("le=\"")?;
    let (bound, _) = rest.split_once('"')?;
    bound.parse().ok().filter(|bound: &f64| bound.is_finite())
}
