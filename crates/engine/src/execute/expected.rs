//! What a certificate from outside must say before it may take the place of an old one: all that the
//! old one said. Dates, key and authority are asked beside this, where they are known.

use super::content::Content;
use kubepki_core::plan::{Issuance, names};
use kubepki_x509::{Certificate, ExtendedKeyUsage, GeneralName, KeyUsage, Name};

/// Whether some certificate of the chain, each signed by the next, was signed by `ca`.
pub(super) fn leads_to(chain: &[Certificate], ca: &Certificate) -> bool {
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
pub(super) struct Expected {
    subject: Name,
    names: Vec<String>,
    usages: Vec<ExtendedKeyUsage>,
    is_ca: bool,
}

impl Expected {
    /// What `content` and the plan say.
    pub(super) fn of(content: &Content, issuance: &Issuance) -> Self {
        let planned = issuance.subject_alt_names.clone();
        match content.certificate() {
            Some(old) => Self {
                subject: content.subject().clone(),
                names: planned.unwrap_or_else(|| spelled(&old.subject_alt_names())),
                usages: old.extended_key_usage().unwrap_or_default(),
                is_ca: old.is_ca(),
            },
            None => Self {
                subject: content.subject().clone(),
                names: planned.unwrap_or_default(),
                usages: vec![ExtendedKeyUsage::ClientAuth],
                is_ca: false,
            },
        }
    }

    /// What is wrong with a new certificate.
    pub(super) fn check(&self, new: &Certificate) -> Result<(), String> {
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
