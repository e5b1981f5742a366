//! What was made, as `kubepki init -o json` tells it.

use super::list::Founding;
use crate::plan::Notice;
use crate::plan::document::API_VERSION;
use jiff::Timestamp;
use kubepki_x509::{Certificate, PublicKey};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that one founding made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundingResult {
    /// `kubepki.dev/v1alpha1`.
    pub api_version: String,
    /// `FoundingResult`.
    pub kind: String,
    /// Files made, signers first.
    pub files: Vec<MadeFile>,
    /// Files that were there before and stayed as they were.
    pub kept: Vec<PathBuf>,
    /// What to know.
    pub notices: Vec<Notice>,
}

/// One file that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeFile {
    /// The name in the layout.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub kind: MadeFileKind,
    /// Its mode, octal.
    pub mode: String,
    /// e.g. `RSA-2048`.
    pub key_type: String,
    /// SHA-256 of the SubjectPublicKeyInfo, hexadecimal.
    pub public_key_sha256: String,
    /// SHA-256 of the certificate, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint_sha256: Option<String>,
    /// Subject of the certificate or request, every RDN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Issuer of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// End of validity of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<Timestamp>,
}

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum MadeFileKind {
    /// A certificate, and perhaps certificates above it.
    Certificate,
    /// A private key.
    PrivateKey,
    /// A certificate and its private key.
    CertificateAndKey,
    /// A public key.
    PublicKey,
    /// A kubeconfig.
    Kubeconfig,
    /// A certification request.
    CertificationRequest,
}

impl FoundingResult {
    /// The result of carrying out `founding`.
    pub fn new(founding: &Founding, files: Vec<MadeFile>) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "FoundingResult".to_owned(),
            files,
            kept: founding.kept.clone(),
            notices: founding.notices.clone(),
        }
    }
}

impl MadeFile {
    /// A file that holds (a half of) this key.
    pub fn new(
        name: &str,
        path: PathBuf,
        kind: MadeFileKind,
        mode: u32,
        public_key: &PublicKey,
    ) -> Self {
        Self {
            name: name.to_owned(),
            path,
            kind,
            mode: format!("{mode:04o}"),
            key_type: public_key.algorithm().to_string(),
            public_key_sha256: hex::encode(public_key.sha256()),
            fingerprint_sha256: None,
            subject: None,
            issuer: None,
            expiration_date: None,
        }
    }

    /// Adds what the certificate in it says.
    #[must_use]
    pub fn with_certificate(self, certificate: &Certificate) -> Self {
        Self {
            fingerprint_sha256: Some(hex::encode(certificate.fingerprint_sha256())),
            subject: Some(certificate.subject().to_string()),
            issuer: Some(certificate.issuer().to_string()),
            expiration_date: Some(certificate.validity().not_after),
            ..self
        }
    }
}
