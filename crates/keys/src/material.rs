//! A private key's own numbers, and their DER encodings (RFC 8017, RFC 5915, RFC 5958, RFC 8410).
//!
//! This is where a key is laid out; `decode` is where it is read. Every buffer is zeroized when it
//! is dropped. No signing and no PEM here.

use aws_lc_rs::agreement;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{
    ID_EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP_256_R_1, SECP_384_R_1, SECP_521_R_1,
};
use const_oid::db::rfc8410::ID_ED_25519;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Encode, SecretDocument};
use pkcs8::PrivateKeyInfoRef;
use sec1::{EcParameters, EcPrivateKey};
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::key_type::KeyEncoding;

/// What makes a private key, free of any encoding.
pub(crate) enum Material {
    /// RSA: the numbers stay in their `RSAPrivateKey`, the only layout that they have.
    Rsa {
        /// DER of `RSAPrivateKey`.
        pkcs1: Zeroizing<Vec<u8>>,
    },
    /// A scalar on a named curve.
    Elliptic {
        /// The curve.
        curve: Curve,
        /// Big-endian, as long as the curve's field.
        scalar: Zeroizing<Vec<u8>>,
        /// The public point, uncompressed.
        point: Vec<u8>,
    },
    /// Ed25519.
    Ed25519 {
        /// The 32 secret octets.
        seed: Zeroizing<Vec<u8>>,
    },
}

/// A curve on which a public half can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Material {
    /// The key in `encoding`; nothing where that does not exist for this kind of key.
    pub(crate) fn encode(&self, encoding: KeyEncoding) -> Option<Result<Secret, KeyError>> {
        let encoded = match (self, encoding) {
            (Self::Rsa { pkcs1 }, KeyEncoding::Pkcs1) => Ok(pkcs1.clone()),
            (Self::Elliptic { .. }, KeyEncoding::Sec1) => self.sec1(WhereIsTheCurve::Inside),
            (_, KeyEncoding::Pkcs8) => self.pkcs8(),
            _ => return None,
        };
        Some(encoded.map_err(|error| KeyError::malformed(encoding.structure(), error)))
    }

    fn sec1(&self, whereabouts: WhereIsTheCurve) -> der::Result<Secret> {
        let Self::Elliptic {
            curve,
            scalar,
            point,
        } = self
        else {
            return Err(der::ErrorKind::Failed.into());
        };
        let key = EcPrivateKey {
            private_key: scalar,
            parameters: match whereabouts {
                WhereIsTheCurve::Inside => Some(EcParameters::NamedCurve(curve.oid())),
                WhereIsTheCurve::AlgorithmIdentifier => None,
            },
            public_key: Some(point),
        };
        Ok(SecretDocument::encode_msg(&key)?.to_bytes())
    }

    /// Always version 1: OpenSSL and Go read the public half of a version 2 key only since lately.
    fn pkcs8(&self) -> der::Result<Secret> {
        let curve_oid;
        let (oid, parameters, inner) = match self {
            Self::Rsa { pkcs1 } => (RSA_ENCRYPTION, Some(AnyRef::NULL), pkcs1.clone()),
            Self::Elliptic { curve, .. } => {
                curve_oid = curve.oid();
                (
                    ID_EC_PUBLIC_KEY,
                    Some(AnyRef::from(&curve_oid)),
                    self.sec1(WhereIsTheCurve::AlgorithmIdentifier)?,
                )
            }
            Self::Ed25519 { seed } => (
                ID_ED_25519,
                None,
                Zeroizing::new(OctetStringRef::new(seed)?.to_der()?),
            ),
        };
        let key = PrivateKeyInfoRef::new(
            AlgorithmIdentifier { oid, parameters },
            OctetStringRef::new(&inner)?,
        );
        Ok(SecretDocument::encode_msg(&key)?.to_bytes())
    }
}

/// DER that holds a private key.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

enum WhereIsTheCurve {
    /// Named in `ECPrivateKey.parameters`: OpenSSL and Go refuse a bare SEC1 key without it.
    Inside,
    /// Named in PKCS#8's `privateKeyAlgorithm`; RFC 5915 §3 leaves it out of the inner structure.
    AlgorithmIdentifier,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid)
    }

    pub(crate) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => SECP_256_R_1,
            Self::P384 => SECP_384_R_1,
            Self::P521 => SECP_521_R_1,
        }
    }

    /// Octets of a scalar, and of one coordinate.
    pub(crate) fn field_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The uncompressed public point of `scalar`; nothing when the scalar is out of range.
    pub(crate) fn public_point(self, scalar: &[u8]) -> Option<Vec<u8>> {
        let algorithm = match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
        };
        let key = agreement::PrivateKey::from_private_key(algorithm, scalar).ok()?;
        Some(key.compute_public_key().ok()?.as_ref().to_vec())
    }
}

impl KeyEncoding {
    /// Name of the structure for errors.
    pub(crate) fn structure(self) -> &'static str {
        match self {
            Self::Pkcs1 => "PKCS#1",
            Self::Sec1 => "SEC1",
            Self::Pkcs8 => "PKCS#8",
        }
    }
}

/// DER of a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
pub(crate) fn subject_public_key_info(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    subject_public_key: &[u8],
) -> der::Result<Vec<u8>> {
    SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(subject_public_key)?,
    }
    .to_der()
}
