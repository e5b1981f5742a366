//! What is made of an API server's answers, over real TLS with answers written by hand.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubepki_adapters::kube::KubeClient;
use kubepki_engine::ports::KubeApi;
use kubepki_sealed::Sealed;

use crate::certificates::{CA, CLIENT, Made, RECENT, SERVER, Wish, Workshop, wish};
use crate::tls_server::{Plan, Server};

fn encoded(path: &std::path::Path) -> String {
    STANDARD.encode(fs_err::read(path).unwrap())
}

fn kubeconfig(server: &str, authority: &Made, user: &str) -> Sealed {
    let data = encoded(&authority.certificate);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: this\n\
         contexts:\n- name: other\n  context: {{cluster: none, user: none}}\n\
         - name: this\n  context: {{cluster: c, user: u}}\n\
         clusters:\n- name: c\n  cluster:\n    server: {server}\n\
         \x20   certificate-authority-data: {data}\n\
         users:\n- name: u\n  user: {user}\n"
    )
    .into_bytes()
    .into()
}

fn certificate_of(made: &Made) -> String {
    let (certificate, key) = (encoded(&made.certificate), encoded(&made.key));
    format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}")
}

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n\
         {body}"
    )
    .into_bytes()
}

fn refusal(code: u16, message: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","code":{code},"message":"{message}"}}"#
    );
    json(&format!("{code} Refused"), &body)
}

const VERSION: &str = r#"{"major":"1","minor":"20","gitVersion":"v1.20.2","gitCommit":"x",
    "gitTreeState":"clean","buildDate":"x","goVersion":"x","compiler":"gc","platform":"x"}"#;

/// A cluster's CA, a server that answers reviews so, and a client.
struct Cluster {
    authority: Made,
    client: Made,
    server: Server,
    workshop: Workshop,
}

fn cluster(review: fn() -> Vec<u8>) -> Cluster {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
    let client = workshop.issue(
        "client",
        &authority,
        wish("/O=system:masters/CN=admin", CLIENT),
    );
    let server = Plan {
        clients_of: Some(&authority),
        optional: true,
        answer: Box::new(
            move |request| match request.split([' ', '?']).nth(1).unwrap() {
                "/version" => json("200 OK", VERSION),
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => review(),
                _ => refusal(404, "not found"),
            },
        ),
        ..Plan::new(&leaf)
    }
    .start();
    Cluster {
        authority,
        client,
        server,
        workshop,
    }
}

fn accepted() -> Vec<u8> {
    json(
        "201 Created",
        r#"{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
            "metadata":{},"spec":{},"status":{"allowed":true}}"#,
    )
}

#[test]
fn a_kubeconfig_that_works_tells_the_servers_version() {
    let cluster = cluster(accepted);
    let url = format!("https://{}", cluster.server.address);
    let kubeconfig = kubeconfig(&url, &cluster.authority, &certificate_of(&cluster.client));
    let reached = KubeClient::new().reach(&kubeconfig, None).unwrap();
    assert_eq!(reached.server, url);
    assert_eq!(
        (reached.status, reached.version.as_deref()),
        (201, Some("v1.20.2"))
    );
    let request = cluster.server.next_client().request;
    assert!(
        request.starts_with("POST /apis/authorization.k8s.io/"),
        "{request}"
    );
}

#[test]
fn refused_credentials_are_told_from_missing_rights() {
    let ask = |review| {
        let cluster = cluster(review);
        let url = format!("https://{}", cluster.server.address);
        let user = certificate_of(&cluster.client);
        KubeClient::new().reach(&kubeconfig(&url, &cluster.authority, &user), None)
    };
    let error = ask(|| refusal(401, "Unauthorized")).unwrap_err();
    assert!(error.unauthorized);
    assert_eq!(
        error.detail,
        "HTTP 401: the server does not accept the credentials"
    );

    let reached = ask(|| refusal(403, "User \\\"system:node:cp1\\\" cannot create")).unwrap();
    assert_eq!(reached.status, 403);

    let error = ask(|| refusal(403, "User \\\"system:anonymous\\\" cannot create")).unwrap_err();
    assert!(error.unauthorized, "{error}");

    let error = ask(|| refusal(500, "etcdserver: leader changed")).unwrap_err();
    assert!(!error.unauthorized);
    assert_eq!(error.detail, "HTTP 500: etcdserver: leader changed");
}

