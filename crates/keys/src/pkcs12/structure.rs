//! The ASN.1 of PKCS#12 (RFC 7292 §4) and of the CMS parts that it uses (RFC 5652), for reading.
//!
//! Input is DER, made so by `ber`. Sets are not required to be sorted, since they are not in files
//! that are in use.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_DATA, ID_ENCRYPTED_DATA};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Reader, Sequence, SliceReader, Tag, TagNumber, Tagged};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::{Pkcs12Error, ber};

/// Version of every PKCS#12 file there is.
const VERSION: u8 = 3;

/// The whole file.
#[derive(Sequence)]
pub(super) struct Pfx<'a> {
    version: u8,
    authenticated_safe: ContentInfo<'a>,
    pub(super) mac_data: Option<MacData<'a>>,
}

/// A content and its type (RFC 5652 §3).
#[derive(Sequence)]
pub(super) struct ContentInfo<'a> {
    pub(super) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) content: AnyRef<'a>,
}

/// The integrity check.
#[derive(Sequence)]
pub(super) struct MacData<'a> {
    pub(super) mac: DigestInfo<'a>,
    pub(super) salt: &'a OctetStringRef,
    #[asn1(default = "one")]
    pub(super) iterations: u32,
}

/// A digest and how it was made.
#[derive(Sequence)]
pub(super) struct DigestInfo<'a> {
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) digest: &'a OctetStringRef,
}

/// One bag of a safe.
#[derive(Sequence)]
pub(super) struct SafeBag<'a> {
    pub(super) id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) value: AnyRef<'a>,
    attributes: Option<AnyRef<'a>>,
}

/// The value of a certificate bag.
#[derive(Sequence)]
pub(super) struct CertBag<'a> {
    pub(super) id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) value: &'a OctetStringRef,
}

/// A key, or the content of a safe, under a password (RFC 5958 §3).
#[derive(Sequence)]
pub(super) struct EncryptedPrivateKeyInfo<'a> {
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) encrypted: &'a OctetStringRef,
}

/// The content of a safe under a password (RFC 5652 §8).
pub(super) struct EncryptedContent<'a> {
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) encrypted: Zeroizing<Vec<u8>>,
}

/// Attributes of a bag that are of use.
#[derive(Default)]
pub(super) struct BagAttributes {
    pub(super) friendly_name: Option<String>,
    pub(super) local_key_id: Option<Vec<u8>>,
}

const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");

fn one() -> u32 {
    1
}

impl<'a> Pfx<'a> {
    pub(super) fn decode(der: &'a [u8]) -> Result<Self, Pkcs12Error> {
        let pfx = Self::from_der(der).map_err(Pkcs12Error::malformed)?;
        if pfx.version != VERSION {
            let reason = format!("version {}, expected {VERSION}", pfx.version);
            return Err(Pkcs12Error::malformed(reason));
        }
        Ok(pfx)
    }

    /// The octets that the integrity check covers.
    pub(super) fn authenticated_safe(&self) -> Result<&'a [u8], Pkcs12Error> {
        if self.authenticated_safe.content_type != ID_DATA {
            return Err(Pkcs12Error::Unsupported {
                purpose: "integrity mode",
                algorithm: self.authenticated_safe.content_type,
            });
        }
        self.authenticated_safe.octets()
    }
}

impl<'a> ContentInfo<'a> {
    /// The content as an octet string, as it is for `id-data`.
    pub(super) fn octets(&self) -> Result<&'a [u8], Pkcs12Error> {
        let octets: &'a OctetStringRef =
            self.content.decode_as().map_err(Pkcs12Error::malformed)?;
        Ok(octets.as_bytes())
    }

    /// The content as `EncryptedData`.
    pub(super) fn encrypted(&self) -> Result<EncryptedContent<'a>, Pkcs12Error> {
        if self.content_type != ID_ENCRYPTED_DATA {
            return Err(Pkcs12Error::Unsupported {
                purpose: "privacy mode",
                algorithm: self.content_type,
            });
        }
        let (algorithm, encrypted) = self.encrypted_parts().map_err(Pkcs12Error::malformed)?;
        let encrypted = if encrypted.tag().is_constructed() {
            // the octet string was in pieces, and its tag, being implicit, did not say so
            ber::join_octet_strings(encrypted.value())?
        } else {
            Zeroizing::new(encrypted.value().to_vec())
        };
        Ok(EncryptedContent {
            algorithm,
            encrypted,
        })
    }

    fn encrypted_parts(&self) -> der::Result<(AlgorithmIdentifierRef<'a>, AnyRef<'a>)> {
        self.content.tag().assert_eq(Tag::Sequence)?;
        let mut data = SliceReader::new(self.content.value())?;
        let _version = u8::decode(&mut data)?;
        let content = AnyRef::decode(&mut data)?;
        content.tag().assert_eq(Tag::Sequence)?;
        let mut content = SliceReader::new(content.value())?;
        let _content_type: ObjectIdentifier = ObjectIdentifier::decode(&mut content)?;
        let algorithm = AlgorithmIdentifierRef::decode(&mut content)?;
        let encrypted = AnyRef::decode(&mut content)?;
        match encrypted.tag() {
            Tag::ContextSpecific {
                number: TagNumber(0),
                ..
            } => Ok((algorithm, encrypted)),
            other => Err(other.unexpected_error(None).into()),
        }
    }
}

impl SafeBag<'_> {
    /// Attributes that cannot be read are as good as absent: they only name things.
    pub(super) fn attributes(&self) -> BagAttributes {
        let mut attributes = BagAttributes::default();
        let Some(set) = self.attributes else {
            return attributes;
        };
        for attribute in elements(set.value()).unwrap_or_default() {
            let Some((id, value)) = attribute_value(attribute) else {
                continue;
            };
            match id {
                FRIENDLY_NAME => attributes.friendly_name = bmp_string(value),
                LOCAL_KEY_ID => attributes.local_key_id = Some(value.value().to_vec()),
                _ => {}
            }
        }
        attributes
    }
}

/// The values that stand one after another in `contents`.
pub(super) fn elements(contents: &[u8]) -> der::Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(contents)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(AnyRef::decode(&mut reader)?);
    }
    Ok(elements)
}

/// The elements of the `SEQUENCE OF` that `der` is.
pub(super) fn sequence_of(der: &[u8]) -> Result<Vec<AnyRef<'_>>, Pkcs12Error> {
    let read = || -> der::Result<_> {
        let sequence = AnyRef::from_der(der)?;
        sequence.tag().assert_eq(Tag::Sequence)?;
        elements(sequence.value())
    };
    read().map_err(Pkcs12Error::malformed)
}

/// An attribute's type and the first of its values.
fn attribute_value(attribute: AnyRef<'_>) -> Option<(ObjectIdentifier, AnyRef<'_>)> {
    let parts = elements(attribute.value()).ok()?;
    let id = parts.first()?.decode_as().ok()?;
    let values = elements(parts.get(1)?.value()).ok()?;
    Some((id, *values.first()?))
}

fn bmp_string(value: AnyRef<'_>) -> Option<String> {
    let units = value.value().chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    (value.tag() == Tag::BmpString).then(|| {
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    })
}
