//! The world's services, containers, endpoints, API and clock, behind the engine's ports.

use crate::world::{MANIFESTS, State, World};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::formats::static_pod::StaticPod;
use kubepki_core::model::ComponentKind;
use kubepki_engine::ports::*;
use kubepki_sealed::Sealed;
use std::path::Path;
use std::time::Duration;

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

    fn reload_units(&self) -> Result<(), ServiceError> {
        self.state().effects.push("reload units".to_owned());
        Ok(())
    }

    fn restart_unit(&self, unit: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("restart {unit}"))
            .map_err(|_| service(unit))?;
        restart(&mut state, ComponentKind::Kubelet);
        Ok(())
    }

    fn stop_unit(&self, unit: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("stop {unit}"))
            .map_err(|_| service(unit))?;
        stop(&mut state, ComponentKind::Kubelet);
        Ok(())
    }

    fn start_unit(&self, unit: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("start {unit}"))
            .map_err(|_| service(unit))?;
        start(&mut state, ComponentKind::Kubelet);
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

    fn stop_docker(&self, container: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("docker stop {container}"))
            .map_err(|_| service(container))?;
        let kind = ComponentKind::from_executable(container).ok_or_else(|| service(container))?;
        stop(&mut state, kind);
        Ok(())
    }

    fn start_docker(&self, container: &str) -> Result<(), ServiceError> {
        let mut state = self.state();
        state
            .effect(format!("docker start {container}"))
            .map_err(|_| service(container))?;
        let kind = ComponentKind::from_executable(container).ok_or_else(|| service(container))?;
        start(&mut state, kind);
        Ok(())
    }
}

/// A kubelet that is stopped leaves its pods running.
fn stop(state: &mut State, kind: ComponentKind) {
    state.end(kind, SignedDuration::ZERO);
    state.processes.retain(|running| running.ends_at.is_none());
    if kind == ComponentKind::Kubelet {
        state.kubelet_is_up = false;
    }
}

fn start(state: &mut State, kind: ComponentKind) {
    if kind == ComponentKind::Kubelet {
        state.kubelet_is_up = true;
    }
    // As `systemctl start` of a unit that is starting.
    if state.is_starting(kind) || state.processes.iter().any(|it| it.kind == kind) {
        return;
    }
    let after = state.behaviour(kind).start_after;
    state.start_later(kind, after, vec![kind.executable().to_owned()]);
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
        let path = Path::new(MANIFESTS).join(format!("{kind}.yaml"));
        let manifest = state.files.get(&path).cloned();
        // A pod that the kubelet has forgotten, or that is gone, is not started again.
        let (true, Some(manifest)) = (state.kubelet_ends_pods, manifest) else {
            state.end_oldest(kind);
            return Ok(());
        };
        state.end(kind, SignedDuration::ZERO);
        let argv = StaticPod::parse(&manifest.contents).unwrap().containers[0]
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

    fn attempt(&self, _: &Attempt<'_>) -> Attempted {
        panic!("nothing here asks so")
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
        // One that drains has closed its listener.
        let newest = state
            .processes
            .iter()
            .rfind(|running| running.kind == kind && running.ends_at.is_none());
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
