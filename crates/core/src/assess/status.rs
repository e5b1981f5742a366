//! The status of one host: rows for people and machines.
//!
//! The JSON form is a superset of `kubeadm certs check-expiration -o json`
//! (`output.kubeadm.k8s.io/v1alpha3`, kind `CertificateExpirationInfo`): what kubeadm has keeps
//! kubeadm's field names, in `certificates[]` and `certificateAuthorities[]`.

use super::checks::{self, Thresholds};
use super::renewable::{SigningAuthority, is_self_made, signing_authority};
use crate::layouts::{LayoutKind, recognise};
use crate::model::{
    Authority, Entry, Finding, Gap, Holder, Inventory, KeyState, Role, ServiceAccountKeyContents,
    Severity, UsedBy,
};
use jiff::Timestamp;
use serde::Serialize;

/// The status of one host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `kubepki.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Status`.
    pub kind: &'static str,
    /// The host's name.
    pub host: String,
    /// Which layout the host follows.
    pub layout: LayoutRow,
    /// The time that everything is judged against.
    pub evaluated_at: Timestamp,
    /// Certificates in use, kubeadm's names first, each list sorted by name.
    pub certificates: Vec<CertificateRow>,
    /// Certification authorities.
    pub certificate_authorities: Vec<AuthorityRow>,
    /// Service-account keys; they do not expire.
    pub service_account_keys: Vec<ServiceAccountKeyRow>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// The layout of a host.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutRow {
    /// Its name, e.g. `kubeadm`.
    pub name: LayoutKind,
    /// By what it was told.
    pub evidence: String,
    /// The distribution that sees to the certificates itself; nothing of it is written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<&'static str>,
    /// The distribution's own way to renew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<&'static str>,
}

