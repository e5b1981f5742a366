//! age around an archive, and off again (age-encryption.org/v1).

use super::BackupError;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, Recipient};
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::io::{Read, Write};

/// How an archive is protected, besides being 0600.
pub enum Protection {
    /// Not at all.
    Plain,
    /// To these X25519 recipients, `age1…`.
    Recipients(Vec<String>),
    /// With a passphrase.
    Passphrase(Sealed),
}

impl Protection {
    /// Whether every recipient is one, asked before anything is made that would have to be encrypted.
    pub fn check(&self) -> Result<(), BackupError> {
        match self {
            Self::Recipients(recipients) => parse(recipients).map(drop),
            Self::Plain | Self::Passphrase(_) => Ok(()),
        }
    }
}

fn parse(recipients: &[String]) -> Result<Vec<age::x25519::Recipient>, BackupError> {
    let parsed = recipients.iter().map(|recipient| recipient.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|_| BackupError::InvalidKey {
            what: "the recipient",
            detail: "an X25519 recipient begins with `age1`",
        })
}

/// What opens an archive.
pub enum Unlock {
    /// Nothing was given.
    Nothing,
    /// X25519 identities, one `AGE-SECRET-KEY-1…` per line as `age-keygen` writes them.
    Identities(Sealed),
    /// A passphrase.
    Passphrase(Sealed),
}

impl Unlock {
    /// The recipients for whom the given identities open: whoever can undo can then undo that too.
    pub fn recipients(&self) -> Result<Vec<String>, BackupError> {
        match self {
            Self::Identities(keys) => Ok(parse_identities(keys)?
                .iter()
                .map(|identity| identity.to_public().to_string())
                .collect()),
            Self::Nothing | Self::Passphrase(_) => Ok(Vec::new()),
        }
    }
}

const MAGIC: &[u8] = b"age-encryption.org/";

/// Whether these are an age file's first bytes.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Encrypts, unless the protection is [`Protection::Plain`].
pub fn protect(archive: Sealed, protection: &Protection) -> Result<Sealed, BackupError> {
    let encryptor = match protection {
        Protection::Plain => return Ok(archive),
        Protection::Passphrase(passphrase) => {
            Encryptor::with_user_passphrase(secret_text(passphrase, "the passphrase")?)
        }
        Protection::Recipients(recipients) => {
            let recipients = parse(recipients)?;
            let recipients = recipients
                .iter()
                .map(|recipient| recipient as &dyn Recipient);
            Encryptor::with_recipients(recipients).map_err(encryption)?
        }
    };
    let mut encrypted = Vec::new();
    let mut writer = encryptor.wrap_output(&mut encrypted).map_err(encryption)?;
    writer.write_all(open(&archive)).map_err(encryption)?;
    writer.finish().map_err(encryption)?;
    Ok(Sealed::new(encrypted))
}

/// Decrypts, unless the archive is plain.
pub fn unprotect(archive: Sealed, unlock: &Unlock) -> Result<Sealed, BackupError> {
    let bytes = open(&archive);
    if !is_encrypted(bytes) {
        return Ok(archive);
    }
    let decryptor = Decryptor::new(bytes).map_err(|error| damaged(&error))?;
    let (identities, what): (Vec<Box<dyn age::Identity>>, _) = match (unlock, decryptor.is_scrypt())
    {
        (Unlock::Passphrase(passphrase), true) => {
            let passphrase = secret_text(passphrase, "the passphrase")?;
            (
                vec![Box::new(age::scrypt::Identity::new(passphrase))],
                "the passphrase",
            )
        }
        (Unlock::Identities(keys), false) => (identities(keys)?, "the identity"),
        (_, true) => {
            return Err(BackupError::Encrypted {
                needed: "a passphrase",
            });
        }
        (_, false) => {
            return Err(BackupError::Encrypted {
                needed: "an identity",
            });
        }
    };
    let identities = identities
        .iter()
        .map(|identity| identity.as_ref() as &dyn age::Identity);
    let mut reader = decryptor.decrypt(identities).map_err(|error| match error {
        DecryptError::NoMatchingKeys
        | DecryptError::DecryptionFailed
        | DecryptError::KeyDecryptionFailed => BackupError::WrongKey { what },
        error => damaged(&error),
    })?;
    // No shorter than what comes out, so that the buffer never moves.
    let mut plain = Vec::with_capacity(bytes.len());
    let read = reader.read_to_end(&mut plain);
    let plain = Sealed::new(plain);
    read.map_err(|error| damaged(&error))?;
    Ok(plain)
}

fn identities(keys: &Sealed) -> Result<Vec<Box<dyn age::Identity>>, BackupError> {
    let identities = parse_identities(keys)?.into_iter();
    Ok(identities
        .map(|identity| Box::new(identity) as Box<dyn age::Identity>)
        .collect())
}

fn parse_identities(keys: &Sealed) -> Result<Vec<age::x25519::Identity>, BackupError> {
    let invalid = || BackupError::InvalidKey {
        what: "the identity",
        detail: "an X25519 identity begins with `AGE-SECRET-KEY-1`",
    };
    let text = std::str::from_utf8(open(keys)).map_err(|_| invalid())?;
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identities = lines
        .map(|line| line.parse().map_err(|_| invalid()))
        .collect::<Result<Vec<age::x25519::Identity>, BackupError>>()?;
    if identities.is_empty() {
        Err(invalid())
    } else {
        Ok(identities)
    }
}

fn secret_text(secret: &Sealed, what: &'static str) -> Result<SecretString, BackupError> {
    let text = std::str::from_utf8(open(secret)).map_err(|_| BackupError::InvalidKey {
        what,
        detail: "it is not UTF-8",
    })?;
    Ok(SecretString::from(text.to_owned()))
}

fn encryption(error: impl std::fmt::Display) -> BackupError {
    BackupError::Encryption {
        detail: error.to_string(),
    }
}

fn damaged(error: &impl std::fmt::Display) -> BackupError {
    BackupError::Damaged {
        detail: error.to_string(),
    }
}
