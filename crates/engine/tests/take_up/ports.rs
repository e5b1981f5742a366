//! The host behind the engine's ports.

use crate::world::{File, MANIFESTS, State, World};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::formats::static_pod::StaticPod;
use kubepki_core::model::ComponentKind;
use kubepki_engine::ports::*;
use kubepki_sealed::{Sealed, danger};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn refused(operation: &'static str, path: &Path, kind: HostErrorKind) -> HostError {
    HostError {
        operation,
        path: path.to_owned(),
        kind,
        detail: format!("{kind:?}"),
    }
}

impl HostRead for World {
    fn hostname(&self) -> Result<String, HostError> {
        Ok("cp1".to_owned())
    }

    fn is_live(&self) -> bool {
        self.state().is_live
    }

    fn read(&self, path: &Path, _: u64) -> Result<Sealed, HostError> {
        let state = self.state();
        let file = state
            .files
            .get(path)
            .ok_or_else(|| refused("read", path, HostErrorKind::NotFound))?;
        Ok(Sealed::new(file.contents.clone()))
    }

    fn metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        let state = self.state();
        let file = state
            .files
            .get(path)
            .ok_or_else(|| refused("stat", path, HostErrorKind::NotFound))?;
        Ok(FileMetadata {
            kind: FileKind::Regular,
            attributes: file.attributes.clone(),
            len: file.contents.len() as u64,
            modified: file.modified,
        })
    }

    fn symlink_metadata(&self, path: &Path) -> Result<FileMetadata, HostError> {
        self.metadata(path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        Err(refused("read", path, HostErrorKind::WrongKind))
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf, HostError> {
        let state = self.state();
        match state.files.keys().any(|file| file.starts_with(path)) {
            true => Ok(path.to_owned()),
            false => Err(refused("resolve", path, HostErrorKind::NotFound)),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, HostError> {
        let state = self.state();
        let below = state
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(directory).ok());
        let mut names: Vec<String> = below
            .filter_map(|rest| {
                Some(
                    rest.components()
                        .next()?
                        .as_os_str()
                        .to_string_lossy()
                        .into(),
                )
            })
            .collect();
        names.dedup();
        Ok(names)
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        Ok(self
            .state()
            .processes
            .iter()
            .map(|running| running.process.clone())
            .collect())
    }

    fn lock_holder(&self, _: &Path) -> Result<Option<String>, HostError> {
        Ok(None)
    }
}

impl State {
    /// One effect on files in these folders.
    fn change(
        &mut self,
        operation: &'static str,
        paths: &[&Path],
        text: String,
    ) -> Result<(), HostError> {
        for path in paths {
            if path
                .parent()
                .is_some_and(|folder| self.read_only.contains(folder))
            {
                return Err(refused(operation, path, HostErrorKind::ReadOnlyFilesystem));
            }
        }
        self.effect(text)
            .map_err(|kind| refused(operation, paths[0], kind))
    }
}

impl HostWrite for World {
    fn create(
        &self,
        path: &Path,
        contents: &Sealed,
        attributes: &FileAttributes,
    ) -> Result<(), HostError> {
        let mut state = self.state();
        assert!(
            !state.files.contains_key(path),
            "{} exists already",
            path.display()
        );
        state.change("create", &[path], format!("create {}", path.display()))?;
        let modified = state.now;
        let contents = danger::open(contents).to_vec();
        state.files.insert(
            path.to_owned(),
            File {
                contents,
                attributes: attributes.clone(),
                modified,
            },
        );
        Ok(())
    }

    fn check_replace(&self, _: &Path, _: &Path) -> Result<(), HostError> {
        Ok(())
    }

    fn symlink(&self, _: &Path, path: &Path) -> Result<(), HostError> {
        Err(refused("link", path, HostErrorKind::Other))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), HostError> {
        let mut state = self.state();
        let own = |path: &Path| {
            path.parent()
                .filter(|folder| state.own_devices.contains(*folder))
                .map(Path::to_owned)
        };
        if own(from) != own(to) {
            return Err(refused("rename", to, HostErrorKind::CrossesDevices));
        }
        if !state.files.contains_key(from) {
            return Err(refused("rename", from, HostErrorKind::NotFound));
        }
        state.change(
            "rename",
            &[from, to],
            format!("rename {} {}", from.display(), to.display()),
        )?;
        let file = state.files.remove(from).unwrap();
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), HostError> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            state.change("remove", &[path], format!("remove {}", path.display()))?;
            state.files.remove(path);
        }
        Ok(())
    }

    fn create_directory(&self, path: &Path, _: u32) -> Result<(), HostError> {
        Err(refused("create", path, HostErrorKind::Other))
    }

    fn remove_directory(&self, path: &Path) -> Result<(), HostError> {
        Err(refused("remove", path, HostErrorKind::Other))
    }

    fn append(&self, path: &Path, _: &[u8]) -> Result<(), HostError> {
        Err(refused("append to", path, HostErrorKind::Other))
    }

    fn set_modified(&self, path: &Path, _: Timestamp) -> Result<(), HostError> {
        Err(refused("set the time of", path, HostErrorKind::Other))
    }

    fn lock(&self, path: &Path, _: &str) -> Result<Box<dyn HostLock>, HostError> {
        Err(refused("lock", path, HostErrorKind::Other))
    }

    fn identity(&self) -> (u32, u32) {
        (0, 0)
    }
}

