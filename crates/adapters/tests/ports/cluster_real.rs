//! The scan of a real API: a control plane with every kind of object that holds certificates, read
//! by the ServiceAccount that `deploy/rbac` makes.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kubepki_adapters::kube::ClusterClient;
use kubepki_core::model::cluster::{
    ApiCertificate, BackendKind, BundlePurpose, ClusterObservation, Encoding, KnownKeys,
    RequestState,
};
use kubepki_engine::cluster::{ScanOptions, scan};
use kubepki_engine::ports::{ClusterErrorKind, ClusterRead, PageRequest, Progress};
use kubepki_x509::{Certificate, pem};

use crate::certificates::{CLIENT, wish};
use crate::cluster_objects::{objects, uploaded_certificates};
use crate::cluster_servers::ControlPlane;

struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

const RULES: &str = include_str!("../../../../deploy/rbac/kubepki-reader.yaml");

fn known(plane: &ControlPlane) -> KnownKeys {
    let etcd = fs_err::read(plane.folder().join("etcd-ca.crt")).unwrap();
    let mut authorities = vec![plane.authority.read(), plane.front_proxy.read()];
    authorities.extend(pem::certificates(&etcd).unwrap());
    KnownKeys {
        authorities,
        service_account_keys: vec![
            plane.front_proxy.read().public_key().clone(),
            plane.accounts.read().public_key().clone(),
        ],
    }
}

fn scanned(plane: &ControlPlane, kubeconfig: &str, options: &ScanOptions) -> ClusterObservation {
    let kubeconfig = ControlPlane::sealed(kubeconfig);
    let client = ClusterClient::new(&kubeconfig, plane.folder(), None).unwrap();
    scan(&client, &known(plane), options, Timestamp::now(), &Silent).unwrap()
}

fn certificate<'a>(seen: &'a ClusterObservation, place: &str) -> &'a ApiCertificate {
    let places: Vec<_> = seen
        .certificates
        .iter()
        .map(|entry| entry.object.to_string())
        .collect();
    let index = places.iter().position(|found| found == place);
    assert!(index.is_some(), "no {place} among {places:#?}");
    &seen.certificates[index.unwrap()]
}

fn bundles(seen: &ClusterObservation, purpose: BundlePurpose) -> Vec<(String, Vec<Certificate>)> {
    seen.bundles
        .iter()
        .filter(|bundle| bundle.purpose == purpose)
        .map(|bundle| (bundle.object.to_string(), bundle.certificates.clone()))
        .collect()
}

