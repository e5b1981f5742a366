//! Which layout a host follows, told by what discovery found on it. Pure.
//!
//! The first rule that fits wins; each says by what it was told. The name changes nothing about
//! what is renewed, but for distributions that see to their certificates themselves
//! ([`super::vendors`]): theirs are not written to.

use super::kind::LayoutKind;
use super::vendors::{VendorLayout, vendor_of};
use crate::model::{Component, ComponentKind, Entry, Inventory, Role, RunsAs};
use std::path::{Path, PathBuf};

/// A layout, and by what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Which one.
    pub kind: LayoutKind,
    /// What gave it away, in words.
    pub evidence: String,
    /// The distribution that sees to the certificates itself.
    pub vendor: Option<&'static VendorLayout>,
}

/// Tells the layout of a host.
pub fn recognise(inventory: &Inventory) -> Recognised {
    const RULES: [fn(&Inventory) -> Option<Recognised>; 7] = [
        vendor, in_docker, kubespray, kubeadm, kubeasz, by_hand, processes,
    ];
    let found = RULES.iter().find_map(|rule| rule(inventory));
    let found = found.unwrap_or_else(|| {
        told(
            LayoutKind::Unknown,
            "no component of a cluster was found on this host".to_owned(),
        )
    });
    // Whoever declares a distribution's layout does not take its certificates from it.
    if inventory.declared.is_none() || found.vendor.is_some() {
        return found;
    }
    let without = format!("without it, {}: {}", found.kind, found.evidence);
    told(
        LayoutKind::Declared,
        format!("a layout was given; {without}"),
    )
}

/// The distribution whose entry this is: that one renews it.
pub fn vendor_of_entry(entry: &Entry) -> Option<&'static VendorLayout> {
    vendor_of(entry.holder.path()).or_else(|| vendor_of(entry.kubeconfig.as_deref()?))
}

fn told(kind: LayoutKind, evidence: String) -> Recognised {
    Recognised {
        kind,
        evidence,
        vendor: None,
    }
}

/// A distribution's files, and nothing in use that lies elsewhere (an older cluster's folder may
/// have been left behind).
fn vendor(inventory: &Inventory) -> Option<Recognised> {
    let certificate = |entry: &Entry| {
        vendor_of_entry(entry).map(|vendor| (entry.holder.path().to_owned(), vendor))
    };
    let authority = || {
        inventory.authorities.iter().find_map(|authority| {
            let path = authority.certificate_path.clone();
            vendor_of(&path).map(|vendor| (path, vendor))
        })
    };
    let (path, vendor) = inventory
        .entries
        .iter()
        .find_map(certificate)
        .or_else(authority)?;
    let elsewhere = inventory
        .entries
        .iter()
        .any(|entry| !entry.used_by.is_empty() && vendor_of_entry(entry).is_none());
    (!elsewhere).then(|| Recognised {
        kind: vendor.kind,
        evidence: format!("{} is {}'s", path.display(), vendor.program),
        vendor: Some(vendor),
    })
}

/// Components in containers that docker starts.
fn in_docker(inventory: &Inventory) -> Option<Recognised> {
    let (component, container) =
        inventory
            .components
            .iter()
            .find_map(|component| match &component.runs_as {
                RunsAs::DockerContainer { container } => Some((component.kind, container)),
                _ => None,
            })?;
    // kubespray may run etcd alone in docker.
    if let Some(found) = kubespray(inventory) {
        return Some(found);
    }
    let rkes = inventory.entries.iter().find(|entry| {
        let name = file_name(entry.holder.path());
        name == "kube-node.pem" || name == "kube-apiserver.pem" || name.starts_with("kube-etcd-")
    });
    Some(match rkes {
        Some(entry) => told(
            LayoutKind::Rke1,
            format!(
                "{component} runs in the docker container {container}, with {}",
                entry.holder.path().display()
            ),
        ),
        None => told(
            LayoutKind::ByHandInDocker,
            format!("{component} runs in the docker container {container}"),
        ),
    })
}

