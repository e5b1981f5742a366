//! The API server towards kubelets: logs, exec, port-forward, metrics.
//!
//! Without `--kubelet-certificate-authority`, which kubeadm does not set, the API server believes
//! whatever the kubelet presents. The address that it calls, and asks for, is the first of the node's
//! that `--kubelet-preferred-address-types` finds.

use super::builder::Builder;
use super::etcd_clients::slot;
use super::host::Host;
use super::scene::Scene;
use crate::connections::{AskedName, Connection, ConnectionKind, Held, Place, SlotId, Use};
use crate::layouts::reload;
use crate::model::ComponentKind::{KubeApiserver, Kubelet};
use crate::model::role::AuthorityName;
use crate::model::{ObjectReference, Role};

pub(super) fn find(builder: &mut Builder, scene: &Scene<'_>) {
    for server in scene.running(KubeApiserver) {
        for node in scene.running(Kubelet) {
            one(builder, scene, &server, &node);
        }
    }
}

fn one(builder: &mut Builder, scene: &Scene<'_>, server: &Host<'_>, node: &Host<'_>) {
    let port = node.port(Kubelet, "port", 10250);
    if port == 0 {
        return;
    }
    let mut connection = Connection::between(
        format!(
            "{}->{}",
            scene.end("kube-apiserver", server.name()),
            scene.end("kubelet", node.name())
        ),
        ConnectionKind::ApiserverToKubelet,
        "kubectl logs, exec and port-forward",
        server.party(KubeApiserver),
        node.party(Kubelet),
    );
    let flags = ("kubelet-client-certificate", "kubelet-client-key");
    let cluster = AuthorityName::Cluster;
    connection.client_presents = server.presents(builder, KubeApiserver, flags, Some(cluster));
    connection.client_trusts = server.trusts(
        builder,
        KubeApiserver,
        "kubelet-certificate-authority",
        cluster,
    );
    connection.server_presents = Some(serving(builder, node));
    connection.server_trusts = node.trusts(builder, Kubelet, "client-ca-file", cluster);
    let asked = called(server, node);
    let address = asked
        .as_ref()
        .map_or_else(|| node.name().to_owned(), |asked| asked.name.to_string());
    connection.address = Some((address, port));
    connection.names = asked.into_iter().collect();
    builder.connect(connection);
}

/// The kubelet's serving certificate: named by a flag, in its store, or made by itself.
fn serving(builder: &mut Builder, node: &Host<'_>) -> SlotId {
    let mut entries = node.inventory.entries.iter();
    let Some(entry) = entries.find(|entry| entry.role == Role::KubeletServing) else {
        return node.in_memory(builder, Kubelet);
    };
    let path = entry.holder.path();
    let party = node.party(Kubelet);
    let mut slot = slot(&party, node.file(path), Use::Present, None);
    slot.flag = Some("tls-cert-file".to_owned());
    slot.key_place = entry
        .holder
        .key_path()
        .filter(|key| *key != path)
        .map(|key| node.file(key));
    slot.reload = reload(Kubelet, "tls-cert-file");
    slot.renewable_as = node.renewable_as(entry);
    let held = node.held_entry(entry, None);
    builder.slot(slot, |_| match held {
        Held::Missing(_) => Held::Unknown("it was made when the process started".to_owned()),
        held => held,
    })
}

/// The name that the API server calls the node by.
fn called(server: &Host<'_>, node: &Host<'_>) -> Option<AskedName> {
    let preferred = server.list(KubeApiserver, "kubelet-preferred-address-types");
    let by_address = preferred.first().is_some_and(|first| first.ends_with("IP"));
    let name = match node.node() {
        Some(seen) => {
            let address = seen.ip_addresses.first().map(ToString::to_string);
            let named = seen.addresses.iter();
            let name = named
                .into_iter()
                .find(|name| name.parse::<std::net::IpAddr>().is_err())
                .cloned();
            let (first, second) = if by_address {
                (address, name)
            } else {
                (name, address)
            };
            let asked_by = ObjectReference::cluster_wide("Node", &seen.name).at("status.addresses");
            return Some(AskedName {
                name: first.or(second)?.parse().ok()?,
                asked_by: Place::Api(asked_by),
            });
        }
        None if by_address => {
            let kubelet = node.component(Kubelet)?;
            kubelet.flags.one("node-ip")?.split(',').next()?.to_owned()
        }
        None => node.node_name()?.to_owned(),
    };
    Some(AskedName {
        name: name.parse().ok()?,
        asked_by: node.flag(
            Kubelet,
            if by_address {
                "node-ip"
            } else {
                "hostname-override"
            },
        ),
    })
}