#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --tier integration"]
fn everything_in_a_real_api_is_seen_by_the_reader() {
    let mut plane = ControlPlane::start();
    plane.manage();
    fs_err::write(plane.folder().join("dockerconfig"), "{\"auths\":{}}").unwrap();
    plane.create(&objects(&plane));
    let token_uid =
        plane.ask("get secret -n kube-system bootstrap-token-abcdef -o jsonpath={.metadata.uid}");
    plane.create(&uploaded_certificates(&plane, &token_uid));
    plane.create(RULES);
    plane.until("the resource of cert-manager is served", |plane| {
        plane
            .ask("get --raw /apis/cert-manager.io/v1")
            .contains("certificates")
    });
    plane.create(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\n\
         metadata: {name: web-certificate, namespace: shop}\nspec: {secretName: web}\n",
    );
    let token = "get secrets -n kube-system --field-selector type=kubernetes.io/service-account-token \
                 -o jsonpath={.items[?(@.metadata.annotations.kubernetes\\.io/service-account\\.name==\"kubepki-reader\")].data.token}";
    plane.until("the reader has a token, namespaces have the CA", |plane| {
        let maps = plane.ask("get configmaps -A");
        let secrets = plane.ask("get secrets -A");
        let namespaces = plane.ask("get namespaces -o name").lines().count();
        !plane.ask(token).is_empty()
            && maps.matches("kube-root-ca.crt").count() == namespaces
            && secrets.matches("default-token").count() == namespaces
            && plane
                .ask("get configmap cluster-info -n kube-public -o json")
                .contains("jws-kubeconfig-abcdef")
    });
    let token = String::from_utf8(STANDARD.decode(plane.ask(token)).unwrap()).unwrap();
    let reader = plane.kubeconfig(&format!("{{token: {token}}}"));
    let options = ScanOptions {
        page_size: 7,
        exposed: true,
        ..ScanOptions::default()
    };
    let seen = scanned(&plane, &reader, &options);

    assert_eq!(
        seen.gaps
            .iter()
            .map(|gap| gap.object.as_str())
            .collect::<Vec<_>>(),
        ["Service shop/wares port 443"],
        "{:#?}",
        seen.gaps
    );
    assert!(seen.version.as_deref().unwrap().starts_with("v1."));
    let drift = seen.server_time.unwrap().duration_since(seen.observed_at);
    assert!(drift.abs().as_secs() < 60, "{drift}");

    let web = certificate(&seen, "Secret shop/web data[tls.crt]");
    assert_eq!(
        (web.subject.as_str(), web.issuer.as_str()),
        ("CN=web", "CN=kubernetes")
    );
    assert_eq!((web.signed_by, web.key_matches), (Some(0), Some(true)));
    assert_eq!(
        web.managed_by.as_deref(),
        Some("cert-manager Certificate shop/web-certificate")
    );
    assert_eq!(
        web.chain.len(),
        1,
        "it takes part in the cluster's connections"
    );
    let foreign = certificate(&seen, "Secret shop/mismatch data[tls.crt]");
    assert_eq!(
        (foreign.signed_by, foreign.key_matches),
        (None, Some(false))
    );
    assert!(foreign.chain.is_empty() && foreign.managed_by.is_none());
    let expired = certificate(&seen, "Secret shop/expired data[tls.crt]");
    assert_eq!(expired.not_after.to_string(), "2024-01-01T00:00:00Z");
    let store = certificate(&seen, "Secret shop/stores data[a.p12]");
    assert_eq!(
        (store.encoding, store.key_matches),
        (Encoding::Pkcs12, Some(true))
    );
    assert_eq!(store.fingerprint, web.fingerprint);
    let broker = certificate(&seen, "Secret shop/stores data[blob][broker]");
    assert_eq!((broker.encoding, broker.key_matches), (Encoding::Jks, None));
    let locked = certificate(&seen, "Secret shop/locked data[a.p12]");
    assert!(
        locked
            .problem
            .as_deref()
            .unwrap()
            .contains("wrong password")
    );
    let user = certificate(&seen, "Secret shop/kubeconfig data[value].users[x]");
    assert_eq!(
        (user.encoding, user.key_matches),
        (Encoding::Kubeconfig, Some(true))
    );
    assert_eq!(user.subject, "O=system:masters, CN=admin");
    let client = certificate(&seen, "Secret monitoring/etcd-certs data[client.crt]");
    assert_eq!((client.signed_by, client.chain.len()), (Some(2), 1));
    let uploaded = certificate(&seen, "Secret kube-system/kubeadm-certs");
    assert!(uploaded.problem.as_deref().unwrap().contains("encrypted"));

    let authority = vec![plane.authority.read()];
    let roots = bundles(&seen, BundlePurpose::KubeRootCa);
    assert!(
        roots
            .iter()
            .all(|(_, certificates)| *certificates == authority)
    );
    let places: BTreeSet<_> = roots.iter().map(|(place, _)| place.clone()).collect();
    let expected: BTreeSet<_> = seen
        .namespaces
        .iter()
        .map(|namespace| format!("ConfigMap {namespace}/kube-root-ca.crt data[ca.crt]"))
        .collect();
    assert_eq!(places, expected);
    let tokens = bundles(&seen, BundlePurpose::TokenSecretCa);
    assert!(
        tokens.len() > seen.namespaces.len() && tokens.iter().all(|(_, found)| *found == authority)
    );
    let info = bundles(&seen, BundlePurpose::ClusterInfo);
    assert!(info.len() == 1 && info[0].1 == authority, "{info:?}");
    assert_eq!(seen.cluster_info_tokens, ["abcdef"]);
    let clients = bundles(&seen, BundlePurpose::ExtensionClientCa);
    assert!(clients.len() == 1 && clients[0].1 == authority);
    let front = bundles(&seen, BundlePurpose::ExtensionRequestheaderCa);
    assert_eq!(front[0].1, [plane.front_proxy.read()]);
    assert_eq!(
        seen.requestheader_allowed_names.as_deref().unwrap(),
        ["front-proxy-client"]
    );
    let etcd = bundles(&seen, BundlePurpose::EtcdClient);
    assert_eq!(etcd[0].0, "Secret monitoring/etcd-certs data[etcd-ca.crt]");
    let others = bundles(&seen, BundlePurpose::Other);
    for place in [
        "Secret shop/web data[ca.crt]",
        "ConfigMap shop/bundle data[trust.pem]",
        "Secret shop/stores data[blob]",
        "Secret shop/kubeconfig data[value].clusters[x]",
        "Secret shop/junk data[ca.crt]",
    ] {
        assert!(
            others.iter().any(|(found, _)| found == place),
            "{place}: {others:#?}"
        );
    }
    let junk = seen
        .bundles
        .iter()
        .find(|bundle| bundle.object.name == "junk")
        .unwrap();
    assert!(junk.problem.is_some() && junk.certificates.is_empty());

    let backends: Vec<_> = seen
        .backends
        .iter()
        .map(|backend| {
            (
                backend.kind,
                backend.server_name.as_str(),
                backend.addresses.clone(),
            )
        })
        .collect();
    assert_eq!(
        backends,
        [
            (
                BackendKind::ValidatingWebhook,
                "hook.shop.svc",
                vec![("10.9.9.9".to_owned(), 9443)]
            ),
            (BackendKind::ApiService, "wares.shop.svc", vec![]),
            (
                BackendKind::ConversionWebhook,
                "convert.example.com",
                vec![("convert.example.com".to_owned(), 443)]
            ),
        ]
    );
    assert!(!seen.backends[0].blocks && seen.backends[1].unverified);
    assert_eq!(
        seen.backends[0].ca_bundle.as_deref(),
        Some(authority.as_slice())
    );

    let request = &seen.requests[0];
    assert_eq!(request.state, RequestState::Pending);
    assert_eq!(
        (request.signer_name.as_str(), request.username.as_str()),
        ("kubernetes.io/kubelet-serving", "admin")
    );
    let token = &seen.bootstrap_tokens[0];
    assert_eq!(
        (token.id.as_str(), token.authenticates, token.signs),
        ("abcdef", true, true)
    );
    assert_eq!(uploaded.not_after, token.expiration.unwrap());
    assert!(!seen.token_secrets.is_empty());
    for token in &seen.token_secrets {
        assert_eq!(
            (token.verified_by.as_slice(), token.has_token),
            (&[1][..], true),
            "{token:?}"
        );
        assert!(token.key_id.is_some() && !token.service_account.is_empty());
    }
    let node = &seen.nodes[0];
    assert_eq!(
        (node.name.as_str(), node.kubelet_port, node.control_plane),
        ("cp1", 10250, true)
    );
    assert_eq!(node.addresses, ["10.0.0.1", "cp1"]);
    let host = &seen.exposed[0];
    assert_eq!(host.host.as_deref(), Some("web.example.com"));
    assert_eq!(host.secret.as_ref().unwrap().to_string(), "Secret shop/web");
    assert!(!format!("{seen:?}").contains("PRIVATE KEY"));

    without_secrets(&plane, &reader);
    refusals(&plane);
}

