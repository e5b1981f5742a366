//! The API server as a server: what it presents, by what it believes its clients, and as whom they
//! have to come.

use super::builder::Builder;
use super::etcd_clients::slot;
use super::host::Host;
use super::scene::Scene;
use crate::connections::{Held, Identity, Party, Place, SlotId, Use};
use crate::formats::sni_key_pair::{SNI_FLAG, sni_key_pairs};
use crate::layouts::reload;
use crate::model::ComponentKind::{KubeApiserver, Kubelet};
use crate::model::cluster::BundlePurpose;
use crate::model::role::AuthorityName;
use crate::model::{Role, RunsAs};
use kubepki_x509::path::ServerName;
use kubepki_x509::{Certificate, GeneralName};
use std::path::Path;

/// What an API server presents to one who asks for these names: the certificate that is meant for
/// the name (SNI), else its own. Addresses are never sent as SNI.
pub(super) fn serving(
    builder: &mut Builder,
    host: &Host<'_>,
    names: &[ServerName],
) -> Option<SlotId> {
    let by_name = names
        .iter()
        .filter(|name| matches!(name, ServerName::Dns(_)))
        .find_map(|name| for_name(builder, host, name));
    let flags = ("tls-cert-file", "tls-private-key-file");
    by_name
        .or_else(|| host.presents(builder, KubeApiserver, flags, Some(AuthorityName::Cluster)))
        .or_else(|| Some(host.in_memory(builder, KubeApiserver)))
}

fn for_name(builder: &mut Builder, host: &Host<'_>, name: &ServerName) -> Option<SlotId> {
    let component = host.component(KubeApiserver)?;
    for pair in sni_key_pairs(&component.flags) {
        let path = component.mounts.host_path(Path::new(&pair.certificate))?;
        let mut entries = host.inventory.entries.iter();
        let entry = entries.find(|entry| entry.holder.path() == path)?;
        let names: Vec<GeneralName> = if pair.names.is_empty() {
            entry
                .certificate()
                .map(Certificate::subject_alt_names)
                .unwrap_or_default()
        } else {
            let names = pair.names.iter().cloned();
            names.map(GeneralName::DnsName).collect()
        };
        if name.matches(&names) {
            let party = host.party(KubeApiserver);
            let mut slot = slot(&party, host.file(&path), Use::Present, None);
            slot.flag = Some(SNI_FLAG.to_owned());
            slot.key_place = entry.holder.key_path().map(|key| host.file(key));
            slot.reload = reload(KubeApiserver, "tls-cert-file");
            slot.renewable_as = host.renewable_as(entry);
            return Some(builder.slot(slot, |_| host.held_entry(entry, None)));
        }
    }
    None
}

/// By what an API server believes certificates of its clients.
pub(super) fn client_trust(builder: &mut Builder, host: &Host<'_>) -> Option<SlotId> {
    host.trusts(
        builder,
        KubeApiserver,
        "client-ca-file",
        AuthorityName::Cluster,
    )
}

/// `client-ca-file` as an API server publishes it for others.
pub(super) fn published_trust(
    builder: &mut Builder,
    scene: &Scene<'_>,
    server: &Party,
) -> Option<SlotId> {
    let mut bundles = scene.cluster?.bundles.iter();
    let bundle = bundles.find(|bundle| bundle.purpose == BundlePurpose::ExtensionClientCa)?;
    if scene.running(KubeApiserver).next().is_some() {
        return None;
    }
    let place = Place::Api(bundle.object.clone());
    let slot = slot(server, place, Use::Trust, Some(AuthorityName::Cluster));
    Some(builder.slot(slot, |builder| match &bundle.problem {
        Some(problem) => Held::Unusable(problem.clone()),
        None => builder.trust(&bundle.certificates),
    }))
}

/// As whom the user of a kubeconfig has to come, by the names that the API server's own roles bind.
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#core-component-roles>
pub(super) fn identity(host: &Host<'_>, role: Role) -> Option<Identity> {
    let (common_names, organizations) = match role {
        Role::ControllerManager => (vec!["system:kube-controller-manager".to_owned()], vec![]),
        Role::Scheduler => (vec!["system:kube-scheduler".to_owned()], vec![]),
        Role::KubeProxy => (vec!["system:kube-proxy".to_owned()], vec![]),
        Role::KubeletClient => {
            let node = expected_node(host)?;
            let mut names = vec![format!("system:node:{node}")];
            // RKE 1 gives all its nodes one certificate and binds the role to its name.
            if let RunsAs::DockerContainer { .. } = host.component(Kubelet)?.runs_as {
                names.push("system:node".to_owned());
            }
            (names, vec!["system:nodes".to_owned()])
        }
        _ => return None,
    };
    Some(Identity {
        common_names,
        organizations,
        privileged: vec!["system:masters".to_owned()],
        host_names: Vec::new(),
        demanded_by: host.flag(KubeApiserver, "authorization-mode"),
    })
}

/// The name that the kubelet gives its node, told by something else than its certificate; `None`
/// where a cloud gives it.
fn expected_node(host: &Host<'_>) -> Option<String> {
    let kubelet = host.component(Kubelet)?;
    if let Some(name) = kubelet.flags.one("hostname-override") {
        return Some(name.trim().to_lowercase());
    }
    let cloud = kubelet.flags.one("cloud-provider").unwrap_or_default();
    let name = host.name().trim().to_lowercase();
    let is_name = !name.is_empty() && !name.starts_with('(');
    (matches!(cloud, "" | "external") && is_name).then_some(name)
}

/// Whether the API server's roles go by names: with another authorizer anybody may be anybody.
pub(super) fn authorizes_by_name(server: &Host<'_>, role: Role) -> bool {
    let modes = server.list(KubeApiserver, "authorization-mode");
    match role {
        Role::KubeletClient => modes.contains(&"Node"),
        _ => modes.contains(&"RBAC") && !modes.contains(&"AlwaysAllow"),
    }
}
