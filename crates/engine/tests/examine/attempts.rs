//! Connections tried: by whom, trusting whom, asking for which name and page, and what is made of the
//! answers.

use crate::pki::{CLIENT, Made, authority, leaf};
use crate::scene::{HOST, Scene, accepted, file, party};
use kubepki_core::connections::{ConnectionKind, Held, Material, Place, TrustBundle, Use};
use kubepki_core::model::live::{AttemptOutcome, Unanswered};
use kubepki_core::model::{ComponentKind, ObjectReference};
use kubepki_engine::ports::{Attempted, ServerRefusal};
use kubepki_x509::path::{CertificatePool, PathError};
use std::sync::Arc;

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for piece in text.as_bytes().chunks(3) {
        let at = |index: usize| u32::from(piece.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index)) as usize & 63];
            encoded.push(if index > piece.len() {
                '='
            } else {
                digit.into()
            });
        }
    }
    encoded
}

fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
         contexts: [{{name: x, context: {{cluster: kubernetes, user: me}}}}]\n\
         clusters: [{{name: kubernetes, cluster: {{server: 'https://10.0.0.1:6443'{cluster}}}}}]\n\
         users: [{{name: me, user: {{{user}}}}}]\n"
    )
}

fn user_of(path: &str) -> Place {
    Place::KubeconfigUser {
        host: HOST.to_owned(),
        path: path.into(),
        user: "me".to_owned(),
    }
}

fn cluster_of(path: &str) -> Place {
    Place::KubeconfigCluster {
        host: HOST.to_owned(),
        path: path.into(),
        cluster: "kubernetes".to_owned(),
    }
}

/// The only outcome, and what was asked for it.
fn outcome(scene: &Scene) -> (AttemptOutcome, Vec<String>) {
    let mut live = scene.examine();
    assert_eq!(live.attempts.len(), 1);
    (live.attempts.remove(0).outcome, scene.asked())
}

struct Files {
    scene: Scene,
    ca: Made,
}

/// A connection with files at both of its client's slots.
fn with_files(kind: ConnectionKind, names: &[&str]) -> Files {
    let mut scene = Scene::new();
    let ca = authority("etcd-ca");
    let client = leaf(&ca, "client", CLIENT, &[]);
    let (certificate, key) = scene.pair("/pki/client", &client);
    let bundle = scene.file("/pki/ca.crt", ca.pem());
    let presents = scene.slot(Use::Present, certificate, Some(key));
    let trusts = scene.slot(Use::Trust, bundle, None);
    let connection = scene.connection("it", kind, Some(("10.0.0.1", 2379)), names);
    connection.client_presents = Some(presents);
    connection.client_trusts = Some(trusts);
    Files { scene, ca }
}

#[test]
fn a_client_presents_and_trusts_what_lies_in_its_slots() {
    let Files { scene, .. } = with_files(ConnectionKind::ApiserverToEtcd, &["10.0.0.1", "etcd"]);
    let live = scene.examine();
    // Each name by itself, as a client asks.
    assert_eq!(
        scene.asked(),
        [
            "/health 10.0.0.1:2379 as 10.0.0.1 by CN=client trusting CN=etcd-ca named 10.0.0.1",
            "/health 10.0.0.1:2379 as etcd by CN=client trusting CN=etcd-ca named etcd",
        ]
    );
    assert_eq!(live.attempts.len(), 2);
    for fact in live.attempts {
        assert_eq!(fact.connection, "it");
        assert_eq!(fact.address, "10.0.0.1:2379");
        let accepted = AttemptOutcome::Accepted { status: Some(200) };
        assert_eq!(fact.outcome, accepted);
    }
}

#[test]
fn each_kind_of_connection_has_its_own_harmless_question() {
    use ConnectionKind::*;
    for (kind, page) in [
        (EtcdPeer, "/version"),
        (ApiserverToEtcd, "/health"),
        (EtcdHealthcheck, "/health"),
        (EtcdClient, "/health"),
        (KubeconfigToApiserver, "/version"),
        (PodToApiserver, "/version"),
        (JoiningNode, "/version"),
        (ApiserverToKubelet, "/healthz"),
        (ComponentPort, "/healthz"),
        (ApiserverToAggregated, "-"),
        (ApiserverToWebhook, "-"),
    ] {
        let Files { scene, .. } = with_files(kind, &["cp1"]);
        let (_, asked) = outcome(&scene);
        let last = asked.last().unwrap();
        assert_eq!(last.split(' ').next(), Some(page), "{kind:?}: {last}");
        // Nobody else looks at webhooks and aggregated API servers.
        let is_backend = matches!(kind, ApiserverToAggregated | ApiserverToWebhook);
        let looked = asked.first().unwrap() == "served 10.0.0.1:2379 as cp1";
        assert_eq!(looked, is_backend, "{kind:?}");
    }
}

