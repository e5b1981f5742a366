//! Issuing certificates: a CA certificate and its private key, checked to belong together.
//!
//! The issuer's name is the CA's subject, octet for octet: a name that is spelled anew (another
//! string type, another order) compares equal to nobody who checks a chain by bytes, as Go does.
//! Not here: what goes into a certificate (`kubepki_x509::profile`, `kubepki_x509::reissue`), and
//! whether the CA has expired, which takes a clock and a decision.

use kubepki_x509::{Certificate, CertificateTemplate, EncodeError, IssuedByError, Name, PublicKey};

use crate::error::KeyError;
use crate::private_key::PrivateKey;

/// A CA that can issue: its certificate and its key.
#[derive(Debug)]
pub struct Issuer {
    certificate: Certificate,
    key: PrivateKey,
}

/// A certificate or request could not be issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The private key belongs to another certificate.
    #[error(
        "private key does not match the certificate of {subject:?}: the certificate's public key \
         is sha256:{certificate_key}, the private key's is sha256:{private_key}"
    )]
    KeyMismatch {
        /// Subject of the certificate, or of the certificate to be.
        subject: String,
        /// SHA-256 of the certificate's SubjectPublicKeyInfo.
        certificate_key: String,
        /// SHA-256 of the private key's SubjectPublicKeyInfo.
        private_key: String,
    },
    /// The certificate is not a CA's.
    #[error("certificate of {subject:?} is not a CA: basicConstraints {found}, expected cA TRUE")]
    NotCertificateAuthority {
        /// Subject of the certificate.
        subject: String,
        /// What its basicConstraints say.
        found: &'static str,
    },
    /// The CA's key usage does not allow signing certificates.
    #[error(
        "certificate of {subject:?} may not sign certificates: keyUsage is {found}, expected it \
         to include keyCertSign"
    )]
    MayNotSignCertificates {
        /// Subject of the CA.
        subject: String,
        /// Its key usages.
        found: String,
    },
    /// The key could not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The template could not be encoded.
    #[error("certificate or request for {subject:?} could not be encoded")]
    Encode {
        /// Subject of what was to be encoded.
        subject: String,
        /// What could not be encoded.
        source: EncodeError,
    },
    /// What was issued does not verify, which no input should be able to cause.
    #[error("what was signed for {subject:?} does not verify: {reason}")]
    DoesNotVerify {
        /// Subject of the new certificate or request.
        subject: String,
        /// What failed.
        reason: String,
    },
}

impl IssueError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyMismatch { .. } => "key-does-not-match-certificate",
            Self::NotCertificateAuthority { .. } => "not-a-certificate-authority",
            Self::MayNotSignCertificates { .. } => "may-not-sign-certificates",
            Self::Key(error) => error.code(),
            Self::Encode { .. } => "not-encodable",
            Self::DoesNotVerify { .. } => "new-signature-does-not-verify",
        }
    }
}

impl Issuer {
    /// Takes a CA certificate and its key.
    ///
    /// # Errors
    ///
    /// When the key is not the certificate's, when basicConstraints do not say cA TRUE, when a
    /// keyUsage is there without keyCertSign, or when the key is of a kind that does not sign.
    pub fn new(certificate: Certificate, key: PrivateKey) -> Result<Self, IssueError> {
        let subject = certificate.subject();
        check_key(subject, certificate.public_key(), &key)?;
        let not_a_ca = |found| IssueError::NotCertificateAuthority {
            subject: subject.to_string(),
            found,
        };
        match certificate.basic_constraints() {
            Some(constraints) if constraints.ca => {}
            Some(_) => return Err(not_a_ca("say cA FALSE")),
            None => return Err(not_a_ca("are absent")),
        }
        if let Some(usage) = certificate.key_usage() {
            let names = usage.names();
            if !names.contains(&"keyCertSign") {
                return Err(IssueError::MayNotSignCertificates {
                    subject: subject.to_string(),
                    found: names.join(", "),
                });
            }
        }
        key.signature_algorithm()?;
        Ok(Self { certificate, key })
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Issues `template` under the CA's name and signature.
    pub fn issue(&self, template: &CertificateTemplate) -> Result<Certificate, IssueError> {
        let certificate = sign_template(template, self.certificate.subject(), &self.key)?;
        verify(
            &certificate,
            certificate.verify_issued_by(&self.certificate),
        )?;
        Ok(certificate)
    }

    /// Makes a certificate that signs itself: a root CA, or a kubelet's own serving certificate.
    ///
    /// # Errors
    ///
    /// When the template's public key is not the key's.
    pub fn self_signed(
        template: &CertificateTemplate,
        key: &PrivateKey,
    ) -> Result<Certificate, IssueError> {
        check_key(&template.subject, &template.public_key, key)?;
        let certificate = sign_template(template, &template.subject, key)?;
        verify(&certificate, certificate.verify_issued_by(&certificate))?;
        Ok(certificate)
    }
}

fn sign_template(
    template: &CertificateTemplate,
    issuer: &Name,
    key: &PrivateKey,
) -> Result<Certificate, IssueError> {
    let encode = |source| IssueError::Encode {
        subject: template.subject.to_string(),
        source,
    };
    let algorithm = key.signature_algorithm()?;
    let tbs = template.tbs_der(issuer, algorithm).map_err(encode)?;
    let (algorithm, signature) = key.sign(&tbs)?;
    CertificateTemplate::assemble(&tbs, algorithm, &signature).map_err(encode)
}

pub(crate) fn check_key(
    subject: &Name,
    expected: &PublicKey,
    key: &PrivateKey,
) -> Result<(), IssueError> {
    if expected == key.public_key() {
        return Ok(());
    }
    Err(IssueError::KeyMismatch {
        subject: subject.to_string(),
        certificate_key: hex::encode(expected.sha256()),
        private_key: hex::encode(key.public_key().sha256()),
    })
}

/// A second look at what was signed: a miscalculated RSA signature, besides being useless, can
/// give the key away.
fn verify(certificate: &Certificate, outcome: Result<(), IssuedByError>) -> Result<(), IssueError> {
    outcome.map_err(|error| IssueError::DoesNotVerify {
        subject: certificate.subject().to_string(),
        reason: error.to_string(),
    })
}
