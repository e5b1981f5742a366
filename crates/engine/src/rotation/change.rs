//! Changes of the Kubernetes API, one after another. Each looks first, and is done when what it wants
//! is so: it may be asked twice.

use super::objects::{ChangeError, body, head, of, path, unreadable};
use super::{bundles, lease, tokens, workloads};
use crate::ports::{Clock, ClusterChange, ClusterErrorKind, Progress};
use crate::take_up::wait::until;
use kubepki_core::formats::static_pod::RESTARTED_AT;
use kubepki_core::model::ObjectReference;
use kubepki_core::rotation::{ApiChange, FreshTrust, Restart, StaleTokens};
use kubepki_sealed::danger;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an owner may take to make its object anew. The API server looks every 60 s at the latest;
/// 0.4 s were measured.
const ANEW: Duration = Duration::from_secs(120);

/// What every change needs.
#[derive(Clone, Copy)]
pub struct ChangePorts<'a> {
    /// The API.
    pub cluster: &'a dyn ClusterChange,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Who listens.
    pub progress: &'a dyn Progress,
}

/// Makes a change; what was done, in words.
///
/// # Errors
/// When something else lies there than what may be changed, or the API refuses.
pub fn change(ports: &ChangePorts<'_>, change: &ApiChange) -> Result<String, ChangeError> {
    match change {
        ApiChange::WriteBundle {
            object,
            pem,
            expected,
        } => {
            let done = bundles::write(ports.cluster, object, pem, expected)?;
            Ok(match done {
                true => format!("{object}: written"),
                false => format!("{object}: nothing to do"),
            })
        }
        ApiChange::Recreate { object } => recreate(ports, object),
        ApiChange::RestartWorkload { object, mark } => restart(ports, object, mark),
        ApiChange::RestartStaleWorkloads {
            holds,
            key_sha256,
            projected,
            mark,
        } => {
            let wanted = FreshTrust {
                holds: holds.clone(),
                key_sha256: key_sha256.clone(),
                tokens_since: match projected {
                    StaleTokens::None => None,
                    StaleTokens::Before(moment) => Some(*moment),
                    StaleTokens::BeforeNow => Some(ports.clock.now()),
                },
            };
            restart_stale(ports, &wanted, mark)
        }
        ApiChange::AddTokenSecrets { key_sha256 } => tokens::add(ports, key_sha256),
        ApiChange::DropTokenSecrets { key_sha256 } => tokens::drop_old(ports, key_sha256),
        ApiChange::HoldLease {
            holder,
            duration_seconds,
        } => lease::hold(ports, holder, *duration_seconds),
        ApiChange::AskPause => lease::ask_pause(ports),
        ApiChange::ReleaseLease { holder } => lease::release(ports, holder),
    }
}

/// Only what is known to be made anew by its owner.
const RECREATED: [(&str, &str); 2] = [
    ("kube-system", "extension-apiserver-authentication"),
    ("*", super::published::ROOT_CA),
];

fn recreate(ports: &ChangePorts<'_>, object: &ObjectReference) -> Result<String, ChangeError> {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let is_known = object.kind == "ConfigMap"
        && RECREATED
            .iter()
            .any(|(of, name)| *name == object.name && (*of == "*" || *of == namespace));
    if !is_known {
        return Err(ChangeError::NotOurs {
            object: object.to_string(),
            detail: "nobody is known to make it anew, so it is not deleted".to_owned(),
        });
    }
    if let Some(found) = head(ports.cluster, object)? {
        match ports.cluster.delete(&path(object)?, &found.uid) {
            Ok(()) => {}
            // Gone, or made anew, meanwhile.
            Err(error)
                if matches!(
                    error.kind,
                    ClusterErrorKind::NotFound | ClusterErrorKind::Conflict
                ) => {}
            Err(error) => return Err(of(object)(error)),
        }
    }
    until(
        ports.clock,
        ports.progress,
        &format!("waiting for {object}"),
        ANEW,
        |_| match head(ports.cluster, object) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("it was not made anew".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    )
    .map_err(|late| ChangeError::TooLate {
        object: object.to_string(),
        detail: late.last,
        seconds: late.seconds,
    })?;
    Ok(format!("{object}: made anew by its owner"))
}

/// Whom nobody but the owner restarts is named.
fn restart_stale(
    ports: &ChangePorts<'_>,
    wanted: &FreshTrust,
    mark: &str,
) -> Result<String, ChangeError> {
    let stale = workloads::stale(ports.cluster, wanted).map_err(of("workloads"))?;
    let mut restarted = 0;
    let mut others = Vec::new();
    for workload in &stale {
        if workload.restart == Restart::Rolling {
            restart(ports, &workload.object, mark)?;
            restarted += 1;
        } else {
            others.push(format!("{} ({})", workload.object, workload.reason));
        }
    }
    let mut words = format!("{restarted} workloads are being restarted");
    if !others.is_empty() {
        words.push_str(&format!(
            "; only their owners restart these: {}",
            others.join(", ")
        ));
    }
    Ok(words)
}

/// As `kubectl rollout restart`: pods are replaced one by one, as the workload's own strategy says.
fn restart(
    ports: &ChangePorts<'_>,
    object: &ObjectReference,
    mark: &str,
) -> Result<String, ChangeError> {
    if !matches!(
        object.kind.as_str(),
        "Deployment" | "DaemonSet" | "StatefulSet"
    ) {
        return Err(ChangeError::NotOurs {
            object: object.to_string(),
            detail: "only Deployments, DaemonSets and StatefulSets replace their pods".to_owned(),
        });
    }
    let at = path(object)?;
    let found = ports.cluster.object(&at).map_err(of(object))?;
    let found: Value =
        serde_json::from_slice(danger::open(&found)).map_err(|error| unreadable(object, &error))?;
    let annotation = ["spec", "template", "metadata", "annotations", RESTARTED_AT]
        .iter()
        .try_fold(&found, |value, key| value.get(key));
    if annotation.and_then(Value::as_str) == Some(mark) {
        return Ok(format!("{object}: restarted already"));
    }
    // Not bound to a version: the controllers change it all the time, and one annotation is all.
    let patch = json!({
        "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: mark } } } }
    });
    ports
        .cluster
        .merge(&at, &body(&patch))
        .map_err(of(object))?;
    let strategy = found.pointer("/spec/updateStrategy/type");
    Ok(match strategy.and_then(Value::as_str) {
        Some("OnDelete") => format!(
            "{object}: marked; its strategy is OnDelete, so its pods are replaced when somebody deletes them"
        ),
        _ => format!("{object}: being restarted"),
    })
}
