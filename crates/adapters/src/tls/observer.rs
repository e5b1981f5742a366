//! What happens in a handshake, recorded from inside it: the chain a server presents, and which
//! client CAs it names when it asks for a certificate.
//!
//! Not here: judgement. Verification is [`super::trust`]'s; without it a recorder accepts anything.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, SignatureScheme};

/// Records the chain a server presents, then lets `judge` decide, or nobody.
pub(super) struct ServerRecorder {
    chain: OnceLock<Vec<Vec<u8>>>,
    judge: Option<Arc<dyn ServerCertVerifier>>,
    schemes: Vec<SignatureScheme>,
}

impl ServerRecorder {
    /// Accepts every certificate, and every handshake signature: a server is also reported when it
    /// holds another key than its certificate's.
    pub(super) fn accepting_anything(provider: &CryptoProvider) -> Self {
        let mut schemes = provider
            .signature_verification_algorithms
            .supported_schemes();
        // A server whose only certificate is this old is to be seen, not to be missed.
        schemes.extend([
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
        ]);
        Self {
            chain: OnceLock::new(),
            judge: None,
            schemes,
        }
    }

    /// Accepts what `judge` accepts.
    pub(super) fn judged_by(judge: Arc<dyn ServerCertVerifier>) -> Self {
        let schemes = judge.supported_verify_schemes();
        Self {
            chain: OnceLock::new(),
            judge: Some(judge),
            schemes,
        }
    }

    /// DER of the chain, end-entity certificate first; nothing when the handshake did not get there.
    pub(super) fn chain(&self) -> Option<&[Vec<u8>]> {
        self.chain.get().map(Vec::as_slice)
    }
}

impl ServerCertVerifier for ServerRecorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.chain.get_or_init(|| {
            std::iter::once(end_entity)
                .chain(intermediates)
                .map(|der| der.to_vec())
                .collect()
        });
        match &self.judge {
            Some(judge) => {
                judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.judge {
            Some(judge) => judge.verify_tls12_signature(message, certificate, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.judge {
            Some(judge) => judge.verify_tls13_signature(message, certificate, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

impl fmt::Debug for ServerRecorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerRecorder")
    }
}

/// Records a server's CertificateRequest and answers it with the given certificate, or none.
///
/// The certificate is sent whatever CAs the server names: whether it accepts it is the question.
pub(super) struct ClientRecorder {
    requested: OnceLock<Vec<Vec<u8>>>,
    answer: Option<Arc<CertifiedKey>>,
}

impl ClientRecorder {
    pub(super) fn answering(answer: Option<Arc<CertifiedKey>>) -> Self {
        Self {
            requested: OnceLock::new(),
            answer,
        }
    }

    /// DER of the acceptable CAs' names; nothing when the server asked for no certificate.
    pub(super) fn requested(&self) -> Option<&[Vec<u8>]> {
        self.requested.get().map(Vec::as_slice)
    }

    /// Whether there is a certificate to answer with.
    pub(super) fn has_answer(&self) -> bool {
        self.answer.is_some()
    }
}

impl ResolvesClientCert for ClientRecorder {
    fn resolve(
        &self,
        acceptable_authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.requested.get_or_init(|| {
            acceptable_authorities
                .iter()
                .map(|name| name.to_vec())
                .collect()
        });
        self.answer.clone()
    }

    fn has_certs(&self) -> bool {
        self.answer.is_some()
    }
}

impl fmt::Debug for ClientRecorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientRecorder")
    }
}
