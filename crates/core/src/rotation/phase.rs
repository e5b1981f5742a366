//! The phases of a rotation, in their order.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A phase. Until the last one begins, everything can be taken back without anybody noticing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The successor is made and lies beside the old one; etcd is saved; nobody uses it yet.
    Prepare,
    /// Everybody who trusts the old one trusts the new one too; workloads that read trust only at
    /// their start are started again.
    TrustBoth,
    /// Everybody who presents something presents what the new one signed, and the signer signs with it
    /// (etcd's, which only kubeadm and people sign with, in the last phase).
    IssueFromNew,
    /// Kept connections that were made with the old one are closed by one restart of each API server,
    /// which takes up the new service-account key, too; workloads get tokens that it signed. Nothing
    /// presents the old one any more.
    Settle,
    /// Nobody trusts the old one; manifests and files have their original shape.
    RetireOld,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 5] = [
        Self::Prepare,
        Self::TrustBoth,
        Self::IssueFromNew,
        Self::Settle,
        Self::RetireOld,
    ];

    /// As on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::TrustBoth => "trust-both",
            Self::IssueFromNew => "issue-from-new",
            Self::Settle => "settle",
            Self::RetireOld => "retire-old",
        }
    }

    /// The one after it.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|other| *other > self)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Where the rotation of one root stands, as the world shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Position {
    /// There is one generation everywhere, and no successor lies anywhere.
    AtRest,
    /// This phase is not done yet; all before it are.
    In {
        /// The phase.
        phase: Phase,
        /// Whether something of it is done already.
        begun: bool,
    },
}
