//! What is made of an API server's lists, over real TLS with answers written by hand.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use kubepki_adapters::kube::ClusterClient;
use kubepki_engine::ports::{ClusterError, ClusterErrorKind, ClusterRead, PageRequest};
use serde_json::{Value, json};

use crate::certificates::{CA, Made, SERVER, Workshop, wish};
use crate::tls_server::{Plan, Server};

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

struct Cluster {
    authority: Made,
    server: Server,
    workshop: Workshop,
}

fn cluster(reply: fn(&str) -> Vec<u8>) -> Cluster {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
    let server = Plan {
        answer: Box::new(reply),
        ..Plan::new(&leaf)
    }
    .start();
    Cluster {
        authority,
        server,
        workshop,
    }
}

impl Cluster {
    /// With a CA bundle beside the kubeconfig.
    fn client(&self, user: &str) -> ClusterClient {
        self.try_client(user).unwrap()
    }

    fn try_client(&self, user: &str) -> Result<ClusterClient, ClusterError> {
        let (address, name) = (self.server.address, self.authority.certificate.file_name());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
             contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
             clusters: [{{name: x, cluster: {{server: 'https://{address}', \
             certificate-authority: {}}}}}]\nusers: [{{name: x, user: {user}}}]\n",
            name.unwrap().to_str().unwrap()
        );
        let kubeconfig = text.into_bytes().into();
        ClusterClient::new(&kubeconfig, self.workshop.path(), None)
    }
}

const SECRETS: PageRequest<'_> = PageRequest {
    path: "/api/v1/secrets",
    field_selector: Some("type!=x"),
    limit: 2,
    continue_from: None,
};

#[test]
fn a_page_is_given_object_by_object() {
    let cluster = cluster(|_| {
        let list = json!({"kind": "SecretList", "metadata": {"continue": "eyJ"},
            "items": [{"n": 1, "x": "x".repeat(100_000)}, {"n": 2}]});
        answer("200 OK", "", &list.to_string())
    });
    let mut seen = Vec::new();
    let page = cluster
        .client("{token: secret}")
        .page(&SECRETS, &mut |json| {
            let object: Value = serde_json::from_slice(json).unwrap();
            seen.push(object["n"].clone());
        })
        .unwrap();
    assert_eq!(
        (seen, page.next.as_deref()),
        (vec![json!(1), json!(2)], Some("eyJ"))
    );
    let request = cluster.server.next_client().request.to_lowercase();
    assert!(
        request.starts_with("get /api/v1/secrets?limit=2&fieldselector=type%21%3dx "),
        "{request}"
    );
    assert!(request.contains("authorization: bearer secret"));
}

#[test]
fn refusals_and_what_is_no_list_are_told_apart() {
    let ask = |reply| {
        let cluster = cluster(reply);
        cluster
            .client("{}")
            .page(&SECRETS, &mut |_| ())
            .unwrap_err()
    };
    let error = ask(|_| {
        answer(
            "410 Gone",
            "",
            r#"{"metadata":{"continue":"on"},"message":"old"}"#,
        )
    });
    let next = Some("on".to_owned());
    assert_eq!(error.kind, ClusterErrorKind::Expired { next });
    let error = ask(|_| answer("404 Not Found", "", "404 page not found"));
    assert_eq!(error.kind, ClusterErrorKind::NotFound);
    let error = ask(|_| answer("200 OK", "", "<html>log in here</html>"));
    assert!(error.detail.contains("not a list"), "{error}");
    let error = ask(|_| answer("200 OK", "", r#"{"items":[{}"#));
    assert!(error.detail.contains("ends in the middle"), "{error}");
    let error = ask(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"items\":[".to_vec());
    assert_eq!(error.kind, ClusterErrorKind::Unreachable, "{error}");
    assert!(error.detail.contains("breaks off"), "{error}");
}

#[test]
fn the_servers_version_and_clock_are_told() {
    let cluster = cluster(|request| match request.starts_with("GET /version ") {
        true => answer(
            "200 OK",
            "Date: Sun, 22 Nov 2026 04:40:20 GMT\r\n",
            r#"{"gitVersion":"v1.20.2"}"#,
        ),
        false => answer("404 Not Found", "", ""),
    });
    let version = cluster.client("{}").version().unwrap();
    assert_eq!(version.version.as_deref(), Some("v1.20.2"));
    assert_eq!(version.time.unwrap().to_string(), "2026-11-22T04:40:20Z");
}

#[test]
fn a_busy_server_is_asked_again() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static ASKED: AtomicBool = AtomicBool::new(false);
    let cluster = cluster(|_| match ASKED.swap(true, Ordering::Relaxed) {
        true => answer("200 OK", "", r#"{"items":[]}"#),
        false => answer("429 Too Many Requests", "Retry-After: 0\r\n", ""),
    });
    let page = cluster.client("{}").page(&SECRETS, &mut |_| ()).unwrap();
    assert_eq!(page.next, None);
}

/// A user whose credentials come from a script beside the kubeconfig.
fn command(cluster: &Cluster, script: &str) -> &'static str {
    let path = cluster.workshop.path().join("login");
    fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs_err::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./login, interactiveMode: Never}}"
}

#[test]
fn the_kubeconfigs_command_is_run_from_its_folder() {
    let cluster = cluster(|_| answer("200 OK", "", r#"{"items":[]}"#));
    let credential = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
        "status":{"token":"from-the-command"}}"#;
    let user = command(&cluster, &format!("echo '{credential}'"));
    cluster.client(user).page(&SECRETS, &mut |_| ()).unwrap();
    let request = cluster.server.next_client().request.to_lowercase();
    assert!(
        request.contains("authorization: bearer from-the-command"),
        "{request}"
    );
}

#[test]
fn what_a_failing_command_printed_is_not_shown() {
    let cluster = cluster(|_| answer("200 OK", "", r#"{"items":[]}"#));
    for (script, expected) in [
        ("echo hunter2; echo 'no session' >&2; exit 3", "no session"),
        ("echo hunter2", "no ExecCredential"),
    ] {
        let user = command(&cluster, script);
        let outcome = cluster.try_client(user);
        let outcome = outcome.and_then(|client| client.page(&SECRETS, &mut |_| ()));
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, ClusterErrorKind::Unauthorized, "{error}");
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(expected) && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn a_proxy_of_the_kubeconfig_is_gone_through() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).unwrap();
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        String::from_utf8_lossy(&piece[..count]).into_owned()
    });
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
         contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
         clusters: [{{name: x, cluster: {{server: 'https://api.example.com:6443', \
         insecure-skip-tls-verify: true, proxy-url: 'http://{proxy}'}}}}]\n\
         users: [{{name: x, user: {{}}}}]\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let client = ClusterClient::new(&text.into_bytes().into(), folder.path(), None).unwrap();
    let error = client.version().unwrap_err();
    assert_eq!(error.kind, ClusterErrorKind::Unreachable, "{error}");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("CONNECT api.example.com:6443"), "{asked}");
}
