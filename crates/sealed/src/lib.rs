//! Bytes that may be secret.
//!
//! [`Sealed`] carries private-key material from where it is read to the room that may open it
//! (`kubepki-keys`) and from there to where it is written. It has no `Debug`, `Display`,
//! `Serialize` or `Clone`, compares in no way, and is zeroized when dropped, so key bytes cannot
//! reach a log, an error, a plan or a journal by accident.
//!
//! Not here: encryption. Sealed bytes are plain in memory; only the type is sealed.

use zeroize::Zeroizing;

/// Bytes that may hold a private key.
pub struct Sealed(Zeroizing<Vec<u8>>);

impl Sealed {
    /// Seals `bytes`; they are zeroized when the value is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Sealed {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// Opening a seal. The path names the danger, so that every call site can be found.
pub mod danger {
    use super::Sealed;

    /// The sealed bytes. Callers must not copy them into anything that can be shown or kept.
    pub fn open(sealed: &Sealed) -> &[u8] {
        &sealed.0
    }
}
