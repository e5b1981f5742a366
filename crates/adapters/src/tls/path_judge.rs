//! A handshake judged as the cluster's own clients judge it: the chain by Go's path validation
//! (`kubepki_x509::path`), the signature by the library.

use std::fmt;
use std::sync::{Arc, OnceLock};

use kubepki_engine::ports::{Expectation, ServerRefusal};
use kubepki_x509::Certificate;
use kubepki_x509::path::{PathQuery, Purpose, Uncached, validate};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

/// Accepts what a client with this expectation accepts, and keeps the reason when it does not.
pub(super) struct PathJudge {
    expectation: Expectation,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: OnceLock<ServerRefusal>,
}

impl PathJudge {
    pub(super) fn new(expectation: &Expectation, provider: &Arc<CryptoProvider>) -> Self {
        Self {
            expectation: expectation.clone(),
            algorithms: provider.signature_verification_algorithms,
            refusal: OnceLock::new(),
        }
    }

    /// Why the server was refused, if it was.
    pub(super) fn refusal(&self) -> Option<&ServerRefusal> {
        self.refusal.get()
    }

    fn refuse(&self, refusal: ServerRefusal, error: CertificateError) -> rustls::Error {
        self.refusal.get_or_init(|| refusal);
        rustls::Error::InvalidCertificate(error)
    }

    fn judge(&self, chain: &[Certificate]) -> Result<(), ServerRefusal> {
        let Some((certificate, intermediates)) = chain.split_first() else {
            return Err(ServerRefusal::Unreadable(
                "the server presents no certificate".to_owned(),
            ));
        };
        let mut query = PathQuery {
            certificate,
            intermediates,
            roots: &self.expectation.roots,
            now: self.expectation.now,
            purpose: Purpose::ServerAuth,
            server_name: None,
            signatures: &Uncached,
        };
        let judged = |query: &PathQuery<'_>| match validate(query) {
            Ok(_) => Ok(()),
            Err(error) => Err(ServerRefusal::Path(Box::new(error))),
        };
        if self.expectation.names.is_empty() {
            return judged(&query);
        }
        for name in &self.expectation.names {
            query.server_name = Some(name);
            judged(&query)?;
        }
        Ok(())
    }
}

impl ServerCertVerifier for PathJudge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Result<Vec<_>, _> = std::iter::once(end_entity)
            .chain(intermediates)
            .enumerate()
            .map(|(index, der)| {
                Certificate::from_der(der).map_err(|error| {
                    ServerRefusal::Unreadable(format!(
                        "certificate {} that the server presents cannot be read: {error}",
                        index + 1
                    ))
                })
            })
            .collect();
        match chain.and_then(|chain| self.judge(&chain)) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(refusal) => {
                let error = CertificateError::ApplicationVerificationFailure;
                Err(self.refuse(refusal, error))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| self.not_proven(error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| self.not_proven(error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl PathJudge {
    fn not_proven(&self, error: rustls::Error) -> rustls::Error {
        match error {
            rustls::Error::InvalidCertificate(error) => {
                let refusal = ServerRefusal::KeyNotProven(error.to_string());
                self.refuse(refusal, error)
            }
            other => other,
        }
    }
}

impl fmt::Debug for PathJudge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PathJudge")
    }
}
