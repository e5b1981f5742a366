//! Object identifiers, kept as the octets they were found in.
//!
//! Own type because `const-oid` holds arcs in 32 bits: an extension named by a UUID (`2.25.…`)
//! would make a valid certificate unreadable. Converts from that crate's type, whose parser also
//! does the work for constants. [`oid`] lists what RFC 5280, RFC 5480, RFC 8017 and RFC 8410 name.

use std::{fmt, str::FromStr};

/// An OBJECT IDENTIFIER of at most 47 octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectIdentifier {
    length: u8,
    octets: [u8; MAXIMUM_LENGTH],
}

/// The text or octets are no object identifier, or one longer than 47 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object identifier")]
pub struct ObjectIdentifierError;

impl ObjectIdentifier {
    /// From dotted text, for constants; does not compile (or panics) when it is none.
    pub const fn new_unwrap(dotted: &str) -> Self {
        Self::from_const_oid(const_oid::ObjectIdentifier::new_unwrap(dotted))
    }

    /// From contents octets (without tag and length).
    pub fn from_bytes(contents: &[u8]) -> Result<Self, ObjectIdentifierError> {
        let complete = contents.last().is_some_and(|last| last & 0x80 == 0);
        let length = u8::try_from(contents.len()).map_err(|_| ObjectIdentifierError)?;
        let mut octets = [0; MAXIMUM_LENGTH];
        octets
            .get_mut(..contents.len())
            .filter(|_| complete)
            .ok_or(ObjectIdentifierError)?
            .copy_from_slice(contents);
        Ok(Self { length, octets })
    }

    /// Contents octets (without tag and length).
    pub fn as_bytes(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// The whole element: tag, length and contents.
    pub fn der(&self) -> Vec<u8> {
        crate::asn1::tlv(crate::asn1::tag::OBJECT_IDENTIFIER, self.as_bytes())
    }

    const fn from_const_oid(oid: const_oid::ObjectIdentifier) -> Self {
        let bytes = oid.as_bytes();
        let mut octets = [0; MAXIMUM_LENGTH];
        let mut index = 0;
        while index < bytes.len() {
            octets[index] = bytes[index];
            index += 1;
        }
        // const-oid holds at most 39 octets.
        Self {
            length: index as u8,
            octets,
        }
    }
}

impl From<const_oid::ObjectIdentifier> for ObjectIdentifier {
    fn from(oid: const_oid::ObjectIdentifier) -> Self {
        Self::from_const_oid(oid)
    }
}

impl PartialEq<const_oid::ObjectIdentifier> for ObjectIdentifier {
    fn eq(&self, other: &const_oid::ObjectIdentifier) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl FromStr for ObjectIdentifier {
    type Err = ObjectIdentifierError;

    fn from_str(dotted: &str) -> Result<Self, ObjectIdentifierError> {
        let mut arcs = dotted.split('.').map(arc);
        let mut next = || arcs.next().unwrap_or(Err(ObjectIdentifierError));
        let (first, second) = (next()?, next()?);
        if first > 2 || (first < 2 && second > 39) {
            return Err(ObjectIdentifierError);
        }
        let root = (first * 40)
            .checked_add(second)
            .ok_or(ObjectIdentifierError)?;
        let mut contents = base128(root);
        for value in arcs {
            contents.extend(base128(value?));
        }
        Self::from_bytes(&contents)
    }
}

impl fmt::Display for ObjectIdentifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digits) in self
            .as_bytes()
            .split_inclusive(|octet| octet & 0x80 == 0)
            .enumerate()
        {
            let value = digits.iter().try_fold(0u128, |value, octet| {
                value
                    .checked_mul(128)
                    .map(|value| value | u128::from(octet & 0x7f))
            });
            match value {
                // Wider than a UUID: no assigned arc is, so its octets must do.
                None => write!(formatter, ".0x{}", hex::encode(digits))?,
                Some(value) if index > 0 => write!(formatter, ".{value}")?,
                Some(value @ 0..=79) => write!(formatter, "{}.{}", value / 40, value % 40)?,
                Some(value) => write!(formatter, "2.{}", value - 80)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectIdentifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ObjectIdentifier({self})")
    }
}

const MAXIMUM_LENGTH: usize = 47;

fn arc(digits: &str) -> Result<u128, ObjectIdentifierError> {
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    digits
        .parse()
        .ok()
        .filter(|_| canonical)
        .ok_or(ObjectIdentifierError)
}

fn base128(mut value: u128) -> Vec<u8> {
    let mut octets = vec![low_seven_bits(value)];
    while value > 0x7f {
        value >>= 7;
        octets.insert(0, 0x80 | low_seven_bits(value));
    }
    octets
}

fn low_seven_bits(value: u128) -> u8 {
    value.to_le_bytes().first().map_or(0, |octet| octet & 0x7f)
}

/// Object identifiers that this tool knows by name.
#[expect(missing_docs, reason = "each constant is its RFC name")]
pub mod oid {
    use super::ObjectIdentifier;

