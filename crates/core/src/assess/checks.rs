//! The findings of a host's status, one function each, in the order in which people read them.
//!
//! Every check takes values and returns findings; none of them knows where the values came from.

use crate::assess::renewable::{fits, is_self_made};
use crate::assess::trust::{lacking, trust_authority};
use crate::model::{Authority, Entry, Finding, Holder, Inventory, KeyState, Role, Severity};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::{Certificate, KeyAlgorithm, ValidityState};

/// When an approaching end is worth a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Less than this left: a warning.
    pub warn: SignedDuration,
    /// Less than this left: critical.
    pub critical: SignedDuration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            warn: SignedDuration::from_hours(30 * 24),
            critical: SignedDuration::from_hours(7 * 24),
        }
    }
}

/// Findings about one entry.
pub fn entry(
    inventory: &Inventory,
    entry: &Entry,
    now: Timestamp,
    thresholds: &Thresholds,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    presence(entry, &mut findings);
    if let Some(certificate) = entry.certificate() {
        validity(certificate, now, thresholds, &mut findings);
        signed_by_known_authority(inventory, entry, certificate, &mut findings);
        outlives_authority(inventory, certificate, &mut findings);
        strength(certificate, &mut findings);
    }
    key(entry, &mut findings);
    kubeconfig_trust(inventory, entry, &mut findings);
    certificate_store(entry, &mut findings);
    findings
}

/// Findings about one authority.
pub fn authority(authority: &Authority, now: Timestamp, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(problem) = &authority.problem {
        findings.push(Finding::new("unreadable", Severity::Critical, problem));
    } else if authority.certificates.is_empty() {
        findings.push(Finding::new(
            "missing",
            Severity::Critical,
            format!("{} does not exist", authority.certificate_path.display()),
        ));
    }
    for certificate in &authority.certificates {
        validity(certificate, now, thresholds, &mut findings);
        strength(certificate, &mut findings);
        if !certificate.is_ca() {
            findings.push(Finding::new(
                "not-a-ca",
                Severity::Critical,
                format!("{} is not a CA certificate", certificate.subject()),
            ));
        }
    }
    match &authority.key {
        KeyState::Present { public_key, mode } => {
            let matches = authority
                .certificates
                .iter()
                .any(|certificate| certificate.public_key() == public_key);
            if !matches && !authority.certificates.is_empty() {
                findings.push(Finding::new(
                    "key-mismatch",
                    Severity::Critical,
                    "the key beside it belongs to another certificate",
                ));
            }
            mode_of_key(*mode, &mut findings);
        }
        KeyState::Unreadable(reason) => {
            findings.push(Finding::new("key-unreadable", Severity::Warning, reason));
        }
        // Kept under a passphrase it is no worse than kept elsewhere.
        KeyState::Unusable(reason) => {
            findings.push(Finding::new("key-unusable", Severity::Warning, reason));
        }
        KeyState::Absent | KeyState::NotExpected => {}
    }
    findings
}

fn presence(entry: &Entry, findings: &mut Vec<Finding>) {
    if entry.is_bootstrap_token() {
        findings.push(Finding::new(
            "bootstrap-token",
            Severity::Info,
            "its user is a bootstrap token: nothing needs it once the kubelet has its certificate",
        ));
    } else if let Some(problem) = &entry.problem {
        findings.push(Finding::new("unreadable", Severity::Critical, problem));
    } else if entry.chain.is_empty() && entry.required {
        // What nobody names nobody misses; kubeadm lists it all the same.
        let severity = if entry.used_by.is_empty() {
            Severity::Info
        } else {
            Severity::Critical
        };
        findings.push(Finding::new(
            "missing",
            severity,
            format!("{} does not exist", entry.holder),
        ));
    }
}

fn validity(
    certificate: &Certificate,
    now: Timestamp,
    thresholds: &Thresholds,
    findings: &mut Vec<Finding>,
) {
    let validity = certificate.validity();
    match validity.state(now) {
        ValidityState::NotYetValid => findings.push(Finding::new(
            "not-yet-valid",
            Severity::Critical,
            format!("not valid before {}", validity.not_before),
        )),
        ValidityState::Expired => findings.push(Finding::new(
            "expired",
            Severity::Critical,
            format!("expired at {}", validity.not_after),
        )),
        ValidityState::Valid => {
            let left = validity.remaining(now);
            let severity = if left < thresholds.critical {
                Severity::Critical
            } else if left < thresholds.warn {
                Severity::Warning
            } else {
                return;
            };
            findings.push(Finding::new(
                "expires-soon",
                severity,
                format!("expires at {}", validity.not_after),
            ));
        }
    }
}

