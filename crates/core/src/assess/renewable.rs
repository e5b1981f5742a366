//! Whether an entry can be renewed on this host, and by which authority.
//!
//! An entry's authority is the one that really signed it (name and signature), if that is one that
//! its readers can be expected to trust. Otherwise the layout's expectation is taken: what a foreign
//! CA signed, or etcd's where the cluster's belongs, is renewed by the CA that its readers trust.

use crate::layouts::vendor_of_entry;
use crate::model::{Authority, Entry, Holder, Inventory, KeyState, Role};
use jiff::Timestamp;
use kubepki_x509::{Certificate, ValidityState};

/// Who signs an entry's successor.
#[derive(Clone, Debug)]
pub enum SigningAuthority<'a> {
    /// An authority of the host whose key is at hand.
    Authority {
        /// The authority.
        authority: &'a Authority,
        /// Its issuing certificate, which matches the key.
        certificate: &'a Certificate,
    },
    /// Nobody but itself: the kubelet's self-made serving certificate.
    SelfMade,
}

/// Why an entry cannot be renewed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRenewable {
    /// There is no certificate to renew.
    #[error("there is no certificate to renew: {reason}")]
    NoCertificate {
        /// What is in its place.
        reason: String,
    },
    /// A distribution sees to it itself, and would overwrite what is written beside it.
    #[error("{vendor} sees to its certificates itself; its own way is: {renewal}")]
    ManagedByVendor {
        /// The distribution.
        vendor: &'static str,
        /// The command that renews.
        renewal: &'static str,
    },
    /// Nobody says where its key is, so a new one would have no place.
    #[error("it is not known where the key of {certificate} is kept")]
    UnknownKeyFile {
        /// The certificate's path.
        certificate: String,
    },
    /// No known authority signed it, and the layout names none.
    #[error("none of the certification authorities on this host signed it (issuer {issuer})")]
    UnknownAuthority {
        /// Its issuer name.
        issuer: String,
    },
    /// The CA key is kept elsewhere.
    #[error("external CA: the key of {authority} is absent ({path})")]
    ExternalAuthority {
        /// The authority's name.
        authority: String,
        /// Where the key would lie.
        path: String,
    },
    /// The CA key cannot be used.
    #[error("the key of {authority} cannot be read: {reason}")]
    UnreadableKey {
        /// The authority's name.
        authority: String,
        /// Why.
        reason: String,
    },
    /// The CA key is another key.
    #[error("the key {path} does not match any certificate in {bundle}")]
    KeyMismatch {
        /// The key's path.
        path: String,
        /// The bundle's path.
        bundle: String,
    },
    /// The CA itself has expired.
    #[error("{authority} itself expired at {not_after}")]
    ExpiredAuthority {
        /// The authority's name.
        authority: String,
        /// When it expired.
        not_after: Timestamp,
    },
    /// The authority's bundle could not be read.
    #[error("{authority} cannot be read: {reason}")]
    UnreadableAuthority {
        /// The authority's name.
        authority: String,
        /// Why.
        reason: String,
    },
}

/// The authority that can sign the successor of `entry` at `now`, or why there is none.
pub fn signing_authority<'a>(
    inventory: &'a Inventory,
    entry: &Entry,
    now: Timestamp,
) -> Result<SigningAuthority<'a>, NotRenewable> {
    if let Some(vendor) = vendor_of_entry(entry) {
        return Err(NotRenewable::ManagedByVendor {
            vendor: vendor.program,
            renewal: vendor.renewal,
        });
    }
    let Some(certificate) = entry.certificate() else {
        // The kubelet's client certificate can be made anew: its subject follows from the node name.
        if entry.role == Role::KubeletClient && inventory.node_name.is_some() {
            return expected_authority(inventory, entry, "").and_then(|a| usable(a, now));
        }
        if entry.is_bootstrap_token() {
            return Err(NotRenewable::NoCertificate {
                reason: format!("{} holds a bootstrap token", entry.holder.path().display()),
            });
        }
        return Err(NotRenewable::NoCertificate {
            reason: entry
                .problem
                .clone()
                .unwrap_or_else(|| format!("{} is missing", entry.holder)),
        });
    };
    if let Holder::Files {
        certificate,
        key: None,
    } = &entry.holder
    {
        return Err(NotRenewable::UnknownKeyFile {
            certificate: certificate.display().to_string(),
        });
    }
    if let Some(authority) = fitting_signer(inventory, entry, certificate) {
        return usable(authority, now);
    }
    if entry.role == Role::KubeletServing && is_self_made(entry) {
        return Ok(SigningAuthority::SelfMade);
    }
    let issuer = certificate.issuer().to_string();
    expected_authority(inventory, entry, &issuer).and_then(|authority| usable(authority, now))
}

