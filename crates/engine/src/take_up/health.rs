//! Whether a component is healthy, as its own endpoint tells.
//!
//! The mirror pod's `Ready` is not asked: it lags by more than a minute, and needs the API that may
//! be the thing that is down.

use super::setting::Setting;
use crate::ports::{ClientIdentity, Endpoint, HttpAnswer, Ports, ProbeError, Trust};
use kubepki_core::model::{Component, ComponentKind};
use kubepki_core::plan::endpoints::{self, HealthEndpoint};
use kubepki_sealed::danger;
use kubepki_x509::pem;
use std::time::Duration;

/// The longest that one question takes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest certificate, key or kubeconfig that is read.
pub const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// Not healthy, or not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHealthy {
    /// HTTP status, when something answered at all.
    pub status: Option<u16>,
    /// What was asked and what came back.
    pub answer: String,
}

/// Asks the component's health endpoint once. A component without one is taken to be healthy while
/// its process lives, which is the caller's question.
pub fn ask(
    ports: &Ports<'_>,
    component: &Component,
    setting: &Setting<'_>,
) -> Result<(), NotHealthy> {
    let Some(endpoint) = endpoints::health(component) else {
        return Ok(());
    };
    let url = url(&endpoint);
    let answer = get(ports, &endpoint).map_err(|error| NotHealthy {
        status: None,
        answer: format!("{url}: {}", error.detail),
    })?;
    match answer.status {
        200 => Ok(()),
        // It serves, and does not tell strangers more.
        401 | 403 if component.kind == ComponentKind::KubeApiserver => {
            ask_as_admin(ports, &endpoint, answer.status, setting)
        }
        401 | 403 => Ok(()),
        status => Err(NotHealthy {
            status: Some(status),
            answer: format!("{url} answers {status}{}", reason(&answer)),
        }),
    }
}

/// The kubelet's health, also where no kubelet was found among the components.
pub fn ask_kubelet(ports: &Ports<'_>, setting: &Setting<'_>) -> Result<(), NotHealthy> {
    if let Some(kubelet) = setting.component(ComponentKind::Kubelet)
        && endpoints::health(kubelet).is_some()
    {
        return ask(ports, kubelet, setting);
    }
    // Its health port is switched off, or its flags are unknown: being there has to do.
    match super::processes::of_kind(ports.host, ComponentKind::Kubelet) {
        Ok(processes) if !processes.is_empty() => Ok(()),
        Ok(_) => Err(NotHealthy {
            status: None,
            answer: "no kubelet process".to_owned(),
        }),
        Err(error) => Err(NotHealthy {
            status: None,
            answer: error.to_string(),
        }),
    }
}

/// With `--anonymous-auth=false` an API server tells strangers nothing. A refused administrator is
/// proof enough that it serves: which certificates it trusts is for verification to judge.
fn ask_as_admin(
    ports: &Ports<'_>,
    endpoint: &HealthEndpoint,
    status: u16,
    setting: &Setting<'_>,
) -> Result<(), NotHealthy> {
    let Some(path) = &setting.admin_kubeconfig else {
        return Ok(());
    };
    let Ok(kubeconfig) = ports.host.read(path, FILE_LIMIT) else {
        return Ok(());
    };
    let server = format!("https://{}", authority(endpoint));
    match ports.kube.reach(&kubeconfig, Some(&server)) {
        Ok(reached) if reached.status < 500 => Ok(()),
        Err(error) if error.unauthorized => Ok(()),
        Ok(reached) => Err(NotHealthy {
            status: Some(reached.status),
            answer: format!("{server} answers {} to {}", reached.status, path.display()),
        }),
        Err(error) => Err(NotHealthy {
            status: Some(status),
            answer: format!("{server} with {}: {}", path.display(), error.detail),
        }),
    }
}

fn get(ports: &Ports<'_>, health: &HealthEndpoint) -> Result<HttpAnswer, ProbeError> {
    let endpoint = Endpoint {
        host: health.host.clone(),
        port: health.port,
        server_name: None,
    };
    if !health.tls {
        return ports.tls.http_get(&endpoint, health.path, TIMEOUT);
    }
    let identity = health
        .client
        .as_ref()
        .and_then(|(certificate, key)| identity(ports, certificate, key));
    ports.tls.https_get(
        &endpoint,
        health.path,
        &Trust::Anything,
        identity.as_ref(),
        TIMEOUT,
    )
}

/// Without a readable pair the question is asked all the same: the server's refusal tells more.
fn identity(
    ports: &Ports<'_>,
    certificate: &std::path::Path,
    key: &std::path::Path,
) -> Option<ClientIdentity> {
    let contents = ports.host.read(certificate, FILE_LIMIT).ok()?;
    let chain = pem::certificates(danger::open(&contents)).ok()?;
    let key_pem = ports.host.read(key, FILE_LIMIT).ok()?;
    (!chain.is_empty()).then_some(ClientIdentity { chain, key_pem })
}

fn url(endpoint: &HealthEndpoint) -> String {
    let scheme = if endpoint.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", authority(endpoint), endpoint.path)
}

fn authority(endpoint: &HealthEndpoint) -> String {
    authority_of(&endpoint.host, endpoint.port)
}

/// `host:port`, IPv6 in brackets.
pub fn authority_of(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The URL of the host's own API server, if it has one: a named good one, where the kubeconfig's may
/// be a load balancer that leads to a host that is still down.
pub fn own_api_server(components: &[Component]) -> Option<String> {
    let endpoint = components
        .iter()
        .filter(|component| component.kind == ComponentKind::KubeApiserver)
        .find_map(|api_server| endpoints::serving(api_server).into_iter().next())?;
    Some(format!(
        "https://{}",
        authority_of(&endpoint.host, endpoint.port)
    ))
}

/// The failed checks of `/readyz` and `/healthz`, which list all of them; else the first line.
fn reason(answer: &HttpAnswer) -> String {
    let failed: Vec<&str> = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("[-]"))
        .map(|line| line.split_whitespace().next().unwrap_or(line))
        .collect();
    if !failed.is_empty() {
        return format!(" (failed: {})", failed.join(", "));
    }
    match answer
        .body
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
    {
        Some(line) => format!(" ({})", line.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}
