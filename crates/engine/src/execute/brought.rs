//! Certificates that come along with a plan: signed on another host for a key of this one, or handed
//! over as they are (copies of a CA, and of what several hosts share). Each is checked here, on the
//! host that will live by it, whoever sent it.

use super::content::{Content, validity};
use super::error::ExecuteError;
use super::expected::{Expected, leads_to};
use jiff::Timestamp;
use kubepki_core::assess::renewable::fits;
use kubepki_core::model::{Authority, Inventory};
use kubepki_core::plan::{FileEdit, Issuance, Origin, Plan, Signer};
use kubepki_x509::{Certificate, PublicKey, Validity, ValidityState, pem};
use std::path::PathBuf;

/// Whom a host believes: its own bundles, and what the same plan brings.
pub(super) struct Believed<'a> {
    /// The host as it was before the plan.
    pub(super) before: &'a Inventory,
    /// CA certificates that the plan issues or brings.
    pub(super) new_authorities: Vec<&'a Certificate>,
    /// The bundles that the plan writes: what it says they hold counts instead of what they held.
    pub(super) rewritten: Vec<(PathBuf, Vec<Certificate>)>,
}

/// The bundles that a plan writes, each with the CA certificates that the plan itself carries for it. A
/// file that is no bundle of this host's readers is never asked, whatever is written there.
pub(super) fn rewritten(plan: &Plan) -> Vec<(PathBuf, Vec<Certificate>)> {
    let edits = plan.file_edits.iter();
    edits
        .filter_map(|edit| match edit {
            FileEdit::Bundle { path, pem, .. } => {
                let written = pem::certificates(pem.as_bytes()).unwrap_or_default();
                let authorities = written.into_iter().filter(Certificate::is_ca);
                Some((path.clone(), authorities.collect()))
            }
            _ => None,
        })
        .collect()
}

/// Checks what another host signed for the key of `public_key`.
pub(super) fn check_signed(
    issuance: &Issuance,
    content: &Content,
    chain: &[Certificate],
    public_key: &PublicKey,
    believed: &Believed<'_>,
) -> Result<(), ExecuteError> {
    let refuse = refusal(issuance);
    let leaf = first(issuance, chain)?;
    if leaf.public_key() != public_key {
        return Err(refuse(format!(
            "it is for the key sha256:{}, expected the one made here, sha256:{}",
            hex::encode(leaf.public_key().sha256()),
            hex::encode(public_key.sha256())
        )));
    }
    let planned = validity(issuance);
    if leaf.validity() != planned {
        return Err(refuse(format!(
            "it is valid {}, the plan says {}",
            span(leaf.validity()),
            span(planned)
        )));
    }
    Expected::of(content, issuance)
        .check(leaf)
        .map_err(&refuse)?;
    believed.check(issuance, content, chain).map_err(refuse)
}

