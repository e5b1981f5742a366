//! Connections tried as their own clients would: who refuses whom, in TLS 1.2 and in TLS 1.3 (where
//! a server judges the client after the client's last word), with a question and without.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_engine::ports::{
    Attempt, Attempted, ClientIdentity, Endpoint, Expectation, Question, Reply, ServerRefusal,
    TlsProbe,
};
use kubepki_x509::path::{PathError, ServerName};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::certificates::{CA, CLIENT, Made, RECENT, SERVER, Wish, Workshop, wish};
use crate::tls_server::{Plan, TIMEOUT};

pub const VERSIONS: [[&SupportedProtocolVersion; 1]; 2] = [[&TLS12], [&TLS13]];

const QUESTIONS: [Option<Question<'_>>; 2] = [None, Some(VERSION)];

pub const VERSION: Question<'_> = Question {
    path: "/version",
    lines: &[],
    headers: &[],
};

pub fn expecting(trusted: &[&Made], names: &[&str]) -> Expectation {
    Expectation {
        roots: trusted.iter().flat_map(|made| made.chain()).collect(),
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        now: Timestamp::now(),
    }
}

pub fn attempt(
    endpoint: &Endpoint,
    expectation: Option<&Expectation>,
    identity: Option<&ClientIdentity>,
    question: Option<Question<'_>>,
) -> Attempted {
    RustlsProbe::new().attempt(&Attempt {
        endpoint,
        identity,
        expectation,
        question,
        timeout: TIMEOUT,
    })
}

/// An authority, a server of it that demands clients of it, and who tries.
pub struct Scene {
    pub workshop: Workshop,
    pub authority: Made,
    pub leaf: Made,
}

impl Scene {
    pub fn new() -> Self {
        let workshop = Workshop::new();
        let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
        let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
        Self {
            workshop,
            authority,
            leaf,
        }
    }

    pub fn client(&self) -> Made {
        let wish = wish("/CN=client", CLIENT);
        self.workshop.issue("client", &self.authority, wish)
    }

    pub fn expectation(&self) -> Expectation {
        expecting(&[&self.authority], &["127.0.0.1"])
    }

    pub fn plan(&self) -> Plan<'_> {
        Plan {
            clients_of: Some(&self.authority),
            ..Plan::new(&self.leaf)
        }
    }
}

pub fn accepted(question: Option<Question<'_>>) -> Attempted {
    Attempted::Accepted(question.map(|_| Reply {
        status: 200,
        date: None,
        body: "ok".to_owned(),
    }))
}

#[test]
fn a_client_that_both_sides_believe_is_accepted() {
    let scene = Scene::new();
    let client = scene.client();
    for versions in VERSIONS {
        let server = Plan {
            versions: &versions,
            ..scene.plan()
        }
        .start();
        for question in QUESTIONS {
            let found = attempt(
                &server.endpoint(),
                Some(&scene.expectation()),
                Some(&client.identity()),
                question,
            );
            assert_eq!(found, accepted(question));
            let request = server.next_client().request;
            assert_eq!(
                request.starts_with("GET /version HTTP/1.1\r\n"),
                question.is_some()
            );
            assert!(!request.contains("Authorization"), "{request}");
        }
    }
}

#[test]
fn a_client_that_the_server_does_not_believe_is_told_so() {
    let scene = Scene::new();
    let stranger = scene
        .workshop
        .authority("stranger", wish("/CN=stranger", CLIENT));
    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=expired", CLIENT)
    };
    let expired = scene.workshop.issue("expired", &scene.authority, expired);
    let cases = [
        (
            None,
            "demands a client certificate (TLS alert certificate_required)",
        ),
        (
            Some(&stranger),
            "refused the client certificate (TLS alert unknown_ca)",
        ),
        (
            Some(&expired),
            "refused the client certificate (TLS alert certificate_expired)",
        ),
    ];
    for versions in VERSIONS {
        let server = Plan {
            versions: &versions,
            ..scene.plan()
        }
        .start();
        for (client, reason) in cases {
            for question in QUESTIONS {
                let found = attempt(
                    &server.endpoint(),
                    Some(&scene.expectation()),
                    client.map(Made::identity).as_ref(),
                    question,
                );
                assert_eq!(found, Attempted::ClientRefused(reason.to_owned()));
            }
        }
    }
}

#[test]
fn a_server_that_asks_for_no_certificate_has_accepted_after_the_handshake() {
    let scene = Scene::new();
    let client = scene.client();
    for versions in VERSIONS {
        let server = Plan {
            versions: &versions,
            ..Plan::new(&scene.leaf)
        }
        .start();
        let found = attempt(
            &server.endpoint(),
            Some(&scene.expectation()),
            Some(&client.identity()),
            None,
        );
        assert_eq!(found, Attempted::Accepted(None));
        assert_eq!(server.next_client().request, "");
    }
}

