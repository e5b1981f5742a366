//! Certificates that somebody else signed, taken back: each is checked before it may replace the old.
//!
//! A wrong certificate in the right place is worse than an expired one, so everything that the old
//! one said must be said by the new one: subject, names, usages, the authority and the key.

use super::error::ExecuteError;
use super::mint::{Minted, certificates, key_error, old_certificate};
use crate::ports::FILE_LIMIT;
use crate::ports::HostRead;
use kubepki_core::plan::{Issuance, Origin};
use kubepki_keys::PrivateKey;
use kubepki_x509::{Certificate, ExtendedKeyUsage, GeneralName};
use std::path::Path;

/// Takes `NAME.crt` and `NAME.key` from `directory`.
pub(super) fn take(
    host: &dyn HostRead,
    issuance: &Issuance,
    directory: &Path,
    authority: Option<&Path>,
) -> Result<Minted, ExecuteError> {
    let certificate_path = directory.join(format!("{}.crt", issuance.file_stem()));
    let key_path = directory.join(format!("{}.key", issuance.file_stem()));
    let refuse = |reason: String| ExecuteError::Install {
        path: certificate_path.clone(),
        reason,
    };
    let chain = certificates(
        &certificate_path,
        &host.read(&certificate_path, FILE_LIMIT)?,
    )?;
    let Some(certificate) = chain.first() else {
        return Err(refuse("it holds no certificate".to_owned()));
    };
    let key =
        PrivateKey::from_pem(&host.read(&key_path, FILE_LIMIT)?).map_err(key_error(issuance))?;
    if key.public_key() != certificate.public_key() {
        return Err(refuse(format!(
            "its public key is not that of {}",
            key_path.display()
        )));
    }
    if certificate.validity().not_after <= issuance.not_before {
        return Err(refuse(format!(
            "it has expired already, at {}",
            certificate.validity().not_after
        )));
    }
    if let Origin::Certificate { .. } = &issuance.origin {
        let old = old_certificate(host, issuance)?;
        same_content(&old, certificate, issuance).map_err(refuse)?;
    }
    if let Some(bundle) = authority {
        let authorities = certificates(bundle, &host.read(bundle, FILE_LIMIT)?)?;
        let signed = authorities.iter().any(|ca| leads_to(&chain, ca));
        if !signed {
            return Err(refuse(format!(
                "signed by {}, expected one of {}",
                certificate.issuer(),
                bundle.display()
            )));
        }
    }
    Ok(Minted {
        chain,
        request: None,
        key: Some(key),
    })
}

/// Whether some certificate of the chain, each signed by the next, was signed by `ca`.
fn leads_to(chain: &[Certificate], ca: &Certificate) -> bool {
    for (index, certificate) in chain.iter().enumerate() {
        if certificate.verify_issued_by(ca).is_ok() {
            return true;
        }
        match chain.get(index + 1) {
            Some(next) if certificate.verify_issued_by(next).is_ok() => {}
            _ => return false,
        }
    }
    false
}

fn same_content(old: &Certificate, new: &Certificate, issuance: &Issuance) -> Result<(), String> {
    if old.subject() != new.subject() {
        return Err(format!(
            "its subject is {}, expected {}",
            new.subject(),
            old.subject()
        ));
    }
    let expected: Vec<String> = match &issuance.subject_alt_names {
        Some(names) => names.clone(),
        None => shown(&old.subject_alt_names()),
    };
    let found = shown(&new.subject_alt_names());
    let lacking: Vec<&String> = expected
        .iter()
        .filter(|name| !found.contains(name))
        .collect();
    if !lacking.is_empty() {
        return Err(format!(
            "it lacks the names {lacking:?}; it holds {found:?}"
        ));
    }
    let usages = |certificate: &Certificate| -> Vec<ExtendedKeyUsage> {
        certificate.extended_key_usage().unwrap_or_default()
    };
    let found = usages(new);
    let lacking: Vec<String> = usages(old)
        .iter()
        .filter(|usage| !found.contains(usage))
        .map(ToString::to_string)
        .collect();
    if !lacking.is_empty() {
        return Err(format!("it lacks the extended key usages {lacking:?}"));
    }
    Ok(())
}

fn shown(names: &[GeneralName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
