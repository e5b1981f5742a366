//! What the API adds: webhooks, aggregated APIs, pods of every namespace, joining nodes, clients of
//! etcd in Secrets.

use crate::authority::{Authority, NOW, Signed, bundle};
use crate::world::{Shape, World};
use kubepki_core::connections::{
    Connection, ConnectionKind, Graph, Judgement, Material, Verdict, derive, verify,
};
use kubepki_core::diagnose::Evidence;
use kubepki_core::model::ObjectReference;
use kubepki_core::model::cluster::{
    ApiBackend, ApiCertificate, BackendKind, BundlePurpose, ClusterObservation, Encoding,
};
use kubepki_x509::Certificate;
use kubepki_x509::path::Uncached;
use std::collections::BTreeMap;

fn observation() -> ClusterObservation {
    ClusterObservation {
        server: "https://10.0.0.11:6443".to_owned(),
        version: None,
        observed_at: NOW,
        server_time: None,
        bundles: Vec::new(),
        certificates: Vec::new(),
        backends: Vec::new(),
        requests: Vec::new(),
        bootstrap_tokens: Vec::new(),
        token_secrets: Vec::new(),
        service_account_keys: Vec::new(),
        namespaces: Vec::new(),
        nodes: Vec::new(),
        exposed: Vec::new(),
        cluster_info_tokens: Vec::new(),
        requestheader_allowed_names: None,
        counts: BTreeMap::new(),
        gaps: Vec::new(),
    }
}

fn secret(namespace: &str, name: &str, signed: &Signed) -> ApiCertificate {
    let certificate = &signed.chain[0];
    ApiCertificate {
        object: ObjectReference::namespaced("Secret", namespace, name).at("data[tls.crt]"),
        encoding: Encoding::Pem,
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        fingerprint: certificate.fingerprint_sha256(),
        not_before: certificate.validity().not_before,
        not_after: certificate.validity().not_after,
        is_ca: false,
        signed_by: None,
        key_matches: Some(true),
        managed_by: None,
        chain: signed.chain.clone(),
        problem: None,
    }
}

fn backend(kind: BackendKind, trusted: Option<Vec<Certificate>>) -> ApiBackend {
    let object = match kind {
        BackendKind::ApiService => {
            ObjectReference::cluster_wide("APIService", "v1.x").at("spec.caBundle")
        }
        _ => ObjectReference::cluster_wide("ValidatingWebhookConfiguration", "a")
            .at("webhooks[b.example.com].clientConfig.caBundle"),
    };
    ApiBackend {
        object,
        kind,
        server_name: "web.shop.svc".to_owned(),
        addresses: vec![("10.1.0.7".to_owned(), 8443)],
        ca_bundle: trusted,
        unverified: false,
        blocks: true,
        available: None,
        problem: None,
    }
}

fn derived(world: &World, cluster: &ClusterObservation) -> (Graph, Material) {
    let hosts = world.evidence();
    derive(&Evidence {
        hosts: &hosts,
        cluster: Some(cluster),
    })
}

fn found<'a>(graph: &'a Graph, id: &str) -> &'a Connection {
    let ids: Vec<&str> = graph
        .connections
        .iter()
        .map(|found| found.id.as_str())
        .collect();
    graph
        .connection(id)
        .unwrap_or_else(|| panic!("{id} is not among {ids:#?}"))
}

fn verdict(world: &World, cluster: &ClusterObservation, id: &str) -> Verdict {
    let (graph, material) = derived(world, cluster);
    verify(&graph, &material, found(&graph, id), NOW, &Uncached)
}

const WEBHOOK: &str = "kube-apiserver->ValidatingWebhookConfiguration a/b.example.com";

#[test]
fn a_webhook_is_verified_by_the_secret_that_serves_its_name() {
    let world = World::new(Shape::default());
    let (own, other) = (Authority::root("shop-ca"), Authority::root("shop-ca"));
    let serving = own.server("web", &["web.shop.svc"]);
    let mut cluster = observation();
    let trusts = |cluster: &mut ClusterObservation, authority: &Authority| {
        let trusted = Some(vec![authority.anchor.clone()]);
        cluster.backends = vec![backend(BackendKind::ValidatingWebhook, trusted)];
    };
    trusts(&mut cluster, &own);
    // Nobody can tell what it serves but by asking it.
    assert!(matches!(
        verdict(&world, &cluster, WEBHOOK).server,
        Judgement::Unknown(_)
    ));
    cluster.certificates = vec![secret("shop", "web-tls", &serving)];
    let good = verdict(&world, &cluster, WEBHOOK);
    assert_eq!(
        (good.server, good.client),
        (Judgement::Verified, Judgement::NotApplicable)
    );
    trusts(&mut cluster, &other);
    assert!(!verdict(&world, &cluster, WEBHOOK).holds());
    // Of two Secrets that could be meant neither is.
    cluster
        .certificates
        .push(secret("shop", "web-tls-old", &serving));
    assert!(verdict(&world, &cluster, WEBHOOK).holds());
    let (graph, _) = derived(&world, &cluster);
    assert_eq!(
        found(&graph, WEBHOOK).kind,
        ConnectionKind::ApiserverToWebhook
    );
    assert_eq!(
        found(&graph, WEBHOOK).address,
        Some(("10.1.0.7".to_owned(), 8443))
    );
}

