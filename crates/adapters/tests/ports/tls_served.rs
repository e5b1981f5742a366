//! What a probe reports of servers, whoever they are and whatever they want.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use kubepki_adapters::tls::RustlsProbe;
use kubepki_engine::ports::{Endpoint, TlsProbe};
use rustls::version::{TLS12, TLS13};

use crate::certificates::{CA, PAST, RECENT, SERVER, Wish, Workshop, wish};
use crate::tls_server::{Plan, TIMEOUT};

fn local(port: u16) -> Endpoint {
    Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        server_name: None,
    }
}

#[test]
fn the_chain_is_reported_as_sent() {
    let workshop = Workshop::new();
    let authority = workshop.authority("ca", wish("/CN=kubernetes", CA));
    let leaf = workshop.issue(
        "leaf",
        &authority,
        wish("/O=a/O=b/CN=kube-apiserver", SERVER),
    );
    let server = Plan {
        others: &[&authority],
        ..Plan::new(&leaf)
    }
    .start();

    let served = RustlsProbe::new()
        .served(&server.endpoint(), TIMEOUT)
        .unwrap();
    assert_eq!(served.chain, [leaf.read(), authority.read()]);
    assert_eq!(served.protocol, "TLSv1.3");
    assert!(!served.asks_client_certificate);
    assert!(served.acceptable_client_authorities.is_empty());
}

#[test]
fn names_are_sent_as_sni_and_addresses_are_not() {
    let workshop = Workshop::new();
    let leaf = workshop.authority("leaf", wish("/CN=leaf", SERVER));
    let server = Plan::new(&leaf).start();
    let probe = RustlsProbe::new();
    let sni = |host: &str, server_name: Option<&str>| {
        let endpoint = Endpoint {
            host: host.to_owned(),
            port: server.address.port(),
            server_name: server_name.map(str::to_owned),
        };
        probe.served(&endpoint, TIMEOUT).unwrap();
        server.next_client().name
    };
    assert_eq!(sni("127.0.0.1", None), None);
    assert_eq!(sni("localhost", None).as_deref(), Some("localhost"));
    assert_eq!(sni("127.0.0.1", Some("cp1.")).as_deref(), Some("cp1"));
    assert_eq!(
        sni("127.0.0.1", Some("kubernetes")).as_deref(),
        Some("kubernetes")
    );
    assert_eq!(sni("localhost", Some("10.96.0.1")), None);
}

#[test]
fn a_server_of_tls_1_2_alone_is_understood() {
    let workshop = Workshop::new();
    let leaf = workshop.authority("leaf", wish("/CN=leaf", SERVER));
    let server = Plan {
        versions: &[&TLS12],
        ..Plan::new(&leaf)
    }
    .start();
    let served = RustlsProbe::new()
        .served(&server.endpoint(), TIMEOUT)
        .unwrap();
    assert_eq!(served.protocol, "TLSv1.2");
    assert_eq!(served.chain, [leaf.read()]);
}

#[test]
fn a_server_that_wants_a_client_certificate_is_reported_with_whom_it_accepts() {
    let workshop = Workshop::new();
    let leaf = workshop.authority("leaf", wish("/CN=leaf", SERVER));
    let clients = workshop.authority("clients", wish("/O=etcd/CN=etcd-ca", CA));
    for (versions, protocol) in [([&TLS12], "TLSv1.2"), ([&TLS13], "TLSv1.3")] {
        for optional in [false, true] {
            let plan = Plan {
                clients_of: Some(&clients),
                optional,
                ..Plan::new(&leaf)
            };
            let server = Plan {
                versions: &versions,
                ..plan
            }
            .start();
            let served = RustlsProbe::new()
                .served(&server.endpoint(), TIMEOUT)
                .unwrap();
            assert_eq!(served.chain, [leaf.read()], "{protocol} {optional}");
            assert_eq!(served.protocol, protocol);
            assert!(served.asks_client_certificate);
            assert_eq!(
                served.acceptable_client_authorities,
                [clients.read().subject().clone()]
            );
        }
    }
}

