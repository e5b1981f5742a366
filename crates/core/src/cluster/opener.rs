//! What this room needs from the room that opens private keys, as a trait.
//!
//! `kubepki-core` does not depend on `kubepki-keys`: it hands over sealed bytes and is given public
//! halves and certificates. The engine connects the two.

use kubepki_sealed::Sealed;
use kubepki_x509::pem::PemBlock;
use kubepki_x509::{Certificate, PublicKey};

/// What is public in a PKCS #12 file.
#[derive(Clone, Debug, Default)]
pub struct OpenedKeyStore {
    /// Certificates in file order.
    pub certificates: Vec<Certificate>,
    /// Public halves of the private keys that could be read.
    pub keys: Vec<PublicKey>,
    /// Whether there are private keys, read or not.
    pub has_keys: bool,
    /// What could not be read in it.
    pub problem: Option<String>,
}

/// Opens what is secret and tells only what is public.
pub trait OpensKeys {
    /// The public half of a private key in a PEM block; `None` when it is encrypted or no key.
    fn public_half_of_block(&self, block: &PemBlock) -> Option<PublicKey>;

    /// The public half of a private key in DER.
    fn public_half_of_der(&self, der: &Sealed) -> Option<PublicKey>;

    /// Whether these bytes are a PKCS #12 file.
    fn is_pkcs12(&self, der: &[u8]) -> bool;

    /// Opens a PKCS #12 file with the first of the passwords that fits, or says why none does.
    fn open_pkcs12(&self, der: &[u8], passwords: &[Sealed]) -> Result<OpenedKeyStore, String>;
}
