//! Signing with a private key: which algorithm a key signs with, and the signature itself.
//!
//! RSA signs with PKCS#1 v1.5 and SHA-256 (what kubeadm and Go's `x509.CreateCertificate` do),
//! ECDSA with the hash of its curve's strength, Ed25519 with itself. No choice is offered: a
//! signature that some component cannot verify is an outage.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
};
use kubepki_x509::SignatureAlgorithm;

use crate::error::KeyError;
use crate::material::{Curve, Material};

/// Bounds within which the cryptographic library signs with an RSA key.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// A key pair ready to sign.
pub(crate) enum Signer {
    Rsa(rsa::KeyPair),
    Ecdsa(Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Makes the pair ready, which also checks that its numbers belong together.
    pub(crate) fn new(material: &Material) -> Result<Self, KeyError> {
        match material {
            Material::Rsa { pkcs1 } => rsa::KeyPair::from_der(pkcs1)
                .map(Self::Rsa)
                .map_err(|rejected| KeyError::malformed("PKCS#1", rejected)),
            Material::Elliptic {
                curve,
                scalar,
                point,
            } => {
                let algorithm = match curve {
                    Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
                    Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
                    Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
                };
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point)
                    .map(|pair| Self::Ecdsa(*curve, pair))
                    .map_err(|rejected| KeyError::malformed("EC", rejected))
            }
            Material::Ed25519 { seed } => Ed25519KeyPair::from_seed_unchecked(seed)
                .map(Self::Ed25519)
                .map_err(|rejected| KeyError::malformed("Ed25519", rejected)),
        }
    }

    /// Why an RSA key of `bits` is not signed with, if so.
    pub(crate) fn rsa_size_refusal(bits: u32) -> Option<String> {
        (!RSA_BITS.contains(&bits)).then(|| {
            format!(
                "its size is outside {} to {} bits",
                RSA_BITS.start(),
                RSA_BITS.end()
            )
        })
    }

    /// The algorithm of every signature that this key makes.
    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Rsa(_) => SignatureAlgorithm::RsaPkcs1Sha256,
            Self::Ecdsa(Curve::P256, _) => SignatureAlgorithm::EcdsaSha256,
            Self::Ecdsa(Curve::P384, _) => SignatureAlgorithm::EcdsaSha384,
            Self::Ecdsa(Curve::P521, _) => SignatureAlgorithm::EcdsaSha512,
            Self::Ed25519(_) => SignatureAlgorithm::Ed25519,
        }
    }

    /// Signs `message`, as the content of a signature BIT STRING.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Self::Ecdsa(_, pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }
}
