//! What of a Pod tells by which trust and which token it works: its volumes, who mounts them, when its
//! containers started, and who would make it again.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>

use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A Pod.
#[derive(Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) owner_references: Vec<Owner>,
    #[serde(default)]
    pub(super) deletion_timestamp: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) controller: bool,
    #[serde(default)]
    pub(super) api_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) volumes: Vec<Volume>,
    pub(super) containers: Vec<Container>,
    pub(super) init_containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) secret: Option<SecretVolume>,
    pub(super) config_map: Option<Named>,
    pub(super) projected: Option<Projected>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SecretVolume {
    pub(super) secret_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Projected {
    pub(super) sources: Vec<ProjectedSource>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProjectedSource {
    pub(super) secret: Option<Named>,
    pub(super) config_map: Option<Named>,
    pub(super) service_account_token: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) volume_mounts: Vec<Named>,
    pub(super) env: Vec<Variable>,
    pub(super) env_from: Vec<Variables>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) value_from: Option<VariableSource>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VariableSource {
    pub(super) secret_key_ref: Option<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Variables {
    pub(super) secret_ref: Option<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) phase: String,
    pub(super) start_time: Option<Timestamp>,
    pub(super) container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    pub(super) state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub(super) running: Option<Running>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) started_at: Option<Timestamp>,
}

impl Pod {
    /// Whether nothing of it runs any more.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Whether a kubelet made it from a file: it has no account.
    pub(super) fn is_static(&self) -> bool {
        self.metadata
            .annotations
            .contains_key("kubernetes.io/config.mirror")
            || self.owner().is_some_and(|owner| owner.kind == "Node")
    }

    /// Who makes it again.
    pub(super) fn owner(&self) -> Option<&Owner> {
        let mut owners = self.metadata.owner_references.iter();
        owners.find(|owner| owner.controller)
    }

    /// Every Secret that it uses.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let volumes = self.spec.volumes.iter();
        let mut found: Vec<&str> = volumes.flat_map(Volume::secrets).collect();
        let containers = self
            .spec
            .containers
            .iter()
            .chain(&self.spec.init_containers);
        for container in containers {
            let keys = container.env.iter().filter_map(|variable| {
                let source = variable.value_from.as_ref()?;
                source.secret_key_ref.as_ref()
            });
            let all = container.env_from.iter();
            let all = all.filter_map(|variables| variables.secret_ref.as_ref());
            found.extend(keys.chain(all).map(|named| named.name.as_str()));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Containers that run and mount a volume, with the times of their start.
    pub(super) fn mounting(&self, volume: &str) -> impl Iterator<Item = (&str, Timestamp)> {
        let containers = self.spec.containers.iter();
        let mounting = containers.filter(move |container| {
            let mut mounts = container.volume_mounts.iter();
            mounts.any(|mount| mount.name == volume)
        });
        mounting.filter_map(|container| {
            let statuses = self.status.container_statuses.iter();
            let status = statuses.into_iter().find(|it| it.name == container.name)?;
            let started = status.state.running.as_ref()?.started_at?;
            Some((container.name.as_str(), started))
        })
    }
}

impl Volume {
    /// Secrets in it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let own = self.secret.iter().map(|secret| secret.secret_name.as_str());
        let sources = self.projected.iter().flat_map(|it| &it.sources);
        let projected = sources.filter_map(|source| source.secret.as_ref());
        own.chain(projected.map(|named| named.name.as_str()))
    }

    /// ConfigMaps in it.
    pub(super) fn config_maps(&self) -> impl Iterator<Item = &str> {
        let own = self.config_map.iter();
        let sources = self.projected.iter().flat_map(|it| &it.sources);
        let projected = sources.filter_map(|source| source.config_map.as_ref());
        own.chain(projected).map(|named| named.name.as_str())
    }

    /// Whether a token is made for it that is not in any Secret.
    pub(super) fn has_projected_token(&self) -> bool {
        let mut sources = self.projected.iter().flat_map(|it| &it.sources);
        sources.any(|source| source.service_account_token.is_some())
    }
}
