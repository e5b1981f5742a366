//! The pure core: what a cluster's PKI is, how its files are read and edited, where clusters keep
//! it, what is wrong with it, and what is to be done.
//!
//! Data flows one way: `formats` and `layouts` say how to read, `model` is what was read, `assess`
//! judges it, `plan` says what to do. Values in, values out: no files, no sockets, no clock, no
//! randomness and no private keys ([`kubepki_sealed::Sealed`] bytes pass through unopened, but for
//! the base64 and PEM frame around them).

pub mod assess;
pub mod cluster;
pub mod cluster_document;
pub mod connections;
pub mod diagnose;
pub mod findings;
pub mod formats;
pub mod founding;
pub mod inspect;
pub mod joining;
pub mod layouts;
pub mod model;
pub mod people;
pub mod plan;
pub mod rescue;
pub mod rotation;
