//! `GeneralName` (RFC 5280 §4.2.1.6): the kinds of name that a subjectAltName can hold.
//!
//! Reading and writing lose nothing: whatever has no variant of its own, or would be written
//! differently from how it was found, stays [`GeneralName::Unparsed`] with its bytes.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::{
    Name, ObjectIdentifier,
    asn1::{DerError, Element, Reader, explicit, sequence, tag, tlv},
    text::escaped,
};

/// One name of a subject or an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GeneralName {
    /// A DNS name, possibly a wildcard.
    DnsName(String),
    /// An IP address.
    IpAddress(IpAddr),
    /// A mail address.
    Rfc822Name(String),
    /// A URI, as SPIFFE and service meshes use.
    UniformResourceIdentifier(String),
    /// A distinguished name.
    DirectoryName(Name),
    /// A name of a kind that its own object identifier defines.
    OtherName {
        /// What kind of name it is.
        oid: ObjectIdentifier,
        /// The value: tag, length and contents.
        value_der: Vec<u8>,
    },
    /// An object identifier.
    RegisteredId(ObjectIdentifier),
    /// Anything else, as found.
    Unparsed {
        /// First identifier octet.
        tag: u8,
        /// The whole element: tag, length and contents.
        der: Vec<u8>,
    },
}

/// The text is no general name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no subject alternative name: {reason}")]
pub struct GeneralNameError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl GeneralName {
    /// The whole element: tag, length and contents.
    pub fn der(&self) -> Vec<u8> {
        match self {
            Self::OtherName { oid, value_der } => {
                explicit(0, &[oid.der(), explicit(0, value_der)].concat())
            }
            Self::Rfc822Name(text) => tlv(tag::context(1), text.as_bytes()),
            Self::DnsName(text) => tlv(tag::context(2), text.as_bytes()),
            Self::DirectoryName(name) => explicit(4, name.der()),
            Self::UniformResourceIdentifier(text) => tlv(tag::context(6), text.as_bytes()),
            Self::IpAddress(IpAddr::V4(address)) => tlv(tag::context(7), &address.octets()),
            Self::IpAddress(IpAddr::V6(address)) => tlv(tag::context(7), &address.octets()),
            Self::RegisteredId(oid) => tlv(tag::context(8), oid.as_bytes()),
            Self::Unparsed { der, .. } => der.clone(),
        }
    }

    fn from_element(element: &Element<'_>) -> Self {
        match parsed(element) {
            Some(name) if name.der() == element.der => name,
            _ => Self::Unparsed {
                tag: element.tag,
                der: element.der.to_vec(),
            },
        }
    }
}

/// Reads `GeneralNames`, the value of a subjectAltName.
pub fn general_names_from_der(der: &[u8]) -> Result<Vec<GeneralName>, DerError> {
    let mut reader = Reader::new(der);
    let names = reader.expect(tag::SEQUENCE, "generalNames")?;
    reader.finish("generalNames")?;
    read_names(&mut names.reader())
}

/// Writes `GeneralNames`.
pub fn general_names_der(names: &[GeneralName]) -> Vec<u8> {
    sequence(&names.iter().map(GeneralName::der).collect::<Vec<_>>())
}

pub(crate) fn read_names(reader: &mut Reader<'_>) -> Result<Vec<GeneralName>, DerError> {
    let mut names = Vec::new();
    while !reader.is_empty() {
        names.push(GeneralName::from_element(&reader.any("generalName")?));
    }
    Ok(names)
}

/// `DNS:kubernetes`, `IP:10.0.0.1`, `URI:spiffe://…`, `email:…`, `DirName:…`, `otherName:1.2.3`,
/// `RID:1.2.3`; unprintable characters escaped.
impl fmt::Display for GeneralName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DnsName(text) => write!(formatter, "DNS:{}", escaped(text, "\\")),
            Self::IpAddress(address) => write!(formatter, "IP:{address}"),
            Self::Rfc822Name(text) => write!(formatter, "email:{}", escaped(text, "\\")),
            Self::UniformResourceIdentifier(text) => {
                write!(formatter, "URI:{}", escaped(text, "\\"))
            }
            Self::DirectoryName(name) => write!(formatter, "DirName:{name}"),
            Self::OtherName { oid, .. } => write!(formatter, "otherName:{oid}"),
            Self::RegisteredId(oid) => write!(formatter, "RID:{oid}"),
            Self::Unparsed { tag, der } => {
                write!(formatter, "[{}]:{}", tag & 0x1f, hex::encode(der))
            }
        }
    }
}

/// Reads what `Display` writes for DNS names, IP addresses, URIs, mail addresses and registered
/// identifiers; without a prefix, an IP address, a URI (`…://…`), a mail address (`…@…`) or a DNS
/// name is recognized.
impl FromStr for GeneralName {
    type Err = GeneralNameError;

