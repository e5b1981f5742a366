//! A private key: made, read, written, signed with.
//!
//! [`PrivateKey`] cannot be cloned, compared, serialized or printed; what it shows of itself is
//! its algorithm and the fingerprint of its public half. It may be sent to another thread, so
//! that many keys can be made at once. Not here: certificates (`issuer`) and encrypted keys,
//! which are refused by name.

use std::fmt;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use der::Decode;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{KeyAlgorithm, PublicKey, SignatureAlgorithm, pem};
use pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

use crate::decode::{Decoded, decode};
use crate::error::KeyError;
use crate::key_type::{KeyEncoding, KeyType, RsaSize};
use crate::material::{Curve, Material, Secret};
use crate::public_half::private_key_block;
use crate::signer::Signer;

/// A private key, in memory only.
pub struct PrivateKey {
    /// The DER that was read, or that a made key would be written as. Kept so that a key that is
    /// written back in its own encoding has the very bytes that it had.
    encoded: Secret,
    encoding: KeyEncoding,
    public_key: PublicKey,
    material: Material,
    signer: Result<Signer, KeyError>,
}

impl PrivateKey {
    /// Makes a key. RSA takes tens to hundreds of milliseconds; callers make several in threads.
    pub fn generate(key_type: KeyType) -> Result<Self, KeyError> {
        make(key_type).unwrap_or(Err(KeyError::Generation { key_type }))
    }

    /// Reads the first private key in PEM text; certificates and parameters before it are skipped.
    pub fn from_pem(text: &Sealed) -> Result<Self, KeyError> {
        Self::from_der(&private_key_block(danger::open(text))?)
    }

    /// Reads a private key from DER; PKCS#1, SEC1 and PKCS#8 are told apart by their structure.
    pub fn from_der(der: &Sealed) -> Result<Self, KeyError> {
        let der = danger::open(der);
        let decoded = decode(der)?;
        Self::from_decoded(decoded, Zeroizing::new(der.to_vec()))
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The type that makes such a key; nothing for kinds that are used but never made (P-521,
    /// unusual RSA sizes).
    pub fn key_type(&self) -> Option<KeyType> {
        KeyType::like(&self.public_key.algorithm())
    }

    /// The encoding in which the key was read; for a made key the traditional one of its type.
    pub fn encoding(&self) -> KeyEncoding {
        self.encoding
    }

    /// The key as one PEM block.
    pub fn to_pem(&self, encoding: KeyEncoding) -> Result<Sealed, KeyError> {
        Ok(pem::encode_sealed(
            encoding.label(),
            &self.to_der(encoding)?,
        ))
    }

    /// The key as DER.
    pub fn to_der(&self, encoding: KeyEncoding) -> Result<Sealed, KeyError> {
        if encoding == self.encoding {
            return Ok(Sealed::new(self.encoded.to_vec()));
        }
        let encoded =
            self.material
                .encode(encoding)
                .ok_or_else(|| KeyError::EncodingMismatch {
                    algorithm: self.public_key.algorithm().to_string(),
                    encoding,
                })??;
        Ok(Sealed::new(encoded.to_vec()))
    }

    /// The algorithm with which [`sign`](Self::sign) signs.
    pub fn signature_algorithm(&self) -> Result<SignatureAlgorithm, KeyError> {
        self.signer().map(Signer::algorithm)
    }

    /// Signs `message`: RSA PKCS#1 v1.5 with SHA-256, ECDSA with the hash of the curve's strength,
    /// or Ed25519. The signature is as it stands in a certificate.
    pub fn sign(&self, message: &[u8]) -> Result<(SignatureAlgorithm, Vec<u8>), KeyError> {
        let signer = self.signer()?;
        let signature = signer.sign(message).ok_or_else(|| KeyError::Signing {
            algorithm: self.public_key.algorithm().to_string(),
        })?;
        Ok((signer.algorithm(), signature))
    }

    fn signer(&self) -> Result<&Signer, KeyError> {
        self.signer.as_ref().map_err(Clone::clone)
    }

    fn from_decoded(decoded: Decoded, encoded: Secret) -> Result<Self, KeyError> {
        let material = decoded.material?;
        let algorithm = decoded.public_key.algorithm();
        let refusal = match algorithm {
            KeyAlgorithm::Rsa { bits } => Signer::rsa_size_refusal(bits),
            _ => None,
        };
        let signer = match refusal {
            Some(reason) => Err(KeyError::CannotSign {
                algorithm: algorithm.to_string(),
                reason,
            }),
            // a key of a usable size that is refused here is damaged, not merely too weak to use
            None => Ok(Signer::new(&material)?),
        };
        Ok(Self {
            encoded,
            encoding: decoded.encoding,
            public_key: decoded.public_key,
            material,
            signer,
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PrivateKey({}, public key SHA-256 {})",
            self.public_key.algorithm(),
            hex::encode(self.public_key.sha256())
        )
    }
}

/// Nothing when the cryptographic library fails to make a key.
fn make(key_type: KeyType) -> Option<Result<PrivateKey, KeyError>> {
    let material = match key_type {
        KeyType::Rsa(size) => make_rsa(size)?,
        KeyType::EcdsaP256 => make_elliptic(Curve::P256, &ECDSA_P256_SHA256_ASN1_SIGNING)?,
        KeyType::EcdsaP384 => make_elliptic(Curve::P384, &ECDSA_P384_SHA384_ASN1_SIGNING)?,
        KeyType::Ed25519 => {
            let seed = Ed25519KeyPair::generate()
                .ok()?
                .seed()
                .ok()?
                .as_be_bytes()
                .ok()?;
            Material::Ed25519 {
                seed: Zeroizing::new(seed.as_ref().to_vec()),
            }
        }
    };
    // read back through the same door as a key from a file: one place decides what a key is
    let encoded = material.encode(key_type.traditional_encoding())?;
    Some(encoded.and_then(|encoded| PrivateKey::from_decoded(decode(&encoded)?, encoded)))
}

fn make_rsa(size: RsaSize) -> Option<Material> {
    let size = match size {
        RsaSize::Bits2048 => KeySize::Rsa2048,
        RsaSize::Bits3072 => KeySize::Rsa3072,
        RsaSize::Bits4096 => KeySize::Rsa4096,
    };
    let pair = rsa::KeyPair::generate(size).ok()?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let pkcs8 = PrivateKeyInfoRef::from_der(pkcs8.as_ref()).ok()?;
    Some(Material::Rsa {
        pkcs1: Zeroizing::new(pkcs8.private_key.as_bytes().to_vec()),
    })
}

fn make_elliptic(curve: Curve, algorithm: &'static EcdsaSigningAlgorithm) -> Option<Material> {
    let pair = EcdsaKeyPair::generate(algorithm).ok()?;
    let scalar = pair.private_key().as_be_bytes().ok()?;
    Some(Material::Elliptic {
        curve,
        scalar: Zeroizing::new(scalar.as_ref().to_vec()),
        point: pair.public_key().as_ref().to_vec(),
    })
}
