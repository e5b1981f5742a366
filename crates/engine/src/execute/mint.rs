//! Minting: the keys and certificates of a plan, made in memory and written nowhere.
//!
//! Keys come first and in parallel (RSA generation is nearly all of a renewal's time), then renewed
//! authorities, then everything that they and the others sign.

use super::authorities::Authorities;
use super::brought::{Believed, check_given, check_signed, rewritten};
use super::content::{Content, validity};
use super::error::ExecuteError;
use super::prepare::{Brought, request};
use super::subject_key::{SubjectKey, generate_keys, key_error, subject_key};
use crate::ports::HostRead;
use jiff::Timestamp;
use kubepki_core::model::Inventory;
use kubepki_core::plan::{Issuance, KeyChoice, Origin, Plan, Signer};
use kubepki_keys::{Issuer, KeyType, PrivateKey, random_serial};
use kubepki_x509::{Certificate, CertificationRequest, reissue};

/// What was made for one issuance.
pub struct Minted {
    /// The certificate first, then certificates that must travel with it.
    pub chain: Vec<Certificate>,
    /// The request, when somebody else signs.
    pub request: Option<CertificationRequest>,
    /// The new key; `None` when the old one stays.
    pub key: Option<PrivateKey>,
}

/// Makes everything that `plan` issues, in the plan's order, and takes what was brought. What was
/// signed elsewhere must be valid at `now`.
pub fn mint(
    host: &dyn HostRead,
    before: &Inventory,
    plan: &Plan,
    brought: Brought,
    now: Timestamp,
) -> Result<Vec<Minted>, ExecuteError> {
    brought.is_for(plan)?;
    // Keys that were made elsewhere or earlier come with their certificate.
    let mut keys = generate_keys(&plan.issuances, |issuance| {
        !matches!(
            issuance.signer,
            Signer::Installed { .. } | Signer::Elsewhere { .. } | Signer::Given { .. }
        )
    })?;
    let mut minting = Minting {
        host,
        before,
        now,
        brought,
        authorities: Authorities::new(host),
        plan,
    };
    let mut minted = Vec::with_capacity(plan.issuances.len());
    for (issuance, key) in plan.issuances.iter().zip(keys.drain(..)) {
        let made = minting.one(issuance, key)?;
        minting.remember(issuance, &made)?;
        minted.push(made);
    }
    Ok(minted)
}

struct Minting<'a> {
    host: &'a dyn HostRead,
    before: &'a Inventory,
    now: Timestamp,
    brought: Brought,
    authorities: Authorities<'a>,
    plan: &'a Plan,
}

impl Minting<'_> {
    fn one(
        &mut self,
        issuance: &Issuance,
        key: Option<PrivateKey>,
    ) -> Result<Minted, ExecuteError> {
        let host = self.host;
        match &issuance.signer {
            Signer::Authority {
                certificate,
                key: key_path,
                fingerprint_sha256,
                ..
            } => {
                let content = Content::here(host, issuance)?;
                let issuer = self.authorities.issuer(
                    issuance,
                    certificate,
                    key_path,
                    fingerprint_sha256,
                    content.certificate(),
                )?;
                let subject_key = subject_key(host, issuance, key)?;
                let template = content.template(
                    issuance,
                    issuer.certificate(),
                    subject_key.as_ref().public_key(),
                )?;
                let certificate = issuer.issue(&template).map_err(issue_error(issuance))?;
                Ok(Minted::signed(vec![certificate], subject_key))
            }
            Signer::ItsOwnKey => {
                let content = Content::here(host, issuance)?;
                its_own_key(issuance, &content, subject_key(host, issuance, key)?)
            }
            Signer::Elsewhere { .. } => self.signed_elsewhere(issuance),
            Signer::Given { .. } => self.given(issuance),
            Signer::OneTimeAuthority => one_time_authority(host, issuance, key),
            Signer::Request { .. } => {
                let content = Content::here(host, issuance)?;
                let subject_key = subject_key(host, issuance, key)?;
                let request = request(issuance, &content, &subject_key)?;
                let (SubjectKey::New(key) | SubjectKey::Kept(key)) = subject_key;
                Ok(Minted {
                    chain: Vec::new(),
                    request: Some(request),
                    key: Some(key),
                })
            }
            Signer::Installed {
                directory,
                authority,
            } => super::install::take(host, issuance, directory, authority.as_deref(), self.now),
        }
    }

    fn signed_elsewhere(&mut self, issuance: &Issuance) -> Result<Minted, ExecuteError> {
        let chain = self.brought.chain(issuance)?.to_vec();
        let content = Content::here(self.host, issuance)?;
        let key = match (self.brought.take_key(issuance), &issuance.key) {
            (Some(key), _) => key,
            (None, KeyChoice::Reuse) => subject_key(self.host, issuance, None)?,
            (None, KeyChoice::Generate { .. }) => {
                return Err(ExecuteError::KeyGone {
                    name: issuance.name.clone(),
                });
            }
        };
        let public_key = key.as_ref().public_key();
        check_signed(issuance, &content, &chain, public_key, &self.believed())?;
        Ok(Minted::signed(chain, key))
    }

    fn given(&mut self, issuance: &Issuance) -> Result<Minted, ExecuteError> {
        let chain = self.brought.chain(issuance)?.to_vec();
        let content = Content::here(self.host, issuance)?;
        let is_authority = content.certificate().is_some_and(Certificate::is_ca);
        let key = match is_authority {
            true => None,
            false => Some(subject_key(self.host, issuance, None)?),
        };
        let public_key = key.as_ref().map(|key| key.as_ref().public_key());
        check_given(
            issuance,
            &content,
            &chain,
            public_key,
            &self.believed(),
            self.now,
        )?;
        Ok(Minted {
            chain,
            request: None,
            key: key.and_then(SubjectKey::into_new),
        })
    }

    fn believed(&self) -> Believed<'_> {
        Believed {
            before: self.before,
            new_authorities: self.authorities.new_certificates().collect(),
            rewritten: rewritten(self.plan),
        }
    }

    /// A CA that was issued or brought signs what follows in its place.
    fn remember(&mut self, issuance: &Issuance, made: &Minted) -> Result<(), ExecuteError> {
        if !matches!(issuance.signer, Signer::ItsOwnKey | Signer::Given { .. }) {
            return Ok(());
        }
        let Some(certificate) = made.chain.first().filter(|made| made.is_ca()) else {
            return Ok(());
        };
        let fingerprint = match &issuance.origin {
            Origin::Certificate {
                fingerprint_sha256, ..
            } => fingerprint_sha256.clone(),
            // One that was not there is known by what it is now.
            _ => hex::encode(certificate.fingerprint_sha256()),
        };
        let key = made.key.as_ref().map(|key| copied(issuance, key));
        self.authorities
            .renewed(&fingerprint, certificate.clone(), key.transpose()?);
        Ok(())
    }
}

