//! Minting: the keys and certificates of a plan, made in memory and written nowhere.
//!
//! Keys come first and in parallel (RSA generation is nearly all of a renewal's time), then renewed
//! authorities, then everything that they and the others sign.

use super::authorities::Authorities;
use super::error::ExecuteError;
use super::subject_key::{SubjectKey, generate_keys, key_error, subject_key};
use crate::ports::FILE_LIMIT;
use crate::ports::HostRead;
use jiff::Timestamp;
use kubepki_core::model::Holder;
use kubepki_core::plan::names;
use kubepki_core::plan::{Issuance, Origin, Plan, Signer};
use kubepki_keys::{Issuer, KeyType, PrivateKey, random_serial, sign_request};
use kubepki_sealed::Sealed;
use kubepki_x509::profile;
use kubepki_x509::{
    Certificate, CertificateTemplate, CertificationRequest, CertificationRequestInfo,
    ExtendedKeyUsage, GeneralName, Name, Validity, pem, reissue,
};
use std::path::Path;

/// What was made for one issuance.
pub struct Minted {
    /// The certificate first, then certificates that must travel with it.
    pub chain: Vec<Certificate>,
    /// The request, when somebody else signs.
    pub request: Option<CertificationRequest>,
    /// The new key; `None` when the old one stays.
    pub key: Option<PrivateKey>,
}

/// Makes everything that `plan` issues, in the plan's order. What was signed elsewhere must be valid
/// at `now`.
pub fn mint(host: &dyn HostRead, plan: &Plan, now: Timestamp) -> Result<Vec<Minted>, ExecuteError> {
    let mut keys = generate_keys(&plan.issuances)?;
    let mut authorities = Authorities::new(host);
    let mut minted = Vec::with_capacity(plan.issuances.len());
    for (issuance, key) in plan.issuances.iter().zip(keys.drain(..)) {
        let made = one(host, issuance, key, &mut authorities, now)?;
        if let (
            Signer::ItsOwnKey,
            Origin::Certificate {
                fingerprint_sha256, ..
            },
        ) = (&issuance.signer, &issuance.origin)
            && let Some(certificate) = made.chain.first()
        {
            authorities.renewed(fingerprint_sha256, certificate.clone());
        }
        minted.push(made);
    }
    Ok(minted)
}

fn one(
    host: &dyn HostRead,
    issuance: &Issuance,
    key: Option<PrivateKey>,
    authorities: &mut Authorities<'_>,
    now: Timestamp,
) -> Result<Minted, ExecuteError> {
    match &issuance.signer {
        Signer::Authority {
            certificate,
            key: key_path,
            fingerprint_sha256,
            ..
        } => {
            let issuer = authorities.issuer(issuance, certificate, key_path, fingerprint_sha256)?;
            let subject_key = subject_key(host, issuance, key)?;
            let template = template(host, issuance, issuer.certificate(), subject_key.as_ref())?;
            let certificate = issuer.issue(&template).map_err(issue_error(issuance))?;
            Ok(Minted {
                chain: vec![certificate],
                request: None,
                key: subject_key.into_new(),
            })
        }
        Signer::ItsOwnKey => {
            let subject_key = subject_key(host, issuance, key)?;
            let old = old_certificate(host, issuance)?;
            let template = template(host, issuance, &old, subject_key.as_ref())?;
            let certificate = Issuer::self_signed(&template, subject_key.as_ref())
                .map_err(issue_error(issuance))?;
            Ok(Minted {
                chain: vec![certificate],
                request: None,
                key: subject_key.into_new(),
            })
        }
        Signer::Elsewhere { .. } | Signer::Given { .. } => Err(ExecuteError::Plan {
            name: issuance.name.clone(),
            reason: "its certificate has to be brought along".to_owned(),
        }),
        Signer::OneTimeAuthority => one_time_authority(host, issuance, key),
        Signer::Request { .. } => request(host, issuance, key),
        Signer::Installed {
            directory,
            authority,
        } => super::install::take(host, issuance, directory, authority.as_deref(), now),
    }
}

fn template(
    host: &dyn HostRead,
    issuance: &Issuance,
    issuer: &Certificate,
    key: &PrivateKey,
) -> Result<CertificateTemplate, ExecuteError> {
    let validity = validity(issuance);
    let names = names(issuance)?;
    match &issuance.origin {
        Origin::Certificate { .. } => {
            let old = old_certificate(host, issuance)?;
            reissue::template(
                &old,
                issuer,
                validity,
                key.public_key().clone(),
                random_serial(),
                names.as_deref(),
            )
            .map_err(plan_error(issuance))
        }
        Origin::Template { .. } => Err(ExecuteError::Plan {
            name: issuance.name.clone(),
            reason: "it has no template".to_owned(),
        }),
        Origin::Client {
            common_name,
            organizations,
        } => {
            let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
            let subject = Name::common(common_name, &organizations);
            let extensions = profile::leaf(
                &subject,
                &[ExtendedKeyUsage::ClientAuth],
                &names.unwrap_or_default(),
                issuer,
            );
            Ok(CertificateTemplate {
                serial_number: random_serial(),
                validity,
                subject,
                public_key: key.public_key().clone(),
                extensions,
            })
        }
    }
}

