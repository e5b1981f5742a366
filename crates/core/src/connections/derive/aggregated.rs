//! The API server towards servers outside the control plane: aggregated API servers, admission and
//! conversion webhooks.
//!
//! An aggregated API server believes the front proxy by what `extension-apiserver-authentication`
//! holds, which the API server writes from its own flags and only ever adds to.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>

use super::builder::{Builder, credential};
use super::etcd_clients::slot;
use super::host::Host;
use super::scene::Scene;
use crate::connections::{
    AskedName, Connection, ConnectionKind, Held, Identity, KeyMatch, Party, Place, SlotId, Use,
};
use crate::layouts::Reload;
use crate::model::ComponentKind::KubeApiserver;
use crate::model::ObjectReference;
use crate::model::cluster::{ApiBackend, ApiCertificate, BackendKind, BundlePurpose};
use crate::model::role::AuthorityName;
use kubepki_x509::path::ServerName;

pub(super) fn find(builder: &mut Builder, scene: &Scene<'_>) {
    for server in scene.running(KubeApiserver) {
        front_proxy(builder, scene, &server);
        let backends = scene.cluster.map_or(&[][..], |cluster| &cluster.backends);
        for backend in backends {
            one(builder, scene, Some(&server), backend);
        }
    }
    if scene.running(KubeApiserver).next().is_none() {
        let backends = scene.cluster.map_or(&[][..], |cluster| &cluster.backends);
        for backend in backends {
            one(builder, scene, None, backend);
        }
    }
}

/// The front proxy by the API server's own flags: what the aggregated servers are told to trust.
fn front_proxy(builder: &mut Builder, scene: &Scene<'_>, server: &Host<'_>) {
    let presents = proxy_client(builder, server);
    let flag = "requestheader-client-ca-file";
    let trusts = server.trusts(builder, KubeApiserver, flag, AuthorityName::FrontProxy);
    if presents.is_none() || trusts.is_none() {
        return;
    }
    let mut connection = Connection::between(
        format!(
            "{}->aggregated API servers",
            scene.end("kube-apiserver", server.name())
        ),
        ConnectionKind::ApiserverToAggregated,
        "every aggregated API (kubectl top, custom metrics)",
        server.party(KubeApiserver),
        somebody("aggregated API servers"),
    );
    connection.client_presents = presents;
    connection.server_trusts = trusts;
    connection.identity = named_by_flag(server);
    builder.connect(connection);
}

fn named_by_flag(server: &Host<'_>) -> Option<Identity> {
    let flag = "requestheader-allowed-names";
    let names = server.list(KubeApiserver, flag);
    allowed(
        names.into_iter().map(str::to_owned).collect(),
        server.flag(KubeApiserver, flag),
    )
}

fn allowed(common_names: Vec<String>, demanded_by: Place) -> Option<Identity> {
    (!common_names.is_empty()).then_some(Identity {
        common_names,
        organizations: Vec::new(),
        privileged: Vec::new(),
        host_names: Vec::new(),
        demanded_by,
    })
}

fn one(builder: &mut Builder, scene: &Scene<'_>, server: Option<&Host<'_>>, backend: &ApiBackend) {
    let object = backend.object.clone().whole();
    let is_aggregated = backend.kind == BackendKind::ApiService;
    let client = match server {
        Some(server) => server.party(KubeApiserver),
        None => super::scene::elsewhere(KubeApiserver, None),
    };
    let end = match server {
        Some(server) => scene.end("kube-apiserver", server.name()),
        None => "kube-apiserver".to_owned(),
    };
    let party = somebody(&backend.server_name);
    let mut connection = Connection::between(
        format!("{end}->{}", named(backend)),
        match is_aggregated {
            true => ConnectionKind::ApiserverToAggregated,
            false => ConnectionKind::ApiserverToWebhook,
        },
        match backend.kind {
            BackendKind::ApiService => format!("the API {}", object.name),
            BackendKind::ConversionWebhook => {
                format!("conversion of {} between versions", object.name)
            }
            _ if backend.blocks => format!("{} (requests fail without it)", object.name),
            _ => format!("{} (requests pass without it)", object.name),
        },
        client.clone(),
        party.clone(),
    );
    connection.client_trusts = trust(builder, &client, backend);
    connection.server_presents = presented(builder, scene, &party, backend);
    if let Ok(name) = backend.server_name.parse::<ServerName>() {
        connection.names.push(AskedName {
            name,
            asked_by: Place::Api(object),
        });
    }
    connection.address = backend.addresses.first().cloned();
    if is_aggregated {
        connection.client_presents = server.and_then(|server| proxy_client(builder, server));
        connection.server_trusts = published(builder, scene, &party);
        connection.identity = scene.cluster.and_then(|cluster| {
            let names = cluster.requestheader_allowed_names.clone()?;
            let field = "data[requestheader-allowed-names]";
            allowed(names, Place::Api(authentication().at(field)))
        });
    }
    builder.connect(connection);
}

