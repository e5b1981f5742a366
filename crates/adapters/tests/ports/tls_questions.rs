//! Questions over TLS: what is verified, what is said when a check fails, and client certificates.

use kubepki_adapters::tls::RustlsProbe;
use kubepki_engine::ports::{ClientIdentity, Endpoint, HttpAnswer, ProbeError, TlsProbe, Trust};
use rustls::version::{TLS12, TLS13};

use crate::certificates::{
    CA, CLIENT, FUTURE, Key, Made, PAST, RECENT, SERVER, Wish, Workshop, wish,
};
use crate::tls_server::{Plan, Server, TIMEOUT};

fn ask(
    server: &Server,
    trusted: &[&Made],
    identity: Option<&ClientIdentity>,
) -> Result<HttpAnswer, ProbeError> {
    let trust = Trust::Bundle(trusted.iter().map(|made| made.read()).collect());
    RustlsProbe::new().https_get(
        &server.endpoint(),
        "/healthz?x=1",
        &trust,
        identity,
        TIMEOUT,
    )
}

/// Why a server with such a leaf is not accepted.
fn refusal(trusted: &[&Made], leaf: &Made) -> String {
    ask(&Plan::new(leaf).start(), trusted, None)
        .unwrap_err()
        .detail
}

#[test]
fn a_server_of_a_trusted_ca_is_asked() {
    let workshop = Workshop::new();
    let other = workshop.authority("other", wish("/CN=other", CA));
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
    let server = Plan::new(&leaf).start();
    let answer = ask(&server, &[&other, &authority], None).unwrap();
    assert_eq!(
        answer,
        HttpAnswer {
            status: 200,
            body: "ok".to_owned()
        }
    );
    let request = server.next_client().request;
    assert!(
        request.starts_with("GET /healthz?x=1 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("\r\nHost: {}\r\n", server.address)),
        "{request}"
    );
}

#[test]
fn the_failed_check_is_named_with_what_was_found() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = |name: &str, wish| workshop.issue(name, &authority, wish);

    let made = leaf(
        "expired",
        Wish {
            not_after: RECENT,
            ..wish("/CN=old", SERVER)
        },
    );
    assert_eq!(
        refusal(&[&authority], &made),
        "serves CN=old, but CN=old expired at 2024-01-01T00:00:00Z"
    );
    let made = leaf(
        "early",
        Wish {
            not_before: FUTURE,
            ..wish("/CN=early", SERVER)
        },
    );
    assert_eq!(
        refusal(&[&authority], &made),
        "serves CN=early, but CN=early is not valid before 2098-01-01T00:00:00Z"
    );
    let names = "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:cp1,IP:10.0.0.1";
    let made = leaf("named", wish("/CN=named", names));
    assert_eq!(
        refusal(&[&authority], &made),
        "serves CN=named, which is not valid for 127.0.0.1; it has DNS:cp1, IP:10.0.0.1"
    );
    let made = leaf(
        "unnamed",
        wish("/CN=127.0.0.1", "extendedKeyUsage=serverAuth"),
    );
    let words = refusal(&[&authority], &made);
    assert!(
        words.ends_with("it has no subject alternative name"),
        "{words}"
    );
    let client = "extendedKeyUsage=clientAuth\nsubjectAltName=IP:127.0.0.1";
    let made = leaf("client", wish("/CN=client", client));
    let words = refusal(&[&authority], &made);
    assert!(
        words.ends_with("expected extended key usage serverAuth, found clientAuth"),
        "{words}"
    );
}

#[test]
fn unknown_issuers_are_told_apart() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
    let other = workshop.authority("other", wish("/CN=etcd-ca", CA));
    let namesake = workshop.authority("namesake", wish("/CN=kubernetes", CA));

    assert_eq!(
        refusal(&[&other], &leaf),
        "serves CN=kube-apiserver, issued by CN=kubernetes, which is not trusted; \
         trusted are CN=etcd-ca"
    );
    assert_eq!(
        refusal(&[&other, &namesake], &leaf),
        "serves CN=kube-apiserver, signed by another key than the trusted CN=kubernetes has"
    );
    let printable = workshop.printable_authority("printable", wish("/CN=kubernetes", CA));
    assert_eq!(
        refusal(&[&printable], &leaf),
        "serves CN=kube-apiserver, issued by CN=kubernetes, which the trusted CA spells in \
         another encoding"
    );
    let own = workshop.authority("own", wish("/CN=cp1@1700000000", SERVER));
    let words = refusal(&[&other], &own);
    assert!(
        words.contains("issued by CN=cp1@1700000000, which is not trusted"),
        "{words}"
    );
}

