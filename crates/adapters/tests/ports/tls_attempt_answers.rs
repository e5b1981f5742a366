//! What a connection that is tried ends with besides a refusal: silence, a closed port, an answer with
//! its status, clock and wanted lines.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use kubepki_adapters::tls::RustlsProbe;
use kubepki_engine::ports::{
    Attempt, Attempted, ClientIdentity, Endpoint, Expectation, Question, Reply, TlsProbe,
};
use kubepki_x509::path::{CertificatePool, PathError};

use crate::certificates::{CA, SERVER, Workshop, wish};
use crate::tls_attempts::{Scene, VERSION, VERSIONS, accepted, at, attempt, expecting, path_error};
use crate::tls_server::{Plan, Server, TIMEOUT};

#[test]
fn a_server_that_closes_without_a_word_is_told_from_one_that_refuses() {
    let scene = Scene::new();
    let client = scene.client();
    for versions in VERSIONS {
        let server = Plan {
            versions: &versions,
            answer: Box::new(|_| Vec::new()),
            ..scene.plan()
        }
        .start();
        let found = attempt(
            &server.endpoint(),
            Some(&scene.expectation()),
            Some(&client.identity()),
            Some(VERSION),
        );
        assert!(matches!(found, Attempted::Closed(_)), "{found:?}");
    }
    // Where no certificate was asked for there is no suspicion either.
    let server = Plan {
        answer: Box::new(|_| Vec::new()),
        ..Plan::new(&scene.leaf)
    }
    .start();
    let found = attempt(
        &server.endpoint(),
        Some(&scene.expectation()),
        Some(&client.identity()),
        Some(VERSION),
    );
    assert!(
        matches!(
            found,
            Attempted::Unanswered {
                unreachable: false,
                timed_out: false,
                ..
            }
        ),
        "{found:?}"
    );
}

fn within(limit: Duration, endpoint: &Endpoint, client: Option<&ClientIdentity>) -> Attempted {
    RustlsProbe::new().attempt(&Attempt {
        endpoint,
        identity: client,
        expectation: None,
        question: Some(VERSION),
        timeout: limit,
    })
}

#[test]
fn a_server_that_hangs_is_left_in_time() {
    let limit = Duration::from_millis(200);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = at(silent.local_addr().unwrap().port());
    let unanswered = |detail: &str| Attempted::Unanswered {
        unreachable: false,
        timed_out: true,
        detail: detail.to_owned(),
    };
    assert_eq!(
        within(limit, &endpoint, None),
        unanswered("accepted the connection but did not finish the TLS handshake within 200ms")
    );

    let scene = Scene::new();
    let (hold, held) = mpsc::channel::<()>();
    let server = Plan {
        answer: Box::new(move |_| {
            let _ = held.recv();
            Vec::new()
        }),
        ..scene.plan()
    }
    .start();
    assert_eq!(
        within(limit, &server.endpoint(), Some(&scene.client().identity())),
        unanswered("did not answer after the TLS handshake within 200ms")
    );
    drop(hold);
}

#[test]
fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = at(listener.local_addr().unwrap().port());
    drop(listener);
    assert_eq!(
        within(TIMEOUT, &endpoint, None),
        Attempted::Unanswered {
            unreachable: true,
            timed_out: false,
            detail: "refuses connections".to_owned()
        }
    );
}

#[test]
fn an_identity_that_does_not_fit_together_is_not_presented() {
    let scene = Scene::new();
    let client = scene.client();
    let server: Server = scene.plan().start();
    let mixed = ClientIdentity {
        chain: client.chain(),
        ..scene.leaf.identity()
    };
    let found = within(TIMEOUT, &server.endpoint(), Some(&mixed));
    assert_eq!(
        found,
        Attempted::Unanswered {
            unreachable: false,
            timed_out: false,
            detail: "cannot be asked: client certificate CN=client belongs to another key than \
                     given"
                .to_owned()
        }
    );
}

#[test]
fn ipv6_and_another_name_are_asked_for() {
    let scene = Scene::new();
    let server = Plan {
        address: "[::1]:0",
        ..scene.plan()
    }
    .start();
    let endpoint = Endpoint {
        server_name: Some("kubernetes".to_owned()),
        ..server.endpoint()
    };
    let found = attempt(
        &endpoint,
        Some(&expecting(&[&scene.authority], &["kubernetes", "::1"])),
        Some(&scene.client().identity()),
        Some(VERSION),
    );
    assert_eq!(found, accepted(Some(VERSION)));
    assert_eq!(server.next_client().name.as_deref(), Some("kubernetes"));
}

#[test]
fn the_status_the_clock_and_the_wanted_lines_are_reported() {
    let scene = Scene::new();
    let server = Plan {
        answer: Box::new(|_| {
            let line = "apiserver_request_total{code=\"200\"} 5\n";
            let mut page = line.repeat(50_000);
            page.push_str("wanted_seconds 7\n");
            page.push_str(line);
            let length = page.len();
            format!(
                "HTTP/1.1 403 Forbidden\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                 Content-Length: {length}\r\n\r\n{page}"
            )
            .into_bytes()
        }),
        ..Plan::new(&scene.leaf)
    }
    .start();
    let question = Question {
        path: "/metrics",
        lines: &["wanted_"],
        headers: &[],
    };
    let found = attempt(
        &server.endpoint(),
        Some(&scene.expectation()),
        None,
        Some(question),
    );
    assert_eq!(
        found,
        Attempted::Accepted(Some(Reply {
            status: 403,
            date: Some("1994-11-06T08:49:37Z".parse().unwrap()),
            body: "wanted_seconds 7\n".to_owned(),
        }))
    );
}

#[test]
fn intermediates_that_the_server_sends_lead_to_the_root() {
    let workshop = Workshop::new();
    let root = workshop.authority("root", wish("/CN=root", CA));
    let middle = workshop.issue("middle", &root, wish("/CN=middle", CA));
    let leaf = workshop.issue("leaf", &middle, wish("/CN=leaf", SERVER));
    let server = Plan {
        others: &[&middle],
        ..Plan::new(&leaf)
    }
    .start();
    let expectation = expecting(&[&root], &["localhost"]);
    let found = attempt(&server.endpoint(), Some(&expectation), None, Some(VERSION));
    assert_eq!(found, accepted(Some(VERSION)));
    let bare = path_error(&leaf, &expectation);
    assert!(matches!(bare, PathError::UnknownAuthority { .. }), "{bare}");
    let pool = CertificatePool::new(leaf.chain());
    let itself = Expectation {
        roots: pool,
        ..expectation
    };
    let found = attempt(&server.endpoint(), Some(&itself), None, Some(VERSION));
    assert_eq!(found, accepted(Some(VERSION)));
}
