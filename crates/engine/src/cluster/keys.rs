//! Private keys in the API, as the scan learns of them: their public halves.

use kubepki_core::cluster::{OpenedKeyStore, OpensKeys};
use kubepki_keys::pkcs12::{self, Pkcs12Error};
use kubepki_keys::{public_half, public_half_of_block};
use kubepki_sealed::Sealed;
use kubepki_x509::PublicKey;
use kubepki_x509::pem::PemBlock;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Opens keys with the room that may.
pub(super) struct Keys {
    /// Time that may still be spent on keystores: whoever may write a Secret decides how much work
    /// one password is.
    left: Cell<Duration>,
}

/// Tens of thousands of keystores as Java and OpenSSL write them, or a few hostile ones.
const TIME_FOR_KEYSTORES: Duration = Duration::from_secs(120);

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            left: Cell::new(TIME_FOR_KEYSTORES),
        }
    }
}

impl OpensKeys for Keys {
    fn public_half_of_block(&self, block: &PemBlock) -> Option<PublicKey> {
        let half = public_half_of_block(block).ok()?;
        Some(half.public_key)
    }

    fn public_half_of_der(&self, der: &Sealed) -> Option<PublicKey> {
        let half = public_half(der).ok()?;
        Some(half.public_key)
    }

    fn is_pkcs12(&self, der: &[u8]) -> bool {
        pkcs12::is_pkcs12(der)
    }

    fn open_pkcs12(&self, der: &[u8], passwords: &[Sealed]) -> Result<OpenedKeyStore, String> {
        if self.left.get().is_zero() {
            return Err("not opened: the keystores before it took too much time".to_owned());
        }
        let begun = Instant::now();
        let opened = open(der, passwords);
        self.left
            .set(self.left.get().saturating_sub(begun.elapsed()));
        opened
    }
}

fn open(der: &[u8], passwords: &[Sealed]) -> Result<OpenedKeyStore, String> {
    for password in passwords {
        let contents = match pkcs12::open(der, password) {
            Ok(contents) => contents,
            Err(Pkcs12Error::WrongPassword) => continue,
            Err(error) => return Err(error.to_string()),
        };
        let mut opened = OpenedKeyStore {
            has_keys: !contents.keys.is_empty(),
            ..OpenedKeyStore::default()
        };
        for bag in contents.certificates {
            match bag.certificate {
                Ok(certificate) => opened.certificates.push(certificate),
                Err(error) => opened.problem = Some(error.to_string()),
            }
        }
        for bag in contents.keys {
            opened
                .keys
                .extend(bag.public_half.ok().map(|half| half.public_key));
        }
        return Ok(opened);
    }
    Err(
        "wrong password: neither none, nor `changeit`, nor one that lies beside it opens it"
            .to_owned(),
    )
}
