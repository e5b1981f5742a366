//! Pods and joining nodes towards the API server: what the controller manager publishes of its
//! `root-ca-file` in every namespace, the `ca.crt` of token Secrets, and `cluster-info`.
//!
//! Bundles that are equal and good are one connection; each that deviates is one of its own.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>

use super::address::first_address;
use super::apiserver::serving;
use super::builder::Builder;
use super::etcd_clients::slot;
use super::host::Host;
use super::scene::Scene;
use crate::connections::{AskedName, Connection, ConnectionKind, Held, Party, Place, SlotId, Use};
use crate::model::ComponentKind::{KubeApiserver, KubeControllerManager};
use crate::model::cluster::{ApiBundle, BundlePurpose};
use crate::model::role::AuthorityName;
use kubepki_x509::Certificate;
use kubepki_x509::path::ServerName;
use std::collections::HashMap;

/// The names by which every pod may call the API server.
const SERVICE: &str = "kubernetes.default.svc";

/// Somebody who believes the API server by a bundle.
struct Believer {
    id: String,
    kind: ConnectionKind,
    serves: &'static str,
    party: Party,
    trusts: SlotId,
    asks_for_service: bool,
}

pub(super) fn find(builder: &mut Builder, scene: &Scene<'_>) {
    let mut believers = Vec::new();
    let has_configmaps = bundles(scene, BundlePurpose::KubeRootCa).next().is_some();
    for host in scene.running(KubeControllerManager) {
        believers.extend(published(builder, scene, &host, has_configmaps));
    }
    let roots = bundles(scene, BundlePurpose::KubeRootCa);
    grouped(builder, roots, &mut believers, |bundle| match bundle {
        None => ("pods".to_owned(), "pods that talk to the API server"),
        Some(bundle) => (
            format!(
                "pods@{}",
                bundle.object.namespace.as_deref().unwrap_or_default()
            ),
            "pods of one namespace that talk to the API server",
        ),
    });
    let tokens = bundles(scene, BundlePurpose::TokenSecretCa);
    grouped(builder, tokens, &mut believers, |bundle| match bundle {
        None => (
            "token Secrets".to_owned(),
            "whoever uses a ServiceAccount's token from a Secret",
        ),
        Some(bundle) => (
            bundle.object.clone().whole().to_string(),
            "whoever uses this ServiceAccount's token from its Secret",
        ),
    });
    for bundle in bundles(scene, BundlePurpose::ClusterInfo) {
        let party = somebody("a joining node");
        believers.push(Believer {
            id: "joining node".to_owned(),
            kind: ConnectionKind::JoiningNode,
            serves: "kubeadm join: new nodes",
            trusts: bundle_slot(builder, &party, bundle),
            party,
            asks_for_service: false,
        });
    }
    for believer in &believers {
        calls(builder, scene, believer);
    }
}

fn bundles<'a>(
    scene: &Scene<'a>,
    purpose: BundlePurpose,
) -> impl Iterator<Item = &'a ApiBundle> + use<'a> {
    let bundles = scene.cluster.map_or(&[][..], |cluster| &cluster.bundles);
    bundles
        .iter()
        .filter(move |bundle| bundle.purpose == purpose)
}

/// What the controller manager puts into every namespace. Where the API was asked, that is what
/// namespaces yet to come will get, or all of them once it is restarted.
fn published(
    builder: &mut Builder,
    scene: &Scene<'_>,
    host: &Host<'_>,
    has_configmaps: bool,
) -> Option<Believer> {
    let flag = "root-ca-file";
    let trusts = host.trusts(builder, KubeControllerManager, flag, AuthorityName::Cluster)?;
    let name = if has_configmaps {
        "pods to come"
    } else {
        "pods"
    };
    Some(Believer {
        id: scene.end(name, host.name()),
        kind: ConnectionKind::PodToApiserver,
        serves: "pods that talk to the API server",
        party: somebody("pods"),
        trusts,
        asks_for_service: true,
    })
}

