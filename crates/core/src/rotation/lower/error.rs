//! Why a script cannot be made into plans of hosts.

use crate::model::ComponentKind;
use crate::plan::lifetime::LifetimeSyntaxError;
use crate::rotation::root::Root;

/// A script that does not fit what was seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A turn of a host that was not looked at.
    #[error("{host} was not looked at, and the rotation has something to do on it")]
    UnknownHost {
        /// Its name.
        host: String,
    },
    /// A root that the cluster does not have.
    #[error("the cluster has no {root}")]
    NoRoot {
        /// Which.
        root: Root,
    },
    /// A certificate is needed that an earlier step makes: look again when that is done.
    #[error("the successor of {root} is not made yet: what follows is planned when it is")]
    NoSuccessor {
        /// Of which root.
        root: Root,
    },
    /// No host has a key that is needed.
    #[error("no host holds the private key of {generation} of {root}")]
    NoKey {
        /// Of which root.
        root: Root,
        /// In words: `the new generation`.
        generation: &'static str,
    },
    /// A component is not on its host.
    #[error("{component} does not run on {host}, and is to be restarted there")]
    NoComponent {
        /// The host.
        host: String,
        /// Which.
        component: ComponentKind,
    },
    /// An entry is not on its host, or holds no certificate.
    #[error("{host} has no certificate {entry} to issue again")]
    NoEntry {
        /// The host.
        host: String,
        /// Its name.
        entry: String,
    },
    /// A place that cannot be written.
    #[error("{place} cannot be written: {reason}")]
    NotWritable {
        /// Where.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The dates of the request.
    #[error(transparent)]
    Lifetime(#[from] LifetimeSyntaxError),
}

impl LowerError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownHost { .. } => "rotation-unknown-host",
            Self::NoRoot { .. } => "rotation-no-root",
            Self::NoSuccessor { .. } => "rotation-no-successor",
            Self::NoKey { .. } => "rotation-no-key",
            Self::NoComponent { .. } => "rotation-no-component",
            Self::NoEntry { .. } => "rotation-no-entry",
            Self::NotWritable { .. } => "rotation-not-writable",
            Self::Lifetime(_) => "rotation-lifetime",
        }
    }
}