#[test]
fn kubeconfigs_are_read_whatever_their_form() {
    let ca = authority("kubernetes");
    let admin = leaf(&ca, "admin", CLIENT, &[]);
    let in_data = format!(
        "client-certificate-data: {}, client-key-data: {}",
        base64(&admin.pem()),
        base64(&admin.key_pem())
    );
    let trusted_data = format!(", certificate-authority-data: {}", base64(&ca.pem()));
    let in_files = "client-certificate: pki/admin.crt, client-key: pki/admin.key";
    let trusted_file = ", certificate-authority: pki/ca.crt";
    let together = "client-certificate: pki/both.pem";
    for (cluster, user) in [
        (trusted_data.as_str(), in_data.as_str()),
        (trusted_file, in_files),
        (trusted_file, together),
    ] {
        let mut scene = Scene::new();
        scene.pair("/etc/kubernetes/pki/admin", &admin);
        scene.file("/etc/kubernetes/pki/ca.crt", ca.pem());
        let both = format!("{}{}", admin.key_pem(), admin.pem());
        scene.file("/etc/kubernetes/pki/both.pem", both);
        let path = "/etc/kubernetes/admin.conf";
        scene.file(path, kubeconfig(cluster, user));
        let presents = scene.slot(Use::Present, user_of(path), None);
        let trusts = scene.slot(Use::Trust, cluster_of(path), None);
        let kind = ConnectionKind::KubeconfigToApiserver;
        let connection = scene.connection("it", kind, Some(("10.0.0.1", 6443)), &["10.0.0.1"]);
        connection.client_presents = Some(presents);
        connection.client_trusts = Some(trusts);
        let (_, asked) = outcome(&scene);
        assert_eq!(
            asked,
            [
                "/version 10.0.0.1:6443 as 10.0.0.1 by CN=admin trusting CN=kubernetes named \
                 10.0.0.1"
            ]
        );
    }
}

#[test]
fn a_token_is_never_sent_and_nothing_is_asked_in_its_stead() {
    let mut scene = Scene::new();
    let path = "/etc/kubernetes/bootstrap.conf";
    scene.file(
        path,
        kubeconfig(
            ", insecure-skip-tls-verify: true",
            "token: abcdef.0123456789abcdef",
        ),
    );
    let presents = scene.slot(Use::Present, user_of(path), None);
    let trusts = scene.slot(Use::Trust, cluster_of(path), None);
    let kind = ConnectionKind::KubeconfigToApiserver;
    let connection = scene.connection("it", kind, Some(("10.0.0.1", 6443)), &["10.0.0.1"]);
    connection.client_presents = Some(presents);
    connection.client_trusts = Some(trusts);
    scene.attempted = Box::new(|attempt| {
        assert!(attempt.question.is_none());
        Attempted::Accepted(None)
    });
    let (outcome, asked) = outcome(&scene);
    assert_eq!(outcome, AttemptOutcome::Accepted { status: None });
    assert_eq!(
        asked,
        ["- 10.0.0.1:6443 as 10.0.0.1 by nobody trusting anybody"]
    );
}

