//! `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7): verbatim, with its kind, its identifiers, and what
//! a public key is for: verifying signatures.
//!
//! Verification accepts what hosts really hold, RSA from 1024 bits and SHA-1 included. It says
//! whether a signature is by this key; whether its algorithm is good enough is said by
//! [`SignatureAlgorithm::is_weak`] and [`KeyAlgorithm::is_weak`].

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{self, RsaPssSaltLength, VerificationAlgorithm};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    ObjectIdentifier, SignatureAlgorithm,
    asn1::{DerError, Element, Reader, tag},
    oid,
};

/// A public key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    spki: Arc<[u8]>,
    /// Contents of the BIT STRING `subjectPublicKey`.
    key: Arc<[u8]>,
    algorithm: KeyAlgorithm,
}

/// Kind and size of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is its standard name")]
pub enum KeyAlgorithm {
    Rsa {
        bits: u32,
    },
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    /// Any other key, by its algorithm, or by its curve if it is on one.
    Other(ObjectIdentifier),
}

/// Why a signature could not be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature is not by this key over this message.
    #[error("the signature was not made with this key")]
    Mismatch,
    /// A key of this kind cannot have made such a signature.
    #[error("the signature is {algorithm}, but the key is {key}")]
    KeyMismatch {
        /// Algorithm of the signature.
        algorithm: SignatureAlgorithm,
        /// Kind of the key.
        key: KeyAlgorithm,
    },
    /// Nobody here can verify this.
    #[error("cannot verify {algorithm} with a key of type {key}")]
    Unsupported {
        /// Algorithm of the signature.
        algorithm: SignatureAlgorithm,
        /// Kind of the key.
        key: KeyAlgorithm,
    },
}

