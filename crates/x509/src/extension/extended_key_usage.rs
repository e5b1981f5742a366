//! `ExtKeyUsageSyntax` (RFC 5280 §4.2.1.12): the purposes that a key is certified for.

use std::fmt;

use crate::{
    ObjectIdentifier,
    asn1::{DerError, Reader, sequence, tag},
    oid,
};

/// One purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is its RFC name")]
pub enum ExtendedKeyUsage {
    AnyExtendedKeyUsage,
    ServerAuth,
    ClientAuth,
    CodeSigning,
    EmailProtection,
    TimeStamping,
    OcspSigning,
    /// A purpose that RFC 5280 does not name.
    Other(ObjectIdentifier),
}

impl ExtendedKeyUsage {
    /// The purpose that `oid` names.
    pub fn from_oid(oid: ObjectIdentifier) -> Self {
        let known = TABLE.iter().find(|(_, row, _)| *row == oid);
        known.map_or(Self::Other(oid), |(purpose, _, _)| *purpose)
    }

    /// Object identifier of the purpose.
    pub fn oid(&self) -> ObjectIdentifier {
        match self {
            Self::Other(oid) => *oid,
            known => TABLE
                .iter()
                .find(|(purpose, _, _)| purpose == known)
                .map_or(oid::ANY_EXTENDED_KEY_USAGE, |(_, oid, _)| *oid),
        }
    }
}

/// `serverAuth`, `clientAuth`, …; dotted where RFC 5280 has no name.
impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|(purpose, _, _)| purpose == self) {
            Some((_, _, name)) => formatter.write_str(name),
            None => write!(formatter, "{}", self.oid()),
        }
    }
}

/// Reads an extension value.
pub fn extended_key_usage_from_der(der: &[u8]) -> Result<Vec<ExtendedKeyUsage>, DerError> {
    let mut reader = Reader::new(der)
        .expect(tag::SEQUENCE, "extKeyUsage")?
        .reader();
    let mut purposes = Vec::new();
    while !reader.is_empty() {
        let purpose = reader.expect(tag::OBJECT_IDENTIFIER, "keyPurposeId")?;
        purposes.push(ExtendedKeyUsage::from_oid(
            purpose.object_identifier("keyPurposeId")?,
        ));
    }
    Ok(purposes)
}

/// Writes an extension value.
pub fn extended_key_usage_der(purposes: &[ExtendedKeyUsage]) -> Vec<u8> {
    sequence(
        &purposes
            .iter()
            .map(|purpose| purpose.oid().der())
            .collect::<Vec<_>>(),
    )
}

const TABLE: &[(ExtendedKeyUsage, ObjectIdentifier, &str)] = &[
    (
        ExtendedKeyUsage::AnyExtendedKeyUsage,
        oid::ANY_EXTENDED_KEY_USAGE,
        "anyExtendedKeyUsage",
    ),
    (ExtendedKeyUsage::ServerAuth, oid::SERVER_AUTH, "serverAuth"),
    (ExtendedKeyUsage::ClientAuth, oid::CLIENT_AUTH, "clientAuth"),
    (
        ExtendedKeyUsage::CodeSigning,
        oid::CODE_SIGNING,
        "codeSigning",
    ),
    (
        ExtendedKeyUsage::EmailProtection,
        oid::EMAIL_PROTECTION,
        "emailProtection",
    ),
    (
        ExtendedKeyUsage::TimeStamping,
        oid::TIME_STAMPING,
        "timeStamping",
    ),
    (
        ExtendedKeyUsage::OcspSigning,
        oid::OCSP_SIGNING,
        "OCSPSigning",
    ),
];
