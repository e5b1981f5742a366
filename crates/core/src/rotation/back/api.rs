//! What a rotation changed in the API, reversed by the picture: bundles hold the old generation again. Not
//! here: tokens, and the workloads that hold them ([`super::workloads`]).

use super::{HostRuns, HowFar};
use crate::connections::Place;
use crate::model::ComponentKind;
use crate::plan::{Gate, HostView, Pace, Stage, Step};
use crate::rotation::api_change::ApiChange;
use crate::rotation::lower::new_clients_refused;
use crate::rotation::phase::Phase;
use crate::rotation::picture::{Generation, Holds, Keeper, Picture, Purpose, RootPicture};
use jiff::Timestamp;

/// How often an API server looks at its CA files.
const RELOAD_SECONDS: u32 = 60;

/// About how long one change takes.
const SECONDS: u32 = 2;

/// What is done in the API before the hosts go back behind a phase: before nobody presents the old
/// generation alone, bundles must hold it; once nobody presents the new one, they need not.
pub(super) fn before(
    phase: Phase,
    hosts: &[HostRuns<'_>],
    picture: Option<&Picture>,
    how_far: HowFar,
) -> Option<Stage> {
    let wanted = match phase {
        Phase::RetireOld => Holds::OldNew,
        Phase::TrustBoth if how_far != HowFar::Round => Holds::Old,
        _ => return None,
    };
    let mut changes = Vec::new();
    for root in &picture?.roots {
        changes.extend(bundles(root, &wanted));
    }
    let reason = match wanted {
        Holds::Old => "what the API publishes trusts the old generation alone again",
        _ => "what the API publishes trusts the old generation again, before anybody presents it",
    };
    stage(&format!("back-{phase}-bundles"), reason, hosts, changes)
}

/// What is done in the API after the hosts went back behind a phase: what API servers only ever add to is
/// made anew.
pub(super) fn behind(
    phase: Phase,
    hosts: &[HostRuns<'_>],
    picture: &Picture,
    now: Timestamp,
) -> Vec<Stage> {
    match phase {
        Phase::TrustBoth => merged_anew(hosts, picture, now),
        _ => Vec::new(),
    }
}

/// An API server that still has both in memory would write both again: first everybody has to refuse
/// the new one's clients. Done whatever the object held when this was planned, since an API server that
/// polls its files may add to it at any moment before they are back.
fn merged_anew(hosts: &[HostRuns<'_>], picture: &Picture, now: Timestamp) -> Vec<Stage> {
    let views: Vec<HostView<'_>> = hosts
        .iter()
        .map(|host| HostView {
            name: host.name,
            inventory: host.inventory,
        })
        .collect();
    let mut changes = Vec::new();
    let mut gates = Vec::new();
    for root in picture.roots.iter().filter(|root| root.new.is_some()) {
        let recreated = merged(root);
        if !recreated.is_empty() {
            gates.push(new_clients_refused(picture, &views, root.root, now));
        }
        for change in recreated {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
    let reason = "what API servers only ever add to is made anew, with the old generation alone";
    let Some(anew) = stage("back-trust-both-objects", reason, hosts, changes) else {
        return Vec::new();
    };
    let refused = Stage {
        name: "back-trust-both-refused".to_owned(),
        reason: "nobody accepts clients of the new generation any more".to_owned(),
        steps: Vec::new(),
        pace: Pace::Together,
        gate: Gate::all(gates),
        estimate_seconds: RELOAD_SECONDS,
    };
    vec![refused, anew]
}

/// Objects that API servers keep for this root.
fn merged(root: &RootPicture) -> Vec<ApiChange> {
    let kept = root
        .places
        .iter()
        .filter(|it| it.kept_by == Keeper::ApiServers);
    kept.filter_map(|place| match &place.place {
        Place::Api(object) => Some(ApiChange::Recreate {
            object: object.clone().whole(),
        }),
        _ => None,
    })
    .collect()
}

/// What is done in the API after a swap was taken back: what it publishes trusts the old generation alone.
pub(super) fn behind_swap(hosts: &[HostRuns<'_>], picture: &Picture) -> Option<Stage> {
    let mut changes = Vec::new();
    for root in &picture.roots {
        changes.extend(bundles(root, &Holds::Old));
        for change in merged(root) {
            if root.new.is_some() && !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
    let reason = "what the API publishes trusts the old generation alone again";
    stage("back-swap-objects", reason, hosts, changes)
}

/// Every bundle that the rotation keeps, brought to `wanted` from whatever of this root it may hold.
pub(super) fn bundles(root: &RootPicture, wanted: &Holds) -> Vec<ApiChange> {
    let Some(new) = root.new.as_ref().filter(|_| !root.old.is_empty()) else {
        return Vec::new();
    };
    let old: String = root.old.iter().map(|it| it.pem.as_str()).collect();
    let old_new = joined(&old, new);
    let new_old = format!("{}{old}", new.pem);
    let (pem, expected) = match wanted {
        Holds::Old => (old, vec![old_new, new_old, new.pem.clone()]),
        _ => (old_new.clone(), vec![new.pem.clone(), new_old]),
    };
    let mut changes = Vec::new();
    for place in &root.places {
        let is_narrower = match wanted {
            Holds::Old => matches!(place.holds, Holds::OldNew | Holds::NewOld | Holds::New),
            _ => place.holds == Holds::New,
        };
        let Place::Api(object) = &place.place else {
            continue;
        };
        if place.kept_by == Keeper::Rotation && place.purpose == Purpose::Trust && is_narrower {
            changes.push(ApiChange::WriteBundle {
                object: object.clone(),
                pem: pem.clone(),
                expected: expected.clone(),
            });
        }
    }
    changes
}

fn joined(old: &str, new: &Generation) -> String {
    format!("{old}{}", new.pem)
}

/// Who asks the API: the first host with an API server.
pub(super) fn asker(hosts: &[HostRuns<'_>]) -> Option<String> {
    let mut servers = hosts.iter().filter(|host| {
        let server = host.inventory.component(ComponentKind::KubeApiserver);
        server.is_some()
    });
    Some(servers.next()?.name.to_owned())
}

/// Changes that the asker makes.
pub(super) fn stage(
    name: &str,
    reason: &str,
    hosts: &[HostRuns<'_>],
    changes: Vec<ApiChange>,
) -> Option<Stage> {
    let host = asker(hosts)?;
    if changes.is_empty() {
        return None;
    }
    let count = u32::try_from(changes.len()).unwrap_or(u32::MAX);
    Some(Stage {
        name: name.to_owned(),
        reason: reason.to_owned(),
        steps: vec![Step::ChangeApi { host, changes }],
        pace: Pace::OneByOne,
        gate: Gate::None,
        estimate_seconds: count.saturating_mul(SECONDS),
    })
}
