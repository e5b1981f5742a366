//! Who leads: holders of the Leases of kube-controller-manager and kube-scheduler.
//!
//! A holder names itself `HOST_UUID`; host names hold no underscore (RFC 1123 §2.1). A Lease that ran
//! out is nobody's.
//! <https://kubernetes.io/docs/concepts/architecture/leases/#leader-election>

use crate::ports::{ClusterError, ClusterErrorKind, ClusterRead};
use jiff::{SignedDuration, Timestamp};
use kubepki_sealed::danger;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The host that holds a Lease of `kube-system`; `None` where there is none, or it has run out.
///
/// # Errors
/// When the Lease cannot be read.
pub fn holder(
    cluster: &dyn ClusterRead,
    lease: &str,
    now: Timestamp,
) -> Result<Option<String>, ClusterError> {
    let found = match read(cluster, lease)? {
        Some(found) => found,
        None => return Ok(None),
    };
    let now = cluster.version()?.time.unwrap_or(now);
    if found.spec.has_run_out(now) {
        return Ok(None);
    }
    let holder = found.spec.holder_identity.unwrap_or_default();
    let host = holder.split('_').next().unwrap_or_default();
    Ok((!host.is_empty()).then(|| host.to_owned()))
}

/// A Lease of `kube-system`.
pub(super) fn read(cluster: &dyn ClusterRead, name: &str) -> Result<Option<Lease>, ClusterError> {
    let object = match cluster.object(&path(name)) {
        Ok(object) => object,
        Err(error) if error.kind == ClusterErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lease = serde_json::from_slice(danger::open(&object)).map_err(|error| ClusterError {
        server: cluster.server().to_owned(),
        kind: ClusterErrorKind::Other,
        detail: format!("Lease kube-system/{name} cannot be read: {error}"),
    })?;
    Ok(Some(lease))
}

pub(super) const COLLECTION: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

pub(super) fn path(name: &str) -> String {
    format!("{COLLECTION}/{name}")
}

#[derive(Deserialize)]
pub(super) struct Lease {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) resource_version: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) holder_identity: Option<String>,
    pub(super) lease_duration_seconds: Option<i64>,
    pub(super) renew_time: Option<Timestamp>,
    pub(super) lease_transitions: Option<i64>,
}

impl Spec {
    /// Whether its holder has not renewed it in time.
    pub(super) fn has_run_out(&self, now: Timestamp) -> bool {
        let Some(renewed) = self.renew_time else {
            return true;
        };
        let seconds = self.lease_duration_seconds.unwrap_or(15);
        let lasts = SignedDuration::from_secs(seconds);
        renewed.checked_add(lasts).is_ok_and(|ends| ends < now)
    }
}
