//! A TLS server in this process, on a port of the system's choice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use kubepki_engine::ports::Endpoint;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};

use crate::certificates::Made;

pub const TIMEOUT: Duration = Duration::from_secs(20);

/// From a request to an answer.
pub type Answer = Box<dyn Fn(&str) -> Vec<u8> + Send>;

/// What a server is to do.
pub struct Plan<'a> {
    pub leaf: &'a Made,
    /// Sent after the leaf.
    pub others: &'a [&'a Made],
    /// Accepts only clients of this CA.
    pub clients_of: Option<&'a Made>,
    /// Clients without certificate are accepted too.
    pub optional: bool,
    pub versions: &'a [&'static SupportedProtocolVersion],
    pub address: &'a str,
    /// The answer to each request, which is given whole.
    pub answer: Answer,
}

impl<'a> Plan<'a> {
    pub fn new(leaf: &'a Made) -> Self {
        Self {
            leaf,
            others: &[],
            clients_of: None,
            optional: false,
            versions: rustls::ALL_VERSIONS,
            address: "127.0.0.1:0",
            answer: Box::new(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        }
    }

    pub fn start(self) -> Server {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match self.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.read().der().to_vec().into()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if self.optional {
                    verifier.allow_unauthenticated()
                } else {
                    verifier
                };
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = std::iter::once(self.leaf)
            .chain(self.others.iter().copied())
            .map(|made| CertificateDer::from(made.read().der().to_vec()))
            .collect();
        let key = PrivateKeyDer::from_pem_file(&self.leaf.key).unwrap();
        let configuration = Arc::new(builder.with_single_cert(chain, key).unwrap());

        let listener = TcpListener::bind(self.address).unwrap();
        let address = listener.local_addr().unwrap();
        let (send, seen) = mpsc::channel();
        let answer = self.answer;
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                let connection = ServerConnection::new(Arc::clone(&configuration)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                let request = read_request(&mut stream);
                let name = stream.conn.server_name().map(str::to_owned);
                let had_request = !request.is_empty();
                if send
                    .send(Seen {
                        name,
                        request: request.clone(),
                    })
                    .is_err()
                {
                    return;
                }
                if had_request {
                    let _ = stream.write_all(&answer(&request));
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        Server { address, seen }
    }
}

/// The head of a request and its body, as far as Content-Length tells; empty when none came.
fn read_request(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0usize);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return String::new(),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// What the server saw of one client.
pub struct Seen {
    /// SNI.
    pub name: Option<String>,
    pub request: String,
}

pub struct Server {
    pub address: SocketAddr,
    pub seen: mpsc::Receiver<Seen>,
}

impl Server {
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            server_name: None,
        }
    }

    pub fn next_client(&self) -> Seen {
        self.seen.recv_timeout(TIMEOUT).unwrap()
    }
}
