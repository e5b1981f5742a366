//! A static pod's manifest: what its containers run, which host files they see, how they are asked
//! for their health; and the one annotation that restarts it.
//!
//! The kubelet takes YAML or JSON, and reads the first document only.
//! <https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/>

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::flags::Flags;
use super::path_map::normalized;
pub use super::path_map::{Mount, PathMap};
pub use super::static_pod_edit::RESTARTED_AT;
use super::yaml::{self, NodeRef, YamlError};
use super::yaml_edit::EditError;
use crate::model::component_kind::ComponentKind;

/// Why a text is not a static pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StaticPodError {
    /// Neither YAML nor JSON.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The text could not be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Some other object.
    #[error("not a pod: expected kind Pod of apiVersion v1, found kind {kind} of {api_version}")]
    NotAPod {
        /// The `kind` found.
        kind: String,
        /// The `apiVersion` found.
        api_version: String,
    },
}

impl StaticPodError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Yaml(error) => error.code(),
            Self::Edit(error) => error.code(),
            Self::NotAPod { .. } => "not-a-pod",
        }
    }
}

/// A static pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticPod {
    /// `metadata.name`, without the node's name that the kubelet adds to the mirror pod.
    pub name: String,
    /// `metadata.namespace`; `default` if not said.
    pub namespace: String,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// Whether the pod shares the host's network, as kubeadm's do.
    pub host_network: bool,
    /// The containers, without those that only prepare.
    pub containers: Vec<Container>,
}

/// One container of a static pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The container's name.
    pub name: String,
    /// The image as it is spelled.
    pub image: String,
    /// `command` and `args`, with `$(VARIABLE)` replaced from `env`.
    pub argv: Vec<String>,
    /// `argv` taken apart.
    pub flags: Flags,
    /// Which component this is: by its command, else by its image, else by its name.
    pub component: Option<ComponentKind>,
    /// The host files behind its paths.
    pub mounts: PathMap,
    /// `livenessProbe`
    pub liveness_probe: Option<Probe>,
    /// `readinessProbe`
    pub readiness_probe: Option<Probe>,
    /// `startupProbe`
    pub startup_probe: Option<Probe>,
}

/// How the kubelet asks a container for its health.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// `httpGet`
    HttpGet {
        /// Whether the scheme is HTTPS. The kubelet does not verify the certificate.
        https: bool,
        /// The host; none means the pod's own address.
        host: Option<String>,
        /// The port.
        port: u16,
        /// The path.
        path: String,
    },
    /// `tcpSocket`
    TcpSocket {
        /// The host; none means the pod's own address.
        host: Option<String>,
        /// The port.
        port: u16,
    },
    /// `grpc`
    Grpc {
        /// The port.
        port: u16,
    },
    /// `exec`
    Exec {
        /// The command.
        command: Vec<String>,
    },
}

impl StaticPod {
    /// Reads a manifest.
    pub fn parse(manifest: &[u8]) -> Result<Self, StaticPodError> {
        let text = yaml::text_of(manifest)?;
        let documents = yaml::parse(text)?;
        let root = documents.first().map(|document| document.root());
        let word = |key| {
            root.and_then(|root| root.get(key))
                .and_then(NodeRef::as_str)
        };
        let (kind, api_version) = (word("kind"), word("apiVersion"));
        let (Some(root), Some("Pod"), Some("v1")) = (root, kind, api_version) else {
            let shown = |word: Option<&str>| word.unwrap_or("(none)").to_owned();
            return Err(StaticPodError::NotAPod {
                kind: shown(kind),
                api_version: shown(api_version),
            });
        };
        let text_at = |path: &[&str]| root.at(path).and_then(NodeRef::to_text);
        let host_paths = host_paths(root);
        let containers = root
            .at(&["spec", "containers"])
            .into_iter()
            .flat_map(NodeRef::items);
        Ok(Self {
            name: text_at(&["metadata", "name"]).unwrap_or_default(),
            namespace: text_at(&["metadata", "namespace"]).unwrap_or_else(|| "default".to_owned()),
            annotations: annotations(root),
            host_network: root
                .at(&["spec", "hostNetwork"])
                .and_then(NodeRef::as_bool)
                .unwrap_or(false),
            containers: containers
                .map(|node| container(node, &host_paths))
                .collect(),
        })
    }

    /// The container that runs `kind`.
    pub fn container_of(&self, kind: ComponentKind) -> Option<&Container> {
        self.containers
            .iter()
            .find(|container| container.component == Some(kind))
    }
}

fn annotations(root: NodeRef<'_>) -> BTreeMap<String, String> {
    let annotations = root
        .at(&["metadata", "annotations"])
        .into_iter()
        .flat_map(NodeRef::entries);
    annotations
        .map(|(key, value)| (key.to_owned(), value.to_text().unwrap_or_default()))
        .collect()
}