/// One certificate in use.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRow {
    /// kubeadm's name, or the tool's own, or the path.
    pub name: String,
    /// End of validity; `null` when there is no certificate.
    pub expiration_date: Option<Timestamp>,
    /// Seconds left; negative when past and 0 when there is no certificate, as kubeadm reports it.
    pub residual_time: i64,
    /// Whether its CA's key is kept elsewhere.
    pub externally_managed: bool,
    /// The authority that signed it, or should have.
    pub ca_name: String,
    /// Whether it is missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// What it is for.
    pub role: Role,
    /// The file that people know it by.
    pub path: String,
    /// What a symbolic link points at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_target: Option<String>,
    /// Subject, every RDN.
    pub subject: Option<String>,
    /// Issuer, every RDN.
    pub issuer: Option<String>,
    /// Serial number, hexadecimal.
    pub serial_number: Option<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint_sha256: Option<String>,
    /// Start of validity.
    pub not_before: Option<Timestamp>,
    /// Subject alternative names.
    pub subject_alt_names: Vec<String>,
    /// e.g. `RSA-2048`.
    pub key_type: Option<String>,
    /// Whether the authority named in `caName` signed it, by signature; `null` when unknown.
    pub signed_by_ca: Option<bool>,
    /// Whether the key beside it matches; `null` when there is none or it cannot be read.
    pub key_matches: Option<bool>,
    /// Whether `kubepki renew` can renew it here.
    pub renewable: bool,
    /// Why not, when it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_renewable_reason: Option<String>,
    /// Components and flags that name it.
    pub used_by: Vec<UsedBy>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One certificate of a certification authority.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityRow {
    /// `ca`, `etcd-ca`, `front-proxy-ca`, or the path.
    pub name: String,
    /// End of validity of the issuing certificate.
    pub expiration_date: Option<Timestamp>,
    /// Seconds left, as above.
    pub residual_time: i64,
    /// Whether its key is kept elsewhere.
    pub externally_managed: bool,
    /// Whether it is missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// Which of the cluster's authorities.
    pub role: Role,
    /// The bundle's path.
    pub path: String,
    /// The key's path.
    pub key_path: Option<String>,
    /// Subject of the issuing certificate.
    pub subject: Option<String>,
    /// SHA-256 of the issuing certificate.
    pub fingerprint_sha256: Option<String>,
    /// Start of validity of the issuing certificate.
    pub not_before: Option<Timestamp>,
    /// e.g. `RSA-2048`.
    pub key_type: Option<String>,
    /// Whether its key matches.
    pub key_matches: Option<bool>,
    /// Certificates in the bundle.
    pub bundle_size: usize,
    /// Components and flags that name it.
    pub used_by: Vec<UsedBy>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One service-account key file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountKeyRow {
    /// The file.
    pub path: String,
    /// `private` or `public`; `null` when unreadable.
    pub half: Option<&'static str>,
    /// e.g. `RSA-2048`, one for each key.
    pub key_types: Vec<String>,
    /// SHA-256 of each public key, hexadecimal.
    pub fingerprints_sha256: Vec<String>,
    /// Components and flags that name it.
    pub used_by: Vec<UsedBy>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl Status {
    /// The gravest severity among all findings.
    pub fn worst(&self) -> Option<Severity> {
        let certificates = self.certificates.iter().flat_map(|row| &row.findings);
        let authorities = self
            .certificate_authorities
            .iter()
            .flat_map(|row| &row.findings);
        let keys = self
            .service_account_keys
            .iter()
            .flat_map(|row| &row.findings);
        certificates
            .chain(authorities)
            .chain(keys)
            .map(|finding| finding.severity)
            .max()
    }
}

/// Judges an inventory at `now`.
pub fn assess(inventory: &Inventory, now: Timestamp, thresholds: &Thresholds) -> Status {
    Status {
        api_version: "kubepki.dev/v1alpha1",
        kind: "Status",
        host: inventory.host.clone(),
        layout: layout_row(inventory),
        evaluated_at: now,
        certificates: inventory
            .entries
            .iter()
            .filter(|entry| {
                entry.required
                    || !entry.chain.is_empty()
                    || entry.problem.is_some()
                    || entry.is_bootstrap_token()
            })
            .map(|entry| certificate_row(inventory, entry, now, thresholds))
            .collect(),
        certificate_authorities: inventory
            .authorities
            .iter()
            .map(|authority| authority_row(authority, now, thresholds))
            .collect(),
        service_account_keys: service_account_rows(inventory),
        gaps: inventory.gaps.clone(),
    }
}

fn layout_row(inventory: &Inventory) -> LayoutRow {
    let recognised = recognise(inventory);
    LayoutRow {
        name: recognised.kind,
        evidence: recognised.evidence,
        managed_by: recognised.vendor.map(|vendor| vendor.program),
        renewal: recognised.vendor.map(|vendor| vendor.renewal),
    }
}

fn certificate_row(
    inventory: &Inventory,
    entry: &Entry,
    now: Timestamp,
    thresholds: &Thresholds,
) -> CertificateRow {
    let certificate = entry.certificate();
    let signer = certificate.and_then(|certificate| inventory.issuer_of(certificate));
    let ca_name = match signer {
        Some((authority, _)) => authority.name.clone(),
        None if is_self_made(entry) => "self".to_owned(),
        None => entry.expected_authority.clone().unwrap_or_default(),
    };
    let (renewable, not_renewable_reason) = match signing_authority(inventory, entry, now) {
        Ok(SigningAuthority::Authority { .. } | SigningAuthority::SelfMade) => (true, None),
        Err(reason) => (false, Some(reason.to_string())),
    };
    CertificateRow {
        name: entry.name.clone(),
        expiration_date: certificate.map(|c| c.validity().not_after),
        residual_time: residual(certificate, now),
        externally_managed: inventory
            .authority(&ca_name)
            .is_some_and(Authority::is_external),
        missing: certificate.is_none() && entry.problem.is_none() && !entry.is_bootstrap_token(),
        role: entry.role,
        path: entry.holder.path().display().to_string(),
        link_target: match &entry.holder {
            Holder::CertificateStore { target, .. } => {
                target.as_ref().map(|target| target.display().to_string())
            }
            _ => None,
        },
        subject: certificate.map(|c| c.subject().to_string()),
        issuer: certificate.map(|c| c.issuer().to_string()),
        serial_number: certificate.map(|c| c.serial_number().to_string()),
        fingerprint_sha256: certificate.map(fingerprint),
        not_before: certificate.map(|c| c.validity().not_before),
        subject_alt_names: certificate
            .map(|c| c.subject_alt_names())
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
        key_type: certificate.map(|c| c.public_key().algorithm().to_string()),
        signed_by_ca: certificate
            .map(|_| signer.is_some() || is_self_made(entry))
            .filter(|signed| *signed || inventory.authority(&ca_name).is_some()),
        key_matches: key_matches(&entry.key, certificate.map(|c| c.public_key())),
        renewable,
        not_renewable_reason,
        used_by: entry.used_by.clone(),
        findings: checks::entry(inventory, entry, now, thresholds),
        ca_name,
    }
}

fn authority_row(authority: &Authority, now: Timestamp, thresholds: &Thresholds) -> AuthorityRow {
    let certificate = authority.issuing();
    AuthorityRow {
        name: authority.name.clone(),
        expiration_date: certificate.map(|c| c.validity().not_after),
        residual_time: residual(certificate, now),
        externally_managed: authority.is_external(),
        missing: authority.certificates.is_empty() && authority.problem.is_none(),
        role: authority.role,
        path: authority.certificate_path.display().to_string(),
        key_path: authority
            .key_path
            .as_ref()
            .map(|path| path.display().to_string()),
        subject: certificate.map(|c| c.subject().to_string()),
        fingerprint_sha256: certificate.map(fingerprint),
        not_before: certificate.map(|c| c.validity().not_before),
        key_type: certificate.map(|c| c.public_key().algorithm().to_string()),
        key_matches: key_matches(&authority.key, certificate.map(|c| c.public_key())),
        bundle_size: authority.certificates.len(),
        used_by: authority.used_by.clone(),
        findings: checks::authority(authority, now, thresholds),
    }
}

fn service_account_rows(inventory: &Inventory) -> Vec<ServiceAccountKeyRow> {
    inventory
        .service_account_keys
        .iter()
        .map(|key| {
            let mut findings = Vec::new();
            let (half, public_keys) = match &key.contents {
                ServiceAccountKeyContents::Private(state) => {
                    match state {
                        KeyState::Unreadable(reason) => {
                            findings.push(Finding::new("key-unreadable", Severity::Warning, reason))
                        }
                        KeyState::Present { mode, .. } if mode & 0o007 != 0 => {
                            findings.push(Finding::new(
                                "key-readable-by-others",
                                Severity::Warning,
                                format!("the key's mode is {mode:04o}, expected 0600"),
                            ));
                        }
                        _ => {}
                    }
                    let keys = state.public_key().cloned().into_iter().collect();
                    (Some("private"), keys)
                }
                ServiceAccountKeyContents::Public(keys) => (Some("public"), keys.clone()),
                ServiceAccountKeyContents::Problem(reason) => {
                    findings.push(Finding::new("unreadable", Severity::Warning, reason));
                    (None, Vec::new())
                }
            };
            ServiceAccountKeyRow {
                path: key.path.display().to_string(),
                half,
                key_types: public_keys
                    .iter()
                    .map(|key| key.algorithm().to_string())
                    .collect(),
                fingerprints_sha256: public_keys
                    .iter()
                    .map(|key| hex::encode(key.sha256()))
                    .collect(),
                used_by: key.used_by.clone(),
                findings,
            }
        })
        .collect()
}

fn residual(certificate: Option<&kubepki_x509::Certificate>, now: Timestamp) -> i64 {
    certificate.map_or(0, |c| c.validity().remaining(now).as_secs())
}

fn fingerprint(certificate: &kubepki_x509::Certificate) -> String {
    hex::encode(certificate.fingerprint_sha256())
}

fn key_matches(key: &KeyState, expected: Option<&kubepki_x509::PublicKey>) -> Option<bool> {
    match (key.public_key(), expected) {
        (Some(found), Some(expected)) => Some(found == expected),
        _ => None,
    }
}
