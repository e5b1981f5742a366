//! What an examination is given: ports, limits, and endpoints that were named.

use crate::ports::{Clock, HostRead, TlsProbe};
use kubepki_core::connections::Material;
use kubepki_core::model::cluster::{ExposedHost, Node};
use kubepki_core::model::{ComponentKind, Inventory};
use kubepki_core::plan::endpoints;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::Duration;

/// What an examination needs from outside.
#[derive(Clone, Copy)]
pub struct ExaminePorts<'a> {
    /// Files: what clients present and trust.
    pub host: &'a dyn HostRead,
    /// TLS endpoints.
    pub tls: &'a dyn TlsProbe,
    /// This host's clock.
    pub clock: &'a dyn Clock,
}

/// How to ask.
#[derive(Clone, Debug)]
pub struct ExamineOptions {
    /// For one question.
    pub timeout: Duration,
    /// At most so many addresses are asked at once.
    pub parallel: usize,
    /// Endpoints to ask besides the host's own.
    pub endpoints: Vec<NamedEndpoint>,
    /// What lies in the slots of the graph: by this a client believes whose trust is kept in the
    /// API (pods, joining nodes, webhooks). Files are read anew.
    pub material: Option<Material>,
}

impl Default for ExamineOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3),
            parallel: 16,
            endpoints: Vec::new(),
            material: None,
        }
    }
}

/// An endpoint that the user named, or that the cluster exposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedEndpoint {
    /// Name or address to connect to; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The name to ask for when it is another than the host.
    pub server_name: Option<String>,
    /// The API object that exposes it, as text.
    pub exposed_by: Option<String>,
}

/// On which ports the control planes of a cluster serve, as this host's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPlanePorts {
    /// `--secure-port` of the API servers.
    pub apiserver: u16,
    /// The port for etcd's clients; `None` where etcd does not run on the control planes.
    pub etcd: Option<u16>,
}

impl ControlPlanePorts {
    /// As the components of a host serve; kubeadm's where it has none of them.
    pub fn of(inventory: &Inventory) -> Self {
        let port = |kind: ComponentKind, flag: &str| {
            let component = inventory.component(kind)?;
            let mut serving = endpoints::serving(component).into_iter();
            serving
                .find(|endpoint| endpoint.flag == flag)
                .map(|endpoint| endpoint.port)
        };
        Self {
            apiserver: port(ComponentKind::KubeApiserver, "tls-cert-file").unwrap_or(6443),
            etcd: port(ComponentKind::Etcd, "cert-file"),
        }
    }
}

/// What was given is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not an endpoint: expected HOST:PORT, [IPV6]:PORT or https://HOST, found {found}"
)]
pub struct EndpointError {
    /// As it was given.
    pub given: String,
    /// What is wrong with it.
    pub found: &'static str,
}

impl EndpointError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        "endpoint-invalid"
    }
}

impl NamedEndpoint {
    /// A name or address and its port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            server_name: None,
            exposed_by: None,
        }
    }

    /// Where a node is asked: its kubelet by the node's name (a kubelet that signs for itself knows no
    /// addresses), and where it is a control plane its API server and its etcd.
    pub fn of_node(node: &Node, control_plane: &ControlPlanePorts) -> Vec<Self> {
        let Some(address) = node.ip_addresses.first().map(ToString::to_string) else {
            return Vec::new();
        };
        let at = |port| Self {
            exposed_by: Some(format!("Node {}", node.name)),
            ..Self::new(&address, port)
        };
        let mut endpoints = vec![Self {
            server_name: Some(node.name.clone()),
            ..at(node.kubelet_port)
        }];
        if node.control_plane {
            endpoints.push(at(control_plane.apiserver));
            endpoints.extend(control_plane.etcd.map(at));
        }
        endpoints
    }

    /// Where a TLS host that the cluster exposes is asked: each address of its load balancer by the
    /// host's name, or the name itself when no address is published.
    pub fn of_exposed(exposed: &ExposedHost) -> Vec<Self> {
        let at = |address: &str| Self {
            host: address.to_owned(),
            port: exposed.port,
            server_name: exposed.host.clone().filter(|host| host != address),
            exposed_by: Some(exposed.object.to_string()),
        };
        if exposed.addresses.is_empty() {
            return exposed.host.as_deref().map(at).into_iter().collect();
        }
        exposed
            .addresses
            .iter()
            .map(|address| at(address))
            .collect()
    }
}

/// Reads `HOST:PORT`, `[IPV6]:PORT`, `https://HOST[:PORT][/…]` (443 without a port).
impl FromStr for NamedEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |found| EndpointError {
            given: text.to_owned(),
            found,
        };
        let trimmed = text.trim();
        let (authority, default) = match trimmed.strip_prefix("https://") {
            Some(rest) => (rest.split('/').next().unwrap_or_default(), Some(443)),
            None if trimmed.contains("://") => return Err(error("another scheme")),
            None => (trimmed, None),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(error("no closing bracket"))?;
                let port = match port.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if port.is_empty() => None,
                    None => return Err(error("text after the bracket")),
                };
                (address, port)
            }
            None if authority.parse::<Ipv6Addr>().is_ok() => {
                return Err(error("an IPv6 address without brackets"));
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err(error("no host"));
        }
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0),
            None => default,
        };
        let port = port.ok_or(error("no port"))?;
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for NamedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::questions::authority(&self.host, self.port))
    }
}