/// Volume names and the host paths of those that are `hostPath`.
fn host_paths(root: NodeRef<'_>) -> BTreeMap<String, PathBuf> {
    let volumes = root
        .at(&["spec", "volumes"])
        .into_iter()
        .flat_map(NodeRef::items);
    let named = volumes.filter_map(|volume| {
        let path = volume.at(&["hostPath", "path"])?.as_str()?;
        Some((volume.get("name")?.to_text()?, normalized(path.as_ref())))
    });
    named.collect()
}

fn container(node: NodeRef<'_>, host_paths: &BTreeMap<String, PathBuf>) -> Container {
    let text = |key| node.get(key).and_then(NodeRef::to_text).unwrap_or_default();
    let environment = environment(node);
    let words = |key| -> Vec<String> {
        let items = node.get(key).into_iter().flat_map(NodeRef::items);
        items
            .map(|item| expanded(item.as_str().unwrap_or_default(), &environment))
            .collect()
    };
    let (name, image) = (text("name"), text("image"));
    let (command, arguments) = (words("command"), words("args"));
    let argv = [command.clone(), arguments.clone()].concat();
    let called = if command.is_empty() && arguments.first().is_none_or(|word| word.starts_with('-'))
    {
        // The image's entrypoint is the program; its name can only be guessed.
        Flags::from_arguments(&arguments)
    } else {
        Flags::from_argv(&argv)
    };
    let component = called
        .component()
        .or_else(|| ComponentKind::from_executable(image_name(&image)))
        .or_else(|| ComponentKind::from_executable(&name));
    let mut flags = match component {
        Some(kind) => called.of_component(kind),
        None => called,
    };
    if component == Some(ComponentKind::Etcd) {
        flags = flags.with_etcd_environment(&environment);
    }
    Container {
        mounts: mounts(node, host_paths),
        liveness_probe: probe(node, "livenessProbe"),
        readiness_probe: probe(node, "readinessProbe"),
        startup_probe: probe(node, "startupProbe"),
        name,
        image,
        argv,
        flags,
        component,
    }
}

/// The variables whose value stands in the manifest; `valueFrom` is known to the kubelet only.
fn environment(node: NodeRef<'_>) -> BTreeMap<String, String> {
    let variables = node.get("env").into_iter().flat_map(NodeRef::items);
    let named = variables.filter_map(|variable| {
        Some((
            variable.get("name")?.to_text()?,
            variable.get("value")?.to_text()?,
        ))
    });
    named.collect()
}

/// Kubernetes' own expansion: `$(NAME)` if the name is known, `$$` for a dollar.
/// <https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>
fn expanded(word: &str, environment: &BTreeMap<String, String>) -> String {
    let mut result = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|a| a.split_once(')'))
            && let Some(value) = environment.get(name)
        {
            result.push_str(value);
            rest = after;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    result
}

fn mounts(node: NodeRef<'_>, host_paths: &BTreeMap<String, PathBuf>) -> PathMap {
    let mounts = node
        .get("volumeMounts")
        .into_iter()
        .flat_map(NodeRef::items);
    let mounts = mounts.filter_map(|mount| {
        let host = mount
            .get("name")
            .and_then(NodeRef::as_str)
            .and_then(|name| host_paths.get(name));
        let inner = mount.get("subPath").and_then(NodeRef::as_str);
        Some(Mount {
            container: normalized(mount.get("mountPath")?.as_str()?.as_ref()),
            host: host.map(|host| inner.map_or_else(|| host.clone(), |inner| host.join(inner))),
            read_only: mount
                .get("readOnly")
                .and_then(NodeRef::as_bool)
                .unwrap_or(false),
        })
    });
    PathMap::of_container(mounts.collect())
}

fn probe(node: NodeRef<'_>, kind: &str) -> Option<Probe> {
    let probe = node.get(kind)?;
    let host = |action: NodeRef<'_>| action.get("host").and_then(NodeRef::to_text);
    if let Some(action) = probe.get("httpGet") {
        let text = |key| action.get(key).and_then(NodeRef::as_str);
        return Some(Probe::HttpGet {
            https: text("scheme").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
            host: host(action),
            port: port(node, action)?,
            path: text("path").unwrap_or("/").to_owned(),
        });
    }
    if let Some(action) = probe.get("tcpSocket") {
        return Some(Probe::TcpSocket {
            host: host(action),
            port: port(node, action)?,
        });
    }
    if let Some(action) = probe.get("grpc") {
        return Some(Probe::Grpc {
            port: port(node, action)?,
        });
    }
    let command = probe.at(&["exec", "command"])?;
    Some(Probe::Exec {
        command: command.items().filter_map(NodeRef::to_text).collect(),
    })
}

/// A probe's port: a number, or the name of one of the container's ports.
fn port(container: NodeRef<'_>, action: NodeRef<'_>) -> Option<u16> {
    let port = action.get("port")?;
    port.as_number().or_else(|| {
        let mut ports = container.get("ports").into_iter().flat_map(NodeRef::items);
        let named =
            |item: &NodeRef<'_>| item.get("name").and_then(NodeRef::as_str) == port.as_str();
        ports.find(named)?.get("containerPort")?.as_number()
    })
}

/// `registry:5000/kube-apiserver:v1.20.2@sha256:…` → `kube-apiserver`
fn image_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}
