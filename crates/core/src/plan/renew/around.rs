//! The cluster around the host that is planned: CA keys on other hosts, and certificates that several
//! hosts share.
//!
//! A private key never travels. What a CA key on another host has to sign is made here and only its
//! certification request goes there; what several hosts share under one key keeps that key, is issued
//! on one of them and handed to the others.

use super::planner::Planner;
use crate::assess::renewable::{NotRenewable, authority_for};
use crate::model::{Authority, Entry};
use crate::plan::document::{Issuance, Signer};
use jiff::Timestamp;
use kubepki_x509::{Certificate, ValidityState};
use std::collections::{BTreeMap, BTreeSet};

/// The cluster, as one host's planner sees it.
#[derive(Default)]
pub(in crate::plan) struct Around<'a> {
    /// Whoever can sign, by preference.
    pub(in crate::plan) signers: Vec<RemoteSigner<'a>>,
    /// Fingerprints of certificates that several hosts share, each with the same key beside it.
    pub(in crate::plan) shared: BTreeSet<[u8; 32]>,
    /// Those among them that a host planned earlier issues.
    pub(in crate::plan) issued: BTreeMap<[u8; 32], Given>,
}

/// A CA whose key lies on some host.
#[derive(Clone)]
pub(in crate::plan) struct RemoteSigner<'a> {
    /// The host, by its name in the cluster document.
    pub(in crate::plan) host: &'a str,
    /// The authority there.
    pub(in crate::plan) authority: &'a Authority,
    /// Its issuing certificate.
    pub(in crate::plan) certificate: &'a Certificate,
    /// When it ends; for one that the same cluster plan renews, when the new one does.
    pub(in crate::plan) not_after: Timestamp,
}

/// A certificate that another host has, or will have when it is needed.
#[derive(Clone)]
pub(in crate::plan) struct Given {
    /// That host, by its name in the cluster document.
    pub(in crate::plan) host: String,
    /// The name of the issuance, or of the authority, there.
    pub(in crate::plan) name: String,
    /// The certificate's, when it exists already.
    pub(in crate::plan) fingerprint_sha256: Option<String>,
    /// Subject alternative names that the plan gives it; `None` keeps the old ones.
    pub(in crate::plan) subject_alt_names: Option<Vec<String>>,
    /// Start of validity.
    pub(in crate::plan) not_before: Timestamp,
    /// End of validity.
    pub(in crate::plan) not_after: Timestamp,
}

impl Planner<'_> {
    /// The CA on another host that can sign the entry, where `reason` says that none here can.
    pub(super) fn elsewhere(
        &self,
        entry: &Entry,
        reason: NotRenewable,
    ) -> Result<(Signer, Option<Timestamp>), NotRenewable> {
        let Some(around) = self.around else {
            return Err(reason);
        };
        let may_help = matches!(
            reason,
            NotRenewable::ExternalAuthority { .. }
                | NotRenewable::UnknownAuthority { .. }
                | NotRenewable::UnreadableKey { .. }
                | NotRenewable::KeyMismatch { .. }
                | NotRenewable::ExpiredAuthority { .. }
                | NotRenewable::UnreadableAuthority { .. }
        );
        let signer = may_help
            .then(|| around.signer_of(entry, authority_for(self.inventory, entry)))
            .flatten();
        let Some(signer) = signer else {
            return Err(reason);
        };
        let state = signer.certificate.validity().state(self.now);
        if signer.not_after <= self.now || state == ValidityState::NotYetValid {
            return Err(NotRenewable::ExpiredAuthority {
                authority: format!("{} on {}", signer.authority.name, signer.host),
                not_after: signer.not_after,
            });
        }
        Ok((signer.signer(), Some(signer.not_after)))
    }

    /// Whether the certificate is shared with other hosts, so that its key has to stay.
    pub(super) fn is_shared(&self, entry: &Entry) -> bool {
        let Some((around, certificate)) = self.around.zip(entry.certificate()) else {
            return false;
        };
        around.shared.contains(&certificate.fingerprint_sha256())
    }

    /// The certificate that another host issues for this entry as well.
    pub(super) fn issued_elsewhere(&self, entry: &Entry) -> Option<&Given> {
        let fingerprint = entry.certificate()?.fingerprint_sha256();
        self.around?.issued.get(&fingerprint)
    }

    /// Notes what this plan issues of what several hosts share: `(fingerprint, issuance)`.
    pub(in crate::plan) fn shared_issuances(&self) -> Vec<([u8; 32], Issuance)> {
        let Some(around) = self.around else {
            return Vec::new();
        };
        self.issuances
            .iter()
            .filter(|issuance| !matches!(issuance.signer, Signer::Given { .. }))
            .filter_map(|issuance| {
                let entry = self.inventory.entry(&issuance.name)?;
                let fingerprint = entry.certificate()?.fingerprint_sha256();
                around
                    .shared
                    .contains(&fingerprint)
                    .then(|| (fingerprint, issuance.clone()))
            })
            .collect()
    }
}

impl Around<'_> {
    /// The holder of the key of the CA that signed the entry, or should have.
    fn signer_of(&self, entry: &Entry, local: Option<&Authority>) -> Option<&RemoteSigner<'_>> {
        let same = |signer: &&RemoteSigner<'_>| match local {
            Some(local) if !local.certificates.is_empty() => local.certificates.iter().any(|ca| {
                ca.public_key() == signer.certificate.public_key()
                    && ca.subject() == signer.certificate.subject()
            }),
            // There is no bundle to tell the CA by: by what it signed, else by what it is for.
            _ => {
                let expected = entry.expected_authority.as_deref();
                let fits = expected.is_none_or(|name| {
                    signer.authority.name == name
                        || signer.authority.also_known_as.iter().any(|it| it == name)
                });
                fits && entry
                    .certificate()
                    .is_none_or(|it| it.verify_issued_by(signer.certificate).is_ok())
            }
        };
        let mut found = self.signers.iter().filter(same);
        let first = found.next()?;
        // Without a certificate that tells them apart, one of two CAs would be a guess.
        let is_certain = entry.certificate().is_some()
            || local.is_some_and(|local| !local.certificates.is_empty())
            || found.all(|it| it.certificate.public_key() == first.certificate.public_key());
        is_certain.then_some(first)
    }
}

impl RemoteSigner<'_> {
    fn signer(&self) -> Signer {
        Signer::Elsewhere {
            host: self.host.to_owned(),
            name: self.authority.name.clone(),
            certificate: self.authority.certificate_path.clone(),
            key: self.authority.key_path.clone().unwrap_or_default(),
            fingerprint_sha256: hex::encode(self.certificate.fingerprint_sha256()),
        }
    }
}
