//! What a rotation changes in the Kubernetes API, from one host with its own administrator's
//! kubeconfig and its own API server. Every change may be done twice.

use crate::model::ObjectReference;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ApiChange {
    /// A place of an object comes to hold exactly these certificates: `data[ca.crt]` of a ConfigMap or
    /// Secret, the kubeconfig of `cluster-info`, a webhook's or APIService's `caBundle`. Everything else
    /// of the object stays; changed only while it holds one of `expected`.
    WriteBundle {
        /// The object with its place.
        object: ObjectReference,
        /// The certificates, PEM.
        pem: String,
        /// What may lie there now, PEM: the change is refused when something else does.
        expected: Vec<String>,
    },
    /// An object is deleted and made anew by its owner; waited for.
    Recreate {
        /// The object.
        object: ObjectReference,
    },
    /// The pods of a workload are replaced one by one, by an annotation on its template.
    RestartWorkload {
        /// Deployment, DaemonSet or StatefulSet.
        object: ObjectReference,
        /// The annotation's value.
        mark: String,
    },
    /// Workloads whose containers started with another trust, or another key's token, than this are
    /// restarted; found when it is done. Those that only their owners restart are named.
    RestartStaleWorkloads {
        /// As in `FreshTrust`.
        #[serde(default)]
        holds: Vec<String>,
        /// As in `FreshTrust`.
        #[serde(default)]
        key_sha256: Option<String>,
        /// Which projected tokens another key signed.
        #[serde(default)]
        projected: StaleTokens,
        /// The annotation's value.
        mark: String,
    },
    /// Every ServiceAccount whose token Secret was not signed by this key gets a second one, listed
    /// first.
    AddTokenSecrets {
        /// SHA-256 of the new public key, hexadecimal.
        key_sha256: String,
    },
    /// Token Secrets that were not signed by this key are deleted, where a second one is there.
    DropTokenSecrets {
        /// SHA-256 of the new public key, hexadecimal.
        key_sha256: String,
    },
    /// The Lease `kube-system/kubepki-rotation` is taken, or renewed by who holds it: one operator at a
    /// time. Refused while another holds it.
    HoldLease {
        /// Who: the same for all of one rotation.
        holder: String,
        /// How long it lasts without being renewed.
        duration_seconds: u32,
    },
    /// Whoever holds the Lease is asked to stop after the present round: told when it is next renewed.
    AskPause,
    /// The Lease is given back.
    ReleaseLease {
        /// By whom.
        holder: String,
    },
}

/// Which projected tokens are of a key that goes: a token does not tell, when its pod started does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StaleTokens {
    /// None is.
    #[default]
    None,
    /// Those of pods that started before this moment.
    Before(Timestamp),
    /// Those of pods that started before they are looked at.
    BeforeNow,
}