impl ServiceControl for World {
    fn unit_state(&self, unit: &str) -> Result<UnitState, ServiceError> {
        let state = self.state();
        let main = state
            .processes
            .iter()
            .rfind(|running| running.process.unit.as_deref() == Some(unit));
        Ok(UnitState {
            active: if main.is_some() {
                "active"
            } else {
                "activating"
            }
            .to_owned(),
            main_pid: main.map(|running| running.process.pid),
        })
    }

    fn restart_unit(&self, unit: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("restart {unit}"))
            .map_err(|_| service(unit))?;
        restart(&mut state, ComponentKind::Kubelet);
        Ok(())
    }

    fn unit_log(&self, _: &str, lines: usize) -> Result<Vec<String>, ServiceError> {
        let log = self.state().unit_log.clone();
        Ok(log[log.len().saturating_sub(lines)..].to_vec())
    }

    fn restart_docker(&self, container: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("docker restart {container}"))
            .map_err(|_| service(container))?;
        let kind = ComponentKind::from_executable(container).ok_or_else(|| service(container))?;
        restart(&mut state, kind);
        Ok(())
    }
}

fn service(service: &str) -> ServiceError {
    ServiceError {
        operation: "restart",
        service: service.to_owned(),
        detail: "refused".to_owned(),
    }
}

fn restart(state: &mut State, kind: ComponentKind) {
    let argv = state
        .processes
        .iter()
        .find(|running| running.kind == kind)
        .map(|running| running.process.argv.clone());
    state.end(kind, SignedDuration::ZERO);
    state.processes.retain(|running| running.ends_at.is_none());
    let after = state.behaviour(kind).start_after;
    state.start_later(
        kind,
        after,
        argv.unwrap_or_else(|| vec![kind.executable().to_owned()]),
    );
}

impl Containers for World {
    fn find(&self, name: &str) -> Result<Vec<Container>, ContainerError> {
        let state = self.state();
        let unreachable = || runtime("list containers");
        state.container_logs.as_ref().ok_or_else(unreachable)?;
        let of_name = state
            .processes
            .iter()
            .rev()
            .filter(|running| running.kind.executable() == name);
        let mut found: Vec<Container> = of_name
            .map(|running| Container {
                id: name.to_owned(),
                name: name.to_owned(),
                pod: format!("{name}-cp1"),
                namespace: "kube-system".to_owned(),
                running: true,
                created: running.process.started,
                attempt: 0,
            })
            .collect();
        if found.is_empty() {
            found.push(Container {
                id: name.to_owned(),
                name: name.to_owned(),
                pod: format!("{name}-cp1"),
                namespace: "kube-system".to_owned(),
                running: false,
                created: state.now,
                attempt: 1,
            });
        }
        Ok(found)
    }

    fn log(&self, id: &str, lines: usize) -> Result<Vec<String>, ContainerError> {
        let state = self.state();
        let logs = state
            .container_logs
            .as_ref()
            .ok_or_else(|| runtime("read a log"))?;
        let log = logs.get(id).cloned().unwrap_or_default();
        Ok(log[log.len().saturating_sub(lines)..].to_vec())
    }

    fn stop(&self, id: &str, _: u32) -> Result<(), ContainerError> {
        let mut state = self.state();
        state
            .effect(format!("stop {id}"))
            .map_err(|_| runtime("stop a container"))?;
        let kind = ComponentKind::from_executable(id).unwrap();
        state.end(kind, SignedDuration::ZERO);
        let path = Path::new(MANIFESTS).join(format!("{kind}.yaml"));
        let argv = StaticPod::parse(&state.files[&path].contents)
            .unwrap()
            .containers[0]
            .argv
            .clone();
        let back_off = state.behaviour(kind).back_off;
        state.start_later(kind, back_off, argv);
        Ok(())
    }
}

