//! What path validation looks at in one certificate, read once; and whether a Go program could
//! read the certificate at all.
//!
//! The rest of this crate reads whatever hosts hold. Go's parser does not, and a certificate that
//! it refuses fails the whole handshake, so what it refuses is said here: a second extension of
//! the same kind, names, usages and constraints that are not well-formed, curves that it does not
//! know, two signature algorithms that differ. Not looked for: policies and access descriptions
//! that it cannot read, DSA keys without parameters, and encodings that are not DER in other ways.

use super::{name_constraints::NameConstraints, uri};
use crate::{
    BasicConstraints, Certificate, DerError, ExtendedKeyUsage, Extension, GeneralName,
    KeyAlgorithm, KeyUsage, Name, ObjectIdentifier, PublicKey,
    asn1::{Element, Reader, tag},
    oid,
};

/// One certificate, as the search looks at it.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) certificate: Certificate,
    /// Why Go cannot read it.
    pub(super) malformed: Option<String>,
    /// Critical extensions that Go does not understand.
    pub(super) unhandled: Vec<ObjectIdentifier>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: KeyUsage,
    pub(super) extended_key_usage: Vec<ExtendedKeyUsage>,
    pub(super) subject_key_identifier: Vec<u8>,
    pub(super) authority_key_identifier: Vec<u8>,
    /// Value of the subjectAltName extension, and the names in it.
    pub(super) subject_alt_name: Option<Vec<u8>>,
    pub(super) names: Vec<GeneralName>,
    pub(super) name_constraints: Option<NameConstraints>,
}

impl Reading {
    pub(super) fn new(certificate: &Certificate) -> Self {
        let mut reading = Self {
            certificate: certificate.clone(),
            malformed: None,
            unhandled: Vec::new(),
            basic_constraints: None,
            key_usage: KeyUsage::default(),
            extended_key_usage: Vec::new(),
            subject_key_identifier: Vec::new(),
            authority_key_identifier: Vec::new(),
            subject_alt_name: None,
            names: Vec::new(),
            name_constraints: None,
        };
        reading.malformed = reading.read(certificate).err();
        reading
    }

    /// Whether `self` may sign certificates by its basic constraints: in version 3 they must say
    /// so, older versions have none.
    pub(super) fn may_be_authority(&self) -> bool {
        match self.basic_constraints {
            Some(constraints) => constraints.ca,
            None => self.certificate.version() != 3,
        }
    }

    /// Whether `usage` is allowed: listed, or nothing listed, or anything goes.
    pub(super) fn allows(&self, usage: ExtendedKeyUsage) -> bool {
        let listed = &self.extended_key_usage;
        listed.is_empty()
            || listed.contains(&ExtendedKeyUsage::AnyExtendedKeyUsage)
            || listed.contains(&usage)
    }

    fn read(&mut self, certificate: &Certificate) -> Result<(), String> {
        if certificate.version() > 3 {
            return Err(format!("there is no version {}", certificate.version()));
        }
        let (inner, outer) = (
            certificate.inner_signature_algorithm(),
            certificate.signature_algorithm(),
        );
        if inner != outer {
            return Err(format!(
                "it claims to be signed with {inner} inside and {outer} outside"
            ));
        }
        for name in [certificate.issuer(), certificate.subject()] {
            if !has_readable_strings(name).unwrap_or(false) {
                return Err(format!(
                    "its name \"{name}\" has text of a type that is not that text"
                ));
            }
        }
        if !has_known_curve(certificate.public_key()).unwrap_or(false) {
            return Err("its key is on a curve that is not known".to_owned());
        }
        if certificate.version() < 3 {
            // Only version 3 has extensions.
            return Ok(());
        }
        for (index, extension) in certificate.extensions().iter().enumerate() {
            let mut earlier = certificate.extensions().iter().take(index);
            if earlier.any(|other| other.oid == extension.oid) {
                let named = extension.name().map(str::to_owned);
                let named = named.unwrap_or_else(|| format!("extension {}", extension.oid));
                return Err(format!("it has {named} twice"));
            }
            let understood = self.read_extension(extension)?;
            if extension.critical && !understood {
                self.unhandled.push(extension.oid);
            }
        }
        Ok(())
    }

