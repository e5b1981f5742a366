//! Workloads whose containers read their trust or token too early, and how they are started again.
//!
//! A Go client reads `ca.crt` once. As long as its connection is kept nothing shows; at the next one it
//! fails for good. So a container counts as fresh only when it started after its mounted `ca.crt` held
//! what it should, which the object's `managedFields` tell.
//!
//! Not here: static pods, whose trust is in files of the host.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>

use super::pods::{Owner, Pod, Volume};
use super::published::{ROOT_CA, TOKEN_SECRETS, each, fingerprints, holds, unreadable};
use super::token_list::token_secrets;
use crate::ports::{ClusterError, ClusterErrorKind, ClusterRead};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::model::ObjectReference;
use kubepki_core::rotation::workload::RESTART;
use kubepki_core::rotation::{FreshTrust, Restart, StaleWorkload};
use kubepki_sealed::danger;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A kubelet writes a changed Secret or ConfigMap into a volume that is mounted already some time after
/// it changed: its sync period of 60 s and its cache's age.
const INTO_VOLUMES: SignedDuration = SignedDuration::from_secs(120);

/// Every workload with a container that is not fresh, each once.
///
/// # Errors
/// When a list is refused: of what is not seen nothing is known.
pub fn stale(
    cluster: &dyn ClusterRead,
    wanted: &FreshTrust,
) -> Result<Vec<StaleWorkload>, ClusterError> {
    let trust = Sources::read(cluster, wanted)?;
    let mut found: BTreeMap<ObjectReference, Pods> = BTreeMap::new();
    let mut owners = Owners::default();
    each(cluster, "/api/v1/pods", None, &mut |json| {
        let pod: Pod = serde_json::from_slice(json).map_err(unreadable)?;
        // One that is going is replaced already.
        let counts =
            !pod.has_ended() && !pod.is_static() && pod.metadata.deletion_timestamp.is_none();
        if !counts {
            return Ok(());
        }
        if let Some(reason) = trust.judge(&pod) {
            let (object, opted_out) = owners.seen(&pod);
            let pods = found.entry(object).or_insert(Pods {
                count: 0,
                reason,
                owner: pod.owner().cloned(),
                opted_out: false,
            });
            pods.count += 1;
            pods.opted_out |= opted_out;
        }
        Ok(())
    })?;
    let mut workloads: BTreeMap<ObjectReference, StaleWorkload> = BTreeMap::new();
    for (object, pods) in found {
        let (object, restart) = owners.resolve(cluster, &object, &pods)?;
        let entry = workloads
            .entry(object.clone())
            .or_insert_with(|| StaleWorkload {
                object,
                pods: 0,
                reason: pods.reason,
                restart,
            });
        entry.pods += pods.count;
    }
    Ok(workloads.into_values().collect())
}

struct Pods {
    count: u32,
    reason: String,
    owner: Option<Owner>,
    opted_out: bool,
}

/// By kind, namespace and name: since when a source of trust is as it should be.
struct Sources<'a> {
    wanted: &'a FreshTrust,
    config_maps: BTreeMap<String, Since>,
    secrets: BTreeMap<(String, String), Since>,
    /// Token Secrets that another key signed.
    old_tokens: BTreeSet<(String, String)>,
}

/// Since when a source holds what it should.
#[derive(Clone, Debug)]
enum Since {
    At(Timestamp),
    /// It does, but nobody tells since when.
    Untold,
    NotYet(String),
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    metadata: SourceMetadata<'a>,
    #[serde(borrow, default)]
    data: Option<Bundle<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceMetadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(default)]
    managed_fields: Vec<ManagedFields>,
}

#[derive(Deserialize)]
struct ManagedFields {
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default, rename = "fieldsV1")]
    fields: Value,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default, rename = "ca.crt")]
    bundle: Option<Cow<'a, str>>,
}

