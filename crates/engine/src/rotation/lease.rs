//! One operator at a time: a Lease that whoever rotates holds and renews.
//!
//! Times are the API server's (`Date`), so that the clocks of operators do not matter. A holder that did
//! not renew in time has lost it: what it had begun on hosts is journaled there.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use super::change::ChangePorts;
use super::leaders::{self, Lease};
use super::objects::{ChangeError, body, of};
use crate::ports::ClusterErrorKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Its name, in `kube-system`.
pub const LEASE: &str = "kubepki-rotation";

/// The annotation of the Lease by which its holder is asked to pause: when it was asked for.
const PAUSE: &str = "kubepki.dev/pause";

/// The longest that it is held without being renewed.
const LONGEST: u32 = 3600;

/// Takes the Lease, or renews it where it is held already.
pub(super) fn hold(
    ports: &ChangePorts<'_>,
    holder: &str,
    duration_seconds: u32,
) -> Result<String, ChangeError> {
    let object = named();
    let cluster = ports.cluster;
    let seconds = duration_seconds.clamp(1, LONGEST);
    if holder.is_empty() {
        return Err(ChangeError::NotOurs {
            object,
            detail: "nobody cannot hold it".to_owned(),
        });
    }
    // A second try when somebody was quicker: then it is theirs, or ours.
    for _ in 0..3 {
        let now = now(ports)?;
        let Some(found) = leaders::read(cluster, LEASE).map_err(of(&object))? else {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": { "name": LEASE, "namespace": "kube-system" },
                "spec": {
                    "holderIdentity": holder,
                    "leaseDurationSeconds": seconds,
                    "acquireTime": micro_time(now),
                    "renewTime": micro_time(now),
                    "leaseTransitions": 0,
                },
            });
            match cluster.create(leaders::COLLECTION, &body(&lease)) {
                Ok(_) => return Ok(format!("{object}: held by {holder} for {seconds} s")),
                Err(error) if error.kind == ClusterErrorKind::Conflict => continue,
                Err(error) => return Err(of(&object)(error)),
            }
        };
        let current = found.spec.holder_identity.as_deref().unwrap_or_default();
        let is_ours = current == holder;
        if !is_ours && !current.is_empty() && !found.spec.has_run_out(now) {
            return Err(ChangeError::Held {
                lease: LEASE,
                holder: current.to_owned(),
                until: ends(&found).map_or_else(|| "later".to_owned(), |at| at.to_string()),
            });
        }
        let mut spec = json!({
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "renewTime": micro_time(now),
        });
        if !is_ours && let Some(spec) = spec.as_object_mut() {
            let transitions = found.spec.lease_transitions.unwrap_or(0).saturating_add(1);
            spec.insert("acquireTime".to_owned(), micro_time(now).into());
            spec.insert("leaseTransitions".to_owned(), transitions.into());
        }
        // What was asked of an earlier holder is none of ours.
        let asked = is_ours
            .then(|| found.metadata.annotations.get(PAUSE))
            .flatten();
        let mut metadata = json!({ "resourceVersion": found.metadata.resource_version });
        if !is_ours && let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("annotations".to_owned(), json!({ PAUSE: null }));
        }
        let patch = json!({ "metadata": metadata, "spec": spec });
        match cluster.merge(&leaders::path(LEASE), &body(&patch)) {
            Ok(_) if asked.is_some() => {
                return Err(ChangeError::PauseAsked {
                    at: asked.cloned().unwrap_or_default(),
                });
            }
            Ok(_) if is_ours => return Ok(format!("{object}: renewed for {seconds} s")),
            Ok(_) if current.is_empty() => {
                return Ok(format!("{object}: held by {holder} for {seconds} s"));
            }
            Ok(_) => {
                return Ok(format!(
                    "{object}: taken over from {current}, which let it run out"
                ));
            }
            Err(error) if error.kind == ClusterErrorKind::Conflict => {}
            Err(error) => return Err(of(&object)(error)),
        }
    }
    Err(ChangeError::Held {
        lease: LEASE,
        holder: "somebody who was quicker".to_owned(),
        until: "later".to_owned(),
    })
}

/// Asks whoever holds it to pause.
pub(super) fn ask_pause(ports: &ChangePorts<'_>) -> Result<String, ChangeError> {
    let object = named();
    let now = now(ports)?;
    let found = leaders::read(ports.cluster, LEASE)
        .map_err(of(&object))?
        .filter(|found| !found.spec.has_run_out(now));
    let current = found.and_then(|found| found.spec.holder_identity);
    let Some(current) = current.filter(|current| !current.is_empty()) else {
        return Err(ChangeError::NobodyHolds { lease: LEASE });
    };
    let patch = json!({ "metadata": { "annotations": { PAUSE: micro_time(now) } } });
    ports
        .cluster
        .merge(&leaders::path(LEASE), &body(&patch))
        .map_err(of(&object))?;
    Ok(format!(
        "{current} was asked to pause after its present round"
    ))
}

/// Gives it back; what is another's stays.
pub(super) fn release(ports: &ChangePorts<'_>, holder: &str) -> Result<String, ChangeError> {
    let object = named();
    let Some(found) = leaders::read(ports.cluster, LEASE).map_err(of(&object))? else {
        return Ok(format!("{object}: there is none"));
    };
    let current = found.spec.holder_identity.unwrap_or_default();
    if current != holder {
        return Ok(format!("{object}: not held by {holder}"));
    }
    let patch = json!({
        "metadata": {
            "resourceVersion": found.metadata.resource_version,
            "annotations": { PAUSE: null },
        },
        "spec": { "holderIdentity": null, "leaseDurationSeconds": 1 },
    });
    match ports.cluster.merge(&leaders::path(LEASE), &body(&patch)) {
        Ok(_) => Ok(format!("{object}: released")),
        // Taken over in this moment: it is theirs.
        Err(error) if error.kind == ClusterErrorKind::Conflict => {
            Ok(format!("{object}: not held by {holder} any more"))
        }
        Err(error) => Err(of(&object)(error)),
    }
}

fn named() -> String {
    format!("Lease kube-system/{LEASE}")
}

fn now(ports: &ChangePorts<'_>) -> Result<Timestamp, ChangeError> {
    let told = ports.cluster.version().map_err(of(named()))?.time;
    Ok(told.unwrap_or_else(|| ports.clock.now()))
}

/// `MicroTime` of Kubernetes: six digits, always.
fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn ends(lease: &Lease) -> Option<Timestamp> {
    let seconds = lease.spec.lease_duration_seconds?;
    let lasts = SignedDuration::from_secs(seconds);
    lease.spec.renew_time?.checked_add(lasts).ok()
}