    /// Reads one extension and says whether it is understood in full.
    ///
    /// Critical policyConstraints, policyMappings and inhibitAnyPolicy are understood since Go
    /// 1.24 (Kubernetes 1.33); here they are not, as in all releases before.
    fn read_extension(&mut self, extension: &Extension) -> Result<bool, String> {
        let value = &extension.value;
        let unreadable = |_| {
            let name = extension.name().unwrap_or("extension");
            format!("its {name} cannot be read")
        };
        match extension.oid {
            oid::KEY_USAGE => {
                self.key_usage = KeyUsage::from_der(value).map_err(unreadable)?;
            }
            oid::BASIC_CONSTRAINTS => {
                let constraints = BasicConstraints::from_der(value).map_err(unreadable)?;
                self.basic_constraints = Some(constraints);
            }
            oid::SUBJECT_ALT_NAME => {
                self.names = crate::general_names_from_der(value).map_err(unreadable)?;
                self.subject_alt_name = Some(value.clone());
                for name in &self.names {
                    well_formed(name)?;
                }
                return Ok(self.names.iter().any(is_compared));
            }
            oid::NAME_CONSTRAINTS => {
                let constraints = NameConstraints::from_der(value)?;
                let understood = constraints.is_understood();
                self.name_constraints = Some(constraints);
                return Ok(understood);
            }
            oid::EXTENDED_KEY_USAGE => {
                self.extended_key_usage =
                    crate::extended_key_usage_from_der(value).map_err(unreadable)?;
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                self.subject_key_identifier =
                    crate::subject_key_identifier_from_der(value).map_err(unreadable)?;
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                self.authority_key_identifier = key_identifier(value)
                    .map_err(unreadable)?
                    .unwrap_or_default();
            }
            oid::CRL_DISTRIBUTION_POINTS => {
                distribution_points(value).map_err(unreadable)?;
            }
            oid::CERTIFICATE_POLICIES | oid::AUTHORITY_INFORMATION_ACCESS => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The key identifier of an authorityKeyIdentifier. Go looks at nothing else in it.
fn key_identifier(value: &[u8]) -> Result<Option<Vec<u8>>, DerError> {
    let what = "authorityKeyIdentifier";
    let mut fields = Reader::new(value).expect(tag::SEQUENCE, what)?.reader();
    let found = fields.optional(tag::context(0), what)?;
    Ok(found.map(|found| found.contents.to_vec()))
}

/// Reads CRL distribution points as far as Go does: it knows no names relative to an issuer's.
fn distribution_points(value: &[u8]) -> Result<(), DerError> {
    let what = "cRLDistributionPoints";
    let mut points = Reader::new(value).expect(tag::SEQUENCE, what)?.reader();
    while !points.is_empty() {
        let mut point = points.expect(tag::SEQUENCE, what)?.reader();
        if let Some(name) = point.optional(tag::context_constructed(0), what)? {
            name.reader().expect(tag::context_constructed(0), what)?;
        }
    }
    Ok(())
}

/// Whether every value of a name is text of its string type.
fn has_readable_strings(name: &Name) -> Result<bool, DerError> {
    let what = "name";
    let mut rdns = Reader::new(name.der())
        .expect(tag::SEQUENCE, what)?
        .reader();
    while !rdns.is_empty() {
        let mut rdn = rdns.expect(tag::SET, what)?.reader();
        while !rdn.is_empty() {
            let mut attribute = rdn.expect(tag::SEQUENCE, what)?.reader();
            attribute.any(what)?;
            if !is_readable_string(&attribute.any(what)?) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Go takes `*` and `&` for printable, and no UniversalString, VisibleString or BIT STRING at all.
fn is_readable_string(value: &Element<'_>) -> bool {
    let text = value.contents;
    match value.tag {
        tag::TELETEX_STRING => true,
        tag::PRINTABLE_STRING => text
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(octet)),
        tag::UTF8_STRING => str::from_utf8(text).is_ok(),
        tag::BMP_STRING => text.len().is_multiple_of(2),
        tag::IA5_STRING => text.is_ascii(),
        tag::NUMERIC_STRING => text
            .iter()
            .all(|octet| octet.is_ascii_digit() || *octet == b' '),
        _ => false,
    }
}

/// Whether a key on a curve is on one that Go knows, named by its identifier.
fn has_known_curve(key: &PublicKey) -> Result<bool, DerError> {
    const SECP224R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");
    let KeyAlgorithm::Other(found) = key.algorithm() else {
        return Ok(true);
    };
    let what = "subjectPublicKeyInfo";
    let mut spki = Reader::new(key.spki_der())
        .expect(tag::SEQUENCE, what)?
        .reader();
    let mut algorithm = spki.expect(tag::SEQUENCE, what)?.reader();
    let algorithm = algorithm.any(what)?.object_identifier(what)?;
    Ok(algorithm != oid::EC_PUBLIC_KEY || found == SECP224R1)
}

/// Whether Go knows what to do with names of this kind.
fn is_compared(name: &GeneralName) -> bool {
    matches!(
        name,
        GeneralName::DnsName(_)
            | GeneralName::IpAddress(_)
            | GeneralName::Rfc822Name(_)
            | GeneralName::UniformResourceIdentifier(_)
    )
}

fn well_formed(name: &GeneralName) -> Result<(), String> {
    let kind = match name {
        GeneralName::UniformResourceIdentifier(text) => {
            return match uri::host(text) {
                Ok(host) if super::name_constraints::is_domain(&host) => Ok(()),
                Ok(_) => Err(format!("the host of its name {name} is no domain")),
                Err(reason) => Err(format!("its name {name} is no URI: {reason}")),
            };
        }
        // Not ASCII, or an address of neither 4 nor 16 octets.
        GeneralName::Unparsed { tag, .. } => match tag {
            0x81 => "mail address",
            0x82 => "DNS name",
            0x86 => "URI",
            0x87 => "IP address",
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    Err(format!("its name {name} is no {kind}"))
}