impl<'a> Sources<'a> {
    fn read(cluster: &dyn ClusterRead, wanted: &'a FreshTrust) -> Result<Self, ClusterError> {
        let mut sources = Self {
            wanted,
            config_maps: BTreeMap::new(),
            secrets: BTreeMap::new(),
            old_tokens: BTreeSet::new(),
        };
        if !wanted.holds.is_empty() {
            let selector = "metadata.name=kube-root-ca.crt";
            each(cluster, "/api/v1/configmaps", Some(selector), &mut |json| {
                let source: Source<'_> = serde_json::from_slice(json).map_err(unreadable)?;
                let since = source.since(&wanted.holds, false);
                let namespace = source.metadata.namespace.into_owned();
                sources.config_maps.insert(namespace, since);
                Ok(())
            })?;
            each(
                cluster,
                "/api/v1/secrets",
                Some(TOKEN_SECRETS),
                &mut |json| {
                    let source: Source<'_> = serde_json::from_slice(json).map_err(unreadable)?;
                    let since = source.since(&wanted.holds, true);
                    let metadata = source.metadata;
                    let key = (metadata.namespace.into_owned(), metadata.name.into_owned());
                    sources.secrets.insert(key, since);
                    Ok(())
                },
            )?;
        }
        if let Some(key) = &wanted.key_sha256 {
            let secrets = token_secrets(cluster, key)?.into_iter();
            sources.old_tokens = secrets
                .filter(|secret| secret.has_token && !secret.is_new)
                .map(|secret| (secret.namespace, secret.name))
                .collect();
        }
        Ok(sources)
    }

    /// Why the Pod is not fresh.
    fn judge(&self, pod: &Pod) -> Option<String> {
        let volumes = pod.spec.volumes.iter();
        volumes
            .filter_map(|volume| self.judge_volume(pod, volume))
            .next()
    }

    fn judge_volume(&self, pod: &Pod, volume: &Volume) -> Option<String> {
        let namespace = &pod.metadata.namespace;
        let maps = volume.config_maps().filter(|name| *name == ROOT_CA);
        let maps = maps.filter_map(|name| {
            let since = self.config_maps.get(namespace)?;
            Some((format!("ConfigMap {namespace}/{name}"), since))
        });
        let secrets = volume.secrets().filter_map(|name| {
            let since = self.secrets.get(&(namespace.clone(), name.to_owned()))?;
            Some((format!("Secret {namespace}/{name}"), since))
        });
        for (source, since) in maps.chain(secrets) {
            let read_too_early = pod
                .mounting(&volume.name)
                .find_map(|(container, started)| pod.too_early(container, started, &source, since));
            if read_too_early.is_some() {
                return read_too_early;
            }
        }
        let name = &pod.metadata.name;
        let old = volume.secrets().find(|secret| {
            self.old_tokens
                .contains(&(namespace.clone(), (*secret).to_owned()))
        });
        if let Some(secret) = old {
            return Some(format!(
                "Pod {name} mounts the token of Secret {namespace}/{secret}, which the old key signed"
            ));
        }
        let since = self
            .wanted
            .tokens_since
            .filter(|_| volume.has_projected_token())?;
        let started = pod.status.start_time?;
        (started <= since).then(|| {
            format!(
                "Pod {name} started at {started}; tokens are signed by the new key since {since}"
            )
        })
    }
}

impl Source<'_> {
    fn since(&self, wanted: &[String], is_encoded: bool) -> Since {
        let text = self.data.as_ref().and_then(|data| data.bundle.as_deref());
        let text = text.unwrap_or_default();
        let pem = match is_encoded {
            true => STANDARD.decode(text).unwrap_or_default(),
            false => text.as_bytes().to_vec(),
        };
        let found = fingerprints(&pem).unwrap_or_default();
        if let Some(missing) = wanted.iter().find(|it| !holds(&found, it)) {
            let short = missing.get(..16).unwrap_or(missing);
            return Since::NotYet(format!("it lacks {short}"));
        }
        // Who wrote this field last, and when.
        let managed = self.metadata.managed_fields.iter();
        let times = managed
            .filter(|entry| entry.fields.pointer("/f:data/f:ca.crt").is_some())
            .filter_map(|entry| entry.time);
        times.max().map_or(Since::Untold, Since::At)
    }
}

impl Pod {
    fn too_early(
        &self,
        container: &str,
        started: Timestamp,
        source: &str,
        since: &Since,
    ) -> Option<String> {
        let name = &self.metadata.name;
        let told = match since {
            Since::At(since) => {
                // The whole Pod came after it: what it mounted was there before its first byte.
                let is_new = self.status.start_time.is_some_and(|pod| pod > *since);
                let is_late = since
                    .checked_add(INTO_VOLUMES)
                    .is_ok_and(|in_volumes| started > in_volumes);
                if is_new || is_late {
                    return None;
                }
                format!("which holds it since {since}")
            }
            Since::Untold => "of which nobody tells since when it holds it".to_owned(),
            Since::NotYet(found) => found.clone(),
        };
        Some(format!(
            "container {container} of Pod {name} started at {started} and trusts by {source}: {told}"
        ))
    }
}

