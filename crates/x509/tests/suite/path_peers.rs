//! TLS peers that present whatever chain a case has, valid or not: rustls does not judge what it
//! presents itself.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use kubepki_x509::Certificate;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    StreamOwned,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::path_cases::Case;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Presented(Arc<CertifiedKey>);

impl Presented {
    fn new(case: &Case) -> Arc<Self> {
        let key = PrivatePkcs8KeyDer::from(case.leaf.key.pkcs8());
        let key = default_provider()
            .key_provider
            .load_private_key(PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let chain = std::iter::once(&case.leaf.certificate).chain(&case.intermediates);
        let chain = chain.map(|certificate| certificate.der().to_vec().into());
        Arc::new(Self(Arc::new(CertifiedKey::new(chain.collect(), key))))
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A server that answers the first who comes.
pub struct Server {
    pub address: SocketAddr,
    running: Running,
}

enum Running {
    Thread(JoinHandle<()>),
    Openssl(Child),
}

impl Server {
    pub fn start(case: &Case) -> Self {
        let configuration = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Presented::new(case));
        let configuration = Arc::new(configuration);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let connection = ServerConnection::new(configuration).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut request = [0; 4096];
            // Whoever does not like the certificate asks nothing.
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self {
            address,
            running: Running::Thread(thread),
        }
    }

    /// The same by OpenSSL: rustls ends the handshake when a client asks for a name that no host
    /// can have.
    #[expect(clippy::disallowed_methods, reason = "a test's own server on loopback")]
    pub fn start_openssl(case: &Case, folder: &Path, number: usize) -> Self {
        let file = |kind: &str| folder.join(format!("{number}.{kind}"));
        let (key, leaf) = (file("key"), file("leaf"));
        let pem = kubepki_x509::pem::encode("PRIVATE KEY", &case.leaf.key.pkcs8());
        fs_err::write(&key, pem).unwrap();
        fs_err::write(&leaf, case.leaf.certificate.to_pem()).unwrap();
        let mut openssl = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-naccept",
                "1",
                "-www",
            ])
            .arg("-key")
            .arg(key)
            .arg("-cert")
            .arg(leaf)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(openssl.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.parse().ok());
        // It has more to say, and would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            address: address.unwrap(),
            running: Running::Openssl(openssl),
        }
    }

    /// Ends it even if nobody came.
    #[expect(clippy::disallowed_methods, reason = "a test's own server on loopback")]
    pub fn stop(self) {
        match self.running {
            Running::Thread(thread) => {
                drop(TcpStream::connect(self.address));
                thread.join().unwrap();
            }
            Running::Openssl(mut openssl) => {
                let _ = openssl.kill();
                openssl.wait().unwrap();
            }
        }
    }
}

/// Presents the chain of `case` to a server; the answer is whether it went on talking, and from
/// which port it was asked: one that is not `known` yet, since the server's log tells clients apart
/// by their ports.
///
/// TLS 1.2: a client's handshake ends only after the server has looked at the certificate.
#[expect(clippy::disallowed_methods, reason = "a test's own server on loopback")]
pub fn connect(
    case: &Case,
    server: SocketAddr,
    authority: &Certificate,
    known: impl Fn(u16) -> bool,
) -> (bool, u16) {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().to_vec().into()).unwrap();
    let configuration = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Presented::new(case));
    let name = ServerName::from(server.ip());
    let mut connection = ClientConnection::new(Arc::new(configuration), name).unwrap();
    let (mut stream, port) = loop {
        let stream = TcpStream::connect(server).unwrap();
        let port = stream.local_addr().unwrap().port();
        if !known(port) {
            break (stream, port);
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            return (false, port);
        }
    }
    (true, port)
}
