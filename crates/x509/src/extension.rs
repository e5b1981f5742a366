//! Certificate extensions (RFC 5280 §4.2): verbatim, with typed views of those that matter here.
//!
//! An [`Extension`] is what was found, value included, so that unknown ones survive a re-issue.
//! The typed views are read from the value on demand and written back only when asked.

mod basic_constraints;
mod extended_key_usage;
mod key_identifier;
mod key_usage;

use std::fmt;

pub use basic_constraints::BasicConstraints;
pub use extended_key_usage::{
    ExtendedKeyUsage, extended_key_usage_der, extended_key_usage_from_der,
};
pub use key_identifier::{
    AuthorityKeyIdentifier, subject_key_identifier_der, subject_key_identifier_from_der,
};
pub use key_usage::KeyUsage;

use crate::{
    GeneralName, ObjectIdentifier,
    asn1::{DerError, Element, Reader, octet_string, sequence, tag, tlv},
    general_names_der, oid,
};

/// One extension as found.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Extension {
    /// What the value means.
    pub oid: ObjectIdentifier,
    /// Whether a verifier that does not know it must refuse the certificate.
    pub critical: bool,
    /// Contents of the OCTET STRING `extnValue`.
    pub value: Vec<u8>,
}

impl Extension {
    /// RFC name, if it has one here.
    pub fn name(&self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|(oid, _)| *oid == self.oid)
            .map(|(_, name)| *name)
    }

    /// `basicConstraints`, critical.
    pub fn basic_constraints(constraints: BasicConstraints) -> Self {
        Self {
            oid: oid::BASIC_CONSTRAINTS,
            critical: true,
            value: constraints.der(),
        }
    }

    /// `keyUsage`, critical.
    pub fn key_usage(usages: KeyUsage) -> Self {
        Self {
            oid: oid::KEY_USAGE,
            critical: true,
            value: usages.der(),
        }
    }

    /// `extKeyUsage`, not critical.
    pub fn extended_key_usage(purposes: &[ExtendedKeyUsage]) -> Self {
        let value = extended_key_usage_der(purposes);
        Self {
            oid: oid::EXTENDED_KEY_USAGE,
            critical: false,
            value,
        }
    }

    /// `subjectAltName`; critical where there is no subject (RFC 5280 §4.2.1.6).
    pub fn subject_alt_name(names: &[GeneralName], critical: bool) -> Self {
        Self {
            oid: oid::SUBJECT_ALT_NAME,
            critical,
            value: general_names_der(names),
        }
    }

    /// `subjectKeyIdentifier`, not critical.
    pub fn subject_key_identifier(identifier: &[u8]) -> Self {
        let value = subject_key_identifier_der(identifier);
        Self {
            oid: oid::SUBJECT_KEY_IDENTIFIER,
            critical: false,
            value,
        }
    }

    /// `authorityKeyIdentifier` with the key identifier alone, not critical.
    pub fn authority_key_identifier(identifier: &[u8]) -> Self {
        let value = AuthorityKeyIdentifier::from_key_identifier(identifier).der();
        Self {
            oid: oid::AUTHORITY_KEY_IDENTIFIER,
            critical: false,
            value,
        }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        // X.690 §11.5: a value equal to its DEFAULT is left out.
        let critical = if self.critical {
            tlv(tag::BOOLEAN, &[0xff])
        } else {
            Vec::new()
        };
        sequence(&[self.oid.der(), critical, octet_string(&self.value)])
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .name()
            .map_or_else(|| self.oid.to_string(), str::to_owned);
        let critical = if self.critical { ", critical" } else { "" };
        write!(
            formatter,
            "Extension({name}{critical}, {})",
            hex::encode(&self.value)
        )
    }
}

/// Reads `Extensions`.
pub(crate) fn extensions_from_element(element: &Element<'_>) -> Result<Vec<Extension>, DerError> {
    let mut reader = element.reader();
    let mut extensions = Vec::new();
    while !reader.is_empty() {
        extensions.push(extension(&mut reader)?);
    }
    Ok(extensions)
}

/// Writes `Extensions`.
pub(crate) fn extensions_der(extensions: &[Extension]) -> Vec<u8> {
    sequence(&extensions.iter().map(Extension::der).collect::<Vec<_>>())
}

fn extension(reader: &mut Reader<'_>) -> Result<Extension, DerError> {
    let mut fields = reader.expect(tag::SEQUENCE, "extension")?.reader();
    let oid = fields
        .expect(tag::OBJECT_IDENTIFIER, "extnID")?
        .object_identifier("extnID")?;
    let critical = fields.optional(tag::BOOLEAN, "critical")?;
    let critical = critical
        .map(|found| found.boolean("critical"))
        .transpose()?;
    let value = fields
        .expect(tag::OCTET_STRING, "extnValue")?
        .contents
        .to_vec();
    fields.finish("extension")?;
    Ok(Extension {
        oid,
        critical: critical.unwrap_or(false),
        value,
    })
}

const NAMES: &[(ObjectIdentifier, &str)] = &[
    (oid::SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier"),
    (oid::KEY_USAGE, "keyUsage"),
    (oid::SUBJECT_ALT_NAME, "subjectAltName"),
    (oid::ISSUER_ALT_NAME, "issuerAltName"),
    (oid::BASIC_CONSTRAINTS, "basicConstraints"),
    (oid::NAME_CONSTRAINTS, "nameConstraints"),
    (oid::CRL_DISTRIBUTION_POINTS, "cRLDistributionPoints"),
    (oid::CERTIFICATE_POLICIES, "certificatePolicies"),
    (oid::AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier"),
    (oid::EXTENDED_KEY_USAGE, "extKeyUsage"),
    (oid::AUTHORITY_INFORMATION_ACCESS, "authorityInfoAccess"),
];
