//! Signature algorithms by name: what `AlgorithmIdentifier`s say (RFC 4055, RFC 5758, RFC 8410).

use std::fmt;

use crate::{
    ObjectIdentifier,
    asn1::{Element, Reader, explicit, integer_u64, null, sequence, tag},
    oid,
};

/// How a certificate, a request or a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is its standard name")]
pub enum SignatureAlgorithm {
    RsaPkcs1Md5,
    RsaPkcs1Sha1,
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256 for both message and mask.
    RsaPssSha256 {
        salt_length: u16,
    },
    RsaPssSha384 {
        salt_length: u16,
    },
    RsaPssSha512 {
        salt_length: u16,
    },
    EcdsaSha1,
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    Ed25519,
    /// An algorithm that can be shown but not verified.
    Other(ObjectIdentifier),
}

impl SignatureAlgorithm {
    /// Whether forging a signature is feasible: MD5 and SHA-1.
    pub fn is_weak(&self) -> bool {
        match self {
            Self::RsaPkcs1Md5 | Self::RsaPkcs1Sha1 | Self::EcdsaSha1 => true,
            // md2WithRSAEncryption, dsa-with-sha1.
            Self::Other(other) => {
                matches!(
                    other.to_string().as_str(),
                    "1.2.840.113549.1.1.2" | "1.2.840.10040.4.3"
                )
            }
            _ => false,
        }
    }

    /// Reads an `AlgorithmIdentifier`.
    pub(crate) fn from_element(element: &Element<'_>) -> Result<Self, crate::DerError> {
        let mut reader = element.reader();
        let algorithm = reader.expect(tag::OBJECT_IDENTIFIER, "signature algorithm")?;
        let algorithm = algorithm.object_identifier("signature algorithm")?;
        Ok(match algorithm {
            oid::RSASSA_PSS => pss(&mut reader).unwrap_or(Self::Other(algorithm)),
            oid::SHA1_WITH_RSA_SIGNATURE => Self::RsaPkcs1Sha1,
            _ => TABLE
                .iter()
                .find(|(_, known, _)| *known == algorithm)
                .map_or(Self::Other(algorithm), |(known, _, _)| *known),
        })
    }

    /// The `AlgorithmIdentifier`; none for an algorithm that this crate does not know.
    pub fn der(&self) -> Option<Vec<u8>> {
        match *self {
            Self::RsaPssSha256 { salt_length } => Some(pss_der(oid::SHA256, salt_length)),
            Self::RsaPssSha384 { salt_length } => Some(pss_der(oid::SHA384, salt_length)),
            Self::RsaPssSha512 { salt_length } => Some(pss_der(oid::SHA512, salt_length)),
            Self::Other(_) => None,
            known => {
                let (_, algorithm, _) = TABLE.iter().find(|(row, _, _)| *row == known)?;
                let rsa = algorithm.as_bytes().starts_with(PKCS1);
                // RFC 4055 §5: NULL with RSA; RFC 5758 and RFC 8410: no parameters at all.
                let parameters = if rsa { null() } else { Vec::new() };
                Some(sequence(&[algorithm.der(), parameters]))
            }
        }
    }
}

/// As OpenSSL spells it.
impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaPssSha256 { .. } => formatter.write_str("rsassaPss (SHA-256)"),
            Self::RsaPssSha384 { .. } => formatter.write_str("rsassaPss (SHA-384)"),
            Self::RsaPssSha512 { .. } => formatter.write_str("rsassaPss (SHA-512)"),
            Self::Other(other) => match OTHER_NAMES.iter().find(|(oid, _)| oid == other) {
                Some((_, name)) => formatter.write_str(name),
                None => write!(formatter, "{other}"),
            },
            known => {
                let row = TABLE.iter().find(|(row, _, _)| row == known);
                formatter.write_str(row.map_or("", |(_, _, name)| *name))
            }
        }
    }
}