/// Go refuses a root out of date; rustls-webpki does not look.
#[test]
fn an_expired_ca_is_trusted_no_longer() {
    let workshop = Workshop::new();
    let expired = Wish {
        not_before: PAST,
        not_after: RECENT,
        ..wish("/CN=kubernetes", CA)
    };
    let authority = workshop.authority("ca", expired);
    let leaf = workshop.issue("leaf", &authority, wish("/CN=kube-apiserver", SERVER));
    let other = workshop.authority("other", wish("/CN=other", CA));
    assert_eq!(
        refusal(&[&authority, &other], &leaf),
        "serves CN=kube-apiserver, issued by a trusted CA, but CN=kubernetes expired at \
         2024-01-01T00:00:00Z"
    );
    assert_eq!(
        refusal(&[&authority], &leaf),
        "cannot be verified: the trusted bundle has no usable CA: CN=kubernetes expired at \
         2024-01-01T00:00:00Z"
    );
    assert_eq!(
        refusal(&[], &leaf),
        "cannot be verified: the trusted bundle has no usable CA: it is empty"
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
    assert_eq!(ask(&server, &[&root], None).unwrap().status, 200);
    let words = refusal(&[&root], &leaf);
    assert!(
        words.contains("issued by CN=middle, which is not trusted"),
        "{words}"
    );
}

#[test]
fn another_name_than_the_hosts_can_be_asked_for() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let names = "subjectAltName=DNS:kubernetes.default.svc";
    let leaf = workshop.issue("leaf", &authority, wish("/CN=leaf", names));
    let server = Plan::new(&leaf).start();
    let endpoint = Endpoint {
        server_name: Some("kubernetes.default.svc".to_owned()),
        ..server.endpoint()
    };
    let trust = Trust::Bundle(authority.chain());
    let answer = RustlsProbe::new()
        .https_get(&endpoint, "/", &trust, None, TIMEOUT)
        .unwrap();
    assert_eq!(answer.status, 200);
    let seen = server.next_client();
    assert_eq!(seen.name.as_deref(), Some("kubernetes.default.svc"));
}

#[test]
fn anything_is_asked_when_nothing_is_to_be_trusted() {
    let workshop = Workshop::new();
    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=expired", CLIENT)
    };
    let leaf = workshop.authority("leaf", expired);
    let server = Plan::new(&leaf).start();
    let probe = RustlsProbe::new();
    let answer = probe
        .https_get(&server.endpoint(), "/", &Trust::Anything, None, TIMEOUT)
        .unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn client_keys_of_all_encodings_are_accepted() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=ca", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=leaf", SERVER));
    for (name, key) in [
        ("pkcs1", Key::Pkcs1),
        ("pkcs8", Key::Pkcs8),
        ("sec1", Key::Sec1),
    ] {
        let client = workshop.issue(
            name,
            &authority,
            Wish {
                key,
                ..wish("/CN=me", CLIENT)
            },
        );
        for versions in [[&TLS12], [&TLS13]] {
            let plan = Plan {
                clients_of: Some(&authority),
                ..Plan::new(&leaf)
            };
            let server = Plan {
                versions: &versions,
                ..plan
            }
            .start();
            let answer = ask(&server, &[&authority], Some(&client.identity()));
            assert_eq!(answer.unwrap().status, 200, "{name}");
        }
    }
}

#[test]
fn a_refused_client_is_told_so() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=ca", CA));
    let leaf = workshop.issue("leaf", &authority, wish("/CN=leaf", SERVER));
    let stranger = workshop.authority("stranger", wish("/CN=stranger", CLIENT));
    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=expired", CLIENT)
    };
    let expired = workshop.issue("expired", &authority, expired);
    for versions in [[&TLS12], [&TLS13]] {
        let plan = Plan {
            clients_of: Some(&authority),
            ..Plan::new(&leaf)
        };
        let server = Plan {
            versions: &versions,
            ..plan
        }
        .start();
        let words = |identity: Option<&ClientIdentity>| {
            ask(&server, &[&authority], identity).unwrap_err().detail
        };
        assert_eq!(
            words(None),
            "demands a client certificate (TLS alert certificate_required)"
        );
        assert_eq!(
            words(Some(&stranger.identity())),
            "refused the client certificate (TLS alert unknown_ca)"
        );
        assert_eq!(
            words(Some(&expired.identity())),
            "refused the client certificate (TLS alert certificate_expired)"
        );
    }
}

#[test]
fn an_identity_that_does_not_fit_together_is_refused_here() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=ca", CA));
    let client = workshop.issue("client", &authority, wish("/CN=client", CLIENT));
    let server = Plan::new(&client).start();
    let words = |identity: &ClientIdentity| {
        ask(&server, &[&authority], Some(identity))
            .unwrap_err()
            .detail
    };
    let mixed = ClientIdentity {
        chain: client.chain(),
        ..authority.identity()
    };
    assert_eq!(
        words(&mixed),
        "cannot be asked: client certificate CN=client belongs to another key than given"
    );
    let broken = ClientIdentity {
        chain: client.chain(),
        key_pem: b"-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----\n"
            .to_vec()
            .into(),
    };
    let text = words(&broken);
    assert!(text.contains("CN=client is not usable"), "{text}");
    assert!(
        !text.contains("c2VjcmV0") && !text.contains("secret"),
        "{text}"
    );
    let none = ClientIdentity {
        chain: client.chain(),
        key_pem: b"nothing".to_vec().into(),
    };
    assert!(words(&none).contains("is not readable"));
    let empty = ClientIdentity {
        chain: Vec::new(),
        ..client.identity()
    };
    assert!(words(&empty).contains("holds no certificate"));
}
