//! [`RustlsProbe`]: connections, handshakes and questions put together.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kubepki_engine::ports::{
    Attempt, Attempted, ClientIdentity, Endpoint, HttpAnswer, ProbeError, ServedTls, TlsProbe,
    Trust,
};
use kubepki_x509::{Certificate, Name};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};

use super::attempt;
use super::body::Body;
use super::connect::{Deadline, DeadlineStream, authority, connect};
use super::explain::{connection_failure, tls_error};
use super::http::{self, HttpError};
use super::identity::certified_key;
use super::observer::{ClientRecorder, ServerRecorder};
use super::trust;

/// Asks endpoints over blocking sockets; each question is one connection.
#[derive(Clone, Debug)]
pub struct RustlsProbe {
    pub(super) provider: Arc<CryptoProvider>,
}

impl RustlsProbe {
    /// A probe with the provider named here, whatever the process's default is.
    pub fn new() -> Self {
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
        }
    }

    fn configuration(
        &self,
        server: &Arc<ServerRecorder>,
        client: &Arc<ClientRecorder>,
    ) -> Result<Arc<ClientConfig>, String> {
        let mut configuration = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| format!("cannot be asked: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(server) as _)
            .with_client_cert_resolver(Arc::clone(client) as _);
        configuration.resumption = Resumption::disabled();
        Ok(Arc::new(configuration))
    }

    /// Connects and does the handshake, recorded in `server` and `client`.
    pub(super) fn open(
        &self,
        endpoint: &Endpoint,
        server: &Arc<ServerRecorder>,
        client: &Arc<ClientRecorder>,
        timeout: Duration,
    ) -> Result<Handshake, ProbeError> {
        let deadline = Deadline::after(timeout);
        let failed = |detail| answered(endpoint, detail);
        let configuration = self.configuration(server, client).map_err(failed)?;
        let name = server_name(endpoint).map_err(failed)?;
        let mut connection = ClientConnection::new(configuration, name)
            .map_err(|error| failed(format!("cannot be asked: {error}")))?;
        let mut stream = connect(endpoint, deadline).map_err(|unreachable| ProbeError {
            endpoint: authority(&endpoint.host, endpoint.port),
            unreachable: true,
            detail: unreachable.0,
        })?;
        let outcome = connection.complete_io(&mut stream).map(drop);
        let mut handshake = Handshake {
            stream: StreamOwned::new(connection, stream),
            outcome,
        };
        if handshake
            .outcome
            .as_ref()
            .is_err_and(|error| tls_error(error).is_none())
            && let Some(reason) = handshake.last_words()
        {
            handshake.outcome = Err(reason);
        }
        Ok(handshake)
    }
}

impl Default for RustlsProbe {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsProbe for RustlsProbe {
    fn served(&self, endpoint: &Endpoint, timeout: Duration) -> Result<ServedTls, ProbeError> {
        let server = Arc::new(ServerRecorder::accepting_anything(&self.provider));
        let client = Arc::new(ClientRecorder::answering(None));
        let mut handshake = self.open(endpoint, &server, &client, timeout)?;

        // A server that demands a client certificate has presented its own before it refuses us.
        let Some(chain) = server.chain() else {
            let error = handshake
                .outcome
                .err()
                .unwrap_or(io::ErrorKind::UnexpectedEof.into());
            return Err(answered(
                endpoint,
                handshake_failure(&error, &client, &handshake.stream),
            ));
        };
        let protocol = match handshake.stream.conn.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
            other => format!("{other:?}"),
        };
        if handshake.outcome.is_ok() {
            handshake.close();
        }
        let chain = read_chain(chain).map_err(|detail| answered(endpoint, detail))?;
        let authorities = client.requested().unwrap_or_default();
        Ok(ServedTls {
            chain,
            protocol,
            asks_client_certificate: client.requested().is_some(),
            // A name that cannot be read is left out: it can match no CA that can.
            acceptable_client_authorities: authorities
                .iter()
                .filter_map(|der| Name::from_der(der).ok())
                .collect(),
        })
    }

