//! HTTP answers in every framing, whole, cut off and broken.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use kubepki_adapters::tls::RustlsProbe;
use kubepki_engine::ports::{Endpoint, HttpAnswer, ProbeError, TlsProbe};

use crate::tls_server::TIMEOUT;

/// Asks a server that sends these pieces, one after the other, and then closes.
fn ask(pieces: &[&[u8]]) -> Result<HttpAnswer, ProbeError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0; 1];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.extend_from_slice(&byte);
        }
        for piece in pieces {
            if stream.write_all(&piece).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    });
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        server_name: None,
    };
    RustlsProbe::new().http_get(&endpoint, "/healthz", TIMEOUT)
}

fn body(pieces: &[&[u8]]) -> String {
    let answer = ask(pieces).unwrap();
    assert_eq!(answer.status, 200);
    answer.body
}

fn complaint(pieces: &[&[u8]]) -> String {
    ask(pieces).unwrap_err().detail
}

#[test]
fn bodies_of_every_framing_are_read() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n";
    assert_eq!(body(&[head, b"\r\nhel", b"lo and more"]), "hello");
    assert_eq!(body(&[b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo"]), "hello");
    assert_eq!(body(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]), "");
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    assert_eq!(
        body(&[
            head,
            b"2\r\nhe\r\n3;x=y\r",
            b"\nllo\r\n0\r\nTrailer: x\r\n\r\n"
        ]),
        "hello"
    );
    assert_eq!(body(&[head, b"2\r\nhe", b"\r", b"\n0\r\n\r\n"]), "he");
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    assert_eq!(
        body(&[early, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]),
        "ok"
    );
}

#[test]
fn other_statuses_are_answers_too() {
    let answer = ask(&[b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"]).unwrap();
    assert_eq!(
        answer,
        HttpAnswer {
            status: 204,
            body: String::new()
        }
    );
    let answer = ask(&[b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"health\":\"false\"}"]).unwrap();
    assert_eq!(
        answer,
        HttpAnswer {
            status: 503,
            body: "{\"health\":\"false\"}".to_owned()
        }
    );
}

#[test]
fn long_bodies_are_cut_at_64_kib() {
    let long = vec![b'x'; 300_000];
    assert_eq!(body(&[b"HTTP/1.1 200 OK\r\n\r\n", &long]).len(), 65_536);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
    assert_eq!(body(&[head, &long]).len(), 65_536);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n";
    assert_eq!(body(&[head, &long]).len(), 65_536);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert_eq!(body(&[head, &long]).len(), 65_536);
}

#[test]
fn broken_answers_are_called_so() {
    assert!(complaint(&[b"SSH-2.0-OpenSSH\r\n"]).starts_with("does not speak HTTP"));
    assert!(complaint(&[b""]).starts_with("closed the connection ("));
    assert_eq!(
        complaint(&[b"HTTP/1.1 200 OK\r\nContent-"]),
        "closed the connection inside its HTTP head"
    );
    assert_eq!(
        complaint(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"]),
        "ended its HTTP body early, after 3 bytes"
    );
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(complaint(&[head, b"5\r\nhel"]).contains("early"));
    assert!(complaint(&[head, b"zz\r\n"]).contains("without a length"));
    assert!(complaint(&[head, b"2\r\nhello\r\n"]).contains("does not end where it says"));
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n";
    assert!(complaint(&[head]).contains("Content-Length \"-1\""));
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n";
    assert!(complaint(&[head]).contains("gzip"));
    let mut endless = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    endless.extend(vec![b'x'; 200_000]);
    assert!(complaint(&[&endless]).contains("beyond 64 KiB"));
}

#[test]
fn a_path_cannot_smuggle_in_a_header() {
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: 1,
        server_name: None,
    };
    for path in ["", "healthz", "/a b", "/a\r\nX: y", "/ä"] {
        let error = RustlsProbe::new()
            .http_get(&endpoint, path, TIMEOUT)
            .unwrap_err();
        assert!(error.detail.contains("not an HTTP path"), "{error}");
    }
}

#[test]
fn an_answer_that_does_not_end_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X: y\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
        server_name: None,
    };
    let begun = Instant::now();
    let limit = Duration::from_millis(400);
    let error = RustlsProbe::new()
        .http_get(&endpoint, "/", limit)
        .unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(error.detail, "did not finish its HTTP answer within 400ms");
}
