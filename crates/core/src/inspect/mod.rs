//! Inspect: bytes in, items out.
//!
//! [`inspect`] says what is in the contents of one file, whatever its format; [`relate`] then says
//! how the items of one or many files belong together: who signed a certificate, which key fits
//! it, which key signed a token. [`ItemReport`] is the form for programs.
//!
//! Pure: what to read, in which order and with how much memory is decided by the caller. Private
//! keys are opened by the caller too ([`Secrets`]); this room sees only their public halves.

mod contents;
mod der;
mod findings;
mod item;
mod json_web_token;
mod kubeconfig;
mod location;
mod manifest;
mod pairing;
mod pem;
mod relate;
mod report;
mod secrets;

pub use contents::{Inspected, Problem, Reference, inspect};
pub use findings::judge;
pub use item::{
    Item, KubeconfigCluster, KubeconfigObject, KubeconfigUser, Object, PrivateKeyObject, Relations,
    Signer, TlsServerObject,
};
pub use json_web_token::{JsonWebToken, jwt_signed_by};
pub use location::{Location, Source};
pub use pairing::{are_beside, key_paths_beside};
pub use relate::{Known, Relating, relate};
pub use report::{ItemReport, ca_hash};
pub use secrets::{OpenedKey, OpenedPkcs12, Pkcs12Certificate, Pkcs12Key, SecretProblem, Secrets};
