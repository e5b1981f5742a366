//! Which connections of the graph are tried from here, where, and with which question.

use super::ExamineOptions;
use super::questions::{Question, Rounds, ServedQuestion};
use kubepki_core::connections::{Connection, ConnectionKind, Graph, Place};
use kubepki_core::model::Inventory;
use kubepki_core::plan::endpoints;
use kubepki_x509::path::ServerName;
use std::net::IpAddr;

/// Connections that start on this host, or anywhere, and lead to an address.
pub(super) fn of_graph<'a>(
    inventory: &Inventory,
    graph: &'a Graph,
    options: &ExamineOptions,
    rounds: &mut Rounds<'a>,
) {
    for connection in &graph.connections {
        let elsewhere = |host: &String| *host != inventory.host;
        if connection.client.host.as_ref().is_some_and(elsewhere)
            || connection.kind == ConnectionKind::Exposed
            || is_front_proxys(graph, connection)
        {
            continue;
        }
        let Some((host, port)) = address(inventory, connection) else {
            continue;
        };
        if let Some(question) = served(connection) {
            rounds.serve(&host, port, question);
        }
        if can_be_tried(graph, connection, options) {
            rounds.push(&host, port, Question::Attempt(connection));
        }
    }
}

/// The page that is asked for once both sides are content. None of them changes anything, and each
/// is answered to whoever is known; whether the client is known is what its status tells.
pub(super) fn page(kind: ConnectionKind, has_identity: bool) -> Option<&'static str> {
    match kind {
        // etcd members ask one another for it. A peer whose address is not in its certificate is
        // turned away after the handshake, which only a question shows.
        ConnectionKind::EtcdPeer => Some("/version"),
        ConnectionKind::ApiserverToEtcd
        | ConnectionKind::EtcdHealthcheck
        | ConnectionKind::EtcdClient => Some("/health"),
        // Without a certificate the answer would be about nobody.
        ConnectionKind::KubeconfigToApiserver
        | ConnectionKind::PodToApiserver
        | ConnectionKind::JoiningNode => has_identity.then_some("/version"),
        ConnectionKind::ApiserverToKubelet | ConnectionKind::ComponentPort => {
            has_identity.then_some("/healthz")
        }
        // Somebody else's program: a page that is harmless to ask for is not known.
        ConnectionKind::ApiserverToAggregated
        | ConnectionKind::ApiserverToWebhook
        | ConnectionKind::Exposed => None,
    }
}

/// Whether a front proxy calls a component's own port. Without the user for whom it calls it would be
/// taken for an ordinary client, and refused; and nobody's name is put forward here.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy>
fn is_front_proxys(graph: &Graph, connection: &Connection) -> bool {
    let presented = connection.client_presents.and_then(|id| graph.slot(id));
    connection.kind == ConnectionKind::ComponentPort
        && presented.is_some_and(|slot| slot.flag.as_deref() == Some("proxy-client-cert-file"))
}

/// The address of a connection: the graph's, or where its server listens on this host.
fn address(inventory: &Inventory, connection: &Connection) -> Option<(String, u16)> {
    let given = || connection.address.clone();
    match connection.kind {
        // What these listen on is known better than by which name others find them.
        ConnectionKind::ApiserverToKubelet | ConnectionKind::ComponentPort => {
            own_address(inventory, connection).or_else(given)
        }
        _ => given().or_else(|| own_address(inventory, connection)),
    }
}

/// Where the server of a connection listens, when it runs on this host.
fn own_address(inventory: &Inventory, connection: &Connection) -> Option<(String, u16)> {
    if connection.server.host.as_ref() != Some(&inventory.host) {
        return None;
    }
    let component = inventory.component(connection.server.component?)?;
    let flag = match connection.kind {
        ConnectionKind::EtcdPeer => Some("peer-cert-file"),
        ConnectionKind::ApiserverToEtcd
        | ConnectionKind::EtcdHealthcheck
        | ConnectionKind::EtcdClient => Some("cert-file"),
        _ => None,
    };
    let endpoints: Vec<_> = endpoints::serving(component)
        .into_iter()
        .filter(|endpoint| flag.is_none_or(|flag| flag == endpoint.flag))
        .collect();
    // etcd listens on several addresses: the one that the client asks for, if it is one of them.
    let asked = endpoints.iter().find(|endpoint| {
        connection.names.iter().any(|asked| match &asked.name {
            ServerName::Ip(address) => endpoint.host.parse::<IpAddr>() == Ok(*address),
            ServerName::Dns(name) => *name == endpoint.host,
        })
    });
    let endpoint = asked.or_else(|| endpoints.first())?;
    Some((endpoint.host.clone(), endpoint.port))
}

/// What webhooks and aggregated API servers serve: no host's examination looks at them otherwise.
/// Kubelets, API servers and etcd members are looked at where they run.
fn served(connection: &Connection) -> Option<ServedQuestion> {
    let is_backend = matches!(
        connection.kind,
        ConnectionKind::ApiserverToAggregated | ConnectionKind::ApiserverToWebhook
    );
    let asked = connection.names.first();
    is_backend.then(|| ServedQuestion {
        component: None,
        flag: None,
        server_name: asked.map(|asked| asked.name.to_string()),
        exposed_by: Some(asked.map_or_else(
            || connection.server.to_string(),
            |asked| asked.asked_by.to_string(),
        )),
    })
}

/// Whether what the client trusts can be had here.
fn can_be_tried(graph: &Graph, connection: &Connection, options: &ExamineOptions) -> bool {
    let Some(slot) = connection.client_trusts.and_then(|id| graph.slot(id)) else {
        return true;
    };
    matches!(
        slot.place,
        Place::File { .. } | Place::KubeconfigCluster { .. }
    ) || options.material.is_some()
}
