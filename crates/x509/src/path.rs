//! Certification path validation (RFC 5280 §6) as Go's `crypto/x509` does it, which is what every
//! Kubernetes component, etcd and kubectl decide by.
//!
//! [`validate`] answers one question: would a Go program that trusts `roots` accept this
//! certificate, presented with these intermediates, at this time, for this purpose and under this
//! name; and if not, what does it object to? Where Go's releases differ, Go 1.19 decides, which
//! stands in the middle of what Kubernetes 1.20 to 1.35 are built with. The differences that are
//! known, all of them rare in clusters:
//!
//! - before 1.18 (Kubernetes 1.24), SHA-1 signatures were accepted;
//! - since 1.23 (Kubernetes 1.32), negative serial numbers are refused;
//! - since 1.24 (Kubernetes 1.33), critical policy extensions are understood;
//! - since 1.25.5, a wildcard that covers an excluded name is refused; later releases compare
//!   constraints on mail addresses and URIs more strictly, and refuse names with a leading dot
//!   wherever there are constraints.
//!
//! Deliberately the same as in Go, although RFC 5280 says otherwise: names of authorities are
//! compared byte for byte; extended key usages of authorities restrict what they issue; a
//! certificate that is itself trusted needs no issuer; a trust anchor's own dates, constraints
//! and basic constraints count; the common name is never a host's name; nothing is said about
//! revocation and policies.
//!
//! Not here: who presents what to whom, and what has to be trusted there.

mod error;
mod mailbox;
mod name_constraints;
mod pool;
mod reading;
mod search;
mod server_name;
mod signatures;
mod uri;

use std::fmt;

use jiff::Timestamp;

pub use error::{Constraint, IssuerRejection, PathError};
pub use pool::CertificatePool;
pub use server_name::{ServerName, ServerNameError};
pub use signatures::{SignatureCheck, SignatureMemo, Uncached};

use crate::{Certificate, ExtendedKeyUsage};

/// What the certificate is presented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// By a TLS server.
    ServerAuth,
    /// By a TLS client.
    ClientAuth,
    /// Whatever: extended key usages are not looked at.
    Any,
}

impl Purpose {
    /// The usage that every certificate of the path must allow.
    pub fn extended_key_usage(self) -> Option<ExtendedKeyUsage> {
        match self {
            Self::ServerAuth => Some(ExtendedKeyUsage::ServerAuth),
            Self::ClientAuth => Some(ExtendedKeyUsage::ClientAuth),
            Self::Any => None,
        }
    }
}

/// `serverAuth`, `clientAuth`, `any`.
impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extended_key_usage() {
            Some(usage) => usage.fmt(formatter),
            None => formatter.write_str("any"),
        }
    }
}

/// What is presented, to whom, when and for what.
#[derive(Clone, Copy)]
pub struct PathQuery<'a> {
    /// The end entity's certificate: the first that is presented.
    pub certificate: &'a Certificate,
    /// What is presented behind it, in any order.
    pub intermediates: &'a [Certificate],
    /// What the other side trusts.
    pub roots: &'a CertificatePool,
    /// When.
    pub now: Timestamp,
    /// What for.
    pub purpose: Purpose,
    /// Which server is meant; none for clients.
    pub server_name: Option<&'a ServerName>,
    /// Who verifies signatures: [`Uncached`], or a [`SignatureMemo`] for many queries.
    pub signatures: &'a dyn SignatureCheck,
}

/// A path that is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificationPath {
    /// From the end entity to the trust anchor; one alone when it is trusted itself.
    pub certificates: Vec<Certificate>,
}

impl CertificationPath {
    /// The certificate that is trusted.
    pub fn trust_anchor(&self) -> Option<&Certificate> {
        self.certificates.last()
    }
}

/// Finds a valid certification path, or says why there is none.
///
/// # Errors
///
/// Checks come in Go's order: the certificate's own form and dates, then its names, then its
/// issuers, then usages. Of several issuers that fail, the last to be tried with the right key
/// decides the error, again as in Go; issuers without the right key are listed in
/// [`PathError::UnknownAuthority`].
pub fn validate(query: &PathQuery<'_>) -> Result<CertificationPath, PathError> {
    search::validate(query)
}