impl SignatureError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mismatch => "signature-mismatch",
            Self::KeyMismatch { .. } => "signature-key-mismatch",
            Self::Unsupported { .. } => "signature-unsupported",
        }
    }
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`; the bytes are kept as they are.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(der);
        let spki = reader.expect(tag::SEQUENCE, "subjectPublicKeyInfo")?;
        reader.finish("subjectPublicKeyInfo")?;
        Self::from_element(&spki)
    }

    pub(crate) fn from_element(element: &Element<'_>) -> Result<Self, DerError> {
        let mut spki = element.reader();
        let mut identifier = spki.expect(tag::SEQUENCE, "public key algorithm")?.reader();
        let algorithm = identifier.expect(tag::OBJECT_IDENTIFIER, "public key algorithm")?;
        let algorithm = algorithm.object_identifier("public key algorithm")?;
        let parameters = identifier
            .peek()
            .map(|_| identifier.any("public key parameters"));
        let parameters = parameters.transpose()?;
        let key = spki.expect(tag::BIT_STRING, "subjectPublicKey")?;
        let (_, key) = key.bit_string("subjectPublicKey")?;
        spki.finish("subjectPublicKeyInfo")?;

        let curve = parameters.filter(|found| found.tag == tag::OBJECT_IDENTIFIER);
        let curve = curve.and_then(|found| found.object_identifier("namedCurve").ok());
        let algorithm = match (algorithm, curve) {
            (oid::RSA_ENCRYPTION | oid::RSASSA_PSS, _) => match modulus_bits(key) {
                Some(bits) => KeyAlgorithm::Rsa { bits },
                None => KeyAlgorithm::Other(algorithm),
            },
            (oid::EC_PUBLIC_KEY, Some(oid::SECP256R1)) => KeyAlgorithm::EcdsaP256,
            (oid::EC_PUBLIC_KEY, Some(oid::SECP384R1)) => KeyAlgorithm::EcdsaP384,
            (oid::EC_PUBLIC_KEY, Some(oid::SECP521R1)) => KeyAlgorithm::EcdsaP521,
            (oid::EC_PUBLIC_KEY, Some(curve)) => KeyAlgorithm::Other(curve),
            (oid::ED25519, _) => KeyAlgorithm::Ed25519,
            _ => KeyAlgorithm::Other(algorithm),
        };
        Ok(Self {
            spki: element.der.into(),
            key: key.into(),
            algorithm,
        })
    }

    /// The whole `SubjectPublicKeyInfo` as found.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// PEM with label `PUBLIC KEY`, 64 columns, LF.
    pub fn to_pem(&self) -> String {
        crate::pem::encode("PUBLIC KEY", &self.spki)
    }

    /// Contents of the BIT STRING `subjectPublicKey`: `RSAPublicKey`, curve point or raw key.
    pub fn subject_public_key(&self) -> &[u8] {
        &self.key
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// SHA-256 of the whole `SubjectPublicKeyInfo`: the fingerprint that kubeadm's
    /// `--discovery-token-ca-cert-hash` shows.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.spki).into()
    }

    /// Key identifier by method (1) of RFC 5280 §4.2.1.2: SHA-1 of `subjectPublicKey`.
    pub fn sha1_key_identifier(&self) -> [u8; 20] {
        Sha1::digest(&self.key).into()
    }

    /// Key identifier by method 1 of RFC 7093 §2: first 160 bits of the SHA-256 of
    /// `subjectPublicKey`, as Go writes it since 1.25.
    pub fn truncated_sha256_key_identifier(&self) -> [u8; 20] {
        let digest: [u8; 32] = Sha256::digest(&self.key).into();
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// Whether `signature` over `message` was made with the private half of this key.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let key = self.algorithm;
        let verified = |verifier: &dyn VerificationAlgorithm| {
            verifier
                .verify_sig(&self.key, message, signature)
                .map_err(|_| SignatureError::Mismatch)
        };
        match (algorithm, key) {
            (SignatureAlgorithm::RsaPkcs1Sha1, KeyAlgorithm::Rsa { bits: 1024..=8192 }) => {
                verified(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY)
            }
            (SignatureAlgorithm::RsaPkcs1Sha256, KeyAlgorithm::Rsa { bits: 1024..=8192 }) => {
                verified(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
            }
            (SignatureAlgorithm::RsaPkcs1Sha384, KeyAlgorithm::Rsa { bits: 2048..=8192 }) => {
                verified(&signature::RSA_PKCS1_2048_8192_SHA384)
            }
            (SignatureAlgorithm::RsaPkcs1Sha512, KeyAlgorithm::Rsa { bits: 1024..=8192 }) => {
                verified(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)
            }
            (
                SignatureAlgorithm::RsaPssSha256 { salt_length },
                KeyAlgorithm::Rsa { bits: 2048..=8192 },
            ) => verified(&pss(signature::RSA_PSS_2048_8192_SHA256, salt_length)),
            (
                SignatureAlgorithm::RsaPssSha384 { salt_length },
                KeyAlgorithm::Rsa { bits: 2048..=8192 },
            ) => verified(&pss(signature::RSA_PSS_2048_8192_SHA384, salt_length)),
            (
                SignatureAlgorithm::RsaPssSha512 { salt_length },
                KeyAlgorithm::Rsa { bits: 2048..=8192 },
            ) => verified(&pss(signature::RSA_PSS_2048_8192_SHA512, salt_length)),
            (SignatureAlgorithm::EcdsaSha1, KeyAlgorithm::EcdsaP256) => {
                verified(&signature::ECDSA_P256_SHA1_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha256, KeyAlgorithm::EcdsaP256) => {
                verified(&signature::ECDSA_P256_SHA256_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha384, KeyAlgorithm::EcdsaP256) => {
                verified(&signature::ECDSA_P256_SHA384_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha512, KeyAlgorithm::EcdsaP256) => {
                verified(&signature::ECDSA_P256_SHA512_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha256, KeyAlgorithm::EcdsaP384) => {
                verified(&signature::ECDSA_P384_SHA256_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha384, KeyAlgorithm::EcdsaP384) => {
                verified(&signature::ECDSA_P384_SHA384_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha512, KeyAlgorithm::EcdsaP384) => {
                verified(&signature::ECDSA_P384_SHA512_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha1, KeyAlgorithm::EcdsaP521) => {
                verified(&signature::ECDSA_P521_SHA1_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha256, KeyAlgorithm::EcdsaP521) => {
                verified(&signature::ECDSA_P521_SHA256_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha384, KeyAlgorithm::EcdsaP521) => {
                verified(&signature::ECDSA_P521_SHA384_ASN1)
            }
            (SignatureAlgorithm::EcdsaSha512, KeyAlgorithm::EcdsaP521) => {
                verified(&signature::ECDSA_P521_SHA512_ASN1)
            }
            (SignatureAlgorithm::Ed25519, KeyAlgorithm::Ed25519) => verified(&signature::ED25519),
            _ if contradicts(algorithm, key) => Err(SignatureError::KeyMismatch { algorithm, key }),
            _ => Err(SignatureError::Unsupported { algorithm, key }),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PublicKey({}, sha256:{})",
            self.algorithm,
            hex::encode(self.sha256())
        )
    }
}

impl KeyAlgorithm {
    /// Whether breaking the key is feasible, or was before its certificate could expire: RSA
    /// below 2048 bits.
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Rsa { bits: 0..2048 })
    }
}

/// `RSA-2048`, `ECDSA-P256`, `Ed25519`.
impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(formatter, "RSA-{bits}"),
            Self::EcdsaP256 => formatter.write_str("ECDSA-P256"),
            Self::EcdsaP384 => formatter.write_str("ECDSA-P384"),
            Self::EcdsaP521 => formatter.write_str("ECDSA-P521"),
            Self::Ed25519 => formatter.write_str("Ed25519"),
            Self::Other(other) => match other.to_string().as_str() {
                "1.3.132.0.33" => formatter.write_str("ECDSA-P224"),
                "1.3.132.0.10" => formatter.write_str("ECDSA-secp256k1"),
                "1.2.840.10040.4.1" => formatter.write_str("DSA"),
                "1.3.101.110" => formatter.write_str("X25519"),
                "1.3.101.113" => formatter.write_str("Ed448"),
                dotted => formatter.write_str(dotted),
            },
        }
    }
}

fn pss(parameters: signature::RsaParameters, salt_length: u16) -> signature::RsaParameters {
    parameters.with_pss_salt_length(RsaPssSaltLength::Custom(salt_length))
}

/// Whether both are known and do not belong together.
fn contradicts(algorithm: SignatureAlgorithm, key: KeyAlgorithm) -> bool {
    use SignatureAlgorithm as Signature;
    let belongs = match algorithm {
        Signature::Other(_) => return false,
        Signature::EcdsaSha1
        | Signature::EcdsaSha256
        | Signature::EcdsaSha384
        | Signature::EcdsaSha512 => {
            matches!(
                key,
                KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521
            )
        }
        Signature::Ed25519 => key == KeyAlgorithm::Ed25519,
        _ => matches!(key, KeyAlgorithm::Rsa { .. }),
    };
    !belongs && !matches!(key, KeyAlgorithm::Other(_))
}

/// Size of the modulus in an `RSAPublicKey` (RFC 8017 §A.1.1).
fn modulus_bits(key: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(key)
        .expect(tag::SEQUENCE, "RSAPublicKey")
        .ok()?
        .reader();
    let modulus = reader.expect(tag::INTEGER, "modulus").ok()?.contents;
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    let significant = modulus.get(zeros..)?;
    let leading = significant.first()?.leading_zeros();
    u32::try_from(significant.len())
        .ok()?
        .checked_mul(8)?
        .checked_sub(leading)
}
