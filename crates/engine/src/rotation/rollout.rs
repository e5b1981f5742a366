//! Whether workloads that were restarted have come up, told as `kubectl rollout status` tells it. Only
//! those are asked that carry our annotation: others may be ill for their own reasons.
//!
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>

use super::prove::Found;
use super::published::{each, unreadable};
use crate::ports::{ClusterError, ClusterRead};
use kubepki_core::formats::static_pod::RESTARTED_AT;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Kinds whose pods are replaced one by one, and their collections.
pub(super) const KINDS: [(&str, &str); 3] = [
    ("Deployment", "/apis/apps/v1/deployments"),
    ("DaemonSet", "/apis/apps/v1/daemonsets"),
    ("StatefulSet", "/apis/apps/v1/statefulsets"),
];

/// Whether no restarted workload waits for its rollout.
///
/// # Errors
/// When one of the lists is refused.
pub fn rolled_out(cluster: &dyn ClusterRead) -> Result<Found, ClusterError> {
    let mut against = Vec::new();
    let mut count = 0;
    for (kind, collection) in KINDS {
        each(cluster, collection, None, &mut |json| {
            let workload: Workload = serde_json::from_slice(json).map_err(unreadable)?;
            if !workload.was_restarted() {
                return Ok(());
            }
            count += 1;
            if let Some(found) = workload.waits_for(kind) {
                let Metadata {
                    name, namespace, ..
                } = &workload.metadata;
                against.push(format!("{kind} {namespace}/{name}: {found}"));
            }
            Ok(())
        })?;
    }
    Ok(Found::unless(
        against,
        format!("{count} restarted workloads have rolled out"),
    ))
}

#[derive(Deserialize)]
struct Workload {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    generation: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    replicas: Option<i64>,
    paused: bool,
    update_strategy: Strategy,
    template: Template,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Strategy {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RollingUpdate {
    /// StatefulSets: ordinals below are left alone.
    partition: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Template {
    metadata: TemplateMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TemplateMetadata {
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    observed_generation: i64,
    replicas: i64,
    updated_replicas: i64,
    available_replicas: i64,
    ready_replicas: i64,
    desired_number_scheduled: i64,
    updated_number_scheduled: i64,
    number_available: i64,
    conditions: Option<Vec<Condition>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    message: String,
}

impl Workload {
    fn was_restarted(&self) -> bool {
        let annotations = self.spec.template.metadata.annotations.as_ref();
        annotations.is_some_and(|found| found.contains_key(RESTARTED_AT))
    }

    /// What is missing; reads on after its name.
    fn waits_for(&self, kind: &str) -> Option<String> {
        let Self { spec, status, .. } = self;
        // Its pods are replaced when somebody deletes them, which is never waited for.
        if spec.update_strategy.kind == "OnDelete" {
            return None;
        }
        if spec.paused {
            return Some("its rollout is paused".to_owned());
        }
        if status.observed_generation < self.metadata.generation {
            return Some("its controller has not seen the change yet".to_owned());
        }
        let replicas = spec.replicas.unwrap_or(1);
        let (wanted, updated, available) = match kind {
            "DaemonSet" => (
                status.desired_number_scheduled,
                status.updated_number_scheduled,
                status.number_available,
            ),
            "StatefulSet" => {
                let rolling = spec.update_strategy.rolling_update.as_ref();
                let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
                if status.ready_replicas < replicas {
                    return Some(of("ready", status.ready_replicas, replicas));
                }
                let wanted = (replicas - partition).max(0);
                (wanted, status.updated_replicas, wanted)
            }
            _ => {
                if let Some(late) = self.late() {
                    return Some(late);
                }
                (replicas, status.updated_replicas, status.available_replicas)
            }
        };
        if updated < wanted {
            return Some(of("updated", updated, wanted));
        }
        if kind == "Deployment" && status.replicas > updated {
            let old = status.replicas - updated;
            return Some(format!("{old} old pods have not ended yet"));
        }
        (available < wanted).then(|| of("available", available, wanted))
    }

    fn late(&self) -> Option<String> {
        let conditions = self.status.conditions.as_ref()?;
        let late = conditions.iter().find(|condition| {
            condition.kind == "Progressing" && condition.reason == "ProgressDeadlineExceeded"
        })?;
        Some(late.message.clone())
    }
}

fn of(what: &str, found: i64, wanted: i64) -> String {
    format!("{found} of {wanted} pods are {what}")
}
