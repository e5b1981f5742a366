//! Certificates that somebody else signed, taken back: each is checked before it may replace the old.
//!
//! A wrong certificate in the right place is worse than an expired one, so everything that the old
//! one said must be said by the new one: subject, names, usages, the authority and the key.

use super::error::ExecuteError;
use super::mint::{Minted, certificates, old_certificate};
use super::subject_key::key_error;
use crate::ports::FILE_LIMIT;
use crate::ports::HostRead;
use jiff::Timestamp;
use kubepki_core::plan::{Issuance, Origin, names};
use kubepki_keys::PrivateKey;
use kubepki_x509::{Certificate, ExtendedKeyUsage, GeneralName, KeyUsage, Name, ValidityState};
use std::path::Path;

/// Takes `NAME.crt` and `NAME.key` from `directory`.
pub(super) fn take(
    host: &dyn HostRead,
    issuance: &Issuance,
    directory: &Path,
    authority: Option<&Path>,
    now: Timestamp,
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
    let validity = certificate.validity();
    match validity.state(now) {
        ValidityState::Valid => {}
        ValidityState::Expired => {
            return Err(refuse(format!(
                "it has expired already, at {}",
                validity.not_after
            )));
        }
        ValidityState::NotYetValid => {
            return Err(refuse(format!(
                "it is not valid before {}",
                validity.not_before
            )));
        }
    }
    let expected = match &issuance.origin {
        Origin::Certificate { .. } | Origin::Template { .. } => {
            Expected::of(&old_certificate(host, issuance)?, issuance)
        }
        Origin::Client {
            common_name,
            organizations,
        } => Expected::client(common_name, organizations, issuance),
    };
    expected.check(certificate).map_err(refuse)?;
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

/// What the old certificate said and the new one must say.
struct Expected {
    subject: Name,
    names: Vec<String>,
    usages: Vec<ExtendedKeyUsage>,
    is_ca: bool,
}

impl Expected {
    fn of(old: &Certificate, issuance: &Issuance) -> Self {
        Self {
            subject: old.subject().clone(),
            names: match &issuance.subject_alt_names {
                Some(names) => names.clone(),
                None => spelled(&old.subject_alt_names()),
            },
            usages: old.extended_key_usage().unwrap_or_default(),
            is_ca: old.is_ca(),
        }
    }

    fn client(common_name: &str, organizations: &[String], issuance: &Issuance) -> Self {
        let organizations: Vec<&str> = organizations.iter().map(String::as_str).collect();
        Self {
            subject: Name::common(common_name, &organizations),
            names: issuance.subject_alt_names.clone().unwrap_or_default(),
            usages: vec![ExtendedKeyUsage::ClientAuth],
            is_ca: false,
        }
    }

    fn check(&self, new: &Certificate) -> Result<(), String> {
        // Signers write the same words as other string types, and Kubernetes compares words.
        if self.subject.to_string() != new.subject().to_string() {
            return Err(format!(
                "its subject is {}, expected {}",
                new.subject(),
                self.subject
            ));
        }
        if new.is_ca() && !self.is_ca {
            return Err("it is a CA certificate, expected an end-entity certificate".to_owned());
        }
        let found = spelled(&new.subject_alt_names());
        let lacking: Vec<&str> = self
            .names
            .iter()
            .filter(|name| !found.contains(name))
            .map(String::as_str)
            .collect();
        if !lacking.is_empty() {
            return Err(format!(
                "it lacks the names {}; it holds {}",
                lacking.join(", "),
                if found.is_empty() {
                    "none".to_owned()
                } else {
                    found.join(", ")
                }
            ));
        }
        let found = new.extended_key_usage().unwrap_or_default();
        let lacking: Vec<String> = self
            .usages
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
        match new.key_usage() {
            Some(usage) if !usage.contains(KeyUsage::DIGITAL_SIGNATURE) => {
                Err("its key usage lacks digitalSignature, which TLS demands".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn spelled(names: &[GeneralName]) -> Vec<String> {
    names.iter().map(names::spelled).collect()
}
