//! Which kind of key to make, and in which encoding to write it.
//!
//! The spellings are those of the command line (`rsa:2048`, `ecdsa:p256`, `ed25519`); kubeadm's
//! `encryptionAlgorithm` values (`RSA-2048`, `ECDSA-P256`) are read as well, so that a
//! ClusterConfiguration can be taken as it is. Not here: the algorithm of a key that was only
//! looked at, which is [`kubepki_x509::KeyAlgorithm`] and knows more kinds than can be made.

use std::fmt;
use std::str::FromStr;

use kubepki_x509::KeyAlgorithm;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of key that this room can make and sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// RSA (RFC 8017), public exponent 65537.
    Rsa(RsaSize),
    /// ECDSA over NIST P-256 (secp256r1).
    EcdsaP256,
    /// ECDSA over NIST P-384 (secp384r1).
    EcdsaP384,
    /// Ed25519 (RFC 8410). Kubernetes components take it in TLS; kubeadm never makes it.
    Ed25519,
}

/// Modulus length of an RSA key that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RsaSize {
    /// 2048 bits, kubeadm's default.
    Bits2048,
    /// 3072 bits.
    Bits3072,
    /// 4096 bits.
    Bits4096,
}

/// How a private key is laid out in DER, which its PEM label names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyEncoding {
    /// `RSAPrivateKey` of PKCS#1 (RFC 8017 A.1.2): `RSA PRIVATE KEY`.
    Pkcs1,
    /// `ECPrivateKey` of SEC 1 (RFC 5915) with its named curve: `EC PRIVATE KEY`.
    Sec1,
    /// `PrivateKeyInfo` of PKCS#8 (RFC 5208): `PRIVATE KEY`.
    Pkcs8,
}

/// A key type that is not one of those offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown key type {found:?}, expected one of rsa:2048, rsa:3072, rsa:4096, ecdsa:p256, \
     ecdsa:p384, ed25519"
)]
pub struct UnknownKeyType {
    /// What was given.
    pub found: String,
}

impl KeyType {
    /// Every key type that can be made, in the order in which they are offered.
    pub const ALL: [Self; 6] = [
        Self::Rsa(RsaSize::Bits2048),
        Self::Rsa(RsaSize::Bits3072),
        Self::Rsa(RsaSize::Bits4096),
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Ed25519,
    ];

    /// The key type that makes a key like one of `algorithm`; nothing for RSA-1024, P-521 and
    /// every other kind that is read but never made.
    pub fn like(algorithm: &KeyAlgorithm) -> Option<Self> {
        Some(match algorithm {
            KeyAlgorithm::Rsa { bits: 2048 } => Self::Rsa(RsaSize::Bits2048),
            KeyAlgorithm::Rsa { bits: 3072 } => Self::Rsa(RsaSize::Bits3072),
            KeyAlgorithm::Rsa { bits: 4096 } => Self::Rsa(RsaSize::Bits4096),
            KeyAlgorithm::EcdsaP256 => Self::EcdsaP256,
            KeyAlgorithm::EcdsaP384 => Self::EcdsaP384,
            KeyAlgorithm::Ed25519 => Self::Ed25519,
            _ => return None,
        })
    }

    /// The encoding in which kubeadm and OpenSSL's older commands write such a key.
    pub fn traditional_encoding(self) -> KeyEncoding {
        match self {
            Self::Rsa(_) => KeyEncoding::Pkcs1,
            Self::EcdsaP256 | Self::EcdsaP384 => KeyEncoding::Sec1,
            Self::Ed25519 => KeyEncoding::Pkcs8,
        }
    }
}

impl KeyEncoding {
    /// The PEM label (RFC 7468) under which the encoding is written.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pkcs1 => "RSA PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
            Self::Pkcs8 => "PRIVATE KEY",
        }
    }

    /// The nearest encoding for a key of another type that takes the place of one written so:
    /// PKCS#8 stays PKCS#8, a traditional encoding becomes the new type's traditional one.
    #[must_use]
    pub fn adapted_to(self, key_type: KeyType) -> Self {
        match self {
            Self::Pkcs8 => Self::Pkcs8,
            Self::Pkcs1 | Self::Sec1 => key_type.traditional_encoding(),
        }
    }
}

impl RsaSize {
    /// Modulus length in bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(size) => write!(formatter, "rsa:{}", size.bits()),
            Self::EcdsaP256 => formatter.write_str("ecdsa:p256"),
            Self::EcdsaP384 => formatter.write_str("ecdsa:p384"),
            Self::Ed25519 => formatter.write_str("ed25519"),
        }
    }
}

impl FromStr for KeyType {
    type Err = UnknownKeyType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let spelling = text.to_ascii_lowercase().replace('-', ":");
        Self::ALL
            .into_iter()
            .find(|key_type| key_type.to_string() == spelling)
            .ok_or_else(|| UnknownKeyType {
                found: text.to_owned(),
            })
    }
}

impl Serialize for KeyType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for KeyEncoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pkcs1 => "PKCS#1",
            Self::Sec1 => "SEC1",
            Self::Pkcs8 => "PKCS#8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_type_is_read_as_it_is_written() {
        for key_type in KeyType::ALL {
            assert_eq!(key_type.to_string().parse(), Ok(key_type));
        }
    }

    #[test]
    fn kubeadms_spellings_are_read() {
        assert_eq!("RSA-3072".parse(), Ok(KeyType::Rsa(RsaSize::Bits3072)));
        assert_eq!("ECDSA-P256".parse(), Ok(KeyType::EcdsaP256));
        assert_eq!("Ed25519".parse(), Ok(KeyType::Ed25519));
    }

    #[test]
    fn an_unknown_key_type_is_named_with_the_choices() {
        let error = "rsa:1024".parse::<KeyType>().unwrap_err();
        assert!(error.to_string().contains("\"rsa:1024\""), "{error}");
        assert!(error.to_string().contains("rsa:2048, rsa:3072"), "{error}");
    }

    #[test]
    fn a_changed_key_type_keeps_the_manner_of_the_file() {
        assert_eq!(
            KeyEncoding::Pkcs1.adapted_to(KeyType::EcdsaP256),
            KeyEncoding::Sec1
        );
        assert_eq!(
            KeyEncoding::Sec1.adapted_to(KeyType::Ed25519),
            KeyEncoding::Pkcs8
        );
        assert_eq!(
            KeyEncoding::Pkcs8.adapted_to(KeyType::EcdsaP384),
            KeyEncoding::Pkcs8
        );
    }
}
