//! Where a component of this host can be asked, told by its flags: what it serves, and whether it is
//! healthy. Defaults are those of Kubernetes v1.20 and etcd 3.4.

use crate::model::{Component, ComponentKind};
use std::path::PathBuf;

/// A TLS endpoint and the files that it should be serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingEndpoint {
    /// Who serves.
    pub component: ComponentKind,
    /// The flag that names the certificate.
    pub flag: &'static str,
    /// Address to connect to from the host itself.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The certificate file on the host; `None` when the certificate lives only in memory.
    pub certificate: Option<PathBuf>,
}

/// How to ask a component whether it is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEndpoint {
    /// Address to connect to from the host itself.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path, e.g. `/readyz`.
    pub path: &'static str,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Client certificate and key on the host, for endpoints that demand one (etcd).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Every TLS endpoint of the component on this host.
pub fn serving(component: &Component) -> Vec<ServingEndpoint> {
    let endpoint = |flag, host: String, port| ServingEndpoint {
        component: component.kind,
        flag,
        host,
        port,
        certificate: component.host_path(flag),
    };
    match component.kind {
        ComponentKind::Etcd => {
            let client = urls(component, "listen-client-urls", "http://localhost:2379");
            let peer = urls(component, "listen-peer-urls", "http://localhost:2380");
            let client = client
                .into_iter()
                .map(|(host, port)| endpoint("cert-file", host, port));
            let peer = peer
                .into_iter()
                .map(|(host, port)| endpoint("peer-cert-file", host, port));
            client.chain(peer).collect()
        }
        ComponentKind::KubeApiserver => {
            let bind = component.flags.one("bind-address").unwrap_or("0.0.0.0");
            vec![endpoint(
                "tls-cert-file",
                reachable(bind),
                port(component, "secure-port", 6443),
            )]
        }
        ComponentKind::KubeControllerManager | ComponentKind::KubeScheduler => {
            let default = if component.kind == ComponentKind::KubeScheduler {
                10259
            } else {
                10257
            };
            let bind = component.flags.one("bind-address").unwrap_or("0.0.0.0");
            vec![endpoint(
                "tls-cert-file",
                reachable(bind),
                port(component, "secure-port", default),
            )]
        }
        ComponentKind::Kubelet => {
            let bind = component.flags.one("address").unwrap_or("0.0.0.0");
            vec![endpoint(
                "tls-cert-file",
                reachable(bind),
                port(component, "port", 10250),
            )]
        }
        _ => Vec::new(),
    }
    .into_iter()
    .filter(|endpoint| endpoint.port != 0)
    .collect()
}

/// The component's health endpoint, or `None` when its flags switch it off.
pub fn health(component: &Component) -> Option<HealthEndpoint> {
    match component.kind {
        ComponentKind::Etcd => etcd_health(component),
        ComponentKind::Kubelet => {
            let port = port(component, "healthz-port", 10248);
            let bind = component
                .flags
                .one("healthz-bind-address")
                .unwrap_or("127.0.0.1");
            (port != 0).then(|| HealthEndpoint {
                host: reachable(bind),
                port,
                path: "/healthz",
                tls: false,
                client: None,
            })
        }
        ComponentKind::KubeApiserver
        | ComponentKind::KubeControllerManager
        | ComponentKind::KubeScheduler => {
            let serving = serving(component).into_iter().next()?;
            Some(HealthEndpoint {
                host: serving.host,
                port: serving.port,
                path: if component.kind == ComponentKind::KubeApiserver {
                    "/readyz"
                } else {
                    "/healthz"
                },
                tls: true,
                client: None,
            })
        }
        _ => None,
    }
}

/// etcd answers `/health` on its metrics URL without a certificate; else on the client URL with one:
/// its own server certificate, which kubeadm gives client usage (etcd issue 9785).
fn etcd_health(component: &Component) -> Option<HealthEndpoint> {
    if let Some(url) = component.flags.one("listen-metrics-urls")
        && let Some((tls, host, port)) = url.split(',').find_map(parse_url)
        && !tls
    {
        return Some(HealthEndpoint {
            host,
            port,
            path: "/health",
            tls: false,
            client: None,
        });
    }
    let url = component.flags.one("listen-client-urls")?;
    let (tls, host, port) = url.split(',').find_map(parse_url)?;
    let client = component
        .host_path("cert-file")
        .zip(component.host_path("key-file"))
        .filter(|_| tls);
    Some(HealthEndpoint {
        host,
        port,
        path: "/health",
        tls,
        client,
    })
}

/// Where etcd answers its own clients on this host: whether over TLS, address and port; loopback
/// addresses first.
pub fn etcd_client(component: &Component) -> Vec<(bool, String, u16)> {
    let flag = component.flags.one("listen-client-urls");
    let urls = flag.unwrap_or("http://localhost:2379").split(',');
    let mut found: Vec<_> = urls.filter_map(parse_url).collect();
    found.sort_by_key(|(_, host, _)| !(host.starts_with("127.") || host == "::1"));
    found
}

fn port(component: &Component, flag: &str, default: u16) -> u16 {
    component
        .flags
        .one(flag)
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// TLS URLs of a comma-separated flag; plain ones serve no certificate.
fn urls(component: &Component, flag: &str, default: &str) -> Vec<(String, u16)> {
    component
        .flags
        .one(flag)
        .unwrap_or(default)
        .split(',')
        .filter_map(parse_url)
        .filter(|(tls, _, _)| *tls)
        .map(|(_, host, port)| (host, port))
        .collect()
}

/// Of a URL: whether it is one of TLS, the address to connect to, and the port.
pub fn address(url: &str) -> Option<(bool, String, u16)> {
    parse_url(url)
}

fn parse_url(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let authority = rest.split('/').next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((scheme == "https", reachable(host), port.parse().ok()?))
}

/// An address to connect to, for an address to listen on.
fn reachable(bind: &str) -> String {
    match bind {
        "" | "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "::1".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_ipv6_and_wildcards_are_reachable_addresses() {
        assert_eq!(
            parse_url("https://[::1]:2379"),
            Some((true, "::1".to_owned(), 2379))
        );
        assert_eq!(
            parse_url("http://0.0.0.0:2381/"),
            Some((false, "127.0.0.1".to_owned(), 2381))
        );
        assert_eq!(parse_url("unix:///run/etcd.sock"), None);
    }
}
