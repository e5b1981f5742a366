//! Clients of the controller manager's and the scheduler's own ports: metrics, health, profiles.
//!
//! These ports take a certificate of the cluster's authority (`client-ca-file`) and what a front proxy
//! says of its users (`requestheader-client-ca-file`). What they present themselves is nearly always
//! made when the process starts, and believed by nobody.

use super::builder::Builder;
use super::host::Host;
use super::scene::Scene;
use crate::connections::{Connection, ConnectionKind, Identity, Party, SlotId};
use crate::model::ComponentKind::{
    self, CloudControllerManager, KubeApiserver, KubeControllerManager, KubeScheduler,
};
use crate::model::Role;
use crate::model::role::AuthorityName;

/// What the ports are good for.
const SERVES: &str = "metrics and health over the component's own port";

pub(super) fn find(builder: &mut Builder, scene: &Scene<'_>) {
    for kind in [KubeControllerManager, KubeScheduler, CloudControllerManager] {
        for host in scene.running(kind) {
            client(builder, scene, &host, kind);
            front_proxy(builder, scene, &host, kind);
        }
    }
}

/// One who comes with a certificate of the cluster: the administrator stands for all of them.
fn client(builder: &mut Builder, scene: &Scene<'_>, host: &Host<'_>, kind: ComponentKind) {
    let flag = "client-ca-file";
    let Some(trusts) = host.trusts(builder, kind, flag, AuthorityName::Cluster) else {
        return;
    };
    let mut kubeconfigs = host.inventory.kubeconfigs.iter();
    let admin = kubeconfigs.find_map(|kubeconfig| {
        let is_admins = matches!(kubeconfig.role, Role::Admin | Role::SuperAdmin);
        kubeconfig
            .credential
            .as_ref()
            .filter(|entry| is_admins && !entry.chain.is_empty())
    });
    let Some(entry) = admin else { return };
    let party = host.somebody(format!("kubectl with {}", entry.holder.path().display()));
    let presents = super::kubeconfigs::entry_of(builder, host, &party, entry);
    let mut connection = between(scene, host, kind, "administrator", party);
    connection.client_presents = Some(presents);
    connection.server_presents = serving(builder, host, kind);
    connection.server_trusts = Some(trusts);
    builder.connect(connection);
}

fn front_proxy(builder: &mut Builder, scene: &Scene<'_>, host: &Host<'_>, kind: ComponentKind) {
    let flag = "requestheader-client-ca-file";
    let Some(trusts) = host.trusts(builder, kind, flag, AuthorityName::FrontProxy) else {
        return;
    };
    let flags = ("proxy-client-cert-file", "proxy-client-key-file");
    let authority = Some(AuthorityName::FrontProxy);
    let Some(presents) = host.presents(builder, KubeApiserver, flags, authority) else {
        return;
    };
    let party = host.party(KubeApiserver);
    let mut connection = between(scene, host, kind, "front-proxy", party);
    connection.client_presents = Some(presents);
    connection.server_presents = serving(builder, host, kind);
    connection.server_trusts = Some(trusts);
    let flag = "requestheader-allowed-names";
    let common_names: Vec<String> = host
        .list(kind, flag)
        .into_iter()
        .map(str::to_owned)
        .collect();
    connection.identity = (!common_names.is_empty()).then(|| Identity {
        common_names,
        organizations: Vec::new(),
        privileged: Vec::new(),
        host_names: Vec::new(),
        demanded_by: host.flag(kind, flag),
    });
    builder.connect(connection);
}

fn between(
    scene: &Scene<'_>,
    host: &Host<'_>,
    kind: ComponentKind,
    client: &str,
    party: Party,
) -> Connection {
    let mut connection = Connection::between(
        format!(
            "{}->{}",
            scene.end(client, host.name()),
            scene.end(kind.executable(), host.name())
        ),
        ConnectionKind::ComponentPort,
        SERVES,
        party,
        host.party(kind),
    );
    let default = match kind {
        KubeControllerManager => 10257,
        KubeScheduler => 10259,
        _ => 10258,
    };
    let port = host.port(kind, "secure-port", default);
    connection.address = Some(("127.0.0.1".to_owned(), port));
    connection
}

fn serving(builder: &mut Builder, host: &Host<'_>, kind: ComponentKind) -> Option<SlotId> {
    let flags = ("tls-cert-file", "tls-private-key-file");
    let named = host.presents(builder, kind, flags, None);
    named.or_else(|| Some(host.in_memory(builder, kind)))
}
