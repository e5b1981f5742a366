//! Servers that are asked over the wire: where they are reached by others.

use super::error::LowerError;
use super::scene::Scene;
use crate::model::{Component, ComponentKind};
use crate::rotation::picture::{HostFacts, Purpose};
use crate::rotation::proof::{ProbeTarget, TargetKind};
use crate::rotation::root::Root;

/// Everybody on these hosts who judges clients by this root.
pub(super) fn judges(
    scene: &Scene<'_>,
    root: Root,
    hosts: &[String],
) -> Result<Vec<ProbeTarget>, LowerError> {
    let mut found = Vec::new();
    let flags: &[(ComponentKind, &str, TargetKind)] = match root {
        Root::KubernetesCa => &[
            (
                ComponentKind::KubeApiserver,
                "client-ca-file",
                TargetKind::Kubernetes,
            ),
            (
                ComponentKind::Kubelet,
                "client-ca-file",
                TargetKind::Kubernetes,
            ),
        ],
        Root::FrontProxyCa => &[(
            ComponentKind::KubeApiserver,
            "requestheader-client-ca-file",
            TargetKind::FrontProxy,
        )],
        Root::EtcdCa => &[
            (ComponentKind::Etcd, "trusted-ca-file", TargetKind::Etcd),
            (
                ComponentKind::Etcd,
                "peer-trusted-ca-file",
                TargetKind::EtcdPeer,
            ),
        ],
        Root::ServiceAccountKey => &[],
    };
    for host in hosts {
        let inventory = scene.inventory(host)?;
        let Some(facts) = scene.picture.host(host) else {
            continue;
        };
        for (component, flag, kind) in flags {
            let Some(component) = inventory.component(*component) else {
                continue;
            };
            if component.host_path(flag).is_some() {
                found.extend(target(facts, component, *kind, root));
            }
        }
    }
    Ok(found)
}

/// Everybody on these hosts who presents a certificate of this root to clients.
pub(super) fn servers(
    scene: &Scene<'_>,
    root: Root,
    components: &[ComponentKind],
    hosts: &[String],
) -> Result<Vec<ProbeTarget>, LowerError> {
    let served: &[(ComponentKind, &str, TargetKind)] = &[
        (
            ComponentKind::KubeApiserver,
            "tls-cert-file",
            TargetKind::Kubernetes,
        ),
        (
            ComponentKind::Kubelet,
            "tls-cert-file",
            TargetKind::Kubernetes,
        ),
        (ComponentKind::Etcd, "cert-file", TargetKind::Etcd),
        (ComponentKind::Etcd, "peer-cert-file", TargetKind::EtcdPeer),
    ];
    let places = &scene.root(root)?.places;
    let mut found = Vec::new();
    for host in hosts {
        let inventory = scene.inventory(host)?;
        let Some(facts) = scene.picture.host(host) else {
            continue;
        };
        for (kind, flag, speaks) in served {
            let is_asked = components.is_empty() || components.contains(kind);
            let presents = places.iter().any(|place| {
                let mut readers = place.readers.iter();
                place.purpose == Purpose::Present
                    && readers.any(|reader| {
                        reader.host == *host && reader.component == *kind && reader.flag == *flag
                    })
            });
            if let Some(component) = inventory.component(*kind).filter(|_| is_asked && presents) {
                found.extend(target(facts, component, *speaks, root));
            }
        }
    }
    Ok(found)
}

fn target(
    facts: &HostFacts,
    component: &Component,
    kind: TargetKind,
    root: Root,
) -> Option<ProbeTarget> {
    let number = |flag: &str, default: u16| {
        let value = component.flags.one(flag);
        value.and_then(|it| it.parse().ok()).unwrap_or(default)
    };
    let url = |flags: &[&str], default: u16| -> (Option<String>, u16) {
        let mut urls = flags.iter().flat_map(|flag| component.flags.list(flag));
        let found = urls.find_map(|url| address(url, default));
        found.map_or((None, default), |(host, port)| (Some(host), port))
    };
    let (named, port) = match kind {
        TargetKind::Etcd => url(&["advertise-client-urls", "listen-client-urls"], 2379),
        TargetKind::EtcdPeer => url(&["initial-advertise-peer-urls", "listen-peer-urls"], 2380),
        TargetKind::FrontProxy | TargetKind::Kubernetes => match component.kind {
            ComponentKind::Kubelet => (None, number("port", 10250)),
            _ => {
                let advertised = component.flags.one("advertise-address");
                let advertised = advertised.map(ToOwned::to_owned);
                (advertised, number("secure-port", 6443))
            }
        },
    };
    // Better a name that may lead nowhere, which is said, than nobody asked.
    let host = named
        .or_else(|| facts.addresses.first().cloned())
        .or_else(|| facts.node.clone())
        .unwrap_or_else(|| facts.name.clone());
    (port != 0).then(|| ProbeTarget {
        name: match kind {
            TargetKind::EtcdPeer => format!("{} (peers) on {}", component.kind, facts.name),
            _ => format!("{} on {}", component.kind, facts.name),
        },
        kind,
        host,
        port,
        root,
    })
}

/// Host and port of a URL that others can use.
fn address(url: &str, default: u16) -> Option<(String, u16)> {
    let (_, rest) = url.trim().split_once("://")?;
    let authority = rest.split('/').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_own = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    let port = port.map_or(Some(default), |port| port.parse().ok())?;
    (!is_own).then(|| (host.to_owned(), port))
}
