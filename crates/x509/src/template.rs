//! What is to be certified: `TBSCertificate` without issuer and algorithm (RFC 5280 §4.1.2).
//!
//! Nothing has a default and nothing is added: what is in the template is what gets signed.
//! Signing itself needs a key and happens in another crate, between [`CertificateTemplate::tbs_der`]
//! and [`CertificateTemplate::assemble`].

use crate::{
    Certificate, CertificateError, DerError, Extension, Name, ObjectIdentifier, PublicKey,
    SerialNumber, SignatureAlgorithm, Validity,
    asn1::{bit_string, explicit, integer_u64, sequence},
    extension::extensions_der,
};

/// Everything that a certificate says, except who issues it and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is its RFC name")]
pub struct CertificateTemplate {
    pub serial_number: SerialNumber,
    pub validity: Validity,
    pub subject: Name,
    pub public_key: PublicKey,
    pub extensions: Vec<Extension>,
}

/// Why a certificate or request could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An algorithm that can be shown but not written.
    #[error("cannot sign with algorithm {0}")]
    UnsupportedAlgorithm(ObjectIdentifier),
    /// What was put together cannot be read back.
    #[error("the parts given do not fit together: {0}")]
    Unreadable(DerError),
    /// A subject alternative name extension must name something (RFC 5280 §4.2.1.6).
    #[error("an empty list of subject alternative names cannot be written")]
    NoNames,
}

impl EncodeError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedAlgorithm(_) => "algorithm-unsupported",
            Self::Unreadable(_) => "parts-unreadable",
            Self::NoNames => "no-names",
        }
    }
}

impl CertificateTemplate {
    /// `TBSCertificate`, version 3, to be signed with `algorithm`.
    pub fn tbs_der(
        &self,
        issuer: &Name,
        algorithm: SignatureAlgorithm,
    ) -> Result<Vec<u8>, EncodeError> {
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            extensions => explicit(3, &extensions_der(extensions)),
        };
        Ok(sequence(&[
            explicit(0, &integer_u64(2)),
            self.serial_number.der(),
            algorithm_der(algorithm)?,
            issuer.der().to_vec(),
            self.validity.der(),
            self.subject.der().to_vec(),
            self.public_key.spki_der().to_vec(),
            extensions,
        ]))
    }

    /// The certificate of a signed `TBSCertificate`. The signature is not verified.
    pub fn assemble(
        tbs: &[u8],
        algorithm: SignatureAlgorithm,
        signature: &[u8],
    ) -> Result<Certificate, EncodeError> {
        let der = signed(tbs, algorithm, signature)?;
        Certificate::from_der(&der).map_err(|error| match error {
            CertificateError::Malformed(error) => EncodeError::Unreadable(error),
        })
    }
}

/// `SEQUENCE { to-be-signed, AlgorithmIdentifier, BIT STRING }`: certificates and requests alike.
pub(crate) fn signed(
    to_be_signed: &[u8],
    algorithm: SignatureAlgorithm,
    signature: &[u8],
) -> Result<Vec<u8>, EncodeError> {
    Ok(sequence(&[
        to_be_signed.to_vec(),
        algorithm_der(algorithm)?,
        bit_string(0, signature),
    ]))
}

fn algorithm_der(algorithm: SignatureAlgorithm) -> Result<Vec<u8>, EncodeError> {
    match (algorithm.der(), algorithm) {
        (Some(der), _) => Ok(der),
        (None, SignatureAlgorithm::Other(oid)) => Err(EncodeError::UnsupportedAlgorithm(oid)),
        (None, _) => Ok(Vec::new()),
    }
}