#[test]
fn an_expired_server_is_reported() {
    let workshop = Workshop::new();
    let expired = Wish {
        not_after: RECENT,
        ..wish("/CN=expired", SERVER)
    };
    let leaf = workshop.authority(
        "leaf",
        Wish {
            not_before: PAST,
            ..expired
        },
    );
    let server = Plan::new(&leaf).start();
    let served = RustlsProbe::new()
        .served(&server.endpoint(), TIMEOUT)
        .unwrap();
    assert_eq!(served.chain, [leaf.read()]);
}

#[test]
fn ipv6_addresses_are_reached() {
    let workshop = Workshop::new();
    let leaf = workshop.authority("leaf", wish("/CN=leaf", SERVER));
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6 loopback");
        return;
    }
    let server = Plan {
        address: "[::1]:0",
        ..Plan::new(&leaf)
    }
    .start();
    assert_eq!(server.endpoint().host, "::1");
    let served = RustlsProbe::new()
        .served(&server.endpoint(), TIMEOUT)
        .unwrap();
    assert_eq!(served.chain, [leaf.read()]);
}

#[test]
fn a_closed_port_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = RustlsProbe::new()
        .served(&local(port), TIMEOUT)
        .unwrap_err();
    assert!(error.unreachable);
    assert_eq!(
        error.to_string(),
        format!("127.0.0.1:{port} refuses connections")
    );

    let endpoint = Endpoint {
        host: "::1".to_owned(),
        ..local(port)
    };
    let error = RustlsProbe::new().served(&endpoint, TIMEOUT).unwrap_err();
    assert_eq!(error.endpoint, format!("[::1]:{port}"));

    let endpoint = Endpoint {
        host: "no-such-host.invalid".to_owned(),
        ..local(port)
    };
    let error = RustlsProbe::new().served(&endpoint, TIMEOUT).unwrap_err();
    assert!(
        error.unreachable && error.detail.contains("resolved"),
        "{error}"
    );
}

#[test]
fn a_server_that_never_answers_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = local(listener.local_addr().unwrap().port());
    let begun = Instant::now();
    let error = RustlsProbe::new()
        .served(&endpoint, Duration::from_millis(300))
        .unwrap_err();
    let lasted = begun.elapsed();
    assert!(
        lasted >= Duration::from_millis(300) && lasted < Duration::from_secs(5),
        "{lasted:?}"
    );
    assert!(!error.unreachable);
    let words = "accepted the connection but did not finish the TLS handshake within 300ms";
    assert_eq!(error.detail, words);
}

#[test]
fn a_server_that_trickles_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = local(listener.local_addr().unwrap().port());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The first bytes of a handshake record that promises 16 KiB.
        let mut sent = stream.write_all(&[22, 3, 3, 0x40, 0]);
        while sent.is_ok() {
            thread::sleep(Duration::from_millis(50));
            sent = stream.write_all(&[0]);
        }
    });
    let begun = Instant::now();
    let error = RustlsProbe::new()
        .served(&endpoint, Duration::from_millis(500))
        .unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(error.detail.contains("within 500ms"), "{error}");
}

#[test]
fn a_server_without_tls_is_called_that() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = local(listener.local_addr().unwrap().port());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = [0; 4096];
        let _ = stream.read(&mut piece);
        let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    });
    let error = RustlsProbe::new().served(&endpoint, TIMEOUT).unwrap_err();
    assert!(!error.unreachable);
    assert!(error.detail.starts_with("does not speak TLS"), "{error}");
}

#[test]
fn what_is_no_name_is_refused_before_anything_is_sent() {
    let endpoint = Endpoint {
        server_name: Some("not a name".to_owned()),
        ..local(1)
    };
    let error = RustlsProbe::new().served(&endpoint, TIMEOUT).unwrap_err();
    assert!(
        error
            .detail
            .contains("neither a DNS name nor an IP address"),
        "{error}"
    );
}