/// The same user without the right to list Secrets.
fn without_secrets(plane: &ControlPlane, reader: &str) {
    plane.ask("delete clusterrolebinding kubepki-reader-secrets");
    let client = ClusterClient::new(&ControlPlane::sealed(reader), plane.folder(), None).unwrap();
    let request = PageRequest {
        path: "/api/v1/secrets",
        field_selector: None,
        limit: 1,
        continue_from: None,
    };
    plane.until("Secrets are refused", |_| {
        client.page(&request, &mut |_| ()).is_err()
    });
    let seen = scanned(plane, reader, &ScanOptions::default());
    let gap = seen
        .gaps
        .iter()
        .find(|gap| gap.object == "secrets")
        .unwrap();
    assert!(
        gap.reason.contains("403") && gap.reason.contains("kubepki-reader"),
        "{gap:?}"
    );
    assert_eq!(seen.gaps.len(), 2, "{:#?}", seen.gaps);
    assert!(seen.certificates.is_empty() && seen.token_secrets.is_empty());
    assert!(!bundles(&seen, BundlePurpose::KubeRootCa).is_empty());
    assert_eq!(seen.backends.len(), 3);
}

fn refusals(plane: &ControlPlane) {
    // somebody who may nothing: all of it is gaps
    let nobody = plane
        .workshop
        .issue("nobody", &plane.authority, wish("/CN=nobody", CLIENT));
    let seen = scanned(
        plane,
        &plane.kubeconfig_of(&nobody),
        &ScanOptions::default(),
    );
    assert!(seen.bundles.is_empty() && seen.namespaces.is_empty());
    assert!(
        seen.gaps.iter().all(|gap| gap.reason.contains("403")),
        "{:#?}",
        seen.gaps
    );
    assert!(seen.version.is_some());

    let ask = |kubeconfig: &str, server: Option<&str>| {
        let kubeconfig = ControlPlane::sealed(kubeconfig);
        let client = ClusterClient::new(&kubeconfig, plane.folder(), server).unwrap();
        scan(
            &client,
            &known(plane),
            &ScanOptions::default(),
            Timestamp::now(),
            &Silent,
        )
        .unwrap_err()
    };
    let error = ask(&plane.kubeconfig("{}"), None);
    assert_eq!(error.kind, ClusterErrorKind::Unauthorized, "{error}");
    let error = ask(&plane.kubeconfig("{token: wrong}"), None);
    assert_eq!(error.kind, ClusterErrorKind::Unauthorized, "{error}");
    let error = ask(&plane.kubeconfig_of(&plane.admin), Some("127.0.0.1:1"));
    assert_eq!(error.kind, ClusterErrorKind::Unreachable, "{error}");
}
