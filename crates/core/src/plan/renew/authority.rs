//! Certification authorities in a plan: an expired one renewed with its own key in every file of the
//! host that holds it, and one renewed on another host put in the place of its old self.

use super::around::Given;
use super::leaf::is_same_authority;
use super::planner::{Planner, origin};
use super::refusal::Refusal;
use super::request::Selection;
use crate::model::{Authority, Entry, Holder, KeyState};
use crate::plan::document::{Issuance, KeyChoice, Signer};
use crate::plan::lifetime::EndRule;
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::{Certificate, ValidityState};
use std::path::PathBuf;

impl<'a> Planner<'a> {
    /// Renews every expired authority that `selected` need, with its own key, in every file that
    /// holds it.
    pub(super) fn renew_expired_authorities(&mut self, selected: &[&Entry]) -> Result<(), Refusal> {
        let wanted: Vec<&Authority> = if self.request.selection == Selection::All {
            self.inventory.authorities.iter().collect()
        } else {
            selected
                .iter()
                .filter_map(|entry| self.authority_of(entry))
                .collect()
        };
        for authority in &self.inventory.authorities {
            let Some(certificate) = authority.issuing() else {
                continue;
            };
            if certificate.validity().state(self.now) != ValidityState::Expired
                || !wanted.iter().any(|it| is_same_authority(authority, it))
                || self.is_renewed(authority)
            {
                continue;
            }
            let key = authority
                .key_path
                .clone()
                .filter(|_| authority.key.public_key() == Some(certificate.public_key()));
            let Some(key) = key else {
                // A copy of a CA whose key lies beside another copy is renewed with that one.
                let elsewhere = self.inventory.authorities.iter().any(|other| {
                    other.certificates.contains(certificate)
                        && other.key.public_key() == Some(certificate.public_key())
                });
                if !elsewhere {
                    let why = match &authority.key {
                        KeyState::Present { .. } => "its key is another certificate's",
                        KeyState::Unreadable(reason) | KeyState::Unusable(reason) => reason,
                        KeyState::Absent | KeyState::NotExpected => "its key is not on this host",
                    };
                    let message = format!("it has expired and stays so: {why}");
                    self.notice("ca-not-renewable", &authority.name, message);
                }
                continue;
            };
            self.renew_authority(authority, certificate, key)?;
        }
        Ok(())
    }

    pub(super) fn is_renewed(&self, authority: &Authority) -> bool {
        self.renewed_authorities
            .iter()
            .any(|(renewed, _)| is_same_authority(renewed, authority))
    }

    pub(in crate::plan) fn renew_authority(
        &mut self,
        authority: &'a Authority,
        certificate: &Certificate,
        key: PathBuf,
    ) -> Result<(), Refusal> {
        let not_before = self.request.start.resolve(self.now)?;
        let not_after = EndRule::For(SignedDuration::from_hours(87_600)).resolve(self.now)?;
        let holder = Holder::Files {
            certificate: authority.certificate_path.clone(),
            key: Some(key.clone()),
        };
        self.basis.push(authority.certificate_path.clone());
        self.basis.push(key);
        let copies = self.copies(authority, certificate);
        self.issuances.push(Issuance {
            name: authority.name.clone(),
            role: authority.role,
            origin: origin(&holder, certificate),
            signer: Signer::ItsOwnKey,
            not_before,
            not_after,
            key: KeyChoice::Reuse,
            subject_alt_names: None,
            destination: holder,
            point_kubeconfig: None,
            copies,
        });
        self.changed
            .push((authority.name.clone(), authority.used_by.clone()));
        let others = match self.around {
            Some(_) => "every other host gets it as it is",
            None => "copies of it on other hosts must be replaced too",
        };
        self.notice(
            "ca-renewed-with-same-key",
            &authority.name,
            format!("same name and key, so every certificate that it signed stays valid; {others}"),
        );
        self.renewed_authorities.push((authority, not_after));
        Ok(())
    }

    /// Puts a CA certificate that another host issues or holds into the place of its old self, here
    /// and in every other file of the host that holds that.
    pub(in crate::plan) fn give_authority(
        &mut self,
        authority: &'a Authority,
        certificate: &Certificate,
        given: Given,
    ) {
        let holder = Holder::Files {
            certificate: authority.certificate_path.clone(),
            key: None,
        };
        self.basis.push(authority.certificate_path.clone());
        let copies = self.copies(authority, certificate);
        self.issuances.push(Issuance {
            name: authority.name.clone(),
            role: authority.role,
            origin: origin(&holder, certificate),
            signer: Signer::Given {
                host: given.host,
                name: given.name,
                fingerprint_sha256: given.fingerprint_sha256,
            },
            not_before: given.not_before,
            not_after: given.not_after,
            key: KeyChoice::Reuse,
            subject_alt_names: None,
            destination: holder,
            point_kubeconfig: None,
            copies,
        });
        self.changed
            .push((authority.name.clone(), authority.used_by.clone()));
    }

    /// The other files of the host that hold this certificate; they change with the first.
    fn copies(&mut self, authority: &Authority, certificate: &Certificate) -> Vec<PathBuf> {
        let mut copies = Vec::new();
        for other in &self.inventory.authorities {
            let is_copy = other.certificate_path != authority.certificate_path
                && other.certificates.contains(certificate);
            if is_copy {
                copies.push(other.certificate_path.clone());
                self.basis.push(other.certificate_path.clone());
                self.changed
                    .push((other.name.clone(), other.used_by.clone()));
            }
        }
        copies
    }

    /// What an earlier stage of the cluster plan did to an authority of this host: what it signs is
    /// judged by its new end, and who names it takes it up together with the rest.
    pub(in crate::plan) fn was_renewed(&mut self, authority: &'a Authority, not_after: Timestamp) {
        self.changed
            .push((authority.name.clone(), authority.used_by.clone()));
        self.renewed_authorities.push((authority, not_after));
    }
}
