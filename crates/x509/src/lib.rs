//! X.509 as values: certificates, names, requests and PEM files, bytes in and values out.
//!
//! Everything read keeps its bytes, so that what is not understood is not lost: names compare by
//! DER, unknown extensions survive a re-issue, PEM blocks know their place in the file. Reading
//! is tolerant, writing is strict DER by RFC 5280.
//!
//! Pure: no files, no clock, no randomness, no private keys. The time is an argument, serial
//! numbers are arguments, and signing happens elsewhere, between [`CertificateTemplate::tbs_der`]
//! and [`CertificateTemplate::assemble`].

mod asn1;
mod certificate;
mod extension;
mod general_name;
mod name;
mod object_identifier;
pub mod path;
pub mod pem;
pub mod pkcs7;
pub mod profile;
mod public_key;
pub mod reissue;
mod request;
mod serial_number;
mod signature_algorithm;
mod template;
mod text;
mod transport;
mod validity;

pub use asn1::DerError;
pub use certificate::{Certificate, CertificateError, IssuedByError};
pub use extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, Extension, KeyUsage,
    extended_key_usage_der, extended_key_usage_from_der, subject_key_identifier_der,
    subject_key_identifier_from_der,
};
pub use general_name::{GeneralName, GeneralNameError, general_names_der, general_names_from_der};
pub use name::{Attribute, Name};
pub use object_identifier::{ObjectIdentifier, ObjectIdentifierError, oid};
pub use public_key::{KeyAlgorithm, PublicKey, SignatureError};
pub use request::{CertificationRequest, CertificationRequestInfo, RequestError};
pub use serial_number::SerialNumber;
pub use signature_algorithm::SignatureAlgorithm;
pub use template::{CertificateTemplate, EncodeError};
pub use validity::{Validity, ValidityState};
