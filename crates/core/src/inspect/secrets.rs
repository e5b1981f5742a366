//! What this room needs from the room that opens private keys, as a trait.
//!
//! `kubepki-core` does not depend on `kubepki-keys`: it hands over sealed bytes and is given public
//! halves. The command line connects the two.

use super::location::Source;
use kubepki_sealed::Sealed;
use kubepki_x509::pem::PemBlock;
use kubepki_x509::{Certificate, PublicKey};

/// The public half of a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedKey {
    /// The public key.
    pub public_key: PublicKey,
    /// How the private key is encoded: `PKCS#1`, `SEC1`, `PKCS#8`.
    pub encoding: String,
}

/// Why something secret could not be opened. Never key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretProblem {
    /// Stable kebab-case code.
    pub code: String,
    /// One lower-case sentence.
    pub message: String,
}

/// A certificate in a PKCS#12 file.
#[derive(Clone, Debug)]
pub struct Pkcs12Certificate {
    /// The certificate, or why it cannot be read.
    pub certificate: Result<Certificate, String>,
    /// `friendlyName`.
    pub friendly_name: Option<String>,
}

/// A private key in a PKCS#12 file.
#[derive(Clone, Debug)]
pub struct Pkcs12Key {
    /// Its public half, or why it cannot be read.
    pub key: Result<OpenedKey, SecretProblem>,
    /// `friendlyName`.
    pub friendly_name: Option<String>,
}

/// What is in a PKCS#12 file.
#[derive(Clone, Debug, Default)]
pub struct OpenedPkcs12 {
    /// Certificates in file order.
    pub certificates: Vec<Pkcs12Certificate>,
    /// Keys in file order.
    pub keys: Vec<Pkcs12Key>,
}

/// Opens what is secret and tells only what is public.
pub trait Secrets: Sync {
    /// The public half of a private key in a PEM block.
    fn public_half_of_block(&self, block: &PemBlock) -> Result<OpenedKey, SecretProblem>;

    /// The public half of a private key in DER.
    fn public_half_of_der(&self, der: &Sealed) -> Result<OpenedKey, SecretProblem>;

    /// Whether these bytes are a PKCS#12 file; asked before anyone is asked for a password.
    fn is_pkcs12(&self, der: &[u8]) -> bool;

    /// Opens a PKCS#12 file, with whatever password the caller has for this source.
    fn open_pkcs12(&self, der: &[u8], source: &Source) -> Result<OpenedPkcs12, SecretProblem>;
}