/// etcd with a certificate for each host, or kubeadm's static pods over `/etc/kubernetes/ssl`.
fn kubespray(inventory: &Inventory) -> Option<Recognised> {
    let of_host = inventory.entries.iter().find(|entry| {
        let name = file_name(entry.holder.path());
        let is_etcds = matches!(
            entry.role,
            Role::EtcdServer | Role::EtcdPeer | Role::ApiserverEtcdClient
        );
        is_etcds
            && name.ends_with(".pem")
            && (name.starts_with("member-") || name.starts_with("node-"))
    });
    if let Some(entry) = of_host {
        let path = entry.holder.path().display();
        return Some(told(
            LayoutKind::Kubespray,
            format!("{path} is named as kubespray names etcd's certificates"),
        ));
    }
    let api_server = inventory.component(ComponentKind::KubeApiserver)?;
    let serving = api_server.host_path("tls-cert-file")?;
    (is_static_pod(api_server) && serving.starts_with("/etc/kubernetes/ssl")).then(|| {
        told(
            LayoutKind::Kubespray,
            format!(
                "kube-apiserver is a static pod that serves {}",
                serving.display()
            ),
        )
    })
}

/// Static pods over certificates with kubeadm's names, or a kubelet with kubeadm's kubeconfig.
fn kubeadm(inventory: &Inventory) -> Option<Recognised> {
    let etcd = inventory.component(ComponentKind::Etcd);
    let etcds =
        |component: &Component| Some((is_static_pod(component), component.host_path("cert-file")?));
    let stacked = etcd
        .and_then(etcds)
        .filter(|(is_pod, path)| *is_pod && path.ends_with("etcd/server.crt"));
    let api_server = inventory.component(ComponentKind::KubeApiserver);
    if let Some(api_server) = api_server {
        let serving = api_server.host_path("tls-cert-file")?;
        if !is_static_pod(api_server) || file_name(&serving) != "apiserver.crt" {
            return None;
        }
        let evidence = format!(
            "kube-apiserver is a static pod that serves {}",
            serving.display()
        );
        return Some(match (stacked, etcd) {
            (Some(_), _) => told(LayoutKind::Kubeadm, evidence),
            (None, Some(_)) => told(
                LayoutKind::KubeadmExternalEtcd,
                format!("{evidence}; etcd on this host is not kubeadm's"),
            ),
            (None, None) => told(
                LayoutKind::KubeadmExternalEtcd,
                format!("{evidence}; there is no etcd on this host"),
            ),
        });
    }
    // An etcd host set up with `kubeadm init phase etcd local`, without an API server.
    if let Some((_, path)) = stacked {
        return Some(told(
            LayoutKind::KubeadmExternalEtcd,
            format!(
                "etcd is a static pod that serves {}, and there is no API server",
                path.display()
            ),
        ));
    }
    let kubeconfig = inventory
        .component(ComponentKind::Kubelet)?
        .host_path("kubeconfig")?;
    (file_name(&kubeconfig) == "kubelet.conf").then(|| {
        told(
            LayoutKind::Kubeadm,
            format!("the kubelet's kubeconfig is {}", kubeconfig.display()),
        )
    })
}

/// kubeasz's names of kubeconfigs, or of the front proxy's client certificate.
fn kubeasz(inventory: &Inventory) -> Option<Recognised> {
    let ssl = inventory.entries.iter().any(|entry| {
        let folder = entry.holder.path().parent();
        folder.is_some_and(|folder| folder.ends_with("kubernetes/ssl"))
    });
    let proxy = inventory
        .entries
        .iter()
        .map(|entry| entry.holder.path())
        .find(|path| file_name(path) == "aggregator-proxy.pem")
        .map(Path::to_owned);
    let kubelet = inventory
        .component(ComponentKind::Kubelet)
        .and_then(|kubelet| kubelet.host_path("kubeconfig"))
        .filter(|path| ssl && file_name(path) == "kubelet.kubeconfig");
    let path: PathBuf = proxy.or(kubelet)?;
    Some(told(
        LayoutKind::Kubeasz,
        format!("{} is named as kubeasz names it", path.display()),
    ))
}

/// Units of systemd.
fn by_hand(inventory: &Inventory) -> Option<Recognised> {
    inventory
        .components
        .iter()
        .find_map(|component| match &component.runs_as {
            RunsAs::SystemdUnit { unit } => Some(told(
                LayoutKind::ByHand,
                format!("{} runs as {unit}", component.kind),
            )),
            _ => None,
        })
}

fn processes(inventory: &Inventory) -> Option<Recognised> {
    let component = inventory.components.first()?;
    let how = match &component.runs_as {
        RunsAs::StaticPod { manifest, .. } => format!("is the static pod {}", manifest.display()),
        _ => "runs, started by something unknown".to_owned(),
    };
    Some(told(
        LayoutKind::ByHand,
        format!("{} {how}", component.kind),
    ))
}

fn is_static_pod(component: &Component) -> bool {
    matches!(component.runs_as, RunsAs::StaticPod { .. })
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
