//! What lives in the API: copies of CAs, webhooks and aggregated servers, requests, tokens, Secrets.

use crate::breakages::{culprits, well_formed};
use crate::healthy::show;
use crate::kubeadm::{Cluster, PKI};
use crate::pki::{self, Authority, Pair, SERVER, Wish, authorities};
use kubepki_core::model::cluster::{
    ApiBackend, ApiBundle, ApiCertificate, BackendKind, BootstrapToken, BundlePurpose,
    ClusterObservation, Encoding, Node, RequestState, SigningRequest, TokenSecret,
};
use kubepki_core::model::live::{ServedChain, ServedFact};
use kubepki_core::model::{ObjectReference, Severity};
use kubepki_x509::Certificate;

const NAMESPACES: [&str; 4] = ["default", "kube-public", "kube-system", "shop"];

fn config_map(namespace: &str, name: &str, field: &str) -> ObjectReference {
    ObjectReference::namespaced("ConfigMap", namespace, name).at(format!("data[{field}]"))
}

fn bundle(object: ObjectReference, purpose: BundlePurpose, ca: &Authority) -> ApiBundle {
    ApiBundle {
        object,
        purpose,
        certificates: vec![ca.certificate().clone()],
        problem: None,
    }
}

fn certificate(object: ObjectReference, pair: &Pair) -> ApiCertificate {
    let certificate = &pair.certificate;
    ApiCertificate {
        object,
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
        chain: vec![certificate.clone()],
        problem: None,
    }
}

const WEBHOOK: &str = "webhooks[policy.example.com].clientConfig.caBundle";

fn backend(kind: BackendKind, ca: &Authority) -> ApiBackend {
    let (object, server_name) = match kind {
        BackendKind::ApiService => (
            ObjectReference::cluster_wide("APIService", "v1.example.com").at("spec.caBundle"),
            "aggregated.shop.svc",
        ),
        _ => (
            ObjectReference::cluster_wide("ValidatingWebhookConfiguration", "policy").at(WEBHOOK),
            "policy.shop.svc",
        ),
    };
    ApiBackend {
        object,
        kind,
        server_name: server_name.to_owned(),
        addresses: vec![("10.244.0.9".to_owned(), 8443)],
        ca_bundle: Some(vec![ca.certificate().clone()]),
        unverified: false,
        blocks: true,
        available: (kind == BackendKind::ApiService).then_some(Ok(())),
        problem: None,
    }
}

/// The API of a healthy cluster with a webhook and an aggregated API server.
fn observation(webhooks: &Authority) -> ClusterObservation {
    let all = authorities();
    let mut bundles: Vec<ApiBundle> = NAMESPACES
        .iter()
        .map(|namespace| {
            let object = config_map(namespace, "kube-root-ca.crt", "ca.crt");
            bundle(object, BundlePurpose::KubeRootCa, &all.cluster)
        })
        .collect();
    let extension = "extension-apiserver-authentication";
    bundles.push(bundle(
        config_map("kube-public", "cluster-info", "kubeconfig"),
        BundlePurpose::ClusterInfo,
        &all.cluster,
    ));
    bundles.push(bundle(
        config_map("kube-system", extension, "client-ca-file"),
        BundlePurpose::ExtensionClientCa,
        &all.cluster,
    ));
    bundles.push(bundle(
        config_map("kube-system", extension, "requestheader-client-ca-file"),
        BundlePurpose::ExtensionRequestheaderCa,
        &all.front_proxy,
    ));
    let secret = |name: &str| {
        let names = [format!("DNS:{name}.shop.svc")];
        let names = [names[0].as_str()];
        let pair = webhooks.issue(&Wish::new(name, SERVER, &names));
        let object = ObjectReference::namespaced("Secret", "shop", &format!("{name}-tls"));
        certificate(object.at("data[tls.crt]"), &pair)
    };
    ClusterObservation {
        server: "https://api.example:6443".to_owned(),
        version: Some("v1.20.2".to_owned()),
        observed_at: pki::now(),
        server_time: Some(pki::now()),
        bundles,
        certificates: vec![secret("policy"), secret("aggregated")],
        backends: vec![
            backend(BackendKind::ValidatingWebhook, webhooks),
            backend(BackendKind::ApiService, webhooks),
        ],
        requests: Vec::new(),
        bootstrap_tokens: Vec::new(),
        service_account_keys: Vec::new(),
        token_secrets: vec![TokenSecret {
            object: ObjectReference::namespaced("Secret", "shop", "ci-token"),
            service_account: "ci".to_owned(),
            verified_by: vec![0],
            key_id: None,
            has_token: true,
        }],
        namespaces: NAMESPACES.iter().map(|name| (*name).to_owned()).collect(),
        nodes: vec![Node {
            name: "cp1".to_owned(),
            addresses: vec!["cp1".to_owned(), "10.0.0.1".to_owned()],
            ip_addresses: vec!["10.0.0.1".parse().unwrap()],
            kubelet_port: 10250,
            kubelet_version: Some("v1.20.2".to_owned()),
            ready: Some(true),
            control_plane: true,
        }],
        exposed: Vec::new(),
        cluster_info_tokens: Vec::new(),
        requestheader_allowed_names: Some(vec!["front-proxy-client".to_owned()]),
        counts: Default::default(),
        gaps: Vec::new(),
    }
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::kubeadm();
    cluster.api = Some(observation(&Authority::new("webhooks")));
    cluster
}

