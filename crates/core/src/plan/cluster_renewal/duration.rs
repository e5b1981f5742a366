//! About how long a plan takes on a host, from times that were measured on kubeadm v1.20 clusters
//! with two cores a host: what stands here is for the user's patience, nothing waits by it.

use crate::model::{ComponentKind, RunsAs};
use crate::plan::document::{KeyChoice, Plan, Signer, TakeUp};

/// Looking, the backup, and writing.
const FILES: u32 = 3;

/// The questions at the end.
const VERIFY: u32 = 3;

/// One round trip for requests and one for certificates.
const SIGNED_ELSEWHERE: u32 = 2;

/// About how long a plan takes, in seconds.
pub(super) fn of(plan: &Plan) -> u32 {
    // RSA keys are made in parallel; what they take is small beside a restart.
    let new_keys = plan
        .issuances
        .iter()
        .filter(|issuance| matches!(issuance.key, KeyChoice::Generate { .. }))
        .count();
    let keys = u32::try_from(new_keys.div_ceil(8)).unwrap_or(u32::MAX);
    let is_elsewhere = plan
        .issuances
        .iter()
        .any(|issuance| matches!(issuance.signer, Signer::Elsewhere { .. }));
    let has_apiserver = plan
        .components
        .iter()
        .any(|action| action.component == ComponentKind::KubeApiserver);
    let components: u32 = plan
        .components
        .iter()
        .map(|action| match action.take_up {
            // On average half the period of a poll.
            TakeUp::Reload { within_seconds } => within_seconds / 2,
            TakeUp::Restart => restart(action.component, &action.runs_as, has_apiserver),
        })
        .fold(0, u32::saturating_add);
    [
        FILES,
        keys,
        if is_elsewhere { SIGNED_ELSEWHERE } else { 0 },
        components,
        if components > 0 { VERIFY } else { 0 },
    ]
    .into_iter()
    .fold(0, u32::saturating_add)
}

fn restart(component: ComponentKind, runs_as: &RunsAs, has_apiserver: bool) -> u32 {
    let is_static_pod = matches!(runs_as, RunsAs::StaticPod { .. });
    match component {
        ComponentKind::Kubelet => 12,
        // The API server beside it is parked first (30 s) and put back after (8 s).
        ComponentKind::Etcd if is_static_pod && has_apiserver => 40,
        ComponentKind::Etcd => 3,
        ComponentKind::KubeApiserver if is_static_pod => 30,
        ComponentKind::KubeApiserver => 10,
        _ => 4,
    }
}
