//! Preparing a plan whose certificates are signed on other hosts: keys are made, or those opened that
//! stay, and certification requests (RFC 2986) are signed with them. All of it in memory.
//!
//! The keys wait in a [`Prepared`] for the certificates to come back and the plan to be carried out.
//! Nothing is written, so a session that ends here leaves nothing behind.

use super::basis;
use super::content::Content;
use super::error::ExecuteError;
use super::mint::issue_error;
use super::subject_key::{SubjectKey, generate_keys, subject_key};
use crate::ports::HostRead;
use kubepki_core::plan::{Issuance, Plan, Signer};
use kubepki_keys::sign_request;
use kubepki_sealed::Sealed;
use kubepki_x509::{Certificate, CertificationRequest, CertificationRequestInfo};
use std::path::PathBuf;

/// Keys that wait for their certificates. It can neither be shown nor copied nor saved.
pub struct Prepared {
    plan_id: String,
    keys: Vec<PreparedKey>,
}

struct PreparedKey {
    name: String,
    key: SubjectKey,
    request: CertificationRequest,
}

impl Prepared {
    /// The id of the plan that it was made for.
    pub fn plan_id(&self) -> &str {
        &self.plan_id
    }

    /// The requests, by the names of their issuances, in the plan's order.
    pub fn requests(&self) -> Vec<(String, CertificationRequest)> {
        self.keys
            .iter()
            .map(|it| (it.name.clone(), it.request.clone()))
            .collect()
    }
}

/// What comes from outside for a plan: the keys that wait here, and the certificates that others
/// signed or hand over, each chain by the name of its issuance.
#[derive(Default)]
pub struct Brought {
    /// What [`prepare`] made for this plan.
    pub prepared: Option<Prepared>,
    /// The certificate first, then what must travel with it.
    pub certificates: Vec<(String, Vec<Certificate>)>,
    /// Private keys of other hosts, opened in this session's memory.
    pub keys: Vec<BroughtKey>,
}

/// A private key that came from another host.
pub struct BroughtKey {
    /// The path that it is for.
    pub destination: PathBuf,
    /// The key, PEM.
    pub key: Sealed,
}

impl Brought {
    pub(super) fn is_for(&self, plan: &Plan) -> Result<(), ExecuteError> {
        match &self.prepared {
            Some(prepared) if prepared.plan_id != plan.id => Err(ExecuteError::OtherPreparation {
                expected: plan.id.clone(),
                found: prepared.plan_id.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The certificates that were brought for an issuance.
    pub(super) fn chain(&self, issuance: &Issuance) -> Result<&[Certificate], ExecuteError> {
        self.certificates
            .iter()
            .find(|(name, chain)| *name == issuance.name && !chain.is_empty())
            .map(|(_, chain)| chain.as_slice())
            .ok_or_else(|| ExecuteError::NotBrought {
                name: issuance.name.clone(),
                from: match &issuance.signer {
                    Signer::Elsewhere { host, .. } | Signer::Given { host, .. } => host.clone(),
                    _ => "another host".to_owned(),
                },
            })
    }

    /// The key that was made for an issuance.
    pub(super) fn take_key(&mut self, issuance: &Issuance) -> Option<SubjectKey> {
        let keys = &mut self.prepared.as_mut()?.keys;
        let index = keys.iter().position(|it| it.name == issuance.name)?;
        Some(keys.swap_remove(index).key)
    }
}

/// Makes the keys and requests of every issuance of `plan` that is signed on another host.
///
/// # Errors
/// When the plan is for another host or a file of its basis has changed, so that nobody signs for a
/// plan that will be refused; when a key that stays cannot be read or a new one not be made.
pub fn prepare(host: &dyn HostRead, plan: &Plan) -> Result<Prepared, ExecuteError> {
    basis::check(host, plan)?;
    let is_elsewhere = |it: &Issuance| matches!(it.signer, Signer::Elsewhere { .. });
    let new_keys = generate_keys(&plan.issuances, is_elsewhere)?;
    let mut keys = Vec::new();
    for (issuance, new) in plan.issuances.iter().zip(new_keys) {
        if !is_elsewhere(issuance) {
            continue;
        }
        let content = Content::here(host, issuance)?;
        let key = subject_key(host, issuance, new)?;
        let request = request(issuance, &content, &key)?;
        keys.push(PreparedKey {
            name: issuance.name.clone(),
            key,
            request,
        });
    }
    Ok(Prepared {
        plan_id: plan.id.clone(),
        keys,
    })
}

/// A request carries what the signer must put into the certificate: names and usages too, which
/// kubeadm's own requests leave out.
pub(super) fn request(
    issuance: &Issuance,
    content: &Content,
    key: &SubjectKey,
) -> Result<CertificationRequest, ExecuteError> {
    let request = CertificationRequestInfo {
        subject: content.subject().clone(),
        public_key: key.as_ref().public_key().clone(),
        extensions: content.requested(issuance)?,
    };
    sign_request(&request, key.as_ref()).map_err(issue_error(issuance))
}