/// A second one of the same key: it both signs and is written.
fn copied(issuance: &Issuance, key: &PrivateKey) -> Result<PrivateKey, ExecuteError> {
    let pem = key.to_pem(key.encoding()).map_err(key_error(issuance))?;
    PrivateKey::from_pem(&pem).map_err(key_error(issuance))
}

impl Minted {
    fn signed(chain: Vec<Certificate>, key: SubjectKey) -> Self {
        Self {
            chain,
            request: None,
            key: key.into_new(),
        }
    }
}

/// A CA, or a kubelet's own certificate, that signs itself.
fn its_own_key(
    issuance: &Issuance,
    content: &Content,
    key: SubjectKey,
) -> Result<Minted, ExecuteError> {
    let public_key = key.as_ref().public_key();
    let template = match content.certificate() {
        Some(old) => content.template(issuance, old, public_key)?,
        None => {
            return Err(ExecuteError::Plan {
                name: issuance.name.clone(),
                reason: "a client certificate does not sign itself".to_owned(),
            });
        }
    };
    let certificate =
        Issuer::self_signed(&template, key.as_ref()).map_err(issue_error(issuance))?;
    Ok(Minted::signed(vec![certificate], key))
}

/// As the kubelet makes `kubelet.crt`: a CA of the moment signs the leaf, travels behind it, and its
/// key is forgotten.
fn one_time_authority(
    host: &dyn HostRead,
    issuance: &Issuance,
    key: Option<PrivateKey>,
) -> Result<Minted, ExecuteError> {
    let content = Content::here(host, issuance)?;
    let subject_key = subject_key(host, issuance, key)?;
    let Content::Like { chain, .. } = &content else {
        return its_own_key(issuance, &content, subject_key);
    };
    let old_root = match chain.as_slice() {
        [_, .., root] => root,
        _ => return its_own_key(issuance, &content, subject_key),
    };
    let root_key = PrivateKey::generate(
        KeyType::like(&old_root.public_key().algorithm())
            .or_else(|| subject_key.as_ref().key_type())
            .unwrap_or(KeyType::EcdsaP256),
    )
    .map_err(key_error(issuance))?;
    let root_template = reissue::template(
        old_root,
        old_root,
        validity(issuance),
        root_key.public_key().clone(),
        random_serial(),
        None,
    )
    .map_err(super::content::plan_error(issuance))?;
    let root = Issuer::self_signed(&root_template, &root_key).map_err(issue_error(issuance))?;
    let issuer = Issuer::new(root.clone(), root_key).map_err(issue_error(issuance))?;
    let template = content.template(issuance, &root, subject_key.as_ref().public_key())?;
    let leaf = issuer.issue(&template).map_err(issue_error(issuance))?;
    Ok(Minted::signed(vec![leaf, root], subject_key))
}

pub(super) fn issue_error(
    issuance: &Issuance,
) -> impl Fn(kubepki_keys::IssueError) -> ExecuteError + '_ {
    |source| ExecuteError::Issue {
        name: issuance.name.clone(),
        source,
    }
}