/// Every algorithm without parameters of its own, with its identifier and OpenSSL name.
const TABLE: &[(SignatureAlgorithm, ObjectIdentifier, &str)] = &[
    (
        SignatureAlgorithm::RsaPkcs1Md5,
        oid::MD5_WITH_RSA_ENCRYPTION,
        "md5WithRSAEncryption",
    ),
    (
        SignatureAlgorithm::RsaPkcs1Sha1,
        oid::SHA1_WITH_RSA_ENCRYPTION,
        "sha1WithRSAEncryption",
    ),
    (
        SignatureAlgorithm::RsaPkcs1Sha256,
        oid::SHA256_WITH_RSA_ENCRYPTION,
        "sha256WithRSAEncryption",
    ),
    (
        SignatureAlgorithm::RsaPkcs1Sha384,
        oid::SHA384_WITH_RSA_ENCRYPTION,
        "sha384WithRSAEncryption",
    ),
    (
        SignatureAlgorithm::RsaPkcs1Sha512,
        oid::SHA512_WITH_RSA_ENCRYPTION,
        "sha512WithRSAEncryption",
    ),
    (
        SignatureAlgorithm::EcdsaSha1,
        oid::ECDSA_WITH_SHA1,
        "ecdsa-with-SHA1",
    ),
    (
        SignatureAlgorithm::EcdsaSha256,
        oid::ECDSA_WITH_SHA256,
        "ecdsa-with-SHA256",
    ),
    (
        SignatureAlgorithm::EcdsaSha384,
        oid::ECDSA_WITH_SHA384,
        "ecdsa-with-SHA384",
    ),
    (
        SignatureAlgorithm::EcdsaSha512,
        oid::ECDSA_WITH_SHA512,
        "ecdsa-with-SHA512",
    ),
    (SignatureAlgorithm::Ed25519, oid::ED25519, "ED25519"),
];

/// Names of algorithms that can only be shown.
const OTHER_NAMES: &[(ObjectIdentifier, &str)] = &[
    (oid::RSASSA_PSS, "rsassaPss"),
    (oid::SHA224_WITH_RSA_ENCRYPTION, "sha224WithRSAEncryption"),
    (oid::ECDSA_WITH_SHA224, "ecdsa-with-SHA224"),
    (oid::ED448, "ED448"),
];

/// `1.2.840.113549.1.1`.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];

/// `RSASSA-PSS-params` (RFC 4055 §3.1); none unless message and mask share a SHA-2 hash.
fn pss(reader: &mut Reader<'_>) -> Option<SignatureAlgorithm> {
    let mut parameters = reader
        .expect(tag::SEQUENCE, "RSASSA-PSS-params")
        .ok()?
        .reader();
    let hash = pss_field(&mut parameters, 0)?;
    let hash = first_oid(&hash.reader().any("hashAlgorithm").ok()?)?;
    let mask = pss_field(&mut parameters, 1)?
        .reader()
        .any("maskGenAlgorithm")
        .ok()?;
    let mut mask_reader = mask.reader();
    let mask_function = mask_reader
        .any("maskGenAlgorithm")
        .ok()?
        .object_identifier("mgf")
        .ok()?;
    let mask_hash = first_oid(&mask_reader.any("maskGenAlgorithm").ok()?)?;
    if mask_function != oid::MGF1 || mask_hash != hash {
        return None;
    }
    let salt_length = match pss_field(&mut parameters, 2) {
        Some(field) => {
            let length = field.reader().expect(tag::INTEGER, "saltLength").ok()?;
            u16::try_from(length.unsigned("saltLength").ok()?).ok()?
        }
        // RFC 4055 §3.1: saltLength DEFAULT 20.
        None => 20,
    };
    match hash {
        oid::SHA256 => Some(SignatureAlgorithm::RsaPssSha256 { salt_length }),
        oid::SHA384 => Some(SignatureAlgorithm::RsaPssSha384 { salt_length }),
        oid::SHA512 => Some(SignatureAlgorithm::RsaPssSha512 { salt_length }),
        _ => None,
    }
}

fn pss_field<'a>(reader: &mut Reader<'a>, number: u8) -> Option<Element<'a>> {
    reader
        .optional(tag::context_constructed(number), "RSASSA-PSS-params")
        .ok()
        .flatten()
}

fn first_oid(sequence: &Element<'_>) -> Option<ObjectIdentifier> {
    let first = sequence
        .reader()
        .expect(tag::OBJECT_IDENTIFIER, "algorithm")
        .ok()?;
    first.object_identifier("algorithm").ok()
}

fn pss_der(hash: ObjectIdentifier, salt_length: u16) -> Vec<u8> {
    let hash = sequence(&[hash.der(), null()]);
    let mask = sequence(&[oid::MGF1.der(), hash.clone()]);
    let parameters = sequence(&[
        explicit(0, &hash),
        explicit(1, &mask),
        explicit(2, &integer_u64(salt_length.into())),
    ]);
    sequence(&[oid::RSASSA_PSS.der(), parameters])
}
