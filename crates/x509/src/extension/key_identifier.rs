//! Subject and authority key identifiers (RFC 5280 §4.2.1.1 and §4.2.1.2).

use crate::{
    GeneralName, SerialNumber,
    asn1::{DerError, Reader, octet_string, sequence, tag, tlv},
    general_name::read_names,
};

/// Which key signed the certificate: by identifier, or by issuer and serial number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AuthorityKeyIdentifier {
    /// The issuer's subject key identifier.
    pub key_identifier: Option<Vec<u8>>,
    /// Names of the issuer's issuer.
    pub issuer: Vec<GeneralName>,
    /// Serial number of the issuer's certificate.
    pub serial: Option<SerialNumber>,
}

impl AuthorityKeyIdentifier {
    /// The form that RFC 5280 recommends: the key identifier alone.
    pub fn from_key_identifier(key_identifier: &[u8]) -> Self {
        Self {
            key_identifier: Some(key_identifier.to_vec()),
            ..Self::default()
        }
    }

    /// Reads an extension value.
    pub fn from_der(der: &[u8]) -> Result<Self, DerError> {
        let mut fields = Reader::new(der).expect(tag::SEQUENCE, WHAT)?.reader();
        let key_identifier = fields.optional(tag::context(0), "keyIdentifier")?;
        let issuer = fields.optional(tag::context_constructed(1), "authorityCertIssuer")?;
        let serial = fields.optional(tag::context(2), "authorityCertSerialNumber")?;
        fields.finish(WHAT)?;
        Ok(Self {
            key_identifier: key_identifier.map(|found| found.contents.to_vec()),
            issuer: match issuer {
                Some(names) => read_names(&mut names.reader())?,
                None => Vec::new(),
            },
            serial: serial.map(|found| SerialNumber::from_octets(found.contents)),
        })
    }

    /// Writes an extension value.
    pub fn der(&self) -> Vec<u8> {
        let issuer: Vec<u8> = self.issuer.iter().flat_map(GeneralName::der).collect();
        let key_identifier = self
            .key_identifier
            .as_ref()
            .map(|id| tlv(tag::context(0), id));
        let serial = self
            .serial
            .as_ref()
            .map(|serial| tlv(tag::context(2), serial.octets()));
        sequence(&[
            key_identifier.unwrap_or_default(),
            if issuer.is_empty() {
                issuer
            } else {
                tlv(tag::context_constructed(1), &issuer)
            },
            serial.unwrap_or_default(),
        ])
    }
}

/// Reads the value of a subjectKeyIdentifier.
pub fn subject_key_identifier_from_der(der: &[u8]) -> Result<Vec<u8>, DerError> {
    Ok(Reader::new(der)
        .expect(tag::OCTET_STRING, "subjectKeyIdentifier")?
        .contents
        .to_vec())
}

/// Writes the value of a subjectKeyIdentifier.
pub fn subject_key_identifier_der(key_identifier: &[u8]) -> Vec<u8> {
    octet_string(key_identifier)
}

const WHAT: &str = "authorityKeyIdentifier";