/// The bundle that most places hold is one connection; every other place is one of its own.
fn grouped<'a>(
    builder: &mut Builder,
    bundles: impl Iterator<Item = &'a ApiBundle>,
    believers: &mut Vec<Believer>,
    described: impl Fn(Option<&ApiBundle>) -> (String, &'static str),
) {
    let bundles: Vec<&ApiBundle> = bundles.collect();
    let mut counts: HashMap<&[Certificate], usize> = HashMap::new();
    for bundle in bundles.iter().filter(|bundle| bundle.problem.is_none()) {
        *counts.entry(&bundle.certificates).or_default() += 1;
    }
    // Of equally many the first, so that the outcome is always the same.
    let mut usual: Option<(&ApiBundle, usize)> = None;
    for bundle in bundles.iter().filter(|bundle| bundle.problem.is_none()) {
        let count = counts
            .get(bundle.certificates.as_slice())
            .copied()
            .unwrap_or_default();
        if usual.is_none_or(|(_, most)| count > most) {
            usual = Some((bundle, count));
        }
    }
    let usual = usual.map(|(bundle, _)| bundle);
    let is_usual = |bundle: &ApiBundle| {
        bundle.problem.is_none()
            && usual.is_some_and(|usual| usual.certificates == bundle.certificates)
    };
    let others = bundles.iter().filter(|bundle| !is_usual(bundle));
    let all = usual.into_iter().map(|bundle| (bundle, None));
    for (bundle, deviating) in all.chain(others.map(|bundle| (*bundle, Some(*bundle)))) {
        let (id, serves) = described(deviating);
        let party = somebody(&id.replace('@', " of namespace "));
        believers.push(Believer {
            kind: ConnectionKind::PodToApiserver,
            serves,
            trusts: bundle_slot(builder, &party, bundle),
            party,
            id,
            asks_for_service: true,
        });
    }
}

fn bundle_slot(builder: &mut Builder, party: &Party, bundle: &ApiBundle) -> SlotId {
    let place = Place::Api(bundle.object.clone());
    let slot = slot(party, place, Use::Trust, Some(AuthorityName::Cluster));
    builder.slot(slot, |builder| match &bundle.problem {
        Some(problem) => Held::Unusable(problem.clone()),
        None => builder.trust(&bundle.certificates),
    })
}

fn somebody(name: &str) -> Party {
    Party {
        name: name.to_owned(),
        host: None,
        component: None,
    }
}

/// A believer calls every API server: a Service leads to any of them.
fn calls(builder: &mut Builder, scene: &Scene<'_>, believer: &Believer) {
    let mut is_seen = false;
    for server in scene.running(KubeApiserver) {
        is_seen = true;
        let names = match believer.asks_for_service {
            true => service_names(&server),
            false => Vec::new(),
        };
        let end = scene.end("kube-apiserver", server.name());
        let asked: Vec<ServerName> = names.iter().map(|asked| asked.name.clone()).collect();
        let mut connection = between(believer, &end, server.party(KubeApiserver));
        connection.server_presents = serving(builder, &server, asked.get(..1).unwrap_or_default());
        connection.names = names;
        builder.connect(connection);
    }
    if !is_seen {
        let server = super::scene::elsewhere(KubeApiserver, None);
        builder.connect(between(believer, "kube-apiserver", server));
    }
}

fn between(believer: &Believer, server_end: &str, server: Party) -> Connection {
    let mut connection = Connection::between(
        format!("{}->{server_end}", believer.id),
        believer.kind,
        believer.serves,
        believer.party.clone(),
        server,
    );
    connection.client_trusts = Some(believer.trusts);
    connection
}

/// The Service's address, which every client in a pod is given, and its name.
fn service_names(server: &Host<'_>) -> Vec<AskedName> {
    let flag = "service-cluster-ip-range";
    let by = server.flag(KubeApiserver, flag);
    let networks = server.list(KubeApiserver, flag);
    let address = networks.first().and_then(|network| first_address(network));
    let service = ServerName::Dns(SERVICE.to_owned());
    [address.map(ServerName::Ip), Some(service)]
        .into_iter()
        .flatten()
        .map(|name| AskedName {
            name,
            asked_by: by.clone(),
        })
        .collect()
}
