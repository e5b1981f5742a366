//! Private keys on their way from host to host, and what opens a host's own encrypted backups on its way
//! to it: sealed for one session, opened in its memory.
//!
//! A session makes an age identity (X25519, age-encryption.org/v1) that is written nowhere and ends with
//! it. What is sealed for its recipient can be read by nobody in between, the operator included. Who
//! may be given which key is not decided here: see the bounds of sessions.

use age::{Decryptor, Encryptor, Identity, Recipient};
use kubepki_keys::public_half;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::pem;
use std::io::{Read, Write};

/// age's own label (<https://github.com/C2SP/C2SP/blob/main/age.md#ascii-armor>).
const ARMOR: &str = "AGE ENCRYPTED FILE";

/// Why a key does not travel, or does not arrive. Nothing of the key is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransitError {
    /// Not an age recipient.
    #[error("the recipient is none: expected one that begins with `age1`")]
    Recipient,
    /// There is no private key in the file, or it cannot be understood.
    #[error("{0}")]
    Key(kubepki_keys::KeyError),
    /// Sealing failed.
    #[error("the key cannot be sealed: {0}")]
    Seal(String),
    /// It was sealed for somebody else, or damaged.
    #[error(
        "the sealed key cannot be opened: it was made for another session, or was changed on its way"
    )]
    Open,
    /// What arrived is another key.
    #[error("the key that arrived is sha256:{found}, expected sha256:{expected}")]
    OtherKey {
        /// SHA-256 of the public half as announced.
        expected: String,
        /// SHA-256 of the public half that came.
        found: String,
    },
}

impl TransitError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Key(error) => error.code(),
            Self::Seal(_) => "key-not-sealed",
            Self::Open => "sealed-key",
            Self::OtherKey { .. } => "other-key",
        }
    }
}

/// A key that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedForTransit {
    /// age, ASCII armor.
    pub armored: String,
    /// SHA-256 of its public half, hexadecimal.
    pub public_key_sha256: String,
}

/// Who can open what is sealed for it. It can neither be shown nor copied nor saved.
pub struct TransitIdentity(age::x25519::Identity);

impl TransitIdentity {
    /// A new one.
    pub fn new() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// What others seal for, `age1…`.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// The key in the PEM that it had, once its public half is the one that was announced.
    pub fn open(&self, armored: &str, public_key_sha256: &str) -> Result<Sealed, TransitError> {
        let plain = self.open_identity(armored)?;
        let found = public_sha256(&plain)?;
        match found == public_key_sha256 {
            true => Ok(plain),
            false => Err(TransitError::OtherKey {
                expected: public_key_sha256.to_owned(),
                found,
            }),
        }
    }

    /// What [`seal_identity`] sealed.
    pub fn open_identity(&self, armored: &str) -> Result<Sealed, TransitError> {
        let block = pem::parse(armored.as_bytes())
            .blocks
            .into_iter()
            .find(|block| block.label == ARMOR)
            .ok_or(TransitError::Open)?;
        let bytes = danger::open(&block.contents);
        let decryptor = Decryptor::new(bytes).map_err(|_| TransitError::Open)?;
        let mut reader = decryptor
            .decrypt(std::iter::once(&self.0 as &dyn Identity))
            .map_err(|_| TransitError::Open)?;
        // No shorter than what comes out, so that the buffer never moves.
        let mut plain = Vec::with_capacity(bytes.len());
        let read = reader.read_to_end(&mut plain);
        let plain = Sealed::new(plain);
        read.map_err(|_| TransitError::Open)?;
        Ok(plain)
    }
}

impl Default for TransitIdentity {
    fn default() -> Self {
        Self::new()
    }
}

/// Seals the private key of a file's contents, and nothing else of them, for a recipient.
pub fn seal(contents: &Sealed, recipient: &str) -> Result<SealedForTransit, TransitError> {
    let public_key_sha256 = public_sha256(contents)?;
    let key = kubepki_core::formats::pem_edit::private_key(contents)
        .map_err(|error| TransitError::Seal(error.to_string()))?;
    Ok(SealedForTransit {
        armored: encrypted(&key, recipient)?,
        public_key_sha256,
    })
}

/// Seals an age identity file: what opens the recipient's own backups.
pub fn seal_identity(contents: &Sealed, recipient: &str) -> Result<String, TransitError> {
    encrypted(contents, recipient)
}

fn encrypted(plain: &Sealed, recipient: &str) -> Result<String, TransitError> {
    let recipient: age::x25519::Recipient =
        recipient.parse().map_err(|_| TransitError::Recipient)?;
    let failed = |error: &dyn std::fmt::Display| TransitError::Seal(error.to_string());
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as &dyn Recipient))
        .map_err(|error| failed(&error))?;
    let mut encrypted = Vec::new();
    let mut writer = encryptor
        .wrap_output(&mut encrypted)
        .map_err(|error| failed(&error))?;
    writer
        .write_all(danger::open(plain))
        .map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(pem::encode(ARMOR, &encrypted))
}

/// SHA-256 of the public half of a private key, hexadecimal.
pub fn public_sha256(contents: &Sealed) -> Result<String, TransitError> {
    let half = public_half(contents).map_err(TransitError::Key)?;
    Ok(hex::encode(half.public_key.sha256()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubepki_keys::{KeyType, PrivateKey};

    fn key() -> Sealed {
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        key.to_pem(key.encoding()).unwrap()
    }

    #[test]
    fn a_key_arrives_at_the_session_that_it_was_sealed_for_and_nowhere_else() {
        let (here, there) = (TransitIdentity::new(), TransitIdentity::new());
        let key = key();
        let sealed = seal(&key, &there.recipient()).unwrap();
        let plain = danger::open(&key);
        let body = std::str::from_utf8(plain).unwrap().lines().nth(1).unwrap();
        assert!(!sealed.armored.contains(body));
        let opened = there
            .open(&sealed.armored, &sealed.public_key_sha256)
            .unwrap();
        assert!(danger::open(&opened) == plain);
        let refused = here.open(&sealed.armored, &sealed.public_key_sha256);
        assert_eq!(refused.map(drop).unwrap_err().code(), "sealed-key");
    }

    #[test]
    fn another_key_than_announced_and_no_key_at_all_are_refused() {
        let there = TransitIdentity::new();
        let sealed = seal(&key(), &there.recipient()).unwrap();
        let refused = there.open(&sealed.armored, &"00".repeat(32));
        assert_eq!(refused.map(drop).unwrap_err().code(), "other-key");
        let text = Sealed::new(b"root:x:0:0".to_vec());
        assert!(seal(&text, &there.recipient()).is_err());
        assert!(matches!(
            seal(&key(), "age1nobody"),
            Err(TransitError::Recipient)
        ));
    }
}