/// Checks what another host hands over. `public_key` is that of the key here that it must belong to;
/// `None` for a CA whose key may lie elsewhere.
pub(super) fn check_given(
    issuance: &Issuance,
    content: &Content,
    chain: &[Certificate],
    public_key: Option<&PublicKey>,
    believed: &Believed<'_>,
    now: Timestamp,
) -> Result<(), ExecuteError> {
    let refuse = refusal(issuance);
    let given = first(issuance, chain)?;
    let pinned = match &issuance.signer {
        Signer::Given {
            fingerprint_sha256, ..
        } => fingerprint_sha256.as_ref(),
        _ => None,
    };
    let found = hex::encode(given.fingerprint_sha256());
    if let Some(expected) = pinned.filter(|expected| **expected != found) {
        return Err(refuse(format!(
            "it is sha256:{found}, expected sha256:{expected}"
        )));
    }
    match given.validity().state(now) {
        ValidityState::Valid => {}
        ValidityState::Expired => {
            return Err(refuse(format!(
                "it has expired already, at {}",
                given.validity().not_after
            )));
        }
        ValidityState::NotYetValid => {
            return Err(refuse(format!(
                "it is not valid before {}; this host's clock says {now}",
                given.validity().not_before
            )));
        }
    }
    if let Some(key) = public_key.filter(|key| *key != given.public_key()) {
        return Err(refuse(format!(
            "it is for the key sha256:{}, expected the one that is here, sha256:{}",
            hex::encode(given.public_key().sha256()),
            hex::encode(key.sha256())
        )));
    }
    let is_authority = content.certificate().is_some_and(Certificate::is_ca);
    if !is_authority {
        Expected::of(content, issuance)
            .check(given)
            .map_err(&refuse)?;
        return believed.check(issuance, content, chain).map_err(refuse);
    }
    if !given.is_ca() {
        return Err(refuse(
            "it is an end-entity certificate, expected a CA certificate".to_owned(),
        ));
    }
    // Whoever sees the plan sees this certificate's fingerprint: that one is meant, whatever it says.
    if pinned.is_some() {
        return Ok(());
    }
    if given.subject() != content.subject() {
        return Err(refuse(format!(
            "its subject is {}, expected {}",
            given.subject(),
            content.subject()
        )));
    }
    // The successor of what is trusted here is the same CA, not another one of its name; where a CA
    // takes the place of a lost one, the plan brings the old one as its template.
    let same_key = content
        .certificate()
        .is_some_and(|old| old.public_key() == given.public_key());
    if matches!(issuance.origin, Origin::Certificate { .. }) && !same_key {
        return Err(refuse(
            "it holds another key than the CA certificate that is here, expected the same"
                .to_owned(),
        ));
    }
    Ok(())
}

impl Believed<'_> {
    /// Whether somebody whom the readers of the certificate believe has signed it.
    fn check(
        &self,
        issuance: &Issuance,
        content: &Content,
        chain: &[Certificate],
    ) -> Result<(), String> {
        let bundles: Vec<&Authority> = self.bundles(issuance);
        let own = bundles.iter().flat_map(|bundle| self.held_by(bundle));
        let mut all = own.chain(self.new_authorities.iter().copied());
        if all.any(|ca| leads_to(chain, ca)) {
            return Ok(());
        }
        let issuer = chain
            .last()
            .map(|last| last.issuer().to_string())
            .unwrap_or_default();
        if !bundles.is_empty() {
            let names: Vec<String> = bundles
                .iter()
                .map(|bundle| bundle.certificate_path.display().to_string())
                .collect();
            return Err(format!(
                "signed by {issuer}, expected one of {}",
                names.join(", ")
            ));
        }
        // Without any bundle, what signed the old one must be what signed the new one.
        let same = content.certificate().is_some_and(|old| {
            chain.first().is_some_and(|new| {
                old.issuer() == new.issuer()
                    && old.authority_key_identifier() == new.authority_key_identifier()
            })
        });
        match same {
            true => Ok(()),
            false => Err(format!(
                "signed by {issuer}, and there is no CA bundle on this host to hold it against"
            )),
        }
    }

    /// What a bundle holds when the plan is carried out.
    fn held_by<'s>(&'s self, bundle: &'s Authority) -> &'s [Certificate] {
        let path = &bundle.certificate_path;
        let written = self.rewritten.iter().find(|(it, _)| it == path);
        written.map_or(&bundle.certificates, |(_, certificates)| certificates)
    }

    fn bundles(&self, issuance: &Issuance) -> Vec<&Authority> {
        let authorities = self.before.authorities.iter();
        match self.before.entry(&issuance.name) {
            Some(entry) => authorities
                .filter(|authority| fits(self.before, entry, authority))
                .collect(),
            None => authorities.collect(),
        }
    }
}

fn first<'c>(
    issuance: &Issuance,
    chain: &'c [Certificate],
) -> Result<&'c Certificate, ExecuteError> {
    chain
        .first()
        .ok_or_else(|| refusal(issuance)("there is none in it".to_owned()))
}

fn refusal(issuance: &Issuance) -> impl Fn(String) -> ExecuteError + '_ {
    |reason| ExecuteError::Brought {
        name: issuance.name.clone(),
        reason,
    }
}

fn span(validity: Validity) -> String {
    format!("from {} to {}", validity.not_before, validity.not_after)
}