fn expects(object: &str, code: &str, severity: Severity, change: impl Fn(&mut ClusterObservation)) {
    let mut cluster = cluster();
    change(cluster.api.as_mut().unwrap());
    let diagnosis = cluster.diagnose();
    let expected = [(object.to_owned(), code.to_owned())];
    assert_eq!(culprits(&diagnosis), expected, "{}", show(&diagnosis));
    assert_eq!(diagnosis.worst(), Some(severity), "{}", show(&diagnosis));
    well_formed(&diagnosis);
}

fn foreign() -> Vec<Certificate> {
    vec![authorities().foreign.certificate().clone()]
}

fn of_purpose(
    api: &mut ClusterObservation,
    purpose: BundlePurpose,
) -> impl Iterator<Item = &mut ApiBundle> {
    api.bundles
        .iter_mut()
        .filter(move |bundle| bundle.purpose == purpose)
}

#[test]
fn a_healthy_one() {
    let diagnosis = cluster().diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
    well_formed(&diagnosis);
}

#[test]
fn the_root_ca_of_one_namespace() {
    let object = "ConfigMap shop/kube-root-ca.crt data[ca.crt]";
    expects(object, "root-ca-stale", Severity::Critical, |api| {
        of_purpose(api, BundlePurpose::KubeRootCa)
            .last()
            .unwrap()
            .certificates = foreign();
    });
}

#[test]
fn a_namespace_without_one() {
    expects(
        "ConfigMap shop/kube-root-ca.crt",
        "root-ca-stale",
        Severity::Critical,
        |api| {
            api.bundles
                .retain(|bundle| bundle.object.namespace.as_deref() != Some("shop"));
        },
    );
}

#[test]
fn an_old_cluster_info() {
    let object = "ConfigMap kube-public/cluster-info data[kubeconfig]";
    expects(object, "cluster-info-stale", Severity::Warning, |api| {
        of_purpose(api, BundlePurpose::ClusterInfo).for_each(|it| it.certificates = foreign());
    });
}

#[test]
fn aggregated_servers_that_do_not_know_the_front_proxy() {
    let object = "ConfigMap kube-system/extension-apiserver-authentication data[requestheader-client-ca-file]";
    expects(
        object,
        "authentication-config-stale",
        Severity::Critical,
        |api| {
            of_purpose(api, BundlePurpose::ExtensionRequestheaderCa)
                .for_each(|it| it.certificates = foreign());
        },
    );
}

#[test]
fn a_former_ca_that_is_still_trusted_is_worth_a_word() {
    let mut cluster = cluster();
    let api = cluster.api.as_mut().unwrap();
    of_purpose(api, BundlePurpose::ExtensionClientCa)
        .for_each(|it| it.certificates.extend(foreign()));
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
    let found = diagnosis
        .findings
        .iter()
        .any(|it| it.code == "former-ca-copy");
    assert!(found, "{}", show(&diagnosis));
}

