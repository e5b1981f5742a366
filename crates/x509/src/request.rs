//! Certification requests (RFC 2986): what a `CertificateSigningRequest` of Kubernetes carries,
//! and what is written for an external CA.
//!
//! Not here: the Kubernetes object, and signing (between [`CertificationRequestInfo::info_der`]
//! and [`CertificationRequestInfo::assemble`]).

use std::fmt;

use crate::{
    DerError, EncodeError, ExtendedKeyUsage, Extension, GeneralName, KeyUsage, Name,
    ObjectIdentifier, PublicKey, SignatureAlgorithm, SignatureError,
    asn1::{Reader, explicit, integer_u64, sequence, tag, tlv},
    extension::{extended_key_usage_from_der, extensions_der, extensions_from_element},
    general_names_from_der, oid, pem,
    template::signed,
};

/// A request as it was found.
#[derive(Clone)]
pub struct CertificationRequest {
    der: Vec<u8>,
    info: Vec<u8>,
    subject: Name,
    public_key: PublicKey,
    extensions: Vec<Extension>,
    signature_algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

/// The bytes are no certification request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The structure is not that of a request.
    #[error("not a readable certification request: {0}")]
    Malformed(DerError),
    /// The PEM file has no request in it.
    #[error("no certification request found")]
    None,
}

impl RequestError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "request-malformed",
            Self::None => "no-request",
        }
    }
}

impl CertificationRequest {
    /// Reads a request; the bytes are kept as they are.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        read(der).map_err(RequestError::Malformed)
    }

    /// Reads the first request of a PEM file.
    pub fn from_pem(bytes: &[u8]) -> Result<Self, RequestError> {
        let file = pem::parse(bytes);
        let found = file
            .blocks
            .iter()
            .find_map(pem::PemBlock::certification_request);
        found.unwrap_or(Err(RequestError::None))
    }

    /// The request as it was found.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM with label `CERTIFICATE REQUEST`, 64 columns, LF.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE REQUEST", &self.der)
    }

    /// Subject asked for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// How the request says it is signed.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.signature_algorithm
    }

    /// Extensions asked for, in order.
    pub fn requested_extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Subject alternative names asked for; empty if there are none or they cannot be read.
    pub fn subject_alt_names(&self) -> Vec<GeneralName> {
        let found = self.requested(&oid::SUBJECT_ALT_NAME);
        found
            .and_then(|value| general_names_from_der(value).ok())
            .unwrap_or_default()
    }

    /// Key usages asked for, if present and readable.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        KeyUsage::from_der(self.requested(&oid::KEY_USAGE)?).ok()
    }

    /// Extended key usages asked for, if present and readable.
    pub fn extended_key_usage(&self) -> Option<Vec<ExtendedKeyUsage>> {
        extended_key_usage_from_der(self.requested(&oid::EXTENDED_KEY_USAGE)?).ok()
    }

    /// Whether the request is signed with the key that it asks to be certified.
    pub fn verify_self_signature(&self) -> Result<(), SignatureError> {
        self.public_key
            .verify(self.signature_algorithm, &self.info, &self.signature)
    }

    fn requested(&self, oid: &ObjectIdentifier) -> Option<&[u8]> {
        let found = self
            .extensions
            .iter()
            .find(|extension| extension.oid == *oid)?;
        Some(&found.value)
    }
}

impl PartialEq for CertificationRequest {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for CertificationRequest {}

impl fmt::Debug for CertificationRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "CertificationRequest(\"{}\", {:?})",
            self.subject, self.public_key
        )
    }
}

/// What a request is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is its RFC name")]
pub struct CertificationRequestInfo {
    pub subject: Name,
    pub public_key: PublicKey,
    pub extensions: Vec<Extension>,
}

impl CertificationRequestInfo {
    /// `CertificationRequestInfo`, to be signed.
    pub fn info_der(&self) -> Vec<u8> {
        let attribute = match self.extensions.as_slice() {
            [] => Vec::new(),
            extensions => {
                let values = tlv(tag::SET, &extensions_der(extensions));
                sequence(&[oid::EXTENSION_REQUEST.der(), values])
            }
        };
        sequence(&[
            integer_u64(0),
            self.subject.der().to_vec(),
            self.public_key.spki_der().to_vec(),
            explicit(0, &attribute),
        ])
    }

    /// The request of a signed `CertificationRequestInfo`. The signature is not verified.
    pub fn assemble(
        info: &[u8],
        algorithm: SignatureAlgorithm,
        signature: &[u8],
    ) -> Result<CertificationRequest, EncodeError> {
        read(&signed(info, algorithm, signature)?).map_err(EncodeError::Unreadable)
    }
}

/// szOID_RSA_certExtensions, under which older Windows tools ask for extensions.
const MICROSOFT_EXTENSION_REQUEST: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.14");

fn read(der: &[u8]) -> Result<CertificationRequest, DerError> {
    let mut reader = Reader::new(der);
    let request = reader.expect(tag::SEQUENCE, "certificationRequest")?;
    reader.finish("certificationRequest")?;
    let mut outer = request.reader();
    let info_element = outer.expect(tag::SEQUENCE, "certificationRequestInfo")?;
    let signature_algorithm =
        SignatureAlgorithm::from_element(&outer.expect(tag::SEQUENCE, "signatureAlgorithm")?)?;
    let (_, signature) = outer
        .expect(tag::BIT_STRING, "signature")?
        .bit_string("signature")?;
    outer.finish("certificationRequest")?;

    let mut info = info_element.reader();
    info.expect(tag::INTEGER, "version")?;
    let subject = Name::from_element(&info.expect(tag::SEQUENCE, "subject")?)?;
    let public_key = PublicKey::from_element(&info.expect(tag::SEQUENCE, "subjectPKInfo")?)?;
    let mut extensions = Vec::new();
    // RFC 2986 demands the field even when it is empty; some writers leave it out.
    if let Some(attributes) = info.optional(tag::context_constructed(0), "attributes")? {
        let mut attributes = attributes.reader();
        while !attributes.is_empty() {
            let mut attribute = attributes.expect(tag::SEQUENCE, "attribute")?.reader();
            let oid = attribute.expect(tag::OBJECT_IDENTIFIER, "attribute type")?;
            let oid = oid.object_identifier("attribute type")?;
            if matches!(oid, oid::EXTENSION_REQUEST | MICROSOFT_EXTENSION_REQUEST) {
                let values = attribute.expect(tag::SET, "attribute values")?;
                let list = values.reader().expect(tag::SEQUENCE, "extensions")?;
                extensions.extend(extensions_from_element(&list)?);
            }
        }
    }
    info.finish("certificationRequestInfo")?;

    Ok(CertificationRequest {
        der: request.der.to_vec(),
        info: info_element.der.to_vec(),
        subject,
        public_key,
        extensions,
        signature_algorithm,
        signature: signature.to_vec(),
    })
}
