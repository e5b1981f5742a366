//! Reading a private key from DER: PKCS#1, SEC1 and PKCS#8, told apart by their structure.
//!
//! A PEM label is not trusted to say which one it is: Go's `tls.X509KeyPair`, and with it every
//! Kubernetes component, reads a PKCS#8 key under `RSA PRIVATE KEY` and the other way round, so
//! such files are at work in clusters. Keys that cannot be used to sign are still looked at,
//! since their public half is all that discovery needs. Not here: PEM, and passwords.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_EC_PUBLIC_KEY, ID_RSASSA_PSS, RSA_ENCRYPTION};
use const_oid::db::rfc8410::ID_ED_25519;
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Encode, SliceReader, Tag, TagNumber, Tagged};
use kubepki_x509::PublicKey;
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::key_type::KeyEncoding;
use crate::material::{Curve, Material, subject_public_key_info};

const ED25519_LENGTH: usize = 32;

/// A private key as it was found.
pub(crate) struct Decoded {
    pub(crate) encoding: KeyEncoding,
    pub(crate) public_key: PublicKey,
    /// The key itself, or why it can only be looked at.
    pub(crate) material: Result<Material, KeyError>,
}

/// Reads the one private key that `der` holds.
pub(crate) fn decode(der: &[u8]) -> Result<Decoded, KeyError> {
    let encoding = encoding_of(der)?;
    let (spki, material) = match encoding {
        KeyEncoding::Pkcs1 => rsa(der, RsaAlgorithm::PLAIN)?,
        KeyEncoding::Sec1 => elliptic(der, None, encoding)?,
        KeyEncoding::Pkcs8 => pkcs8(der)?,
    };
    let public_key = PublicKey::from_spki_der(&spki).map_err(|error| KeyError::PublicHalf {
        reason: error.to_string(),
    })?;
    Ok(Decoded {
        encoding,
        public_key,
        material,
    })
}

type SpkiAndMaterial = (Vec<u8>, Result<Material, KeyError>);

/// Tells the encodings apart by the first two fields, which differ in all of them.
fn encoding_of(der: &[u8]) -> Result<KeyEncoding, KeyError> {
    let fields = first_two_tags(der).map_err(|error| KeyError::malformed("DER", error))?;
    match fields {
        (Tag::Integer, Tag::Integer) => Ok(KeyEncoding::Pkcs1),
        (Tag::Integer, Tag::OctetString) => Ok(KeyEncoding::Sec1),
        (Tag::Integer, Tag::Sequence) => Ok(KeyEncoding::Pkcs8),
        (Tag::Sequence, Tag::OctetString) => Err(KeyError::Encrypted {
            form: "EncryptedPrivateKeyInfo".to_owned(),
        }),
        (first, second) => Err(KeyError::malformed(
            "DER",
            format!("starts with {first} and {second}, as no known private key does"),
        )),
    }
}

fn first_two_tags(der: &[u8]) -> der::Result<(Tag, Tag)> {
    let sequence = AnyRef::from_der(der)?;
    sequence.tag().assert_eq(Tag::Sequence)?;
    let mut reader = SliceReader::new(sequence.value())?;
    let first = AnyRef::decode(&mut reader)?.tag();
    Ok((first, Tag::peek(&reader)?))
}

fn pkcs8(der: &[u8]) -> Result<SpkiAndMaterial, KeyError> {
    const STRUCTURE: &str = "PKCS#8";
    let key =
        PrivateKeyInfoRef::from_der(der).map_err(|error| KeyError::malformed(STRUCTURE, error))?;
    let inner = key.private_key.as_bytes();
    match key.algorithm.oid {
        RSA_ENCRYPTION => rsa(inner, RsaAlgorithm::PLAIN),
        ID_RSASSA_PSS => rsa(
            inner,
            RsaAlgorithm {
                oid: ID_RSASSA_PSS,
                parameters: key.algorithm.parameters,
            },
        ),
        ID_EC_PUBLIC_KEY => {
            let curve = named_curve(key.algorithm.parameters)?;
            elliptic(inner, Some(curve), KeyEncoding::Pkcs8)
        }
        ID_ED_25519 => {
            let stored = key.public_key.and_then(|bits| bits.as_bytes());
            ed25519(inner, stored)
        }
        algorithm => Err(KeyError::UnsupportedAlgorithm { algorithm }),
    }
}

fn named_curve(parameters: Option<AnyRef<'_>>) -> Result<ObjectIdentifier, KeyError> {
    let found = match parameters {
        Some(parameters) => match parameters.decode_as::<ObjectIdentifier>() {
            Ok(curve) => return Ok(curve),
            Err(_) => "explicit curve parameters",
        },
        None => "no parameters",
    };
    Err(KeyError::NoNamedCurve { found })
}

/// `AlgorithmIdentifier` of the public half that an RSA key gets.
struct RsaAlgorithm<'a> {
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'a>>,
}

impl RsaAlgorithm<'_> {
    const PLAIN: Self = Self {
        oid: RSA_ENCRYPTION,
        parameters: Some(AnyRef::NULL),
    };
}

fn rsa(der: &[u8], algorithm: RsaAlgorithm<'_>) -> Result<SpkiAndMaterial, KeyError> {
    const STRUCTURE: &str = "PKCS#1";
    let malformed = |error: der::Error| KeyError::malformed(STRUCTURE, error);
    let key = RsaPrivateKeyRef::from_der(der).map_err(malformed)?;
    let public = key.public_key().to_der().map_err(malformed)?;
    let spki =
        subject_public_key_info(algorithm.oid, algorithm.parameters, &public).map_err(malformed)?;
    let material = if algorithm.oid == ID_RSASSA_PSS {
        Err(KeyError::CannotSign {
            algorithm: "RSASSA-PSS".to_owned(),
            reason: "the key is restricted to RSASSA-PSS, which Kubernetes does not use".to_owned(),
        })
    } else {
        Ok(Material::Rsa {
            pkcs1: Zeroizing::new(der.to_vec()),
        })
    };
    Ok((spki, material))
}