    fn https_get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        trust: &Trust,
        identity: Option<&ClientIdentity>,
        timeout: Duration,
    ) -> Result<HttpAnswer, ProbeError> {
        let failed = |detail| answered(endpoint, detail);
        let now = Timestamp::now();
        let asked_name = asked_name(endpoint);
        let request = http::request(&authority(asked_name, endpoint.port), path).map_err(failed)?;
        let answer = identity
            .map(|identity| certified_key(identity, &self.provider))
            .transpose()
            .map_err(failed)?;
        let server = Arc::new(match trust {
            Trust::Anything => ServerRecorder::accepting_anything(&self.provider),
            Trust::Bundle(bundle) => ServerRecorder::judged_by(
                trust::verifier(bundle, now, &self.provider).map_err(failed)?,
            ),
        });
        let client = Arc::new(ClientRecorder::answering(answer));

        let mut handshake = self.open(endpoint, &server, &client, timeout)?;
        if let Err(error) = &handshake.outcome {
            if let (Some(rustls::Error::InvalidCertificate(reason)), Trust::Bundle(bundle)) =
                (tls_error(error), trust)
            {
                let chain = read_chain(server.chain().unwrap_or_default()).map_err(failed)?;
                let detail = trust::refusal(reason, &chain, bundle, asked_name, now);
                return Err(failed(detail));
            }
            return Err(failed(handshake_failure(error, &client, &handshake.stream)));
        }
        let mut body = Body::whole();
        match http::ask(&mut handshake.stream, &request, &mut body) {
            Ok(answer) => {
                handshake.close();
                Ok(HttpAnswer {
                    status: answer.status,
                    body: body.into_text(),
                })
            }
            Err(HttpError::Malformed(detail)) => Err(failed(detail)),
            Err(HttpError::Connection(error)) if error.kind() == io::ErrorKind::TimedOut => {
                let deadline = handshake.stream.sock.deadline();
                Err(failed(deadline.missed("did not finish its HTTP answer")))
            }
            Err(HttpError::Connection(error)) => {
                let error = handshake.last_words().unwrap_or(error);
                Err(failed(connection_failure(
                    &error,
                    sent_certificate(&client),
                )))
            }
        }
    }

    fn attempt(&self, attempt: &Attempt<'_>) -> Attempted {
        attempt::attempt(self, attempt)
    }

    fn http_get(
        &self,
        endpoint: &Endpoint,
        path: &str,
        timeout: Duration,
    ) -> Result<HttpAnswer, ProbeError> {
        let failed = |detail| answered(endpoint, detail);
        let request =
            http::request(&authority(asked_name(endpoint), endpoint.port), path).map_err(failed)?;
        let mut stream =
            connect(endpoint, Deadline::after(timeout)).map_err(|unreachable| ProbeError {
                endpoint: authority(&endpoint.host, endpoint.port),
                unreachable: true,
                detail: unreachable.0,
            })?;
        let mut body = Body::whole();
        let answer = http::ask(&mut stream, &request, &mut body).map_err(|error| match error {
            HttpError::Malformed(detail) => failed(detail),
            HttpError::Connection(error) if error.kind() == io::ErrorKind::TimedOut => {
                failed(stream.deadline().missed("did not finish its HTTP answer"))
            }
            HttpError::Connection(error) => failed(connection_failure(&error, None)),
        })?;
        Ok(HttpAnswer {
            status: answer.status,
            body: body.into_text(),
        })
    }
}

/// A connection after its handshake, however that ended.
pub(super) struct Handshake {
    pub(super) stream: StreamOwned<ClientConnection, DeadlineStream>,
    pub(super) outcome: io::Result<()>,
}

impl Handshake {
    /// What the server said before it closed. One that refuses a client may do so while more is on
    /// its way to it (in TLS 1.3, the question): writing fails then, and the reason lies unread.
    pub(super) fn last_words(&mut self) -> Option<io::Error> {
        let StreamOwned { conn, sock } = &mut self.stream;
        while conn.read_tls(sock).ok()? > 0 {
            if let Err(error) = conn.process_new_packets() {
                return Some(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        None
    }

    /// Says goodbye, so that the server logs no broken connection. It need not be heard.
    pub(super) fn close(&mut self) {
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
    }
}

/// An endpoint that accepted the connection, or was never asked.
fn answered(endpoint: &Endpoint, detail: String) -> ProbeError {
    let endpoint = authority(&endpoint.host, endpoint.port);
    ProbeError {
        endpoint,
        unreachable: false,
        detail,
    }
}

pub(super) fn handshake_failure(
    error: &io::Error,
    client: &ClientRecorder,
    stream: &StreamOwned<ClientConnection, DeadlineStream>,
) -> String {
    if error.kind() == io::ErrorKind::TimedOut {
        return stream
            .sock
            .deadline()
            .missed("accepted the connection but did not finish the TLS handshake");
    }
    connection_failure(error, sent_certificate(client))
}

/// Whether a certificate was presented, `None` when none was asked for.
pub(super) fn sent_certificate(client: &ClientRecorder) -> Option<bool> {
    client.requested().map(|_| client.has_answer())
}

/// The name that the server is asked for and its certificate is checked against.
pub(super) fn asked_name(endpoint: &Endpoint) -> &str {
    endpoint.server_name.as_deref().unwrap_or(&endpoint.host)
}

/// For SNI (RFC 6066 §3): a DNS name without its final dot. rustls sends none for IP addresses.
fn server_name(endpoint: &Endpoint) -> Result<ServerName<'static>, String> {
    let asked = asked_name(endpoint);
    // An IPv6 zone names an interface of this host, which no certificate knows.
    let name = asked
        .split_once('%')
        .map_or(asked, |(address, _zone)| address);
    let name = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(name.to_owned())
        .map_err(|_| format!("cannot be asked: {asked:?} is neither a DNS name nor an IP address"))
}

fn read_chain(chain: &[Vec<u8>]) -> Result<Vec<Certificate>, String> {
    chain
        .iter()
        .enumerate()
        .map(|(index, der)| {
            Certificate::from_der(der).map_err(|error| {
                format!(
                    "serves a chain whose certificate {} cannot be read: {error}",
                    index + 1
                )
            })
        })
        .collect()
}