#[test]
fn a_client_certificate_refused_in_the_handshake_is_unauthorized() {
    let cluster = cluster(accepted);
    let url = format!("https://{}", cluster.server.address);
    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=old", CLIENT)
    };
    let expired = cluster
        .workshop
        .issue("expired", &cluster.authority, expired);
    let kubeconfig = kubeconfig(&url, &cluster.authority, &certificate_of(&expired));
    let error = KubeClient::new().reach(&kubeconfig, None).unwrap_err();
    assert!(error.unauthorized, "{error}");
    assert!(error.detail.contains("certificate_expired"), "{error}");
}

#[test]
fn another_server_is_checked_for_the_kubeconfigs_name() {
    let cluster = cluster(accepted);
    let user = certificate_of(&cluster.client);
    let address = cluster.server.address.to_string();

    // `kubernetes` resolves to nothing here, but is in the certificate.
    let named = kubeconfig("https://kubernetes:6443", &cluster.authority, &user);
    let reached = KubeClient::new()
        .reach(&named, Some(&format!("https://{address}")))
        .unwrap();
    assert_eq!(reached.server, format!("https://{address}"));
    assert_eq!(
        cluster.server.next_client().name.as_deref(),
        Some("kubernetes")
    );
    assert_eq!(
        KubeClient::new()
            .reach(&named, Some(&address))
            .unwrap()
            .status,
        201
    );

    let elsewhere = kubeconfig("https://elsewhere:6443", &cluster.authority, &user);
    let error = KubeClient::new()
        .reach(&elsewhere, Some(&address))
        .unwrap_err();
    assert!(
        error
            .detail
            .starts_with("the server's certificate is not accepted"),
        "{error}"
    );
    assert!(error.detail.contains("elsewhere"), "{error}");
    let six = kubeconfig("https://[::1]:6443", &cluster.authority, &user);
    assert_eq!(
        KubeClient::new()
            .reach(&six, Some(&address))
            .unwrap()
            .status,
        201
    );
}

#[test]
fn servers_of_unknown_and_expired_cas_are_not_trusted() {
    let cluster = cluster(accepted);
    let url = format!("https://{}", cluster.server.address);
    let user = certificate_of(&cluster.client);
    let ask = |authority: &Made| {
        KubeClient::new()
            .reach(&kubeconfig(&url, authority, &user), None)
            .unwrap_err()
    };
    let other = cluster.workshop.authority("other", wish("/CN=other", CA));
    let error = ask(&other);
    assert!(!error.unauthorized);
    assert!(
        error
            .detail
            .contains("not issued by a CA of the kubeconfig"),
        "{error}"
    );

    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=gone", CA)
    };
    let error = ask(&cluster.workshop.authority("gone", expired));
    assert_eq!(
        error.detail,
        "no CA certificate of the kubeconfig is valid today: CN=gone ended at \
         2024-01-01T00:00:00Z"
    );
}

