//! PKCS#12 files (RFC 7292), as looked at: certificates and the public halves of keys.
//!
//! Opens what OpenSSL 3 writes by default (PBES2 with AES-256-CBC, HMAC-SHA-256), what OpenSSL
//! before 3 and Windows wrote (RC2-40, triple DES, HMAC-SHA-1), PBMAC1 integrity (RFC 9579), and
//! BER with indefinite lengths. A wrong password is told from a damaged file wherever the file has
//! an integrity check. Nothing here writes PKCS#12, and public-key privacy and integrity modes are
//! not supported.

mod bags;
mod ber;
mod decryption;
mod integrity;
mod password;
mod structure;

use const_oid::ObjectIdentifier;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, CertificateError};

use crate::error::KeyError;
use crate::public_half::PublicHalf;
use password::Password;

/// Everything that was found in a PKCS#12 file.
#[derive(Debug)]
pub struct Contents {
    /// Certificates in file order.
    pub certificates: Vec<CertificateBag>,
    /// Private keys in file order, only as their public halves.
    pub keys: Vec<KeyBag>,
    /// Kinds of bags that were passed over (revocation lists, secrets, unknown ones).
    pub passed_over: Vec<ObjectIdentifier>,
    /// Whether the file had an integrity check, which then was right.
    pub integrity_checked: bool,
}

/// A certificate in a PKCS#12 file.
#[derive(Debug)]
pub struct CertificateBag {
    /// The certificate, or why it could not be read.
    pub certificate: Result<Certificate, CertificateError>,
    /// `friendlyName` attribute.
    pub friendly_name: Option<String>,
    /// `localKeyID` attribute, the same for a certificate and its key.
    pub local_key_id: Option<Vec<u8>>,
}

/// A private key in a PKCS#12 file.
#[derive(Debug)]
pub struct KeyBag {
    /// The key's public half, or why it could not be read.
    pub public_half: Result<PublicHalf, KeyError>,
    /// `friendlyName` attribute.
    pub friendly_name: Option<String>,
    /// `localKeyID` attribute, the same for a certificate and its key.
    pub local_key_id: Option<Vec<u8>>,
}

/// A PKCS#12 file could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs12Error {
    /// The file is something else, or damaged.
    #[error("not a readable PKCS#12 file: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
    /// The password does not open the file.
    #[error("wrong password for the PKCS#12 file")]
    WrongPassword,
    /// The file uses an algorithm or a mode that is not supported.
    #[error("PKCS#12 {purpose} {algorithm} is not supported")]
    Unsupported {
        /// What the algorithm is for.
        purpose: &'static str,
        /// Its object identifier.
        algorithm: ObjectIdentifier,
    },
    /// The file asks for so much work that it looks like an attack.
    #[error(
        "PKCS#12 password iterations {found} are out of bounds, expected 1 to {MAX_ITERATIONS}"
    )]
    Iterations {
        /// Count that the file asks for.
        found: u32,
    },
}

/// More than any known program writes; a few seconds of work.
const MAX_ITERATIONS: u32 = 10_000_000;

impl Pkcs12Error {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "pkcs12-malformed",
            Self::WrongPassword => "pkcs12-wrong-password",
            Self::Unsupported { .. } => "pkcs12-algorithm-unsupported",
            Self::Iterations { .. } => "pkcs12-iterations-out-of-bounds",
        }
    }

    fn malformed(reason: impl ToString) -> Self {
        Self::Malformed {
            reason: reason.to_string(),
        }
    }
}

/// Whether `der` has the outer structure of a PKCS#12 file; asked before a password is asked for.
pub fn is_pkcs12(der: &[u8]) -> bool {
    ber::to_der(der).is_ok_and(|der| structure::Pfx::decode(&der).is_ok())
}

/// Opens a PKCS#12 file. The password is UTF-8 (or else taken as Latin-1, as OpenSSL does),
/// without a line end; an empty one stands for no password.
///
/// # Errors
///
/// When the file is not PKCS#12 or the password is wrong. A single certificate or key that cannot
/// be read is not an error of the file; its bag says so.
pub fn open(der: &[u8], password: &Sealed) -> Result<Contents, Pkcs12Error> {
    let der = ber::to_der(der)?;
    let pfx = structure::Pfx::decode(&der)?;
    let authenticated_safe = pfx.authenticated_safe()?;
    let mut contents = Contents {
        certificates: Vec::new(),
        keys: Vec::new(),
        passed_over: Vec::new(),
        integrity_checked: pfx.mac_data.is_some(),
    };

    let mut spellings = Password::spellings(danger::open(password));
    if let Some(mac) = &pfx.mac_data {
        let matching = integrity::matching_password(mac, authenticated_safe, &spellings)?;
        spellings = vec![spellings.swap_remove(matching)];
    }
    let mut outcome = Err(Pkcs12Error::WrongPassword);
    for password in &spellings {
        outcome = bags::read(authenticated_safe, password, &mut contents);
        if outcome.is_ok() {
            break;
        }
    }
    match outcome {
        // without an integrity check, what does not decrypt to something is a wrong password
        Err(Pkcs12Error::Malformed { .. }) if !contents.integrity_checked => {
            Err(Pkcs12Error::WrongPassword)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(contents),
    }
}
