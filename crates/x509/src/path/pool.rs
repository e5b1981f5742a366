//! Certificates by subject: what somebody trusts, read once and asked often.

use std::{collections::HashMap, fmt, sync::Arc};

use super::reading::Reading;
use crate::{Certificate, Name};

/// Certificates that somebody trusts. Cloning is cheap.
///
/// The same certificate twice counts once. The order is kept: of certificates that are equally
/// likely to be an issuer, the earlier is tried first.
#[derive(Clone, Default)]
pub struct CertificatePool(Arc<Indexed>);

#[derive(Default)]
struct Indexed {
    certificates: Vec<Certificate>,
    readings: Vec<Reading>,
    by_subject: HashMap<Name, Vec<usize>>,
}

impl CertificatePool {
    /// A pool of `certificates`.
    pub fn new(certificates: impl IntoIterator<Item = Certificate>) -> Self {
        let mut pool = Indexed::default();
        for certificate in certificates {
            let position = pool.certificates.len();
            let same_subject = pool
                .by_subject
                .entry(certificate.subject().clone())
                .or_default();
            let known = same_subject
                .iter()
                .filter_map(|position| pool.certificates.get(*position))
                .any(|known| *known == certificate);
            if !known {
                same_subject.push(position);
                pool.readings.push(Reading::new(&certificate));
                pool.certificates.push(certificate);
            }
        }
        Self(Arc::new(pool))
    }

    /// Every certificate, in the order in which they were given.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0.certificates
    }

    /// Whether `certificate` is in the pool, byte for byte.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject())
            .any(|reading| reading.certificate == *certificate)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.certificates.is_empty()
    }

    /// What is known of the certificates with this very name, in order.
    pub(super) fn with_subject(&self, subject: &Name) -> impl Iterator<Item = &Reading> {
        let positions = self.0.by_subject.get(subject).map(Vec::as_slice);
        positions
            .unwrap_or_default()
            .iter()
            .filter_map(|position| self.0.readings.get(*position))
    }
}

impl FromIterator<Certificate> for CertificatePool {
    fn from_iter<I: IntoIterator<Item = Certificate>>(certificates: I) -> Self {
        Self::new(certificates)
    }
}

/// The subjects.
impl fmt::Debug for CertificatePool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = self.certificates().iter().map(Certificate::subject);
        formatter.debug_list().entries(subjects).finish()
    }
}
