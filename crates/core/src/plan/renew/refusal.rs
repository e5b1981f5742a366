//! Why no plan is made: with evidence, and with what to do.

use crate::assess::renewable::NotRenewable;
use crate::plan::lifetime::LifetimeSyntaxError;
use crate::plan::names::NoSuchName;
use jiff::Timestamp;

/// Why no plan is made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No such certificate.
    #[error("there is no certificate `{name}` on this host; there are: {known}")]
    UnknownName {
        /// As asked.
        name: String,
        /// What there is.
        known: String,
    },
    /// No such certificate on any of several hosts.
    #[error("there is no certificate `{name}` on any of the {hosts} hosts; there are: {known}")]
    UnknownAnywhere {
        /// As asked.
        name: String,
        /// How many hosts were looked at.
        hosts: usize,
        /// What there is on them.
        known: String,
    },
    /// A refusal that concerns one host of a cluster.
    #[error("{host}: {refusal}")]
    OnHost {
        /// Its name in the cluster document.
        host: String,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The certificates of most members of etcd have expired.
    #[error(
        "etcd would not come up host by host: certificates of {expired} have expired, {needed} of {members} members must be up at the same time"
    )]
    EtcdWithoutQuorum {
        /// How many members there are.
        members: usize,
        /// Hosts with expired ones.
        expired: String,
        /// How many members a quorum needs.
        needed: usize,
    },
    /// A CA was named among the certificates.
    #[error("{name} is a certification authority: it is not renewed like what it signs")]
    Authority {
        /// As asked.
        name: String,
    },
    /// It cannot be renewed here.
    #[error("cannot renew {name}: {reason}")]
    NotRenewable {
        /// Its name.
        name: String,
        /// Why.
        reason: NotRenewable,
    },
    /// A distribution sees to it itself.
    #[error(
        "{name} is one of {vendor}'s certificates, which {vendor} sees to itself: it would overwrite what is written there"
    )]
    ManagedByVendor {
        /// The certificate, the first where all are the distribution's.
        name: String,
        /// The distribution.
        vendor: &'static str,
        /// Its own command.
        renewal: &'static str,
    },
    /// Names were to be edited on several certificates at once.
    #[error("names can be edited on one certificate at a time, {count} are selected")]
    NamesOnMany {
        /// How many.
        count: usize,
    },
    /// A name to remove is not there.
    #[error(transparent)]
    NoSuchName(#[from] NoSuchName),
    /// The key is to be reused but does not match or cannot be read.
    #[error("cannot reuse the key of {name}: {reason}")]
    KeyNotReusable {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The validity is empty.
    #[error("{name} would end ({not_after}) before it begins ({not_before})")]
    EmptyValidity {
        /// Its name.
        name: String,
        /// The start asked for.
        not_before: Timestamp,
        /// The end asked for or left by the CA.
        not_after: Timestamp,
    },
    /// A length of time that leads outside the calendar.
    #[error(transparent)]
    Lifetime(#[from] LifetimeSyntaxError),
}

impl Refusal {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownName { .. } | Self::UnknownAnywhere { .. } => "unknown-certificate",
            Self::OnHost { refusal, .. } => refusal.code(),
            Self::EtcdWithoutQuorum { .. } => "etcd-without-quorum",
            Self::Authority { .. } => "is-an-authority",
            Self::NotRenewable { reason, .. } => match reason {
                NotRenewable::ExternalAuthority { .. } => "external-ca",
                NotRenewable::ExpiredAuthority { .. } => "ca-expired",
                NotRenewable::KeyMismatch { .. } => "ca-key-mismatch",
                NotRenewable::ManagedByVendor { .. } => "managed-by-vendor",
                _ => "not-renewable",
            },
            Self::ManagedByVendor { .. } => "managed-by-vendor",
            Self::NamesOnMany { .. } => "names-on-many",
            Self::NoSuchName(_) => "no-such-name",
            Self::KeyNotReusable { .. } => "key-not-reusable",
            Self::EmptyValidity { .. } => "empty-validity",
            Self::Lifetime(_) => "lifetime",
        }
    }

    /// The refusal as one of a host of several.
    pub(in crate::plan) fn on(self, host: &str) -> Self {
        Self::OnHost {
            host: host.to_owned(),
            refusal: Box::new(self),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRenewable { reason, .. } => match reason {
                NotRenewable::ExternalAuthority { .. } => Some(
                    "write certification requests with `--csr-dir DIR`, have them signed, and bring them back with `--install DIR`".to_owned(),
                ),
                NotRenewable::ExpiredAuthority { .. } => Some(
                    "renew the CA with its own key by `--renew-expired-ca`: every certificate that it signed stays valid; a compromised CA must be replaced instead".to_owned(),
                ),
                _ => None,
            },
            Self::ManagedByVendor { renewal, .. } => Some(format!(
                "renew with the distribution's own command: {renewal}; `kubepki status` shows what it has done"
            )),
            Self::Authority { .. } => Some(
                "an expired one is renewed with its own key by `kubepki renew all --renew-expired-ca`"
                    .to_owned(),
            ),
            Self::OnHost { refusal, .. } => refusal.hint(),
            Self::UnknownAnywhere { .. } => {
                Some("`kubepki status` shows the names on every host".to_owned())
            }
            Self::EtcdWithoutQuorum { .. } => Some(
                "`kubepki rescue` renews the files of all hosts first and then starts what is down in the cluster's order; `--no-restart` writes the files only"
                    .to_owned(),
            ),
            Self::KeyNotReusable { .. } => Some("leave out `--key reuse` to have a new key made".to_owned()),
            _ => None,
        }
    }
}