/// `ValidatingWebhookConfiguration a/webhook.example.com`, `CustomResourceDefinition x`.
fn named(backend: &ApiBackend) -> String {
    let ObjectReference {
        kind, name, field, ..
    } = &backend.object;
    let webhook = field
        .as_deref()
        .and_then(|field| field.strip_prefix("webhooks["))
        .and_then(|field| field.split(']').next());
    match webhook {
        Some(webhook) => format!("{kind} {name}/{webhook}"),
        None => format!("{kind} {name}"),
    }
}

fn somebody(name: &str) -> Party {
    Party {
        name: name.to_owned(),
        host: None,
        component: None,
    }
}

fn proxy_client(builder: &mut Builder, server: &Host<'_>) -> Option<SlotId> {
    let flags = ("proxy-client-cert-file", "proxy-client-key-file");
    server.presents(
        builder,
        KubeApiserver,
        flags,
        Some(AuthorityName::FrontProxy),
    )
}

fn trust(builder: &mut Builder, client: &Party, backend: &ApiBackend) -> Option<SlotId> {
    if backend.unverified {
        return None;
    }
    let mut slot = slot(client, Place::Api(backend.object.clone()), Use::Trust, None);
    slot.reload = Reload::NextConnection;
    Some(builder.slot(slot, |builder| {
        match (&backend.problem, &backend.ca_bundle) {
            (Some(problem), _) => Held::Unusable(problem.clone()),
            (None, Some(certificates)) => builder.trust(certificates),
            (None, None) => {
                Held::Unknown("the system's own CA certificates are trusted".to_owned())
            }
        }
    }))
}

/// The certificate of a Secret in the backend's namespace that holds the name asked for. One that
/// several Secrets could hold is not told apart: only the wire tells which is served.
fn presented(
    builder: &mut Builder,
    scene: &Scene<'_>,
    party: &Party,
    backend: &ApiBackend,
) -> Option<SlotId> {
    let name: ServerName = backend.server_name.parse().ok()?;
    let namespace = backend
        .server_name
        .strip_suffix(".svc")
        .and_then(|name| name.split('.').nth(1))?;
    let is_its_own = |certificate: &&ApiCertificate| {
        certificate.object.kind == "Secret"
            && certificate.object.namespace.as_deref() == Some(namespace)
            && !certificate.is_ca
            && certificate.key_matches.is_some()
            && certificate
                .chain
                .first()
                .is_some_and(|leaf| name.matches(&leaf.subject_alt_names()))
    };
    let mut found = scene.cluster?.certificates.iter().filter(is_its_own);
    let (only, None) = (found.next()?, found.next()) else {
        return None;
    };
    let slot = slot(party, Place::Api(only.object.clone()), Use::Present, None);
    Some(builder.slot(slot, |_| {
        let key = match only.key_matches {
            Some(false) => KeyMatch::Differs,
            _ => KeyMatch::Matches,
        };
        credential(&only.chain, key)
    }))
}

fn authentication() -> ObjectReference {
    ObjectReference::namespaced(
        "ConfigMap",
        "kube-system",
        "extension-apiserver-authentication",
    )
}

/// By what an aggregated API server believes the front proxy.
fn published(builder: &mut Builder, scene: &Scene<'_>, party: &Party) -> Option<SlotId> {
    let purpose = BundlePurpose::ExtensionRequestheaderCa;
    let mut bundles = scene.cluster?.bundles.iter();
    let bundle = bundles.find(|bundle| bundle.purpose == purpose)?;
    let place = Place::Api(bundle.object.clone());
    let mut slot = slot(party, place, Use::Trust, Some(AuthorityName::FrontProxy));
    slot.reload = Reload::Live { within_seconds: 70 };
    Some(builder.slot(slot, |builder| match &bundle.problem {
        Some(problem) => Held::Unusable(problem.clone()),
        None => builder.trust(&bundle.certificates),
    }))
}
