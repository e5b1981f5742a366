//! What can stop a plan from being carried out.

use crate::ports::HostError;
use kubepki_core::model::ComponentKind;
use kubepki_keys::{IssueError, KeyError};
use std::path::PathBuf;

/// A plan was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// A file is no longer what the plan was made from.
    #[error(
        "{} changed after the plan was made: expected {expected}, found {found}",
        path.display()
    )]
    WorldChanged {
        /// The file.
        path: PathBuf,
        /// SHA-256 in the plan, or `no file`.
        expected: String,
        /// SHA-256 now, or `no file`.
        found: String,
    },
    /// The plan is for another host.
    #[error("the plan is for host {expected}, this is {found}")]
    OtherHost {
        /// The plan's host.
        expected: String,
        /// This host.
        found: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A key could not be read or made.
    #[error("the key of {name}: {source}")]
    Key {
        /// The certificate's name.
        name: String,
        /// Why.
        source: KeyError,
    },
    /// A certificate could not be signed.
    #[error("{name} cannot be issued: {source}")]
    Issue {
        /// The certificate's name.
        name: String,
        /// Why.
        source: IssueError,
    },
    /// A file could not be understood or rewritten.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A signed certificate that was brought back does not fit.
    #[error("{}: {reason}", path.display())]
    Install {
        /// The certificate that was brought.
        path: PathBuf,
        /// What does not fit: expected and found.
        reason: String,
    },
    /// A certificate that is signed elsewhere or handed over did not come along.
    #[error(
        "no certificate for {name} was brought along: expected one from {from}; make a new plan and carry it out over all hosts"
    )]
    NotBrought {
        /// The issuance.
        name: String,
        /// The host that signs it or holds it.
        from: String,
    },
    /// A certificate that was brought along does not fit.
    #[error("the certificate that was brought for {name}: {reason}")]
    Brought {
        /// The issuance.
        name: String,
        /// What does not fit: expected and found.
        reason: String,
    },
    /// A key that another host hands over did not come along.
    #[error(
        "no key for {} was brought along: expected one from {from}; make a new plan and carry it out over all hosts",
        path.display()
    )]
    KeyNotBrought {
        /// The key's file.
        path: PathBuf,
        /// The host that has it.
        from: String,
    },
    /// Flags that cannot be set where the component is started.
    #[error("the flags of {component} have to be set by hand: {reason}")]
    FlagsByHand {
        /// The component.
        component: ComponentKind,
        /// Why, and what to do.
        reason: String,
    },
    /// A certificate came back, but its key was forgotten.
    #[error(
        "the new key of {name} was made in a session that has ended and is gone; make a new request"
    )]
    KeyGone {
        /// The issuance.
        name: String,
    },
    /// Keys were made for another plan.
    #[error("keys were made for plan {found}, expected plan {expected}; prepare this plan first")]
    OtherPreparation {
        /// The plan to carry out.
        expected: String,
        /// The plan that was prepared.
        found: String,
    },
    /// The host with the CA's key does not sign what another host asks for.
    #[error("{name} for {host} is not signed: {reason}")]
    Order {
        /// The host that asked.
        host: String,
        /// The issuance.
        name: String,
        /// Expected and found.
        reason: String,
    },
    /// The CA that a plan names is not there any more.
    #[error(
        "{}: expected the CA sha256:{fingerprint_sha256} that signs {name}, it is not there; make a new plan",
        bundle.display()
    )]
    AuthorityChanged {
        /// The issuance.
        name: String,
        /// The bundle.
        bundle: PathBuf,
        /// The CA in the plan.
        fingerprint_sha256: String,
    },
    /// A request would take the place of an earlier one, and its key that one's.
    #[error(
        "{} is there already: a certificate for it may be on its way; take another folder",
        path.display()
    )]
    AlreadyThere {
        /// The file.
        path: PathBuf,
    },
    /// The plan names something that cannot be (an unknown key type, a damaged name).
    #[error("the plan's {name}: {reason}")]
    Plan {
        /// The issuance.
        name: String,
        /// Why.
        reason: String,
    },
    /// The change itself failed; nothing or everything of it is in place.
    #[error(transparent)]
    Apply(#[from] crate::apply::ApplyError),
    /// The backup could not be made or read.
    #[error(transparent)]
    Backup(#[from] crate::apply::backup::BackupError),
    /// A component did not take up the new files.
    #[error(transparent)]
    TakeUp(#[from] crate::take_up::TakeUpError),
}

impl ExecuteError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WorldChanged { .. } => "world-changed",
            Self::OtherHost { .. } => "other-host",
            Self::Host(_) => "host",
            Self::Key { .. } => "key",
            Self::Issue { source, .. } => source.code(),
            Self::Format { .. } => "format",
            Self::Install { .. } => "install-mismatch",
            Self::NotBrought { .. } => "certificate-not-brought",
            Self::Brought { .. } => "brought-mismatch",
            Self::KeyNotBrought { .. } => "key-not-brought",
            Self::FlagsByHand { .. } => "flags-by-hand",
            Self::KeyGone { .. } => "key-gone",
            Self::OtherPreparation { .. } => "prepared-for-other-plan",
            Self::Order { .. } => "order-refused",
            Self::AuthorityChanged { .. } => "authority-changed",
            Self::AlreadyThere { .. } => "already-exists",
            Self::Plan { .. } => "plan",
            Self::Apply(source) => source.code(),
            Self::Backup(source) => source.code(),
            Self::TakeUp(_) => "take-up",
        }
    }
}
