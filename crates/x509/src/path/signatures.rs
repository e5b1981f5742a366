//! Verifying signatures, which is what path validation spends its time on, once or once for all.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{PoisonError, RwLock},
};

use crate::{Certificate, IssuedByError};

/// Says whether a certificate is signed with an issuer's key.
pub trait SignatureCheck {
    /// Whether `issuer` issued `certificate`, as [`Certificate::verify_issued_by`] says.
    ///
    /// # Errors
    ///
    /// When it did not.
    fn check(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), IssuedByError>;
}

/// Verifies every time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncached;

impl SignatureCheck for Uncached {
    fn check(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), IssuedByError> {
        certificate.verify_issued_by(issuer)
    }
}

/// Verifies once for each pair of certificates and remembers the outcome, which no time and no
/// circumstance can change. To be shared by the queries of one run; it only grows.
#[derive(Default)]
pub struct SignatureMemo {
    outcomes: RwLock<HashMap<Pair, Result<(), IssuedByError>>>,
}

impl SignatureMemo {
    /// A memo that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many pairs it knows.
    pub fn len(&self) -> usize {
        self.outcomes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether it knows nothing yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl SignatureCheck for SignatureMemo {
    fn check(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), IssuedByError> {
        let pair = Pair(certificate.clone(), issuer.clone());
        // A map of finished outcomes is whole at any time: a panic elsewhere does not spoil it.
        let known = self
            .outcomes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&pair)
            .cloned();
        known.unwrap_or_else(|| {
            let outcome = certificate.verify_issued_by(issuer);
            self.outcomes
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(pair, outcome.clone());
            outcome
        })
    }
}

impl fmt::Debug for SignatureMemo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SignatureMemo({} pairs)", self.len())
    }
}

/// A certificate and a supposed issuer. Equal when all bytes are; hashed by a part of the
/// signatures, which are as good as random and much shorter than the certificates.
#[derive(PartialEq, Eq)]
struct Pair(Certificate, Certificate);

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for certificate in [&self.0, &self.1] {
            let signature = certificate.signature();
            signature.get(..32).unwrap_or(signature).hash(state);
        }
    }
}
