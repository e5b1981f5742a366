//! Mutual TLS between a client and a server that hold a host's files: what each says of the other.
//!
//! The connection is a socket pair in this process, everything on it is real: rustls verifies both
//! sides with the CAs that they trust. As a client never gets to show itself to a server that it
//! refuses, the server's word is asked in a second handshake whose client overlooks that the server
//! has expired, and nothing else.

use crate::error::CliError;
use jiff::Timestamp;
use kubepki_core::formats::kubeconfig::Kubeconfig;
use kubepki_keys::{KeyEncoding, PrivateKey};
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    ServerConfig, ServerConnection, SignatureScheme,
};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// What a client and a server said of each other.
pub struct Handshake {
    /// The client.
    pub client: &'static str,
    /// The server.
    pub server: &'static str,
    /// What the client said of the server.
    pub of_server: Verdict,
    /// What the server said of the client.
    pub of_client: Verdict,
}

/// What one side said of the other.
pub enum Verdict {
    /// Verified, as this subject.
    Accepted(String),
    /// Refused, as it ended then.
    Expired(Timestamp),
    /// Refused for another reason.
    Refused(String),
}

/// One side: what it presents and whom it trusts.
pub struct Party {
    name: &'static str,
    chain: Vec<Certificate>,
    key: PrivateKey,
    trusts: Vec<Certificate>,
}

impl Verdict {
    /// Whether the other side was accepted.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(subject) => write!(formatter, "accepted: {subject}"),
            Self::Expired(end) => {
                write!(
                    formatter,
                    "refused: expired {}",
                    end.strftime("%Y-%m-%d %H:%MZ")
                )
            }
            Self::Refused(reason) => write!(formatter, "refused: {reason}"),
        }
    }
}

impl Party {
    /// From PEM files.
    pub fn of_files(
        name: &'static str,
        certificate: &Sealed,
        key: &Sealed,
        trusts: &Sealed,
    ) -> Result<Self, CliError> {
        Self::new(name, danger::open(certificate), key, danger::open(trusts))
    }

    /// From a kubeconfig with everything in it.
    pub fn of_kubeconfig(name: &'static str, contents: &Sealed) -> Result<Self, CliError> {
        let kubeconfig = Kubeconfig::parse(contents).map_err(|error| broken(name, error))?;
        let user = kubeconfig.current_user();
        let certificate = user.and_then(|user| user.client_certificate.as_ref()?.embedded());
        let key = user.and_then(|user| user.client_key.as_ref()?.embedded());
        let cluster = kubeconfig.current_cluster();
        let trusts = cluster.and_then(|it| it.certificate_authority.as_ref()?.embedded());
        match (certificate, key, trusts) {
            (Some(certificate), Some(key), Some(trusts)) => {
                Self::new(name, certificate, key, trusts)
            }
            _ => Err(broken(name, "it lacks a certificate, a key or a CA")),
        }
    }

    fn new(
        name: &'static str,
        certificate: &[u8],
        key: &Sealed,
        trusts: &[u8],
    ) -> Result<Self, CliError> {
        let certificates = |text| pem::certificates(text).map_err(|error| broken(name, error));
        Ok(Self {
            name,
            chain: certificates(certificate)?,
            key: PrivateKey::from_pem(key).map_err(|error| broken(name, error))?,
            trusts: certificates(trusts)?,
        })
    }

    fn subject(&self) -> String {
        self.chain
            .first()
            .map(|it| it.subject().to_string())
            .unwrap_or_default()
    }