#[test]
fn a_webhook_with_an_old_bundle() {
    let object = format!("ValidatingWebhookConfiguration policy {WEBHOOK}");
    expects(&object, "webhook-bundle-stale", Severity::Critical, |api| {
        api.backends[0].ca_bundle = Some(vec![Authority::new("webhooks").certificate().clone()]);
    });
}

#[test]
fn an_aggregated_server_with_an_old_bundle() {
    let object = "APIService v1.example.com spec.caBundle";
    expects(
        object,
        "api-service-bundle-stale",
        Severity::Critical,
        |api| {
            api.backends[1].ca_bundle = Some(foreign());
            api.backends[1].available = Some(Err(
                "failing or missing response: x509: certificate signed by unknown authority"
                    .to_owned(),
            ));
        },
    );
}

#[test]
fn an_aggregated_server_that_nobody_verifies() {
    expects(
        "APIService v1.example.com",
        "unverified",
        Severity::Warning,
        |api| {
            api.backends[1].ca_bundle = None;
            api.backends[1].unverified = true;
        },
    );
}

#[test]
fn a_secret_that_has_expired() {
    let object = "Secret shop/web-tls data[tls.crt]";
    expects(object, "secret-expires", Severity::Critical, |api| {
        let wish = Wish::new("web", SERVER, &["DNS:web"]).lasting(-90, -1);
        let pair = Authority::new("web").issue(&wish);
        let secret = ObjectReference::namespaced("Secret", "shop", "web-tls");
        api.certificates
            .push(certificate(secret.at("data[tls.crt]"), &pair));
    });
}

#[test]
fn a_secret_with_another_key() {
    let object = "Secret shop/web-tls data[tls.crt]";
    expects(object, "secret-key-mismatch", Severity::Warning, |api| {
        let pair = Authority::new("web").issue(&Wish::new("web", SERVER, &["DNS:web"]));
        let secret = ObjectReference::namespaced("Secret", "shop", "web-tls");
        let mut web = certificate(secret.at("data[tls.crt]"), &pair);
        web.key_matches = Some(false);
        api.certificates.push(web);
    });
}

fn request(name: &str, state: RequestState, hours: i64) -> SigningRequest {
    SigningRequest {
        object: ObjectReference::cluster_wide("CertificateSigningRequest", name),
        signer_name: "kubernetes.io/kubelet-serving".to_owned(),
        username: "system:node:w1".to_owned(),
        created: Some(pki::now() - jiff::SignedDuration::from_hours(hours)),
        state,
        issued: None,
    }
}

#[test]
fn requests_of_one_kubelet_that_wait() {
    let object = "CertificateSigningRequest csr-2";
    expects(object, "request-pending", Severity::Warning, |api| {
        api.requests
            .push(request("csr-1", RequestState::Pending, 3));
        api.requests
            .push(request("csr-2", RequestState::Pending, 2));
    });
}

#[test]
fn a_request_that_is_not_issued() {
    let object = "CertificateSigningRequest csr-1";
    expects(object, "request-not-issued", Severity::Warning, |api| {
        api.requests
            .push(request("csr-1", RequestState::Approved, 3));
    });
}

#[test]
fn a_token_that_no_key_verifies() {
    expects(
        "Secret shop/ci-token",
        "token-secret-stale",
        Severity::Warning,
        |api| {
            api.token_secrets[0].verified_by.clear();
        },
    );
}

#[test]
fn a_service_account_key_that_tokens_speak_against() {
    let mut cluster = cluster();
    cluster
        .host()
        .write(&format!("{PKI}/sa.pub"), pki::key().public_key().to_pem());
    cluster.api.as_mut().unwrap().token_secrets[0]
        .verified_by
        .clear();
    let diagnosis = cluster.diagnose();
    let expected = [(
        format!("{PKI}/sa.pub"),
        "service-account-key-unverified".to_owned(),
    )];
    assert_eq!(culprits(&diagnosis), expected, "{}", show(&diagnosis));
}

#[test]
fn a_bootstrap_token_that_cluster_info_is_not_signed_for() {
    let object = "ConfigMap kube-public/cluster-info";
    expects(object, "cluster-info-unsigned", Severity::Warning, |api| {
        api.bootstrap_tokens.push(BootstrapToken {
            object: ObjectReference::namespaced("Secret", "kube-system", "bootstrap-token-abcdef"),
            id: "abcdef".to_owned(),
            expiration: Some(pki::now() + pki::days(1)),
            authenticates: true,
            signs: true,
        });
    });
}

