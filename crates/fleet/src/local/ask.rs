//! Questions about the cluster, asked from this host: of its own API server and etcd member, with its
//! own administrator's kubeconfig, never through a load balancer that may lead elsewhere.

use super::{LocalSession, Outside};
use crate::session::{ApiAnswer, ApiQuestion, NOT_LIVE, SessionError};
use kubepki_core::model::cluster::Node;
use kubepki_core::model::{ComponentKind, Holder, Inventory, Role};
use kubepki_engine::cluster::nodes;
use kubepki_engine::ports::{ClusterError, FILE_LIMIT, Ports, Progress};
use kubepki_engine::take_up::{Setting, ask_health, own_api_server};
use std::path::{Path, PathBuf};

impl<O: Outside> LocalSession<O> {
    pub(super) fn answer(&mut self, question: &ApiQuestion) -> Result<ApiAnswer, SessionError> {
        if !self.outside.ports().host.is_live() {
            return Err(SessionError::new(
                NOT_LIVE,
                "nothing runs below another root, so nothing can be asked there",
            ));
        }
        let inventory = self.current()?;
        let ports = self.outside.ports();
        match question {
            ApiQuestion::Ready => Ok(health(&ports, &inventory, ComponentKind::KubeApiserver)),
            ApiQuestion::EtcdHealth => Ok(health(&ports, &inventory, ComponentKind::Etcd)),
            ApiQuestion::Nodes => self
                .nodes(&inventory)
                .map(|nodes| ApiAnswer::Nodes { nodes }),
            ApiQuestion::Leaders => self.leaders(&inventory),
            ApiQuestion::Proof { proof } => self.prove(&inventory, proof),
            ApiQuestion::Scan => self.scan_cluster(&inventory),
            ApiQuestion::StaleWorkloads { wanted } => self.stale_workloads(&inventory, wanted),
        }
    }

    fn nodes(&self, inventory: &Inventory) -> Result<Vec<Node>, SessionError> {
        let ports = self.outside.ports();
        let own = own_api_server(&inventory.components);
        let mut refused: Option<SessionError> = None;
        for path in administrators(inventory) {
            let kubeconfig = match ports.host.read(&path, FILE_LIMIT) {
                Ok(kubeconfig) => kubeconfig,
                Err(error) => {
                    refused = refused.or_else(|| Some(SessionError::from(&error)));
                    continue;
                }
            };
            let folder = path.parent().unwrap_or(Path::new("/"));
            let listed = self
                .outside
                .cluster(&kubeconfig, folder, own.as_deref())
                .and_then(|cluster| nodes(&*cluster, ports.clock.now()));
            match listed {
                Ok(nodes) => return Ok(nodes),
                Err(error) => refused = refused.or_else(|| Some(asked_with(&error, &path))),
            }
        }
        Err(refused.unwrap_or_else(no_administrator))
    }
}

pub(super) fn no_administrator() -> SessionError {
    SessionError::new(
        "no-kubeconfig",
        "this host has no administrator's kubeconfig to ask the API with",
    )
    .hint("ask on a control plane")
}

fn asked_with(error: &ClusterError, kubeconfig: &Path) -> SessionError {
    SessionError::new(error.code(), error).detail("kubeconfig", kubeconfig.display())
}

/// The administrators' kubeconfigs of this host, the usual one first.
pub(super) fn administrators(inventory: &Inventory) -> Vec<PathBuf> {
    let of_role = |role| {
        inventory
            .entries
            .iter()
            .filter_map(move |entry| match &entry.holder {
                Holder::Kubeconfig { path, .. } if entry.role == role => Some(path.clone()),
                _ => None,
            })
    };
    of_role(Role::Admin)
        .chain(of_role(Role::SuperAdmin))
        .collect()
}

fn health(ports: &Ports<'_>, inventory: &Inventory, kind: ComponentKind) -> ApiAnswer {
    let no = |found: String| ApiAnswer::Health { ok: false, found };
    let Some(component) = inventory.component(kind) else {
        return no(format!("there is no {kind} on this host"));
    };
    // Where its endpoint is switched off, having a process has to do.
    if component.processes.is_empty() {
        return no(format!("{kind} does not run"));
    }
    let setting = Setting {
        plan_id: "",
        files_changed_at: ports.clock.now(),
        admin_kubeconfig: administrators(inventory).into_iter().next(),
        static_pod_folders: &inventory.static_pod_folders,
        components: &inventory.components,
        written: &[],
        leaves_no_mark: false,
        as_before: None,
        progress: &Silent,
    };
    match ask_health(ports, component, &setting) {
        Ok(()) => ApiAnswer::Health {
            ok: true,
            found: format!("{kind} is healthy"),
        },
        Err(unhealthy) => no(unhealthy.answer),
    }
}

/// One question is not worth a word.
struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}