#[test]
fn answers_are_told_apart() {
    let refusal =
        |certificate| ServerRefusal::Path(Box::new(PathError::NotAuthorizedToSign { certificate }));
    let unanswered = |detail: &str| {
        AttemptOutcome::Unanswered(Unanswered {
            unreachable: false,
            detail: detail.to_owned(),
        })
    };
    let refused = |reason: &str| AttemptOutcome::ClientRefused {
        reason: reason.to_owned(),
    };
    let certificate = authority("x").certificate;
    let peer = ConnectionKind::EtcdPeer;
    let kubelet = ConnectionKind::ApiserverToKubelet;
    let closed = || Attempted::Closed("closed".to_owned());
    let server_refused = AttemptOutcome::ServerRefused {
        reason: refusal(certificate.clone()).to_string(),
    };
    for (kind, attempted, expected) in [
        (
            kubelet,
            accepted(401),
            refused("answers HTTP 401 (Unauthorized)"),
        ),
        // Known, and not allowed.
        (
            kubelet,
            accepted(403),
            AttemptOutcome::Accepted { status: Some(403) },
        ),
        (
            peer,
            accepted(404),
            AttemptOutcome::Accepted { status: Some(404) },
        ),
        (
            kubelet,
            Attempted::ServerRefused(refusal(certificate)),
            server_refused,
        ),
        (
            kubelet,
            Attempted::ClientRefused("alert".to_owned()),
            refused("alert"),
        ),
        (peer, closed(), refused("closed")),
        (kubelet, closed(), unanswered("closed")),
    ] {
        let Files { mut scene, .. } = with_files(kind, &["cp1"]);
        scene.attempted = Box::new(move |_| attempted.clone());
        assert_eq!(outcome(&scene).0, expected);
    }
}

#[test]
fn what_cannot_be_read_is_not_tried() {
    for (path, contents, words) in [
        (
            "/pki/client.crt",
            None,
            "cannot read /pki/client.crt: no such file",
        ),
        (
            "/pki/client.key",
            None,
            "cannot read /pki/client.key: no such file",
        ),
        ("/pki/ca.crt", None, "cannot read /pki/ca.crt: no such file"),
        ("/pki/ca.crt", Some(""), "/pki/ca.crt: no certificate found"),
        (
            "/pki/client.crt",
            Some("x"),
            "/pki/client.crt: no certificate found",
        ),
    ] {
        let Files { mut scene, .. } = with_files(ConnectionKind::ApiserverToEtcd, &["cp1"]);
        match contents {
            Some(contents) => {
                scene.file(path, contents);
            }
            None => {
                scene.files.remove(std::path::Path::new(path));
            }
        }
        let (outcome, asked) = outcome(&scene);
        let expected = AttemptOutcome::Unanswered(Unanswered {
            unreachable: false,
            detail: format!("not tried: {words}"),
        });
        assert_eq!(outcome, expected);
        assert!(asked.is_empty(), "{asked:?}");
    }
}

#[test]
fn only_connections_that_start_here_are_tried() {
    let mut scene = Scene::new();
    let here = Some(("10.0.0.1", 6443));
    let kind = ConnectionKind::KubeconfigToApiserver;
    scene.connection("other host's", kind, here, &[]).client = party("kubelet", Some("n1"));
    scene.connection("without address", kind, None, &[]);
    scene.connection("exposed", ConnectionKind::Exposed, here, &[]);
    scene.connection("anybody's", kind, here, &[]).client = party("kubectl", None);
    let live = scene.examine();
    let tried: Vec<_> = live
        .attempts
        .iter()
        .map(|fact| fact.connection.as_str())
        .collect();
    assert_eq!(tried, ["anybody's"]);
    assert_eq!(live.attempts[0].address, "10.0.0.1:6443");
}

#[test]
fn a_server_on_this_host_is_found_by_its_own_flags() {
    let mut scene = Scene::new();
    scene.component(&[
        "etcd",
        "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379",
        "--listen-peer-urls=https://10.0.0.1:2380",
    ]);
    let mut server = party("etcd", Some(HOST));
    server.component = Some(ComponentKind::Etcd);
    for (kind, name) in [
        (ConnectionKind::EtcdPeer, "10.0.0.1"),
        (ConnectionKind::ApiserverToEtcd, "10.0.0.1"),
        (ConnectionKind::EtcdHealthcheck, "localhost"),
    ] {
        scene.connection("it", kind, None, &[name]).server = server.clone();
    }
    let live = scene.examine();
    let mut addresses: Vec<_> = live
        .attempts
        .iter()
        .map(|fact| fact.address.as_str())
        .collect();
    addresses.sort_unstable();
    assert_eq!(
        addresses,
        ["10.0.0.1:2379", "10.0.0.1:2380", "127.0.0.1:2379"]
    );
}