/// The authority that can sign a certificate where there was none, or why there is none.
pub fn authority_for_new<'a>(
    inventory: &'a Inventory,
    entry: &Entry,
    now: Timestamp,
) -> Result<SigningAuthority<'a>, NotRenewable> {
    expected_authority(inventory, entry, "").and_then(|authority| usable(authority, now))
}

/// The authority that signed the entry if it fits, else the one that should have.
pub fn authority_for<'a>(inventory: &'a Inventory, entry: &Entry) -> Option<&'a Authority> {
    entry
        .certificate()
        .and_then(|certificate| fitting_signer(inventory, entry, certificate))
        .or_else(|| inventory.authority(entry.expected_authority.as_deref()?))
}

fn fitting_signer<'a>(
    inventory: &'a Inventory,
    entry: &Entry,
    certificate: &Certificate,
) -> Option<&'a Authority> {
    let (authority, _) = inventory.issuer_of(certificate)?;
    fits(inventory, entry, authority).then_some(authority)
}

/// Whether those who read the entry can be expected to trust `signer`: it is of the kind that the
/// layout expects, or the same CA under another name.
pub fn fits(inventory: &Inventory, entry: &Entry, signer: &Authority) -> bool {
    let Some(expected) = entry
        .expected_authority
        .as_deref()
        .and_then(|name| inventory.authority(name))
    else {
        return true;
    };
    expected.role == signer.role
        || expected.certificates.iter().any(|ca| {
            let mut others = signer.certificates.iter();
            others.any(|other| other.public_key() == ca.public_key())
        })
}

/// Whether the chain ends in its own self-signed certificate, as the kubelet's `kubelet.crt` does.
pub fn is_self_made(entry: &Entry) -> bool {
    let files = matches!(entry.holder, Holder::Files { .. });
    files
        && match entry.chain.as_slice() {
            [only] => only.is_self_signed(),
            [leaf, .., root] => root.is_self_signed() && leaf.verify_issued_by(root).is_ok(),
            [] => false,
        }
}

fn expected_authority<'a>(
    inventory: &'a Inventory,
    entry: &Entry,
    issuer: &str,
) -> Result<&'a Authority, NotRenewable> {
    entry
        .expected_authority
        .as_deref()
        .and_then(|name| inventory.authority(name))
        .ok_or_else(|| NotRenewable::UnknownAuthority {
            issuer: issuer.to_owned(),
        })
}

fn usable(authority: &Authority, now: Timestamp) -> Result<SigningAuthority<'_>, NotRenewable> {
    let name = authority.name.clone();
    let Some(certificate) = authority.issuing() else {
        return Err(NotRenewable::UnreadableAuthority {
            authority: name,
            reason: authority
                .problem
                .clone()
                .unwrap_or_else(|| "it holds no certificate".to_owned()),
        });
    };
    let key_path = || match &authority.key_path {
        Some(path) => path.display().to_string(),
        None => "no key beside it".to_owned(),
    };
    match &authority.key {
        KeyState::Absent | KeyState::NotExpected => Err(NotRenewable::ExternalAuthority {
            authority: name,
            path: key_path(),
        }),
        KeyState::Unreadable(reason) | KeyState::Unusable(reason) => {
            Err(NotRenewable::UnreadableKey {
                authority: name,
                reason: reason.clone(),
            })
        }
        KeyState::Present { public_key, .. } if public_key != certificate.public_key() => {
            Err(NotRenewable::KeyMismatch {
                path: key_path(),
                bundle: authority.certificate_path.display().to_string(),
            })
        }
        KeyState::Present { .. } => {
            if certificate.validity().state(now) == ValidityState::Expired {
                return Err(NotRenewable::ExpiredAuthority {
                    authority: name,
                    not_after: certificate.validity().not_after,
                });
            }
            Ok(SigningAuthority::Authority {
                authority,
                certificate,
            })
        }
    }
}
