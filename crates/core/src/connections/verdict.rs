//! What verification says of one connection.

use super::graph::SlotId;
use kubepki_x509::path::PathError;

/// Both directions of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the client accepts the server.
    pub server: Judgement,
    /// Whether the server accepts the client.
    pub client: Judgement,
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It verifies.
    Verified,
    /// It does not.
    Failed(Box<Failure>),
    /// Cannot be told, and why.
    Unknown(String),
    /// There is nothing to verify: no certificate is asked for, or trust is switched off.
    NotApplicable,
}

/// Which side is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The client judges the server.
    Server,
    /// The server judges the client.
    Client,
}

/// Why one direction fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which side is not accepted.
    pub side: Side,
    /// Why.
    pub reason: FailureReason,
    /// The slot whose certificate is not accepted.
    pub presented: Option<SlotId>,
    /// The slot by which it should be.
    pub trusted_by: Option<SlotId>,
}

/// Why a certificate is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// No certification path, the wrong name, the wrong usage, the wrong time.
    Path(PathError),
    /// The private key is another's.
    KeyDiffers,
    /// What lies where the private key should be is of no use.
    KeyUnusable(String),
    /// The certificate or its key is not there.
    Missing(String),
    /// The certificate cannot be read.
    Unusable(String),
    /// The trust bundle is not there.
    TrustMissing(String),
    /// The trust bundle cannot be read or holds nothing.
    TrustUnusable(String),
    /// The path is good, but the subject is not the one that is demanded.
    Identity {
        /// What is demanded, in words.
        expected: String,
        /// The subject.
        found: String,
    },
}

impl Verdict {
    /// Whether neither direction fails.
    pub fn holds(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The failures, the server's first.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        [&self.server, &self.client]
            .into_iter()
            .filter_map(|judgement| match judgement {
                Judgement::Failed(failure) => Some(failure.as_ref()),
                _ => None,
            })
    }
}