#[test]
fn trust_that_is_kept_in_the_api_is_taken_from_what_was_seen_of_it() {
    let Files { mut scene, ca } = with_files(ConnectionKind::PodToApiserver, &["kubernetes"]);
    let object = ObjectReference::namespaced("ConfigMap", "shop", "kube-root-ca.crt");
    scene.graph.slots[1].place = Place::Api(object);
    assert!(scene.examine().attempts.is_empty());

    let pool = CertificatePool::new([ca.certificate]);
    let trust = |held| Material {
        held: vec![Held::Unknown(String::new()), held],
    };
    scene.options.material = Some(trust(Held::Trust(Arc::new(TrustBundle { pool }))));
    let (_, asked) = outcome(&scene);
    assert_eq!(
        asked,
        [
            "/version 10.0.0.1:2379 as kubernetes by CN=client trusting CN=etcd-ca named \
             kubernetes"
        ]
    );

    scene.options.material = Some(trust(Held::Missing("it is not there".to_owned())));
    let (outcome, asked) = outcome(&scene);
    let AttemptOutcome::Unanswered(unanswered) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        unanswered.detail,
        "not tried: ConfigMap shop/kube-root-ca.crt: it is not there"
    );
    assert!(asked.is_empty());
}

#[test]
fn certificate_and_key_may_share_a_file() {
    let Files { mut scene, ca } = with_files(ConnectionKind::KubeconfigToApiserver, &["cp1"]);
    let kubelet = leaf(&ca, "system:node:cp1@system:nodes", CLIENT, &[]);
    let path = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    scene.file(path, format!("{}{}", kubelet.pem(), kubelet.key_pem()));
    let kept = kubelet.key_pem();
    for key_place in [None, Some(file(path))] {
        scene.graph.slots[0].place = file(path);
        scene.graph.slots[0].key_place = key_place;
        let kept = kept.clone();
        scene.attempted = Box::new(move |attempt| {
            let sealed = &attempt.identity.unwrap().key_pem;
            let text = String::from_utf8_lossy(kubepki_sealed::danger::open(sealed)).into_owned();
            assert!(text.contains(kept.trim()));
            accepted(200)
        });
        let (_, asked) = outcome(&scene);
        assert!(asked[0].contains("CN=system:node:cp1"), "{asked:?}");
    }
}

#[test]
fn a_flag_that_names_nothing_presents_nothing() {
    let Files { mut scene, .. } = with_files(ConnectionKind::ApiserverToEtcd, &["cp1"]);
    scene.graph.slots[0].place = Place::Flag {
        host: HOST.to_owned(),
        component: ComponentKind::KubeApiserver,
        flag: "etcd-certfile".to_owned(),
    };
    let (_, asked) = outcome(&scene);
    assert_eq!(
        asked,
        ["/health 10.0.0.1:2379 as cp1 by nobody trusting CN=etcd-ca named cp1"]
    );
}

#[test]
fn this_hosts_kubelet_is_asked_where_it_listens_and_by_the_name_that_others_use() {
    let Files { mut scene, .. } = with_files(ConnectionKind::ApiserverToKubelet, &["cp1"]);
    scene.component(&["kubelet"]);
    let connection = &mut scene.graph.connections[0];
    connection.address = Some(("cp1".to_owned(), 10250));
    connection.server = party("kubelet", Some(HOST));
    connection.server.component = Some(ComponentKind::Kubelet);
    let (_, asked) = outcome(&scene);
    assert_eq!(
        asked,
        [
            "served 127.0.0.1:10250",
            "/healthz 127.0.0.1:10250 as cp1 by CN=client trusting CN=etcd-ca named cp1",
        ]
    );
}

#[test]
fn a_front_proxy_is_not_sent_without_a_user() {
    let Files { mut scene, .. } = with_files(ConnectionKind::ComponentPort, &["cp1"]);
    scene.graph.slots[0].flag = Some("proxy-client-cert-file".to_owned());
    assert!(scene.examine().attempts.is_empty());
    scene.graph.slots[0].flag = None;
    assert_eq!(scene.examine().attempts.len(), 1);
}

#[test]
fn what_a_webhook_serves_is_kept_with_the_object_that_names_it() {
    let Files { mut scene, .. } = with_files(ConnectionKind::ApiserverToWebhook, &["a.b.svc"]);
    let object = ObjectReference::cluster_wide("ValidatingWebhookConfiguration", "policy");
    scene.graph.connections[0].names[0].asked_by = Place::Api(object);
    let live = scene.examine();
    assert_eq!(live.served.len(), 1);
    let fact = &live.served[0];
    assert_eq!(fact.component, None);
    assert_eq!(fact.server_name.as_deref(), Some("a.b.svc"));
    let object = "ValidatingWebhookConfiguration policy";
    assert_eq!(fact.exposed_by.as_deref(), Some(object));
}