#[test]
fn an_aggregated_api_believes_the_front_proxy_by_what_is_published() {
    let world = World::new(Shape::default());
    let mut cluster = observation();
    let mut service = backend(BackendKind::ApiService, None);
    service.unverified = true;
    cluster.backends = vec![service];
    let published = ObjectReference::namespaced(
        "ConfigMap",
        "kube-system",
        "extension-apiserver-authentication",
    )
    .at("data[requestheader-client-ca-file]");
    let purpose = BundlePurpose::ExtensionRequestheaderCa;
    let publish = |authority: &Authority| {
        vec![bundle(
            purpose,
            published.clone(),
            std::slice::from_ref(&authority.anchor),
        )]
    };
    cluster.bundles = publish(world.front_proxy_ca());
    cluster.requestheader_allowed_names = Some(vec!["front-proxy-client".to_owned()]);
    let id = "kube-apiserver->APIService v1.x";
    let good = verdict(&world, &cluster, id);
    assert_eq!(
        (good.server, good.client),
        (Judgement::NotApplicable, Judgement::Verified)
    );
    cluster.requestheader_allowed_names = Some(vec!["somebody".to_owned()]);
    assert!(!verdict(&world, &cluster, id).holds());
    cluster.requestheader_allowed_names = Some(Vec::new());
    assert!(verdict(&world, &cluster, id).holds());
    cluster.bundles = publish(world.cluster_ca());
    assert!(!verdict(&world, &cluster, id).holds());
}

#[test]
fn namespaces_with_the_same_root_are_one_connection_and_the_others_their_own() {
    let world = World::new(Shape::default());
    let good = [world.cluster_ca().anchor.clone()];
    let old = [Authority::root("kubernetes").anchor];
    let root = |namespace: &str, certificates: &[Certificate]| {
        let object = ObjectReference::namespaced("ConfigMap", namespace, "kube-root-ca.crt");
        bundle(
            BundlePurpose::KubeRootCa,
            object.at("data[ca.crt]"),
            certificates,
        )
    };
    let mut cluster = observation();
    cluster.bundles = vec![root("a", &good), root("b", &old), root("c", &good)];
    let mut damaged = root("d", &[]);
    damaged.problem = Some("it holds no certificate".to_owned());
    cluster.bundles.push(damaged);
    let token = ObjectReference::namespaced("Secret", "a", "token").at("data[ca.crt]");
    cluster
        .bundles
        .push(bundle(BundlePurpose::TokenSecretCa, token, &good));
    let (graph, _) = derived(&world, &cluster);
    let pods = graph
        .connections
        .iter()
        .filter(|found| found.kind == ConnectionKind::PodToApiserver);
    let ids: Vec<&str> = pods.map(|found| found.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "pods to come->kube-apiserver",
            "pods->kube-apiserver",
            "pods@b->kube-apiserver",
            "pods@d->kube-apiserver",
            "token Secrets->kube-apiserver",
        ]
    );
    let holds = |id: &str| verdict(&world, &cluster, id).holds();
    assert!(holds("pods->kube-apiserver") && holds("token Secrets->kube-apiserver"));
    assert!(!holds("pods@b->kube-apiserver") && !holds("pods@d->kube-apiserver"));
}

#[test]
fn a_joining_node_and_a_client_of_etcd_in_a_secret() {
    let world = World::new(Shape::default());
    let mut cluster = observation();
    let object = ObjectReference::namespaced("ConfigMap", "kube-public", "cluster-info");
    let trusted = [world.cluster_ca().anchor.clone()];
    cluster.bundles = vec![bundle(
        BundlePurpose::ClusterInfo,
        object.at("data[kubeconfig]"),
        &trusted,
    )];
    let client = world.etcd_ca().client("prometheus", None);
    cluster.certificates = vec![secret("monitoring", "etcd-client", &client)];
    assert_eq!(
        verdict(&world, &cluster, "joining node->kube-apiserver").server,
        Judgement::Verified
    );
    let id = "Secret monitoring/etcd-client->etcd";
    assert_eq!(verdict(&world, &cluster, id).client, Judgement::Verified);
    let stranger = world.front_proxy_ca().client("prometheus", None);
    let trusted = [world.etcd_ca().anchor.clone()];
    let ca = ObjectReference::namespaced("Secret", "monitoring", "etcd-client").at("data[ca.crt]");
    cluster.bundles = vec![bundle(BundlePurpose::EtcdClient, ca, &trusted)];
    cluster.certificates = vec![secret("monitoring", "etcd-client", &stranger)];
    let bad = verdict(&world, &cluster, id);
    assert_eq!(bad.server, Judgement::Verified);
    assert!(!bad.holds());
}

#[test]
fn a_worker_alone_knows_its_server_by_what_the_api_publishes() {
    let mut world = World::new(Shape {
        workers: 1,
        ..Shape::default()
    });
    let worker = world.machines.pop().unwrap();
    world.machines = vec![worker];
    let mut cluster = observation();
    let id = "kubelet->kube-apiserver";
    let alone = verdict(&world, &cluster, id);
    assert!(matches!(alone.server, Judgement::Unknown(_)), "{alone:?}");
    assert!(matches!(alone.client, Judgement::Unknown(_)), "{alone:?}");
    let published = ObjectReference::namespaced(
        "ConfigMap",
        "kube-system",
        "extension-apiserver-authentication",
    );
    let trusted = [world.cluster_ca().anchor.clone()];
    cluster.bundles = vec![bundle(
        BundlePurpose::ExtensionClientCa,
        published.at("data[client-ca-file]"),
        &trusted,
    )];
    assert_eq!(verdict(&world, &cluster, id).client, Judgement::Verified);
}
