//! Founding a PKI: looking at what is there, making keys and certificates in memory, and writing them
//! as one.
//!
//! What to make is decided in `kubepki_core::founding`; here it is carried out. Nothing is written
//! before everything is made, and nothing that is there is ever replaced.

mod client;
mod error;
mod install;
mod keys;
mod mint;
mod observe;
mod write;

pub use client::{ClientRequest, client_kubeconfig};
pub use error::FoundingError;
pub use mint::{NewFile, mint};
pub use observe::observe;
pub use write::write;