    fn from_str(text: &str) -> Result<Self, GeneralNameError> {
        let refused = |reason| GeneralNameError {
            text: text.to_owned(),
            reason,
        };
        if let Ok(address) = text.parse() {
            return Ok(Self::IpAddress(address));
        }
        let prefixed = text
            .split_once(':')
            .filter(|(_, rest)| !rest.starts_with("//"));
        match prefixed.map(|(prefix, rest)| (prefix.to_ascii_lowercase(), rest)) {
            None => bare(text).map_err(refused),
            Some((prefix, rest)) => match prefix.as_str() {
                "dns" => dns_name(rest).map_err(refused),
                "ip" | "ip address" => {
                    let address = rest.parse().map_err(|_| refused("not an IP address"))?;
                    Ok(Self::IpAddress(address))
                }
                "uri" => uri(rest).map_err(refused),
                "email" => mail(rest).map_err(refused),
                "rid" => {
                    let oid = rest
                        .parse()
                        .map_err(|_| refused("not an object identifier"))?;
                    Ok(Self::RegisteredId(oid))
                }
                "dirname" | "othername" => Err(refused(
                    "names of this kind are kept on re-issue but cannot be written as text",
                )),
                _ => Err(refused("write DNS:, IP:, URI: or email: before the name")),
            },
        }
    }
}

fn parsed(element: &Element<'_>) -> Option<GeneralName> {
    let text = || {
        let text = str::from_utf8(element.contents).ok()?;
        text.is_ascii().then(|| text.to_owned())
    };
    Some(match element.tag {
        0xa0 => {
            let mut reader = element.reader();
            let oid = reader.expect(tag::OBJECT_IDENTIFIER, "otherName").ok()?;
            let value = reader
                .expect(tag::context_constructed(0), "otherName")
                .ok()?;
            GeneralName::OtherName {
                oid: oid.object_identifier("otherName").ok()?,
                value_der: value.contents.to_vec(),
            }
        }
        0x81 => GeneralName::Rfc822Name(text()?),
        0x82 => GeneralName::DnsName(text()?),
        0xa4 => GeneralName::DirectoryName(Name::from_der(element.contents).ok()?),
        0x86 => GeneralName::UniformResourceIdentifier(text()?),
        0x87 => GeneralName::IpAddress(match element.contents.len() {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(element.contents).ok()?).into(),
            16 => Ipv6Addr::from(<[u8; 16]>::try_from(element.contents).ok()?).into(),
            _ => return None,
        }),
        0x88 => GeneralName::RegisteredId(ObjectIdentifier::from_bytes(element.contents).ok()?),
        _ => return None,
    })
}

fn bare(text: &str) -> Result<GeneralName, &'static str> {
    if text.contains("://") {
        uri(text)
    } else if text.contains('@') {
        mail(text)
    } else {
        dns_name(text)
    }
}

/// RFC 1034 §3.5 letters, digits and hyphens, plus underscores (found in the field) and a
/// wildcard as the whole first label (RFC 6125 §6.4.3).
fn dns_name(text: &str) -> Result<GeneralName, &'static str> {
    if text.is_empty() || text.len() > 253 {
        return Err("a DNS name has 1 to 253 characters");
    }
    let labels = text.strip_prefix("*.").unwrap_or(text).split('.');
    for label in labels {
        if label.is_empty() || label.len() > 63 {
            return Err("every label of a DNS name has 1 to 63 characters");
        }
        if !label
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
        {
            return Err("a DNS name has only ASCII letters, digits and hyphens (use punycode)");
        }
    }
    Ok(GeneralName::DnsName(text.to_owned()))
}

fn uri(text: &str) -> Result<GeneralName, &'static str> {
    let (scheme, rest) = text.split_once(':').ok_or("a URI starts with its scheme")?;
    if scheme.is_empty() || rest.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err("a URI is a scheme, `:` and visible ASCII characters");
    }
    Ok(GeneralName::UniformResourceIdentifier(text.to_owned()))
}

fn mail(text: &str) -> Result<GeneralName, &'static str> {
    match text.rsplit_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && !domain.is_empty()
                && text.bytes().all(|octet| octet.is_ascii_graphic()) =>
        {
            Ok(GeneralName::Rfc822Name(text.to_owned()))
        }
        _ => Err("a mail address is `local@domain` in visible ASCII characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "DNS:kubernetes.default.svc",
            "DNS:*.example.org",
            "IP:10.96.0.1",
            "IP:fd00::1",
            "URI:spiffe://cluster.local/ns/kube-system",
            "email:root@example.org",
            "RID:1.2.3",
        ] {
            assert_eq!(text.parse::<GeneralName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bare_names_are_recognized() {
        for (bare, full) in [
            ("node-1", "DNS:node-1"),
            ("::1", "IP:::1"),
            ("192.0.2.7", "IP:192.0.2.7"),
            ("spiffe://a/b", "URI:spiffe://a/b"),
            ("a@b", "email:a@b"),
        ] {
            assert_eq!(bare.parse::<GeneralName>().unwrap().to_string(), full);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "DNS:", "a..b", "a b", "IP:1.2.3", "foo:bar", "*.", "münchen", "DNS:a/b",
        ] {
            assert!(text.parse::<GeneralName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn odd_elements_are_kept_as_found() {
        let odd = [
            &[0x82, 1, 0xff][..],
            &[0x87, 3, 1, 2, 3],
            &[0xa3, 0],
            &[0x82, 0x81, 1, 0x61],
        ];
        let der = tlv(tag::SEQUENCE, &odd.concat());
        let names = general_names_from_der(&der).unwrap();
        assert!(
            names
                .iter()
                .all(|name| matches!(name, GeneralName::Unparsed { .. }))
        );
        assert_eq!(general_names_der(&names), der);
    }
}
