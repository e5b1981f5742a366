//! A certificate (RFC 5280 §4.1) as it was found: DER first, fields as views of it.
//!
//! Reading accepts what hosts hold, not only what RFC 5280 allows: serial number 0, negative or
//! long ones, any year, unknown algorithms, repeated or undecodable extensions. Judging is left
//! to others; two certificates are equal when their bytes are.

use std::{
    fmt,
    hash::{Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::{
    AuthorityKeyIdentifier, BasicConstraints, DerError, ExtendedKeyUsage, Extension, GeneralName,
    KeyUsage, Name, ObjectIdentifier, PublicKey, SerialNumber, SignatureAlgorithm, SignatureError,
    Validity,
    asn1::{Element, Reader, parse_time, tag},
    extension::{
        extended_key_usage_from_der, extensions_from_element, subject_key_identifier_from_der,
    },
    general_names_from_der, oid, pem,
};

/// A certificate. Cloning is cheap.
#[derive(Clone)]
pub struct Certificate(Arc<Fields>);

/// The bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The structure is not that of a certificate.
    #[error("not a readable certificate: {0}")]
    Malformed(DerError),
}

/// Why a certificate is not by an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuedByError {
    /// The issuer named in the certificate is another than this CA.
    #[error("the certificate names \"{named}\" as its issuer, the CA is \"{subject}\"")]
    NamesDiffer {
        /// Issuer field of the certificate.
        named: Name,
        /// Subject of the CA.
        subject: Name,
    },
    /// The certificate says in two places how it is signed, and they differ.
    #[error("the certificate claims to be signed with {inner} inside and {outer} outside")]
    AlgorithmsDiffer {
        /// `TBSCertificate.signature`.
        inner: SignatureAlgorithm,
        /// `Certificate.signatureAlgorithm`.
        outer: SignatureAlgorithm,
    },
    /// The names agree but the CA's key did not make the signature.
    #[error("the CA \"{subject}\" did not sign the certificate: {error}")]
    Signature {
        /// Subject of the CA.
        subject: Name,
        /// What is wrong with the signature.
        error: SignatureError,
    },
}

impl CertificateError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "certificate-malformed",
        }
    }
}

impl IssuedByError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NamesDiffer { .. } => "issuer-names-differ",
            Self::AlgorithmsDiffer { .. } => "signature-algorithms-differ",
            Self::Signature { error, .. } => error.code(),
        }
    }
}

impl Certificate {
    /// Reads a certificate; the bytes are kept as they are and nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (certificate, rest) = Self::from_der_prefix(der)?;
        if rest.is_empty() {
            return Ok(certificate);
        }
        let (offset, count) = (der.len().saturating_sub(rest.len()), rest.len());
        let what = "certificate";
        Err(CertificateError::Malformed(DerError::Trailing {
            what,
            offset,
            count,
        }))
    }

    /// Reads a certificate from the start of `der` and returns what follows it, such as the trust
    /// settings in OpenSSL's `TRUSTED CERTIFICATE`.
    pub fn from_der_prefix(der: &[u8]) -> Result<(Self, &[u8]), CertificateError> {
        let (fields, length) = fields(der).map_err(CertificateError::Malformed)?;
        Ok((
            Self(Arc::new(fields)),
            der.get(length..).unwrap_or_default(),
        ))
    }

    /// The certificate as it was found.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// PEM with label `CERTIFICATE`, 64 columns, LF.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", self.der())
    }

    /// `TBSCertificate` as it was found: what the signature is over.
    pub fn tbs_der(&self) -> &[u8] {
        self.0.der.get(self.0.tbs.clone()).unwrap_or_default()
    }

    /// 1, 2 or 3 (the number people say, one more than the number encoded).
    pub fn version(&self) -> u8 {
        self.0.version
    }

    /// Serial number.
    pub fn serial_number(&self) -> &SerialNumber {
        &self.0.serial_number
    }

    /// Subject.
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// Issuer.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// Period of validity.
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    /// Subject public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// How the certificate says it is signed.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.signature_algorithm
    }

    /// How the signed part says it is signed; the same, unless somebody tampered.
    pub fn inner_signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.inner_algorithm
    }

    /// Signature value.
    pub fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// Every extension, in order.
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// The first extension named `oid`.
    pub fn extension(&self, oid: &ObjectIdentifier) -> Option<&Extension> {
        self.extensions()
            .iter()
            .find(|extension| extension.oid == *oid)
    }

    /// Subject alternative names; empty if there are none or they cannot be read.
    pub fn subject_alt_names(&self) -> Vec<GeneralName> {
        self.subject_alt_names_result().unwrap_or_default()
    }

    /// Subject alternative names, or what is wrong with them.
    pub fn subject_alt_names_result(&self) -> Result<Vec<GeneralName>, DerError> {
        match self.extension(&oid::SUBJECT_ALT_NAME) {
            Some(extension) => general_names_from_der(&extension.value),
            None => Ok(Vec::new()),
        }
    }

    /// Basic constraints, if present and readable.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        BasicConstraints::from_der(&self.extension(&oid::BASIC_CONSTRAINTS)?.value).ok()
    }

    /// Key usages, if present and readable.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        KeyUsage::from_der(&self.extension(&oid::KEY_USAGE)?.value).ok()
    }

    /// Extended key usages, if present and readable.
    pub fn extended_key_usage(&self) -> Option<Vec<ExtendedKeyUsage>> {
        extended_key_usage_from_der(&self.extension(&oid::EXTENDED_KEY_USAGE)?.value).ok()
    }

    /// Subject key identifier, if present and readable.
    pub fn subject_key_identifier(&self) -> Option<Vec<u8>> {
        subject_key_identifier_from_der(&self.extension(&oid::SUBJECT_KEY_IDENTIFIER)?.value).ok()
    }

    /// Authority key identifier, if present and readable.
    pub fn authority_key_identifier(&self) -> Option<AuthorityKeyIdentifier> {
        AuthorityKeyIdentifier::from_der(&self.extension(&oid::AUTHORITY_KEY_IDENTIFIER)?.value)
            .ok()
    }

    /// SHA-256 of the DER.
    pub fn fingerprint_sha256(&self) -> [u8; 32] {
        Sha256::digest(self.der()).into()
    }

    /// Whether basic constraints say that the subject is a CA.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints()
            .is_some_and(|constraints| constraints.ca)
    }

    /// Whether subject and issuer are the same name (RFC 5280 §3.2).
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Whether the certificate is signed with its own key (RFC 5280 §3.2).
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.verify_issued_by(self).is_ok()
    }

    /// Whether `issuer` issued this certificate: its subject is the issuer named here, byte for
    /// byte, and its key made the signature. Not checked: times, CA bit, usages, constraints.
    pub fn verify_issued_by(&self, issuer: &Self) -> Result<(), IssuedByError> {
        if self.issuer() != issuer.subject() {
            let (named, subject) = (self.issuer().clone(), issuer.subject().clone());
            return Err(IssuedByError::NamesDiffer { named, subject });
        }
        let (inner, outer) = (self.0.inner_algorithm, self.0.signature_algorithm);
        if inner != outer {
            return Err(IssuedByError::AlgorithmsDiffer { inner, outer });
        }
        issuer
            .public_key()
            .verify(outer, self.tbs_der(), self.signature())
            .map_err(|error| IssuedByError::Signature {
                subject: issuer.subject().clone(),
                error,
            })
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.der().hash(state);
    }
}