    fn presents(&self) -> Result<Presented, CliError> {
        let chain = self
            .chain
            .iter()
            .map(|it| CertificateDer::from(it.der().to_vec()));
        let key = self
            .key
            .to_der(KeyEncoding::Pkcs8)
            .map_err(|error| broken(self.name, error))?;
        let key = PrivateKeyDer::Pkcs8(danger::open(&key).to_vec().into());
        Ok((chain.collect(), key))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, CliError> {
        let mut roots = RootCertStore::empty();
        for authority in &self.trusts {
            let der = CertificateDer::from(authority.der().to_vec());
            roots.add(der).map_err(|error| broken(self.name, error))?;
        }
        Ok(Arc::new(roots))
    }
}

type Presented = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Has `client` connect to `server`, which it knows by a name.
pub fn shake_hands(
    client: &Party,
    server: &Party,
    server_name: &'static str,
) -> Result<Handshake, CliError> {
    let strict = connect(client, server, server_name, false)?;
    let of_server = verdict(strict.client, server);
    let of_client = if of_server.is_accepted() {
        verdict(strict.server, client)
    } else {
        verdict(connect(client, server, server_name, true)?.server, client)
    };
    Ok(Handshake {
        client: client.name,
        server: server.name,
        of_server,
        of_client,
    })
}

/// How the handshake ended for each of the two.
struct Ends {
    client: Result<(), Error>,
    server: Result<(), Error>,
}

fn connect(
    client: &Party,
    server: &Party,
    server_name: &'static str,
    overlooks_expiry: bool,
) -> Result<Ends, CliError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server_config = Arc::new(server_config(server, &provider)?);
    let client_config = Arc::new(client_config(client, &provider, overlooks_expiry)?);
    let name = ServerName::try_from(server_name).map_err(|error| broken(server_name, error))?;
    let (near, far) = UnixStream::pair()?;
    let mut accepting =
        ServerConnection::new(server_config).map_err(|error| broken(server.name, error))?;
    let mut connecting =
        ClientConnection::new(client_config, name).map_err(|error| broken(client.name, error))?;
    std::thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let mut far = far;
            talk(&mut rustls::Stream::new(&mut accepting, &mut far))
        });
        let client = {
            let mut near = near;
            talk(&mut rustls::Stream::new(&mut connecting, &mut near))
        };
        let server = serving
            .join()
            .map_err(|_| broken(server.name, "its thread ended"))?;
        Ok(Ends { client, server })
    })
}

/// Says one byte and hears one: with TLS 1.3 only that tells a client whether it was accepted.
fn talk(stream: &mut (impl Read + Write)) -> Result<(), Error> {
    let exchanged = stream
        .write_all(b"?")
        .and_then(|()| stream.flush())
        .and_then(|()| stream.read_exact(&mut [0]));
    exchanged.map_err(|error| {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        tls.cloned()
            .unwrap_or_else(|| Error::General(error.to_string()))
    })
}

fn verdict(end: Result<(), Error>, other: &Party) -> Verdict {
    let expired = || {
        other
            .chain
            .first()
            .map(|it| it.validity().not_after)
            .unwrap_or_default()
    };
    match end {
        // The other side's refusal says nothing against it.
        Ok(()) | Err(Error::AlertReceived(_)) => Verdict::Accepted(other.subject()),
        Err(Error::InvalidCertificate(error)) if is_expiry(&error) => Verdict::Expired(expired()),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

fn is_expiry(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::Expired | CertificateError::ExpiredContext { .. }
    )
}

fn server_config(party: &Party, provider: &Arc<CryptoProvider>) -> Result<ServerConfig, CliError> {
    let failed = |error: &dyn fmt::Display| broken(party.name, error);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(party.roots()?, Arc::clone(provider))
            .build()
            .map_err(|error| failed(&error))?;
    let (chain, key) = party.presents()?;
    ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| failed(&error))
}

fn client_config(
    party: &Party,
    provider: &Arc<CryptoProvider>,
    overlooks_expiry: bool,
) -> Result<ClientConfig, CliError> {
    let failed = |error: &dyn fmt::Display| broken(party.name, error);
    let strict = WebPkiServerVerifier::builder_with_provider(party.roots()?, Arc::clone(provider))
        .build()
        .map_err(|error| failed(&error))?;
    let verifier: Arc<dyn ServerCertVerifier> = match overlooks_expiry {
        true => Arc::new(OverlooksExpiry(strict)),
        false => strict,
    };
    let (chain, key) = party.presents()?;
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key)
        .map_err(|error| failed(&error))
}

/// Verifies everything but the end of validity.
#[derive(Debug)]
struct OverlooksExpiry(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for OverlooksExpiry {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let strict = &self.0;
        match strict.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(Error::InvalidCertificate(error)) if is_expiry(&error) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn broken(name: &str, error: impl fmt::Display) -> CliError {
    CliError::new("demo-failed", format!("{name}: {error}"))
}
