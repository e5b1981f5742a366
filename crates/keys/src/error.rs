//! What can be wrong with a private key.
//!
//! Every variant carries evidence that is safe to show: labels, algorithms, object identifiers
//! and public fingerprints. Nothing here may ever hold a byte of a private key.

use const_oid::ObjectIdentifier;

use crate::key_type::{KeyEncoding, KeyType};

/// A private key could not be read, made, written or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither PEM text with a private key in it nor DER.
    #[error("no private key found{}", found_instead(.found))]
    NoPrivateKey {
        /// Labels of the PEM blocks that were there, and what was wrong with the text.
        found: Vec<String>,
    },
    /// The key is protected by a password (RFC 5958 §3, or RFC 1421 headers).
    #[error("private key is encrypted ({form}); decrypt it first, for example with openssl pkey")]
    Encrypted {
        /// The label or header that says so.
        form: String,
    },
    /// The file says it holds a private key of a form that is not read.
    #[error("private key form {label:?} is not supported, expected PKCS#1, SEC1 or PKCS#8")]
    UnsupportedForm {
        /// PEM label, or the name of the structure.
        label: String,
    },
    /// The DER is not what its structure requires.
    #[error("malformed {structure} private key: {reason}")]
    Malformed {
        /// Structure that was being read.
        structure: &'static str,
        /// What the decoder found; positions and tags only.
        reason: String,
    },
    /// A PKCS#8 key of an algorithm that is not known.
    #[error("private key algorithm {algorithm} is not supported")]
    UnsupportedAlgorithm {
        /// Object identifier of `privateKeyAlgorithm`.
        algorithm: ObjectIdentifier,
    },
    /// An EC key on a curve of which the public half cannot be computed.
    #[error("elliptic curve {curve} is not supported, and the key does not carry its public half")]
    UnsupportedCurve {
        /// Object identifier of the named curve.
        curve: ObjectIdentifier,
    },
    /// An EC key that does not say on which named curve it is.
    #[error("EC private key has no named curve ({found})")]
    NoNamedCurve {
        /// What stands in its place.
        found: &'static str,
    },
    /// The public half stored with the key is not the one that the private half has.
    #[error("{structure} private key does not match the public half stored with it")]
    Inconsistent {
        /// Structure that holds both.
        structure: &'static str,
    },
    /// The key may be looked at but not used.
    #[error("{algorithm} private key cannot be used to sign: {reason}")]
    CannotSign {
        /// Algorithm and size.
        algorithm: String,
        /// Why not.
        reason: String,
    },
    /// The encoding does not exist for this kind of key.
    #[error("{algorithm} private key cannot be written as {encoding}")]
    EncodingMismatch {
        /// Algorithm and size of the key.
        algorithm: String,
        /// Encoding that was asked for.
        encoding: KeyEncoding,
    },
    /// The public half was read but is not a public key that can be held.
    #[error("public half of the private key is not usable: {reason}")]
    PublicHalf {
        /// What the decoder found.
        reason: String,
    },
    /// The cryptographic library could not make a key.
    #[error("making a {key_type} key failed")]
    Generation {
        /// Kind that was asked for.
        key_type: KeyType,
    },
    /// The cryptographic library could not sign.
    #[error("signing with the {algorithm} key failed")]
    Signing {
        /// Algorithm and size of the key.
        algorithm: String,
    },
}

impl KeyError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPrivateKey { .. } => "no-private-key",
            Self::Encrypted { .. } => "private-key-encrypted",
            Self::UnsupportedForm { .. } => "private-key-form-unsupported",
            Self::Malformed { .. } => "private-key-malformed",
            Self::UnsupportedAlgorithm { .. } => "private-key-algorithm-unsupported",
            Self::UnsupportedCurve { .. } | Self::NoNamedCurve { .. } => {
                "private-key-curve-unsupported"
            }
            Self::Inconsistent { .. } => "private-key-inconsistent",
            Self::CannotSign { .. } => "private-key-cannot-sign",
            Self::EncodingMismatch { .. } => "private-key-encoding-mismatch",
            Self::PublicHalf { .. } => "private-key-public-half-unusable",
            Self::Generation { .. } => "key-generation-failed",
            Self::Signing { .. } => "signing-failed",
        }
    }

    pub(crate) fn malformed(structure: &'static str, reason: impl ToString) -> Self {
        Self::Malformed {
            structure,
            reason: reason.to_string(),
        }
    }
}

fn found_instead(found: &[String]) -> String {
    if found.is_empty() {
        String::new()
    } else {
        format!(" (found {})", found.join(", "))
    }
}