/// Subject and fingerprint.
impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = hex::encode(self.fingerprint_sha256());
        write!(
            formatter,
            "Certificate(\"{}\", sha256:{fingerprint})",
            self.subject()
        )
    }
}

struct Fields {
    der: Vec<u8>,
    tbs: Range<usize>,
    version: u8,
    serial_number: SerialNumber,
    inner_algorithm: SignatureAlgorithm,
    issuer: Name,
    validity: Validity,
    subject: Name,
    public_key: PublicKey,
    extensions: Vec<Extension>,
    signature_algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

/// Reads a certificate and says how many bytes it takes.
fn fields(der: &[u8]) -> Result<(Fields, usize), DerError> {
    let certificate = Reader::new(der).expect(tag::SEQUENCE, "certificate")?;
    let mut outer = certificate.reader();
    let tbs_certificate = outer.expect(tag::SEQUENCE, "tbsCertificate")?;
    let signature_algorithm =
        SignatureAlgorithm::from_element(&outer.expect(tag::SEQUENCE, "signatureAlgorithm")?)?;
    let (_, signature) = outer
        .expect(tag::BIT_STRING, "signatureValue")?
        .bit_string("signatureValue")?;
    outer.finish("certificate")?;

    let mut tbs = tbs_certificate.reader();
    let version = match tbs.optional(tag::context_constructed(0), "version")? {
        Some(version) => version_number(&version)?,
        None => 1,
    };
    let serial_number = tbs.expect(tag::INTEGER, "serialNumber")?;
    let inner_algorithm =
        SignatureAlgorithm::from_element(&tbs.expect(tag::SEQUENCE, "signature")?)?;
    let issuer = Name::from_element(&tbs.expect(tag::SEQUENCE, "issuer")?)?;
    let mut validity = tbs.expect(tag::SEQUENCE, "validity")?.reader();
    let not_before = parse_time(&validity.any("notBefore")?, "notBefore")?;
    let not_after = parse_time(&validity.any("notAfter")?, "notAfter")?;
    validity.finish("validity")?;
    let subject = Name::from_element(&tbs.expect(tag::SEQUENCE, "subject")?)?;
    let public_key = PublicKey::from_element(&tbs.expect(tag::SEQUENCE, "subjectPublicKeyInfo")?)?;
    let mut extensions = Vec::new();
    while !tbs.is_empty() {
        let field = tbs.any("tbsCertificate")?;
        match field.tag {
            0x81 | 0xa1 | 0x82 | 0xa2 => {} // issuerUniqueID, subjectUniqueID: nobody uses them
            0xa3 => {
                let list = field.reader().expect(tag::SEQUENCE, "extensions")?;
                extensions = extensions_from_element(&list)?;
            }
            _ => return Err(field.value_error("tbsCertificate", "unknown field")),
        }
    }

    let fields = Fields {
        der: certificate.der.to_vec(),
        tbs: tbs_certificate.offset..tbs_certificate.offset + tbs_certificate.der.len(),
        version,
        serial_number: SerialNumber::from_octets(serial_number.contents),
        inner_algorithm,
        issuer,
        validity: Validity {
            not_before,
            not_after,
        },
        subject,
        public_key,
        extensions,
        signature_algorithm,
        signature: signature.to_vec(),
    };
    Ok((fields, certificate.der.len()))
}

fn version_number(field: &Element<'_>) -> Result<u8, DerError> {
    let number = field
        .reader()
        .expect(tag::INTEGER, "version")?
        .unsigned("version")?;
    u8::try_from(number)
        .ok()
        .and_then(|number| number.checked_add(1))
        .ok_or_else(|| field.value_error("version", "no such version"))
}