fn signed_by_known_authority(
    inventory: &Inventory,
    entry: &Entry,
    certificate: &Certificate,
    findings: &mut Vec<Finding>,
) {
    let expected = entry.expected_authority.as_deref();
    match inventory.issuer_of(certificate) {
        Some((found, _)) if !fits(inventory, entry, found) => findings.push(Finding::new(
            "signed-by-other-ca",
            Severity::Critical,
            format!(
                "signed by {}, expected {}",
                found.name,
                expected.unwrap_or_default()
            ),
        )),
        Some(_) => {}
        None if is_self_made(entry) && entry.role == Role::KubeletServing => {}
        None => {
            let Some(authority) = expected.and_then(|name| inventory.authority(name)) else {
                return;
            };
            let Some(ca) = authority.issuing() else {
                return;
            };
            let message = if certificate.issuer() == ca.subject() {
                format!(
                    "its issuer is named like {} ({}) but another key signed it",
                    authority.name,
                    ca.subject()
                )
            } else {
                format!(
                    "signed by {}, expected {} ({})",
                    certificate.issuer(),
                    authority.name,
                    ca.subject()
                )
            };
            findings.push(Finding::new(
                "not-signed-by-ca",
                Severity::Critical,
                message,
            ));
        }
    }
}

fn outlives_authority(
    inventory: &Inventory,
    certificate: &Certificate,
    findings: &mut Vec<Finding>,
) {
    if let Some((authority, ca)) = inventory.issuer_of(certificate)
        && certificate.validity().not_after > ca.validity().not_after
    {
        findings.push(Finding::new(
            "outlives-ca",
            Severity::Warning,
            format!(
                "{} ends first, at {}",
                authority.name,
                ca.validity().not_after
            ),
        ));
    }
}

fn strength(certificate: &Certificate, findings: &mut Vec<Finding>) {
    if let KeyAlgorithm::Rsa { bits } = certificate.public_key().algorithm()
        && bits < 2048
    {
        findings.push(Finding::new(
            "weak-key",
            Severity::Warning,
            format!("RSA key of {bits} bits, expected at least 2048"),
        ));
    }
    if certificate.signature_algorithm().is_weak() && !certificate.is_self_signed() {
        findings.push(Finding::new(
            "weak-signature",
            Severity::Warning,
            format!("signed with {}", certificate.signature_algorithm()),
        ));
    }
}

fn key(entry: &Entry, findings: &mut Vec<Finding>) {
    match &entry.key {
        KeyState::Present { public_key, mode } => {
            if let Some(certificate) = entry.certificate()
                && certificate.public_key() != public_key
            {
                findings.push(Finding::new(
                    "key-mismatch",
                    Severity::Critical,
                    "the key beside it belongs to another certificate",
                ));
            }
            mode_of_key(*mode, findings);
        }
        KeyState::Absent if entry.certificate().is_some() => findings.push(Finding::new(
            "key-missing",
            Severity::Critical,
            match entry.holder.key_path() {
                Some(path) => format!("its key {} does not exist", path.display()),
                None => "it has no key".to_owned(),
            },
        )),
        KeyState::Unreadable(reason) => {
            findings.push(Finding::new("key-unreadable", Severity::Warning, reason));
        }
        KeyState::Unusable(reason) => {
            findings.push(Finding::new("key-unusable", Severity::Critical, reason));
        }
        KeyState::Absent | KeyState::NotExpected => {}
    }
}

fn mode_of_key(mode: u32, findings: &mut Vec<Finding>) {
    if mode & 0o007 != 0 {
        findings.push(Finding::new(
            "key-readable-by-others",
            Severity::Warning,
            format!("the key's mode is {mode:04o}, expected 0600"),
        ));
    }
}

fn kubeconfig_trust(inventory: &Inventory, entry: &Entry, findings: &mut Vec<Finding>) {
    let Some(kubeconfig) = &entry.kubeconfig else {
        return;
    };
    for trust in &inventory.embedded_trust {
        if trust.kubeconfig != *kubeconfig {
            continue;
        }
        let Some(authority) = trust_authority(inventory, trust) else {
            continue;
        };
        let lacks = lacking(authority, trust);
        if lacks > 0 {
            findings.push(Finding::new(
                "ca-data-stale",
                Severity::Warning,
                format!(
                    "the certificate-authority-data of cluster {} in {} lacks {lacks} of the {} certificates in {}",
                    trust.cluster,
                    trust.kubeconfig.display(),
                    authority.certificates.len(),
                    authority.certificate_path.display()
                ),
            ));
        }
    }
}

fn certificate_store(entry: &Entry, findings: &mut Vec<Finding>) {
    if let Holder::CertificateStore { link, target: None } = &entry.holder
        && !entry.chain.is_empty()
    {
        findings.push(Finding::new(
            "not-a-symlink",
            Severity::Warning,
            format!(
                "{} is a regular file: the kubelet cannot rotate it, expected a symbolic link",
                link.display()
            ),
        ));
    }
    let embedded = matches!(entry.holder, Holder::Kubeconfig { .. }) && !entry.chain.is_empty();
    if entry.role == Role::KubeletClient && (embedded || entry.embedded_copy.is_some()) {
        findings.push(Finding::new(
            "embedded-kubelet-certificate",
            Severity::Info,
            "the kubelet's kubeconfig embeds a certificate, which will never be rotated",
        ));
    }
}