/// Who replaces pods.
#[derive(Default)]
struct Owners {
    /// Owners of ReplicaSets, by namespace and name.
    replica_sets: BTreeMap<(String, String), Option<Owner>>,
}

impl Owners {
    /// What stands for the Pod, and whether it asks to be left alone.
    fn seen(&self, pod: &Pod) -> (ObjectReference, bool) {
        let metadata = &pod.metadata;
        let (kind, name) = match pod.owner() {
            Some(owner) => (owner.kind.as_str(), owner.name.as_str()),
            None => ("Pod", metadata.name.as_str()),
        };
        let object = ObjectReference::namespaced(kind, &metadata.namespace, name);
        (object, is_opted_out(metadata.annotations.get(RESTART)))
    }

    fn resolve(
        &mut self,
        cluster: &dyn ClusterRead,
        object: &ObjectReference,
        pods: &Pods,
    ) -> Result<(ObjectReference, Restart), ClusterError> {
        let namespace = object.namespace.clone().unwrap_or_default();
        let owned = match (&pods.owner, object.kind.as_str()) {
            (Some(owner), "ReplicaSet") if owner.api_version.starts_with("apps/") => {
                self.of_replica_set(cluster, &namespace, &object.name)?
            }
            (owner, _) => owner.clone(),
        };
        let object = match &owned {
            Some(owner) => ObjectReference::namespaced(&owner.kind, &namespace, &owner.name),
            None => object.clone(),
        };
        let by_owner = |why: &str| Restart::ByOwner {
            why: why.to_owned(),
        };
        let restart = match (&owned, object.kind.as_str()) {
            _ if pods.opted_out => Restart::OptedOut,
            (Some(owner), "Deployment" | "DaemonSet" | "StatefulSet")
                if owner.api_version.starts_with("apps/") =>
            {
                match wants_to_be_left_alone(cluster, &object)? {
                    true => Restart::OptedOut,
                    false => Restart::Rolling,
                }
            }
            (_, "Pod") => by_owner("a Pod that no controller would make again"),
            (_, "ReplicaSet") => {
                by_owner("a ReplicaSet without a Deployment: delete its pods one by one")
            }
            (_, "Job") => by_owner("a Job: it ends by itself, or is started again by who made it"),
            (Some(owner), kind) => Restart::ByOwner {
                why: format!("{kind} of {} replaces its pods", owner.api_version),
            },
            (None, kind) => by_owner(kind),
        };
        Ok((object, restart))
    }

    /// The owner of a ReplicaSet; itself where it has none or is gone.
    fn of_replica_set(
        &mut self,
        cluster: &dyn ClusterRead,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Owner>, ClusterError> {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(known) = self.replica_sets.get(&key) {
            return Ok(known.clone());
        }
        let path = format!("/apis/apps/v1/namespaces/{namespace}/replicasets/{name}");
        let found = metadata(cluster, &path)?;
        let owners = found
            .map(|found| found.owner_references)
            .unwrap_or_default();
        let owner = owners.into_iter().find(|owner| owner.controller);
        self.replica_sets.insert(key, owner.clone());
        Ok(owner)
    }
}

fn is_opted_out(value: Option<&String>) -> bool {
    value.is_some_and(|value| value == "never")
}

fn wants_to_be_left_alone(
    cluster: &dyn ClusterRead,
    object: &ObjectReference,
) -> Result<bool, ClusterError> {
    let plural = format!("{}s", object.kind.to_lowercase());
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let path = format!(
        "/apis/apps/v1/namespaces/{namespace}/{plural}/{}",
        object.name
    );
    let found = metadata(cluster, &path)?;
    Ok(found.is_some_and(|found| is_opted_out(found.annotations.get(RESTART))))
}

/// `metadata` of an object; `None` when it is gone.
fn metadata(
    cluster: &dyn ClusterRead,
    path: &str,
) -> Result<Option<super::pods::Metadata>, ClusterError> {
    #[derive(Deserialize)]
    struct Object {
        metadata: super::pods::Metadata,
    }
    let json = match cluster.object(path) {
        Ok(json) => json,
        Err(error) if error.kind == ClusterErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let object: Result<Object, _> = serde_json::from_slice(danger::open(&json));
    object
        .map(|object| Some(object.metadata))
        .map_err(|error| ClusterError {
            server: cluster.server().to_owned(),
            kind: ClusterErrorKind::Other,
            detail: format!("{path}: {}", unreadable(error)),
        })
}