#[test]
fn an_api_server_whose_clock_is_off() {
    expects(
        "https://api.example:6443",
        "clock-skew",
        Severity::Warning,
        |api| {
            api.server_time = Some(pki::now() + jiff::SignedDuration::from_mins(10));
        },
    );
}

/// The controller manager was told of another CA, and has published it everywhere.
#[test]
fn a_root_ca_that_was_published() {
    let mut cluster = cluster();
    let (from, to) = (
        "--root-ca-file=/etc/kubernetes/pki/ca.crt",
        "--root-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
    );
    let host = cluster.host();
    host.edit(
        "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        from,
        to,
    );
    for process in &mut host.processes {
        for argument in &mut process.argv {
            if argument == from {
                *argument = to.to_owned();
            }
        }
    }
    let api = cluster.api.as_mut().unwrap();
    of_purpose(api, BundlePurpose::KubeRootCa)
        .for_each(|it| it.certificates = vec![authorities().etcd.certificate().clone()]);
    let diagnosis = cluster.diagnose();
    let object = "kube-controller-manager --root-ca-file";
    let expected = [(object.to_owned(), "wrong-authority-file".to_owned())];
    assert_eq!(culprits(&diagnosis), expected, "{}", show(&diagnosis));
    well_formed(&diagnosis);
}

#[test]
fn a_front_proxy_that_the_api_server_does_not_let_in() {
    let mut cluster = cluster();
    let (from, to) = (
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-allowed-names=aggregator",
    );
    let host = cluster.host();
    host.edit("/etc/kubernetes/manifests/kube-apiserver.yaml", from, to);
    for process in &mut host.processes {
        for argument in &mut process.argv {
            if argument == from {
                *argument = to.to_owned();
            }
        }
    }
    let api = cluster.api.as_mut().unwrap();
    api.requestheader_allowed_names = Some(vec!["aggregator".to_owned()]);
    let diagnosis = cluster.diagnose();
    let object = "kube-apiserver --requestheader-allowed-names";
    let expected = [(object.to_owned(), "identity-refused".to_owned())];
    assert_eq!(culprits(&diagnosis), expected, "{}", show(&diagnosis));
}

#[test]
fn a_webhook_that_serves_a_certificate_for_another_name() {
    let mut cluster = cluster();
    let webhooks = Authority::new("webhooks");
    let wish = Wish::new("elsewhere", SERVER, &["DNS:elsewhere.shop.svc"]);
    let served = webhooks.issue(&wish).certificate;
    let api = cluster.api.as_mut().unwrap();
    api.certificates.clear();
    for (backend, message) in api.backends.iter_mut().zip([
        None,
        Some("x509: certificate is valid for elsewhere.shop.svc, not policy.shop.svc"),
    ]) {
        backend.server_name = "policy.shop.svc".to_owned();
        backend.ca_bundle = Some(vec![webhooks.certificate().clone()]);
        backend.available = message.map(|message| Err(message.to_owned()));
    }
    let by: Vec<String> = api
        .backends
        .iter()
        .map(|backend| backend.object.clone().whole().to_string())
        .collect();
    let live = cluster.live[0].as_mut().unwrap();
    for exposed_by in by {
        live.served.push(ServedFact {
            component: None,
            flag: None,
            host: "10.244.0.9".to_owned(),
            port: 8443,
            server_name: Some("policy.shop.svc".to_owned()),
            exposed_by: Some(exposed_by),
            outcome: Ok(ServedChain {
                chain: vec![served.clone()],
                protocol: "TLSv1.3".to_owned(),
                asks_client_certificate: false,
                acceptable_client_authorities: Vec::new(),
            }),
        });
    }
    let diagnosis = cluster.diagnose();
    let expected = [(
        "Service shop/policy".to_owned(),
        "backend-certificate".to_owned(),
    )];
    assert_eq!(culprits(&diagnosis), expected, "{}", show(&diagnosis));
    well_formed(&diagnosis);
}
