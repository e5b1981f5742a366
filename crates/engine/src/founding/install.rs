//! Certificates that somebody else signed: each is checked before it becomes part of the PKI.

use super::error::FoundingError;
use super::observe::certificates;
use crate::ports::{FILE_LIMIT, HostRead};
use jiff::Timestamp;
use kubepki_core::founding::{Certifies, Making};
use kubepki_keys::PrivateKey;
use kubepki_x509::{Certificate, ValidityState};
use std::path::Path;

/// Takes `NAME.crt` and `NAME.key` from `directory`. `authority` is what must have signed it.
pub fn take(
    host: &dyn HostRead,
    making: &Making,
    directory: &Path,
    authority: Option<&[Certificate]>,
    now: Timestamp,
) -> Result<(Vec<Certificate>, PrivateKey), FoundingError> {
    let path = directory.join(format!("{}.crt", making.file_stem()));
    let key_path = directory.join(format!("{}.key", making.file_stem()));
    let refuse = |reason: String| FoundingError::Install {
        path: path.clone(),
        reason,
    };
    let chain = certificates(host, &path)?;
    let key = PrivateKey::from_pem(&host.read(&key_path, FILE_LIMIT)?).map_err(|source| {
        FoundingError::KeyFile {
            path: key_path.clone(),
            source,
        }
    })?;
    let Some(certificate) = chain.first() else {
        return Err(refuse("it holds no certificate".to_owned()));
    };
    if certificate.public_key() != key.public_key() {
        return Err(refuse(format!(
            "its key is not that of {}",
            key_path.display()
        )));
    }
    if certificate.subject() != &making.subject {
        return Err(refuse(format!(
            "its subject is {}, expected {}",
            certificate.subject(),
            making.subject
        )));
    }
    if certificate.validity().state(now) == ValidityState::Expired {
        let end = certificate.validity().not_after;
        return Err(refuse(format!("it has expired already, at {end}")));
    }
    check_contents(making, certificate).map_err(refuse)?;
    if let Some(bundle) = authority
        && !leads_to(&chain, bundle)
    {
        return Err(refuse(format!(
            "it is signed by {}, which does not lead to the authority that was expected",
            certificate.issuer()
        )));
    }
    Ok((chain, key))
}

fn check_contents(making: &Making, certificate: &Certificate) -> Result<(), String> {
    match &making.certifies {
        Certifies::Authority { .. } if certificate.is_ca() => Ok(()),
        Certifies::Authority { .. } => Err("it is not a CA's: basicConstraints lack cA".to_owned()),
        Certifies::Leaf { usages, names } => {
            let found = certificate.subject_alt_names();
            let lacking: Vec<String> = names
                .iter()
                .filter(|name| !found.contains(name))
                .map(ToString::to_string)
                .collect();
            if !lacking.is_empty() {
                return Err(format!("it lacks the names {}", lacking.join(", ")));
            }
            let found = certificate.extended_key_usage().unwrap_or_default();
            let lacking: Vec<String> = usages
                .iter()
                .filter(|usage| !found.contains(usage))
                .map(ToString::to_string)
                .collect();
            if !lacking.is_empty() {
                return Err(format!(
                    "it lacks the extended key usages {}",
                    lacking.join(", ")
                ));
            }
            Ok(())
        }
    }
}

/// Whether some certificate of the chain, each signed by the next, was signed by one of `bundle`.
fn leads_to(chain: &[Certificate], bundle: &[Certificate]) -> bool {
    for (index, certificate) in chain.iter().enumerate() {
        if bundle
            .iter()
            .any(|ca| certificate.verify_issued_by(ca).is_ok())
        {
            return true;
        }
        let next = chain.get(index + 1);
        if next.is_none_or(|next| certificate.verify_issued_by(next).is_err()) {
            return false;
        }
    }
    false
}