    macro_rules! oids {
        ($($name:ident = $dotted:literal;)*) => {
            $(pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($dotted);)*
        };
    }

    // Attribute types: X.520, RFC 4519, PKCS #9.
    oids! {
        COMMON_NAME = "2.5.4.3";
        SURNAME = "2.5.4.4";
        SERIAL_NUMBER = "2.5.4.5";
        COUNTRY_NAME = "2.5.4.6";
        LOCALITY_NAME = "2.5.4.7";
        STATE_OR_PROVINCE_NAME = "2.5.4.8";
        STREET_ADDRESS = "2.5.4.9";
        ORGANIZATION_NAME = "2.5.4.10";
        ORGANIZATIONAL_UNIT_NAME = "2.5.4.11";
        TITLE = "2.5.4.12";
        POSTAL_CODE = "2.5.4.17";
        GIVEN_NAME = "2.5.4.42";
        ORGANIZATION_IDENTIFIER = "2.5.4.97";
        DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25";
        USER_ID = "0.9.2342.19200300.100.1.1";
        EMAIL_ADDRESS = "1.2.840.113549.1.9.1";
        EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
    }

    // Certificate extensions: RFC 5280 §4.2.
    oids! {
        SUBJECT_KEY_IDENTIFIER = "2.5.29.14";
        KEY_USAGE = "2.5.29.15";
        SUBJECT_ALT_NAME = "2.5.29.17";
        ISSUER_ALT_NAME = "2.5.29.18";
        BASIC_CONSTRAINTS = "2.5.29.19";
        NAME_CONSTRAINTS = "2.5.29.30";
        CRL_DISTRIBUTION_POINTS = "2.5.29.31";
        CERTIFICATE_POLICIES = "2.5.29.32";
        AUTHORITY_KEY_IDENTIFIER = "2.5.29.35";
        EXTENDED_KEY_USAGE = "2.5.29.37";
        AUTHORITY_INFORMATION_ACCESS = "1.3.6.1.5.5.7.1.1";
    }

    // Key purposes: RFC 5280 §4.2.1.12.
    oids! {
        ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0";
        SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
        CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
        CODE_SIGNING = "1.3.6.1.5.5.7.3.3";
        EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";
        TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
        OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
    }

    // Keys and signatures: RFC 8017, RFC 5758, RFC 5480, RFC 8410.
    oids! {
        RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
        MD5_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.4";
        SHA1_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.5";
        SHA1_WITH_RSA_SIGNATURE = "1.3.14.3.2.29";
        MGF1 = "1.2.840.113549.1.1.8";
        RSASSA_PSS = "1.2.840.113549.1.1.10";
        SHA256_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.11";
        SHA384_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.12";
        SHA512_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.13";
        SHA224_WITH_RSA_ENCRYPTION = "1.2.840.113549.1.1.14";
        EC_PUBLIC_KEY = "1.2.840.10045.2.1";
        SECP256R1 = "1.2.840.10045.3.1.7";
        SECP384R1 = "1.3.132.0.34";
        SECP521R1 = "1.3.132.0.35";
        ECDSA_WITH_SHA1 = "1.2.840.10045.4.1";
        ECDSA_WITH_SHA224 = "1.2.840.10045.4.3.1";
        ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
        ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3";
        ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4";
        ED25519 = "1.3.101.112";
        ED448 = "1.3.101.113";
        SHA256 = "2.16.840.1.101.3.4.2.1";
        SHA384 = "2.16.840.1.101.3.4.2.2";
        SHA512 = "2.16.840.1.101.3.4.2.3";
    }

    // Cryptographic Message Syntax: RFC 5652.
    oids! {
        CMS_DATA = "1.2.840.113549.1.7.1";
        CMS_SIGNED_DATA = "1.2.840.113549.1.7.2";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_text_round_trips() {
        for dotted in [
            "2.5.4.3",
            "1.2.840.113549.1.1.11",
            "0.9.2342.19200300.100.1.25",
            "2.999.3",
            "2.25.329800735698586629295641978511506172918",
        ] {
            assert_eq!(
                dotted.parse::<ObjectIdentifier>().unwrap().to_string(),
                dotted
            );
        }
        assert_eq!("2.5.4.3".parse(), Ok(oid::COMMON_NAME));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "1", "3.1", "1.40", "1..2", "1.02", "1.+2", "1.2.x"] {
            assert!(text.parse::<ObjectIdentifier>().is_err(), "{text:?}");
        }
        assert!(ObjectIdentifier::from_bytes(&[]).is_err());
        assert!(ObjectIdentifier::from_bytes(&[0x55, 0x84]).is_err());
        assert!(ObjectIdentifier::from_bytes(&[1; 48]).is_err());
    }
}
