//! The picture: of every place that trusts, presents or signs, whether it holds the old generation,
//! both, or the new one. Types only; `observe` makes it of what was seen.

use super::phase::Position;
use super::root::Root;
use crate::connections::Place;
use crate::model::{ComponentKind, Gap};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A cluster in the middle of, before or after a rotation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// When it was taken.
    pub observed_at: Timestamp,
    /// One for each root that the cluster has.
    pub roots: Vec<RootPicture>,
    /// The hosts.
    pub hosts: Vec<HostFacts>,
    /// Whoever belongs to the cluster and is none of the hosts: a rotation would leave them behind.
    #[serde(default)]
    pub strangers: Vec<Stranger>,
    /// Who leads, as the API and etcd tell.
    pub leaders: Leaders,
    /// What could not be seen. Retiring an old generation is refused beside one.
    pub gaps: Vec<Gap>,
}

/// One root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootPicture {
    /// Which.
    pub root: Root,
    /// Generations that are (or were) in use and are not the new one; the one that signs comes first.
    pub old: Vec<Generation>,
    /// The successor, when there is one.
    pub new: Option<Generation>,
    /// A request for the successor's certificate, while somebody else has to sign it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<PendingRequest>,
    /// Hosts that hold the successor's private key.
    pub successor_keys: Vec<String>,
    /// Hosts that hold the private key of the root in its own place (`ca.key`, `sa.key`).
    pub signing_keys: Vec<String>,
    /// Hosts on which files of the successor lie beside the root's own (`ca-next.crt`), or a signing file
    /// that was split off (`ca-signer.crt`).
    #[serde(default)]
    pub leftovers: Vec<String>,
    /// Hosts whose API server was started after every certificate of this root that is presented by
    /// anybody was changed for the last time: no connection is kept there that began with an old one.
    #[serde(default)]
    pub settled: Vec<String>,
    /// Every place, once.
    pub places: Vec<PlaceState>,
    /// Where its rotation stands.
    pub position: Position,
}

/// A CA certificate, or a service-account public key: public both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// The certificate's subject; for a key `sha256:…` of the public key.
    pub name: String,
    /// SHA-256 of the certificate's DER; for a key, of its SubjectPublicKeyInfo. Hexadecimal.
    pub fingerprint_sha256: String,
    /// PEM, one block.
    pub pem: String,
    /// End of validity; `None` for a key.
    pub not_after: Option<Timestamp>,
}

/// A certification request (RFC 2986) for a successor. Its key lies on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingRequest {
    /// The host.
    pub host: String,
    /// The key's file there.
    pub key_path: PathBuf,
    /// The subject that is asked for.
    pub subject: String,
    /// SHA-256 of the public key, hexadecimal.
    pub public_key_sha256: String,
    /// The request, PEM.
    pub pem: String,
}

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Others are believed by it (a CA bundle, `sa.pub`).
    Trust,
    /// It is presented to others.
    Present,
    /// New certificates or tokens are signed with it (kube-controller-manager's signing file, `ca.key`,
    /// `sa.key`).
    Sign,
}

/// Which generations a place holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Holds {
    /// Only old ones.
    Old,
    /// Both, the old one first.
    OldNew,
    /// Both, the new one first.
    NewOld,
    /// Only the new one.
    New,
    /// Neither, though it belongs here: what it holds instead.
    Neither {
        /// In words.
        found: String,
    },
    /// Cannot be told, and why.
    Unknown {
        /// In words.
        reason: String,
    },
}

/// Who changes a place.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Keeper {
    /// The rotation: a file of a host, a part of a kubeconfig, `cluster-info`, a webhook's bundle.
    #[default]
    Rotation,
    /// kube-controller-manager, after its own `root-ca-file`: `kube-root-ca.crt` of every namespace and
    /// `ca.crt` of ServiceAccount token Secrets. Waited for.
    ControllerManager,
    /// API servers, which only ever add: `extension-apiserver-authentication`. Waited for, and deleted at
    /// the end so that it is made anew.
    ApiServers,
    /// A workload's containers, which read a mounted `ca.crt` or token only at their start: the place is
    /// the Deployment, DaemonSet or StatefulSet itself. Restarted.
    Workload,
    /// Nobody whom the rotation commands: a copy that people have to change. They acknowledge it.
    Outside,
}

/// One place. A place with two purposes (`ca.crt` by which kube-controller-manager also signs) is there
/// once for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceState {
    /// Where.
    pub place: Place,
    /// What for.
    pub purpose: Purpose,
    /// Who changes it.
    #[serde(default)]
    pub kept_by: Keeper,
    /// What lies there.
    pub holds: Holds,
    /// Who reads it, by which flag.
    pub readers: Vec<Reader>,
    /// What `kubepki renew` calls it, for a certificate that it can renew.
    pub renewable_as: Option<String>,
}

/// A component of a host that reads a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reader {
    /// The host.
    pub host: String,
    /// The component.
    pub component: ComponentKind,
    /// The flag, without dashes.
    pub flag: String,
    /// Whether its process has read what lies there now: `None` when that cannot be told (a place
    /// that is re-read by itself and was changed since is asked on the wire instead). Told by the
    /// process's start being later than the file's last change.
    pub loaded: Option<bool>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostFacts {
    /// Its name in the cluster document.
    pub name: String,
    /// Its Node's name.
    pub node: Option<String>,
    /// Components on it.
    pub components: Vec<ComponentKind>,
    /// Those of them that the kubelet runs as static pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_pods: Vec<ComponentKind>,
    /// Those of the static pods whose manifest bears the annotation of an earlier restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marked: Vec<ComponentKind>,
    /// Its addresses as others reach it (advertised by its API server, etcd member or Node).
    pub addresses: Vec<String>,
}

/// A part of the cluster that none of the hosts which were looked at is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stranger {
    /// As it is named and acknowledged: `Node w1`, `etcd at 10.0.0.3`.
    pub named: String,
    /// What it trusts or presents something of.
    pub roots: Vec<Root>,
}

impl HostFacts {
    /// Whether it has this component.
    pub fn runs(&self, kind: ComponentKind) -> bool {
        self.components.contains(&kind)
    }
}

/// Hosts that lead; `None` where nobody could be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leaders {
    /// Holder of the Lease of kube-controller-manager.
    pub controller_manager: Option<String>,
    /// Holder of the Lease of kube-scheduler.
    pub scheduler: Option<String>,
    /// The etcd member's host.
    pub etcd: Option<String>,
}

impl Picture {
    /// One root's.
    pub fn root(&self, root: Root) -> Option<&RootPicture> {
        self.roots.iter().find(|it| it.root == root)
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&HostFacts> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// Hosts with this component, in the order of the cluster document.
    pub fn hosts_with(&self, kind: ComponentKind) -> impl Iterator<Item = &HostFacts> {
        self.hosts.iter().filter(move |host| host.runs(kind))
    }
}