/// Why a server with such a leaf is refused; it must not have been asked anything.
fn refusal(leaf: &Made, expectation: &Expectation) -> ServerRefusal {
    let mut found = None;
    for versions in VERSIONS {
        let server = Plan {
            versions: &versions,
            ..Plan::new(leaf)
        }
        .start();
        let attempted = attempt(&server.endpoint(), Some(expectation), None, Some(VERSION));
        let Attempted::ServerRefused(refusal) = attempted else {
            return ServerRefusal::Unreadable(format!("{attempted:?}"));
        };
        assert_eq!(server.next_client().request, "");
        found = Some(refusal);
    }
    found.unwrap()
}

pub fn path_error(leaf: &Made, expectation: &Expectation) -> PathError {
    match refusal(leaf, expectation) {
        ServerRefusal::Path(error) => *error,
        other => PathError::Malformed {
            certificate: leaf.read(),
            reason: other.to_string(),
        },
    }
}

#[test]
fn a_server_that_the_client_does_not_believe_is_asked_nothing() {
    let scene = Scene::new();
    let issue = |name: &str, wish| scene.workshop.issue(name, &scene.authority, wish);
    let other = scene.workshop.authority("other", wish("/CN=etcd-ca", CA));

    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=old", SERVER)
    };
    let error = path_error(&issue("old", expired), &scene.expectation());
    assert!(matches!(error, PathError::Expired { .. }), "{error}");

    let elsewhere = expecting(&[&scene.authority], &["10.0.0.1"]);
    let error = path_error(&scene.leaf, &elsewhere);
    let asked = "10.0.0.1".parse::<ServerName>().unwrap();
    assert!(
        matches!(&error, PathError::NameMismatch { asked: found, .. } if *found == asked),
        "{error}"
    );

    // Every name counts, not only the first.
    let both = expecting(&[&scene.authority], &["127.0.0.1", "cp1.example"]);
    let error = path_error(&scene.leaf, &both);
    assert!(matches!(error, PathError::NameMismatch { .. }), "{error}");

    let error = path_error(&scene.leaf, &expecting(&[&other], &["127.0.0.1"]));
    assert!(
        matches!(error, PathError::UnknownAuthority { trusted: 1, .. }),
        "{error}"
    );

    let nobody = expecting(&[], &[]);
    let error = path_error(&scene.leaf, &nobody);
    assert!(
        matches!(error, PathError::UnknownAuthority { trusted: 0, .. }),
        "{error}"
    );

    let client = "extendedKeyUsage=clientAuth\nsubjectAltName=IP:127.0.0.1";
    let error = path_error(&issue("c", wish("/CN=c", client)), &scene.expectation());
    assert!(
        matches!(error, PathError::IncompatibleUsage { .. }),
        "{error}"
    );
}

#[test]
fn without_an_expectation_anybody_is_believed() {
    let scene = Scene::new();
    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=old", CLIENT)
    };
    let own = scene.workshop.authority("own", expired);
    let server = Plan {
        clients_of: Some(&scene.authority),
        ..Plan::new(&own)
    }
    .start();
    let found = attempt(
        &server.endpoint(),
        None,
        Some(&scene.client().identity()),
        Some(VERSION),
    );
    assert_eq!(found, accepted(Some(VERSION)));
}

/// Serves one client with a certificate and the key of another.
fn serve_with_the_key_of(
    certificate: &Made,
    key: &Made,
    version: &'static SupportedProtocolVersion,
) -> Endpoint {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_file(&key.key).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let chain = vec![CertificateDer::from(certificate.read().der().to_vec())];
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(configuration)).unwrap();
        let _ = StreamOwned::new(connection, stream).read(&mut [0; 64]);
    });
    at(port)
}

pub fn at(port: u16) -> Endpoint {
    Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        server_name: None,
    }
}

#[test]
fn a_server_with_the_key_of_another_is_refused() {
    let scene = Scene::new();
    let other = scene
        .workshop
        .issue("b", &scene.authority, wish("/CN=b", SERVER));
    for version in [&TLS12, &TLS13] {
        let endpoint = serve_with_the_key_of(&scene.leaf, &other, version);
        let found = attempt(&endpoint, Some(&scene.expectation()), None, Some(VERSION));
        assert!(
            matches!(
                found,
                Attempted::ServerRefused(ServerRefusal::KeyNotProven(_))
            ),
            "{found:?}"
        );
    }
}
