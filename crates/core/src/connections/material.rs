//! What lies in the slots of a graph at one moment. Cloning is cheap: a planner makes one for every
//! state that it passes through.

use super::graph::SlotId;
use kubepki_x509::Certificate;
use kubepki_x509::path::CertificatePool;
use std::sync::Arc;

/// The contents of every slot, in the order of [`super::Graph::slots`].
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// One for each slot.
    pub held: Vec<Held>,
}

/// What lies in one slot.
#[derive(Clone, Debug)]
pub enum Held {
    /// A certificate to present.
    Credential(Arc<Credential>),
    /// Certificates to trust.
    Trust(Arc<TrustBundle>),
    /// Not there: the file is missing, the flag is empty.
    Missing(String),
    /// There and of no use: damaged, empty, no certificate in it.
    Unusable(String),
    /// Cannot be told (no permission, in the memory of a process): neither good nor bad.
    Unknown(String),
}

/// A certificate with what is known of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// End-entity certificate first, intermediates after it, as they are presented.
    pub chain: Vec<Certificate>,
    /// Whether the key beside it is its own.
    pub key: KeyMatch,
}

/// Whether a private key belongs to a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMatch {
    /// It does.
    Matches,
    /// It is another's.
    Differs,
    /// The key is missing.
    Absent,
    /// There is something where the key should be, and no component could use it.
    Unusable(String),
    /// Cannot be told; the reason says why.
    Unknown(String),
}

/// CA certificates.
#[derive(Clone, Debug)]
pub struct TrustBundle {
    /// The certificates, indexed.
    pub pool: CertificatePool,
}

impl Material {
    /// What lies in a slot; an unknown slot holds nothing that can be told.
    pub fn held(&self, slot: SlotId) -> &Held {
        static OUTSIDE: std::sync::OnceLock<Held> = std::sync::OnceLock::new();
        self.held.get(slot.0).unwrap_or_else(|| {
            OUTSIDE.get_or_init(|| Held::Unknown("the slot is not part of this graph".to_owned()))
        })
    }

    /// The same with something else in one slot.
    #[must_use]
    pub fn with(mut self, slot: SlotId, held: Held) -> Self {
        if let Some(place) = self.held.get_mut(slot.0) {
            *place = held;
        }
        self
    }
}
