//! Whether the API takes each kubeconfig that the plan renewed.

use super::check_all::Circumstances;
use super::verdict::{Check, Subject};
use crate::ports::Ports;
use crate::take_up::health::{FILE_LIMIT, own_api_server};
use crate::take_up::wait;
use kubepki_core::model::{ComponentKind, Holder, Inventory, Role};
use kubepki_core::plan::{Plan, Signer};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A client CA bundle is re-read within 60 s; until then the API may refuse what is good.
const RELOAD_BOUND: Duration = Duration::from_secs(75);

/// What was restarted a moment ago may not answer every request yet.
const LEAST_BOUND: Duration = Duration::from_secs(20);

pub fn checks(
    ports: &Ports<'_>,
    after: &Inventory,
    plan: &Plan,
    circumstances: &Circumstances<'_>,
) -> Vec<Check> {
    let server = own_api_server(&after.components);
    renewed(after, plan)
        .iter()
        .map(|path| check(ports, path, server.as_deref(), circumstances))
        .collect()
}

fn check(
    ports: &Ports<'_>,
    path: &Path,
    server: Option<&str>,
    circumstances: &Circumstances<'_>,
) -> Check {
    let subject = Subject::new(
        path.display().to_string(),
        match server {
            Some(server) => format!("accepted by {server}"),
            None => "accepted by its API server".to_owned(),
        },
    );
    let kubeconfig = match ports.host.read(path, FILE_LIMIT) {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => return Check::failed("kubeconfig-unreadable", subject, error.detail),
    };
    let passed = ports
        .clock
        .now()
        .duration_since(circumstances.files_changed_at);
    let passed = Duration::try_from(passed).unwrap_or_default();
    let mut unauthorized = false;
    let answer = wait::until(
        ports.clock,
        circumstances.progress,
        &format!("asking the API with {}", path.display()),
        RELOAD_BOUND.saturating_sub(passed).max(LEAST_BOUND),
        |_| {
            let error = match ports.kube.reach(&kubeconfig, server) {
                // Refused a request, but as somebody whom it knows.
                Ok(reached) if reached.status != 401 && reached.status < 500 => return Ok(reached),
                Ok(reached) => {
                    unauthorized = reached.status == 401;
                    return Err(format!("{} answers {}", reached.server, reached.status));
                }
                Err(error) => error,
            };
            unauthorized = error.unauthorized;
            Err(error.to_string())
        },
    );
    match answer {
        Ok(reached) => {
            let version = reached
                .version
                .map_or(String::new(), |version| format!(", {version}"));
            let found = format!("{} answers {}{version}", reached.server, reached.status);
            Check::passed("api-accepts", subject, found)
        }
        Err(timed_out) if unauthorized => Check::failed("api-refuses", subject, timed_out.last),
        Err(timed_out) => Check::failed("api-unreachable", subject, timed_out.last),
    }
}

/// The kubeconfigs whose certificate or CA data the plan changed, each once.
fn renewed(after: &Inventory, plan: &Plan) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut add = |path: PathBuf| {
        if !paths.contains(&path) {
            paths.push(path);
        }
    };
    let kubelet = after
        .component(ComponentKind::Kubelet)
        .and_then(|kubelet| kubelet.host_path("kubeconfig"));
    for issuance in &plan.issuances {
        if matches!(issuance.signer, Signer::Request { .. }) {
            continue;
        }
        if let Holder::Kubeconfig { path, .. } = &issuance.destination {
            add(path.clone());
        } else if let Some(user) = &issuance.point_kubeconfig {
            add(user.path.clone());
        } else if issuance.role == Role::KubeletClient
            && let Some(path) = &kubelet
        {
            add(path.clone());
        }
    }
    for update in &plan.trust_updates {
        // A bootstrap token may well have expired, and nobody needs it any more.
        let is_bootstrap = after.entries.iter().any(|entry| {
            entry.role == Role::Bootstrap && entry.kubeconfig.as_ref() == Some(&update.kubeconfig)
        });
        if !is_bootstrap {
            add(update.kubeconfig.clone());
        }
    }
    paths
}
