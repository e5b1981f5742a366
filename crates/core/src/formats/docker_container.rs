//! A docker container as the docker daemon keeps it on disk: which component runs in it, with which
//! flags, and which host files lie behind its paths.
//!
//! `DATA-ROOT/containers/ID/config.v2.json` is what `docker inspect` answers from. It is there while
//! the container is stopped, while the daemon does not answer, and on the disk of a host that does
//! not boot. Names and types as of docker 1.10 (2016) and later; what is not used is not read.

use super::flags::Flags;
use super::path_map::{Mount, PathMap};
use crate::model::ComponentKind;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where docker keeps everything, unless its configuration says otherwise.
pub const DEFAULT_DATA_ROOT: &str = "/var/lib/docker";
/// The daemon's configuration.
pub const DAEMON_CONFIGURATION: &str = "/etc/docker/daemon.json";
/// Below the data root, a folder for each container.
pub const CONTAINERS: &str = "containers";
/// In a container's folder.
pub const CONTAINER_FILE: &str = "config.v2.json";

/// What the kubelet labels the containers of pods with: those are the kubelet's to restart.
const POD_LABEL: &str = "io.kubernetes.pod.name";

/// A docker container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerContainer {
    /// Its name, without the slash that docker puts before it.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// The host files behind its paths.
    pub mounts: PathMap,
    /// Whether the kubelet started it for a pod (dockershim, cri-dockerd).
    pub is_of_pod: bool,
    /// Whether it runs, as far as the daemon has written that down.
    pub is_running: bool,
    /// The file with what it has printed, where it is kept in a file.
    pub log: Option<PathBuf>,
}

/// A file that is no container's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a docker container's configuration: {0}")]
pub struct DockerContainerError(String);

impl DockerContainer {
    /// Reads a `config.v2.json`.
    pub fn parse(file: &[u8]) -> Result<Self, DockerContainerError> {
        let written: Written = serde_json::from_slice(file)
            .map_err(|error| DockerContainerError(error.to_string()))?;
        let mut argv = vec![written.path];
        argv.extend(written.args.unwrap_or_default());
        let environment = written.config.env.unwrap_or_default();
        let environment = environment
            .into_iter()
            .filter_map(|variable| {
                let (name, value) = variable.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        let mounts = written.mount_points.unwrap_or_default();
        let mounts = mounts
            .into_values()
            .map(|mount| Mount {
                container: mount.destination,
                // A volume of docker's own may have no source in the file.
                host: Some(mount.source).filter(|source| source.is_absolute()),
                read_only: !mount.writable,
            })
            .collect();
        let labels = written.config.labels.unwrap_or_default();
        Ok(Self {
            name: written.name.trim_start_matches('/').to_owned(),
            argv,
            environment,
            mounts: PathMap::of_container(mounts),
            is_of_pod: labels.contains_key(POD_LABEL),
            is_running: written.state.is_some_and(|state| state.running),
            log: written.log.filter(|log| log.is_absolute()),
        })
    }

    /// The component in it and its flags; none where it is something else, or only part of a pod.
    ///
    /// RKE starts its components through a script, `/opt/rke-tools/entrypoint.sh kube-apiserver …`;
    /// the first word that names a component is the program.
    pub fn component(&self) -> Option<(ComponentKind, Flags)> {
        if self.is_of_pod {
            return None;
        }
        let flags = Flags::from_argv(&self.argv);
        let flags = match flags.component() {
            Some(_) => flags,
            None => {
                let is_component = |word: &String| ComponentKind::from_executable(word).is_some();
                let start = self.argv.iter().position(is_component)?;
                Flags::from_argv(self.argv.get(start..)?)
            }
        };
        match flags.component()? {
            ComponentKind::Etcd => {
                let environment = self.environment.iter().cloned();
                Some((
                    ComponentKind::Etcd,
                    flags.with_etcd_environment(environment),
                ))
            }
            kind => Some((kind, flags)),
        }
    }
}

/// The data root that the daemon's configuration names: `data-root`, before docker 17.05 `graph`.
pub fn data_root(daemon_configuration: &[u8]) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Daemon {
        #[serde(rename = "data-root")]
        data_root: Option<PathBuf>,
        graph: Option<PathBuf>,
    }
    let daemon: Daemon = serde_json::from_slice(daemon_configuration).ok()?;
    daemon.data_root.or(daemon.graph)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Written {
    name: String,
    path: String,
    args: Option<Vec<String>>,
    #[serde(default)]
    config: Settings,
    mount_points: Option<BTreeMap<String, WrittenMount>>,
    state: Option<State>,
    #[serde(rename = "LogPath")]
    log: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    env: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenMount {
    destination: PathBuf,
    #[serde(default)]
    source: PathBuf,
    #[serde(rename = "RW", default)]
    writable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    running: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn container(name: &str, path: &str, args: &[&str], more: &str) -> DockerContainer {
        let args = serde_json::to_string(args).unwrap();
        let text = format!(
            r#"{{"Name":"/{name}","Path":"{path}","Args":{args},"State":{{"Running":true,"Pid":7}},"Config":{{"Env":["ETCD_DATA_DIR=/d","PATH=/bin"]{more}}},"MountPoints":{{"/etc/kubernetes":{{"Source":"/srv/k8s","Destination":"/etc/kubernetes","RW":true,"Type":"bind"}}}},"LogPath":"/var/lib/docker/containers/x/x-json.log"}}"#
        );
        DockerContainer::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn rkes_entrypoint_is_looked_through_and_paths_are_the_hosts() {
        let it = container(
            "kube-apiserver",
            "/opt/rke-tools/start.bash",
            &[
                "kube-apiserver",
                "--tls-cert-file=/etc/kubernetes/ssl/kube-apiserver.pem",
            ],
            "",
        );
        let (kind, flags) = it.component().unwrap();
        assert_eq!(kind, ComponentKind::KubeApiserver);
        let inside = flags.one("tls-cert-file").unwrap();
        assert_eq!(
            it.mounts.host_path(Path::new(inside)).as_deref(),
            Some(Path::new("/srv/k8s/ssl/kube-apiserver.pem"))
        );
        assert_eq!(it.name, "kube-apiserver");
        assert!(it.is_running);
    }

    #[test]
    fn etcd_takes_settings_from_its_containers_environment() {
        let it = container("etcd", "/usr/local/bin/etcd", &["--name=a"], "");
        let (_, flags) = it.component().unwrap();
        assert_eq!(flags.one("data-dir"), Some("/d"));
    }

    #[test]
    fn a_container_of_a_pod_is_the_kubelets() {
        let label = r#","Labels":{"io.kubernetes.pod.name":"kube-apiserver-cp1"}"#;
        let it = container("k8s_kube-apiserver_x", "kube-apiserver", &[], label);
        assert!(it.component().is_none());
    }

    #[test]
    fn other_containers_are_no_component() {
        assert!(
            container("nginx", "nginx", &["-g", "x"], "")
                .component()
                .is_none()
        );
        assert!(DockerContainer::parse(b"{}").is_err());
    }

    #[test]
    fn the_data_root_is_read_under_both_names() {
        let root = |text: &str| data_root(text.as_bytes());
        assert_eq!(root(r#"{"data-root":"/d"}"#), Some("/d".into()));
        assert_eq!(root(r#"{"graph":"/g","bip":"x"}"#), Some("/g".into()));
        assert_eq!(root("{}"), None);
    }
}