/// As the kubelet makes `kubelet.crt`: a CA of the moment signs the leaf, travels behind it, and its
/// key is forgotten.
fn one_time_authority(
    host: &dyn HostRead,
    issuance: &Issuance,
    key: Option<PrivateKey>,
) -> Result<Minted, ExecuteError> {
    let old_chain = old_chain(host, issuance)?;
    let subject_key = subject_key(host, issuance, key)?;
    let Some(old_root) = old_chain.last() else {
        return Err(no_certificate(issuance));
    };
    if old_chain.len() == 1 {
        let template = template(host, issuance, old_root, subject_key.as_ref())?;
        let certificate =
            Issuer::self_signed(&template, subject_key.as_ref()).map_err(issue_error(issuance))?;
        return Ok(Minted {
            chain: vec![certificate],
            request: None,
            key: subject_key.into_new(),
        });
    }
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
    .map_err(plan_error(issuance))?;
    let root = Issuer::self_signed(&root_template, &root_key).map_err(issue_error(issuance))?;
    let issuer = Issuer::new(root.clone(), root_key).map_err(issue_error(issuance))?;
    let template = template(host, issuance, &root, subject_key.as_ref())?;
    let leaf = issuer.issue(&template).map_err(issue_error(issuance))?;
    Ok(Minted {
        chain: vec![leaf, root],
        request: None,
        key: subject_key.into_new(),
    })
}

/// A request carries what the signer must put into the certificate: names and usages too, which
/// kubeadm's own requests leave out.
fn request(
    host: &dyn HostRead,
    issuance: &Issuance,
    key: Option<PrivateKey>,
) -> Result<Minted, ExecuteError> {
    let subject_key = subject_key(host, issuance, key)?;
    let (subject, extensions) = match &issuance.origin {
        Origin::Certificate { .. } => {
            let old = old_certificate(host, issuance)?;
            let names = names(issuance)?;
            let extensions =
                reissue::requested(&old, names.as_deref()).map_err(plan_error(issuance))?;
            (old.subject().clone(), extensions)
        }
        Origin::Template { .. } => {
            return Err(ExecuteError::Plan {
                name: issuance.name.clone(),
                reason: "it has no template".to_owned(),
            });
        }
        Origin::Client {
            common_name,
            organizations,
        } => {
            let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
            let subject = Name::common(common_name, &organizations);
            let names = names(issuance)?.unwrap_or_default();
            let extensions = profile::requested(&subject, &[ExtendedKeyUsage::ClientAuth], &names);
            (subject, extensions)
        }
    };
    let request = CertificationRequestInfo {
        subject,
        public_key: subject_key.as_ref().public_key().clone(),
        extensions,
    };
    let request = sign_request(&request, subject_key.as_ref()).map_err(issue_error(issuance))?;
    let (SubjectKey::New(key) | SubjectKey::Kept(key)) = subject_key;
    Ok(Minted {
        chain: Vec::new(),
        request: Some(request),
        key: Some(key),
    })
}

fn validity(issuance: &Issuance) -> Validity {
    Validity {
        not_before: issuance.not_before,
        not_after: issuance.not_after,
    }
}

fn names(issuance: &Issuance) -> Result<Option<Vec<GeneralName>>, ExecuteError> {
    let Some(names) = &issuance.subject_alt_names else {
        return Ok(None);
    };
    names
        .iter()
        .map(|name| {
            names::read(name).ok_or_else(|| ExecuteError::Plan {
                name: issuance.name.clone(),
                reason: format!("`{name}` is no subject alternative name"),
            })
        })
        .collect::<Result<Vec<GeneralName>, _>>()
        .map(Some)
}

pub(super) fn old_certificate(
    host: &dyn HostRead,
    issuance: &Issuance,
) -> Result<Certificate, ExecuteError> {
    old_chain(host, issuance)?
        .into_iter()
        .next()
        .ok_or_else(|| no_certificate(issuance))
}

fn old_chain(host: &dyn HostRead, issuance: &Issuance) -> Result<Vec<Certificate>, ExecuteError> {
    let Origin::Certificate {
        holder,
        fingerprint_sha256,
        ..
    } = &issuance.origin
    else {
        return Err(no_certificate(issuance));
    };
    let path = holder.path();
    let contents = host.read(path, FILE_LIMIT)?;
    let mut chain = match holder {
        Holder::Kubeconfig { user, .. } => super::render::kubeconfig_chain(path, &contents, user)?,
        _ => certificates(path, &contents)?,
    };
    // A CA bundle may hold others before the one that is meant.
    if let Some(index) = chain.iter().position(|certificate| {
        hex::encode(certificate.fingerprint_sha256()) == *fingerprint_sha256
    }) {
        chain.drain(..index);
        return Ok(chain);
    }
    Err(ExecuteError::Format {
        path: path.to_owned(),
        reason: format!(
            "expected the certificate sha256:{}, it is no longer there",
            fingerprint_sha256
        ),
    })
}

pub(super) fn certificates(
    path: &Path,
    contents: &Sealed,
) -> Result<Vec<Certificate>, ExecuteError> {
    pem::certificates(kubepki_sealed::danger::open(contents)).map_err(|error| {
        ExecuteError::Format {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    })
}

pub(super) fn issue_error(
    issuance: &Issuance,
) -> impl Fn(kubepki_keys::IssueError) -> ExecuteError + '_ {
    |source| ExecuteError::Issue {
        name: issuance.name.clone(),
        source,
    }
}

fn plan_error<E: std::fmt::Display>(issuance: &Issuance) -> impl Fn(E) -> ExecuteError + '_ {
    |error| ExecuteError::Plan {
        name: issuance.name.clone(),
        reason: error.to_string(),
    }
}

fn no_certificate(issuance: &Issuance) -> ExecuteError {
    ExecuteError::Plan {
        name: issuance.name.clone(),
        reason: "there is no certificate to renew".to_owned(),
    }
}
