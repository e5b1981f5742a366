//! One attribute of a name: its type, its value as text, and its value as found.

use std::fmt;

use crate::{
    ObjectIdentifier,
    asn1::{DerError, Element, sequence, tag, tlv},
    oid,
    text::escaped,
};

/// `AttributeTypeAndValue`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Attribute type.
    pub oid: ObjectIdentifier,
    /// The value as text; characters that the string type cannot hold are replaced, and a value
    /// that is no string at all is `#` and its DER in hexadecimal (RFC 4514 §2.4).
    pub value: String,
    /// The value as found: tag, length and contents.
    pub der: Vec<u8>,
}

impl Attribute {
    pub(super) fn read(oid: ObjectIdentifier, value: &Element<'_>) -> Self {
        let text = text(value.tag, value.contents);
        Self {
            oid,
            value: text.unwrap_or_else(|| format!("#{}", hex::encode(value.der))),
            der: value.der.to_vec(),
        }
    }

    /// Short name of the attribute type (RFC 4514 §3, RFC 4519, OpenSSL), if it has one.
    pub fn short_name(&self) -> Option<&'static str> {
        SHORT_NAMES
            .iter()
            .find(|(oid, _)| *oid == self.oid)
            .map(|(_, name)| *name)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short_name() {
            Some(name) => write!(formatter, "{name}=")?,
            None => write!(formatter, "{}=", self.oid)?,
        }
        let not_a_string = text(self.der.first().copied().unwrap_or_default(), &[]).is_none();
        if not_a_string {
            return formatter.write_str(&self.value);
        }
        formatter.write_str(&escaped(&self.value, ",+\"\\<>;"))
    }
}

const SHORT_NAMES: &[(ObjectIdentifier, &str)] = &[
    (oid::COMMON_NAME, "CN"),
    (oid::ORGANIZATION_NAME, "O"),
    (oid::ORGANIZATIONAL_UNIT_NAME, "OU"),
    (oid::COUNTRY_NAME, "C"),
    (oid::STATE_OR_PROVINCE_NAME, "ST"),
    (oid::LOCALITY_NAME, "L"),
    (oid::STREET_ADDRESS, "STREET"),
    (oid::POSTAL_CODE, "postalCode"),
    (oid::DOMAIN_COMPONENT, "DC"),
    (oid::USER_ID, "UID"),
    (oid::EMAIL_ADDRESS, "emailAddress"),
    (oid::SERIAL_NUMBER, "serialNumber"),
    (oid::SURNAME, "SN"),
    (oid::GIVEN_NAME, "GN"),
    (oid::TITLE, "title"),
    (oid::ORGANIZATION_IDENTIFIER, "organizationIdentifier"),
];

/// Type and value of an `AttributeTypeAndValue`.
pub(super) fn parts<'a>(
    element: &Element<'a>,
) -> Result<(ObjectIdentifier, Element<'a>), DerError> {
    let mut reader = element.reader();
    let oid = reader.expect(tag::OBJECT_IDENTIFIER, "attribute type")?;
    let oid = oid.object_identifier("attribute type")?;
    let value = reader.any("attribute value")?;
    reader.finish("attribute")?;
    Ok((oid, value))
}

pub(super) fn encode(oid: &ObjectIdentifier, value: &str) -> Vec<u8> {
    let ia5 = matches!(*oid, oid::DOMAIN_COMPONENT | oid::EMAIL_ADDRESS);
    let tag = if ia5 && value.is_ascii() {
        tag::IA5_STRING
    } else if value.bytes().all(is_printable) {
        tag::PRINTABLE_STRING
    } else {
        tag::UTF8_STRING
    };
    sequence(&[oid.der(), tlv(tag, value.as_bytes())])
}

/// PrintableString (X.680 §41.4), without the `*` and `&` that Go reads but never writes.
fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet)
}

/// Text of a string type; none if the type is no string.
fn text(tag: u8, contents: &[u8]) -> Option<String> {
    match tag {
        tag::UTF8_STRING
        | tag::PRINTABLE_STRING
        | tag::IA5_STRING
        | tag::NUMERIC_STRING
        | tag::VISIBLE_STRING => Some(String::from_utf8_lossy(contents).into_owned()),
        // T.61 in name, Latin-1 in practice.
        tag::TELETEX_STRING => Some(contents.iter().copied().map(char::from).collect()),
        tag::BMP_STRING => {
            let units = contents.chunks(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0xfffd,
            });
            Some(String::from_utf16_lossy(&units.collect::<Vec<_>>()))
        }
        tag::UNIVERSAL_STRING => {
            let characters = contents.chunks(4).map(|octets| {
                let code = <[u8; 4]>::try_from(octets).ok().map(u32::from_be_bytes);
                code.and_then(char::from_u32)
                    .unwrap_or(char::REPLACEMENT_CHARACTER)
            });
            Some(characters.collect())
        }
        _ => None,
    }
}