#[test]
fn leases_and_nodes_are_read() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
    let node = |ready: &str| {
        format!(
            r#"{{"kind":"Node","apiVersion":"v1","metadata":{{"name":"n"}},"status":{{"conditions":
            [{{"type":"DiskPressure","status":"False"}},{{"type":"Ready","status":"{ready}"}}]}}}}"#
        )
    };
    let server = Plan {
        answer: Box::new(
            move |request| match request.split([' ', '?']).nth(1).unwrap() {
                "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler" => {
                    json(
                        "200 OK",
                        r#"{"kind":"Lease","apiVersion":"coordination.k8s.io/v1",
                    "metadata":{"name":"kube-scheduler"},"spec":{"holderIdentity":"cp1_1234"}}"#,
                    )
                }
                "/api/v1/nodes/up" => json("200 OK", &node("True")),
                "/api/v1/nodes/down" => json("200 OK", &node("Unknown")),
                "/api/v1/nodes/forbidden" => refusal(403, "no"),
                _ => json(
                    "404 Not Found",
                    r#"{"kind":"Status","code":404,"reason":"NotFound",
                "status":"Failure","message":"not found"}"#,
                ),
            },
        ),
        ..Plan::new(&leaf)
    }
    .start();
    let kubeconfig = kubeconfig(
        &format!("https://{}", server.address),
        &authority,
        "{token: abc}",
    );
    let client = KubeClient::new();
    let lease = |name| {
        client
            .lease_holder(&kubeconfig, None, "kube-system", name)
            .unwrap()
    };
    assert_eq!(lease("kube-scheduler").as_deref(), Some("cp1_1234"));
    assert_eq!(lease("absent"), None);
    assert_eq!(
        client.node_ready(&kubeconfig, None, "up").unwrap(),
        Some(true)
    );
    assert_eq!(
        client.node_ready(&kubeconfig, None, "down").unwrap(),
        Some(false)
    );
    assert_eq!(
        client.node_ready(&kubeconfig, None, "absent").unwrap(),
        None
    );
    assert!(client.node_ready(&kubeconfig, None, "forbidden").is_err());
    let request = server.next_client().request.to_lowercase();
    assert!(request.contains("authorization: bearer abc"), "{request}");
}

#[test]
fn a_silent_server_is_left_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let url = format!("https://{}", listener.local_addr().unwrap());
    let kubeconfig = kubeconfig(&url, &authority, "{token: abc}");
    let begun = Instant::now();
    let client = KubeClient::with_limit(Duration::from_millis(300));
    let error = client.reach(&kubeconfig, None).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(error.detail, "no answer within 300ms");
}

#[test]
fn a_closed_port_is_told_once() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let url = format!("https://127.0.0.1:{port}");
    let error = KubeClient::new()
        .reach(&kubeconfig(&url, &authority, "{token: abc}"), None)
        .unwrap_err();
    assert!(!error.unauthorized);
    let times = error
        .detail
        .to_lowercase()
        .matches("connection refused")
        .count();
    assert_eq!(times, 1, "{error}");
}

#[test]
fn what_cannot_be_used_is_refused_without_showing_it() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let client = workshop.issue("client", &authority, wish("/CN=me", CLIENT));
    let of = |user: &str| {
        let kubeconfig = kubeconfig("https://127.0.0.1:1", &authority, user);
        KubeClient::new()
            .reach(&kubeconfig, None)
            .unwrap_err()
            .to_string()
    };
    assert!(of("{exec: {apiVersion: v1, command: touch}}").contains("is not run here"));
    assert!(of("{client-certificate: pki/me.crt}").contains("\"pki/me.crt\" is not an absolute"));
    let (certificate, key) = (encoded(&client.certificate), encoded(&authority.key));
    let mixed = of(&format!(
        "{{client-certificate-data: {certificate}, client-key-data: {key}}}"
    ));
    assert!(mixed.ends_with("belongs to another key"), "{mixed}");

    let secret = "c2VjcmV0IGtleQ";
    for text in [
        format!("users: [{{name: u, user: {{client-key-data: {secret}"),
        format!("apiVersion: v1\nusers: {secret}\n"),
        format!("{secret}: {secret}\n\t{secret}"),
        String::new(),
    ] {
        let sealed = Sealed::new(text.into_bytes());
        let error = KubeClient::new()
            .reach(&sealed, None)
            .unwrap_err()
            .to_string();
        assert!(!error.contains(secret), "{error}");
    }
}
