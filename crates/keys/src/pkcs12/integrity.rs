//! The integrity check of a PKCS#12 file (RFC 7292 §5.1, RFC 9579), which also tells a right
//! password from a wrong one before anything is decrypted.

use aws_lc_rs::{digest, hmac};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::Sequence;
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::Pkcs12Error;
use super::decryption::{HMAC_WITH_SHA256, HMAC_WITH_SHA384, HMAC_WITH_SHA512, Pbkdf2Params};
use super::password::{Password, Purpose};
use super::structure::MacData;

/// Index of the spelling of the password under which the check is right.
pub(super) fn matching_password(
    mac: &MacData<'_>,
    content: &[u8],
    spellings: &[Password],
) -> Result<usize, Pkcs12Error> {
    let (algorithm, derivation) = Derivation::of(mac)?;
    for (index, password) in spellings.iter().enumerate() {
        let key = hmac::Key::new(algorithm, &derivation.key(password)?);
        if hmac::verify(&key, content, mac.mac.digest.as_bytes()).is_ok() {
            return Ok(index);
        }
    }
    Err(Pkcs12Error::WrongPassword)
}

enum Derivation<'a> {
    Pkcs12 {
        digest: &'static digest::Algorithm,
        salt: &'a [u8],
        iterations: u32,
    },
    Pbmac1 {
        parameters: Pbkdf2Params<'a>,
        length: usize,
    },
}

/// RFC 8018 A.5.
#[derive(Sequence)]
struct Pbmac1Params<'a> {
    key_derivation: AlgorithmIdentifierRef<'a>,
    scheme: AlgorithmIdentifierRef<'a>,
}

const PBMAC1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14");

impl<'a> Derivation<'a> {
    fn of(mac: &MacData<'a>) -> Result<(hmac::Algorithm, Self), Pkcs12Error> {
        let algorithm = &mac.mac.algorithm;
        if algorithm.oid == PBMAC1 {
            return Self::pbmac1(algorithm);
        }
        let (hmac, digest) = match algorithm.oid {
            ID_SHA_1 => (
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                &digest::SHA1_FOR_LEGACY_USE_ONLY,
            ),
            ID_SHA_256 => (hmac::HMAC_SHA256, &digest::SHA256),
            ID_SHA_384 => (hmac::HMAC_SHA384, &digest::SHA384),
            ID_SHA_512 => (hmac::HMAC_SHA512, &digest::SHA512),
            algorithm => return Err(unsupported(algorithm)),
        };
        let derivation = Self::Pkcs12 {
            digest,
            salt: mac.salt.as_bytes(),
            iterations: mac.iterations,
        };
        Ok((hmac, derivation))
    }

    fn pbmac1(
        algorithm: &AlgorithmIdentifierRef<'a>,
    ) -> Result<(hmac::Algorithm, Self), Pkcs12Error> {
        let parameters: Pbmac1Params<'a> = algorithm
            .parameters
            .ok_or_else(|| Pkcs12Error::malformed("PBMAC1 without parameters"))?
            .decode_as()
            .map_err(Pkcs12Error::malformed)?;
        let hmac = match parameters.scheme.oid {
            HMAC_WITH_SHA256 => hmac::HMAC_SHA256,
            HMAC_WITH_SHA384 => hmac::HMAC_SHA384,
            HMAC_WITH_SHA512 => hmac::HMAC_SHA512,
            algorithm => return Err(unsupported(algorithm)),
        };
        let parameters = Pbkdf2Params::from_function(&parameters.key_derivation)?;
        // RFC 9579 §4 requires the length to be said; a short or huge one is a trap, not a file
        let length = parameters
            .key_length
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| (20..=64).contains(length))
            .ok_or_else(|| Pkcs12Error::malformed("PBMAC1 key length absent or out of bounds"))?;
        Ok((hmac, Self::Pbmac1 { parameters, length }))
    }

    fn key(&self, password: &Password) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        match self {
            Self::Pkcs12 {
                digest,
                salt,
                iterations,
            } => password.pkcs12(
                digest,
                Purpose::Integrity,
                salt,
                *iterations,
                digest.output_len(),
            ),
            Self::Pbmac1 { parameters, length } => parameters.derive(password, *length),
        }
    }
}

fn unsupported(algorithm: ObjectIdentifier) -> Pkcs12Error {
    Pkcs12Error::Unsupported {
        purpose: "integrity check",
        algorithm,
    }
}