/// Reads `ECPrivateKey`. In PKCS#8 the curve stands outside, in `outer_curve`.
fn elliptic(
    der: &[u8],
    outer_curve: Option<ObjectIdentifier>,
    encoding: KeyEncoding,
) -> Result<SpkiAndMaterial, KeyError> {
    const STRUCTURE: &str = "SEC1";
    let key = EcPrivateKey::from_der(der).map_err(|error| {
        if outer_curve.is_none() && has_explicit_parameters(der) {
            KeyError::NoNamedCurve {
                found: "explicit curve parameters",
            }
        } else {
            KeyError::malformed(STRUCTURE, error)
        }
    })?;
    let inner_curve = key.parameters.and_then(sec1::EcParameters::named_curve);
    let oid = outer_curve.or(inner_curve).ok_or(KeyError::NoNamedCurve {
        found: "no parameters",
    })?;

    let (point, material) = match Curve::from_oid(oid) {
        Some(curve) => {
            let scalar = to_field_length(key.private_key, curve)
                .ok_or_else(|| KeyError::malformed(STRUCTURE, "scalar longer than the curve's"))?;
            let point = curve
                .public_point(&scalar)
                .ok_or_else(|| KeyError::malformed(STRUCTURE, "scalar out of the curve's range"))?;
            if key
                .public_key
                .is_some_and(|stored| !same_point(stored, &point))
            {
                return Err(KeyError::Inconsistent {
                    structure: encoding.structure(),
                });
            }
            let material = Material::Elliptic {
                curve,
                scalar,
                point: point.clone(),
            };
            (point, Ok(material))
        }
        None => {
            let unsupported = KeyError::UnsupportedCurve { curve: oid };
            let point = key.public_key.ok_or_else(|| unsupported.clone())?;
            let material = Err(KeyError::CannotSign {
                algorithm: format!("EC (curve {oid})"),
                reason: "the curve is not supported".to_owned(),
            });
            (point.to_vec(), material)
        }
    };
    let spki = subject_public_key_info(ID_EC_PUBLIC_KEY, Some(AnyRef::from(&oid)), &point)
        .map_err(|error| KeyError::malformed(STRUCTURE, error))?;
    Ok((spki, material))
}

/// Whether `parameters [0]` holds a SEQUENCE (`SpecifiedECDomain`) where a name is required.
fn has_explicit_parameters(der: &[u8]) -> bool {
    let look = || -> der::Result<Tag> {
        let sequence = AnyRef::from_der(der)?;
        let mut reader = SliceReader::new(sequence.value())?;
        AnyRef::decode(&mut reader)?;
        AnyRef::decode(&mut reader)?;
        let parameters = AnyRef::decode(&mut reader)?;
        let expected = Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(0),
        };
        parameters.tag().assert_eq(expected)?;
        Tag::peek(&SliceReader::new(parameters.value())?)
    };
    look().is_ok_and(|tag| tag == Tag::Sequence)
}

/// RFC 5915 §3 wants the field's length; keys with leading zeros lost or added are in use.
fn to_field_length(scalar: &[u8], curve: Curve) -> Option<Zeroizing<Vec<u8>>> {
    let leading_zeros = scalar.iter().take_while(|octet| **octet == 0).count();
    let significant = scalar.get(leading_zeros..)?;
    let padding = curve.field_length().checked_sub(significant.len())?;
    let mut exact = Zeroizing::new(Vec::with_capacity(curve.field_length()));
    exact.resize(padding, 0);
    exact.extend_from_slice(significant);
    Some(exact)
}

/// Compares a stored point of either form (SEC 1 §2.3.3) with a computed, uncompressed one.
fn same_point(stored: &[u8], uncompressed: &[u8]) -> bool {
    match stored.split_first() {
        Some((form @ (2 | 3), x)) => {
            let parity = uncompressed.last().map(|octet| 2 + (octet & 1));
            uncompressed.get(1..=x.len()) == Some(x)
                && uncompressed.len() == 1 + 2 * x.len()
                && parity == Some(*form)
        }
        _ => stored == uncompressed,
    }
}

fn ed25519(inner: &[u8], stored: Option<&[u8]>) -> Result<SpkiAndMaterial, KeyError> {
    const STRUCTURE: &str = "Ed25519 PKCS#8";
    let malformed = |error: der::Error| KeyError::malformed(STRUCTURE, error);
    let seed = <&OctetStringRef>::from_der(inner)
        .map_err(malformed)?
        .as_bytes();
    if seed.len() != ED25519_LENGTH {
        let reason = format!("key of {} octets, expected {ED25519_LENGTH}", seed.len());
        return Err(KeyError::malformed(STRUCTURE, reason));
    }
    let pair = Ed25519KeyPair::from_seed_unchecked(seed)
        .map_err(|rejected| KeyError::malformed(STRUCTURE, rejected))?;
    let point = pair.public_key().as_ref();
    if stored.is_some_and(|stored| stored != point) {
        return Err(KeyError::Inconsistent {
            structure: STRUCTURE,
        });
    }
    let spki = subject_public_key_info(ID_ED_25519, None, point).map_err(malformed)?;
    let material = Material::Ed25519 {
        seed: Zeroizing::new(seed.to_vec()),
    };
    Ok((spki, Ok(material)))
}
