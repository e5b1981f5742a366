//! Private keys: the only room that opens one.
//!
//! Keys are made, read and written here ([`PrivateKey`]), certificates and requests are signed
//! here ([`Issuer`], [`sign_request`]), and everyone else learns no more of a private key than its
//! public half ([`public_half`]). Key material is zeroized when dropped, is never printed,
//! serialized or put into an error, and leaves only as [`Sealed`](kubepki_sealed::Sealed).
//!
//! Not here: files, clocks, sockets; what goes into a certificate (`kubepki-x509`); and what
//! should be renewed (`kubepki-core`).

mod decode;
mod error;
mod issuer;
mod key_type;
mod material;
pub mod pkcs12;
mod private_key;
mod public_half;
mod random;
mod request;
mod serial;
mod signer;

pub use error::KeyError;
pub use issuer::{IssueError, Issuer};
pub use key_type::{KeyEncoding, KeyType, RsaSize, UnknownKeyType};
pub use private_key::PrivateKey;
pub use public_half::{PublicHalf, is_private_key_label, public_half, public_half_of_block};
pub use random::random_octets;
pub use request::sign_request;
pub use serial::random_serial;