fn runtime(operation: &'static str) -> ContainerError {
    ContainerError {
        operation,
        socket: "/run/containerd/containerd.sock".to_owned(),
        detail: "no such file or directory".to_owned(),
    }
}

impl TlsProbe for World {
    fn served(&self, endpoint: &Endpoint, _: Duration) -> Result<ServedTls, ProbeError> {
        let state = self.state();
        let unreachable = || ProbeError {
            endpoint: format!("{}:{}", endpoint.host, endpoint.port),
            unreachable: true,
            detail: "connection refused".to_owned(),
        };
        let served = state.served.get(&endpoint.port).ok_or_else(unreachable)?;
        if !state
            .processes
            .iter()
            .any(|running| running.kind == served.kind)
        {
            return Err(unreachable());
        }
        Ok(ServedTls {
            chain: vec![served.loaded.clone()],
            protocol: "TLSv1.3".to_owned(),
            asks_client_certificate: true,
            acceptable_client_authorities: Vec::new(),
        })
    }

    fn https_get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        _: &Trust,
        _: Option<&ClientIdentity>,
        timeout: Duration,
    ) -> Result<HttpAnswer, ProbeError> {
        self.http_get(endpoint, path, timeout)
    }

    fn http_get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        _: Duration,
    ) -> Result<HttpAnswer, ProbeError> {
        let state = self.state();
        let (kind, expected) = match endpoint.port {
            6443 => (ComponentKind::KubeApiserver, "/readyz"),
            10257 => (ComponentKind::KubeControllerManager, "/healthz"),
            10259 => (ComponentKind::KubeScheduler, "/healthz"),
            2381 => (ComponentKind::Etcd, "/health"),
            10248 => (ComponentKind::Kubelet, "/healthz"),
            other => panic!("nobody listens at {other}"),
        };
        assert_eq!(path, expected);
        let newest = state.processes.iter().rfind(|running| running.kind == kind);
        let down = kind == ComponentKind::Kubelet && !state.kubelet_is_up;
        let Some(newest) = newest.filter(|_| !down) else {
            return Err(ProbeError {
                endpoint: format!("{}:{}", endpoint.host, endpoint.port),
                unreachable: true,
                detail: "connection refused".to_owned(),
            });
        };
        let healthy = newest.healthy_at <= state.now;
        let status = if healthy {
            200
        } else {
            state.behaviours[&kind].unhealthy_status
        };
        let body = if healthy {
            "ok"
        } else {
            "[+]ping ok\n[-]etcd failed: reason withheld\n"
        };
        Ok(HttpAnswer {
            status,
            body: body.to_owned(),
        })
    }
}

impl KubeApi for World {
    fn reach(&self, _: &Sealed, server: Option<&str>) -> Result<Reached, KubeApiError> {
        let server = server.unwrap_or("kubeconfig").to_owned();
        match self.state().api_status {
            Some(401) => Err(api_error(&server, true)),
            Some(status) => Ok(Reached {
                server,
                status,
                version: Some("v1.20.2".to_owned()),
            }),
            None => Err(api_error(&server, false)),
        }
    }

    fn lease_holder(
        &self,
        _: &Sealed,
        server: Option<&str>,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, KubeApiError> {
        assert_eq!(namespace, "kube-system");
        let state = self.state();
        match state.api_status {
            Some(_) => Ok(state.leases.get(name).cloned()),
            None => Err(api_error(server.unwrap_or("kubeconfig"), false)),
        }
    }

    fn node_ready(
        &self,
        _: &Sealed,
        server: Option<&str>,
        _: &str,
    ) -> Result<Option<bool>, KubeApiError> {
        let state = self.state();
        match state.api_status {
            Some(_) => Ok(state.node_is_ready),
            None => Err(api_error(server.unwrap_or("kubeconfig"), false)),
        }
    }
}

fn api_error(server: &str, unauthorized: bool) -> KubeApiError {
    let detail = if unauthorized {
        "unauthorized"
    } else {
        "connection refused"
    };
    KubeApiError {
        server: server.to_owned(),
        unauthorized,
        detail: detail.to_owned(),
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep(&self, duration: Duration) {
        self.pass(SignedDuration::try_from(duration).unwrap());
    }
}
