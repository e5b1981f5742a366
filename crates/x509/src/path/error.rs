//! Why there is no valid path, in words that name the certificate to look at.

use std::fmt;

use jiff::Timestamp;

use super::ServerName;
use crate::{
    Certificate, ExtendedKeyUsage, GeneralName, IssuedByError, KeyUsage, Name, ObjectIdentifier,
    SignatureAlgorithm, SignatureError,
};

/// Why there is no valid path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// A Go program cannot even read the certificate, so whoever presents it is refused.
    Malformed {
        /// The certificate.
        certificate: Certificate,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate demands that something be understood which Go does not understand.
    UnhandledCriticalExtension {
        /// The certificate.
        certificate: Certificate,
        /// Its critical extensions that are not understood.
        extensions: Vec<ObjectIdentifier>,
    },
    /// A certificate of the path is not valid yet.
    NotYetValid {
        /// The certificate.
        certificate: Certificate,
        /// When it was asked.
        now: Timestamp,
    },
    /// A certificate of the path has expired.
    Expired {
        /// The certificate.
        certificate: Certificate,
        /// When it was asked.
        now: Timestamp,
    },
    /// The certificate is another server's.
    NameMismatch {
        /// The certificate.
        certificate: Certificate,
        /// The server that was meant.
        asked: ServerName,
        /// Every name of the certificate.
        found: Vec<GeneralName>,
        /// The common name, where it is the server's and there are no other names: it does not
        /// count since Go 1.15.
        only_common_name: Option<String>,
    },
    /// No issuer of a certificate is trusted, nor presented.
    UnknownAuthority {
        /// The certificate whose issuer is unknown: the end entity's, or an intermediate.
        certificate: Certificate,
        /// How many certificates are trusted.
        trusted: usize,
        /// What has the issuer's name and is not the issuer, the likeliest first.
        rejected: Vec<(Certificate, IssuerRejection)>,
    },
    /// An intermediate is no CA's certificate.
    NotAuthorizedToSign {
        /// The certificate.
        certificate: Certificate,
    },
    /// More CAs follow a CA than its path length constraint allows.
    TooManyIntermediates {
        /// The CA.
        certificate: Certificate,
        /// How many may follow.
        allowed: u32,
        /// How many follow.
        found: usize,
    },
    /// A CA may not certify a name.
    NameConstraintViolated {
        /// The certificate that holds the name.
        certificate: Certificate,
        /// The CA.
        authority: Certificate,
        /// The name.
        name: GeneralName,
        /// What it conflicts with.
        constraint: Constraint,
    },
    /// A certificate of the path is for other purposes.
    IncompatibleUsage {
        /// The certificate.
        certificate: Certificate,
        /// The usage that it should allow.
        needed: ExtendedKeyUsage,
        /// The usages that it allows.
        found: Vec<ExtendedKeyUsage>,
    },
    /// So many certificates have the names of issuers that Go gives up.
    TooManyCandidates {
        /// How many signatures were verified.
        checked: usize,
    },
    /// So many names and constraints meet that Go gives up.
    TooManyConstraints {
        /// The CA that has the constraints.
        certificate: Certificate,
    },
}

/// What a name conflicts with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Constraint {
    /// It lies in an excluded subtree.
    Excluded(String),
    /// It lies in none of the permitted subtrees.
    NotPermitted(Vec<String>),
    /// It cannot be compared with the constraints.
    Incomparable(&'static str),
}

/// Why a certificate with the issuer's name is not the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssuerRejection {
    /// Its basic constraints do not say that it is a CA.
    NotCertificateAuthority,
    /// Its key usage does not allow it to sign certificates.
    MayNotSignCertificates(KeyUsage),
    /// The certificate is signed with MD5 or SHA-1. Go refuses MD5 always and SHA-1 since 1.18
    /// (Kubernetes 1.24 and later, and distributions' builds of earlier ones).
    WeakSignature(SignatureAlgorithm),
    /// Its key did not make the signature.
    Signature(IssuedByError),
    /// Its name reads the same but is written with other bytes, such as UTF8String instead of
    /// PrintableString, so that Go does not take it for the issuer's.
    OtherSpelling(Name),
    /// A Go program cannot read it.
    Malformed(String),
}

impl PathError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "path-certificate-malformed",
            Self::UnhandledCriticalExtension { .. } => "path-critical-extension",
            Self::NotYetValid { .. } => "path-not-yet-valid",
            Self::Expired { .. } => "path-expired",
            Self::NameMismatch { .. } => "path-name-mismatch",
            Self::UnknownAuthority { .. } => "path-unknown-authority",
            Self::NotAuthorizedToSign { .. } => "path-not-a-ca",
            Self::TooManyIntermediates { .. } => "path-too-long",
            Self::NameConstraintViolated { .. } => "path-name-constraint",
            Self::IncompatibleUsage { .. } => "path-usage",
            Self::TooManyCandidates { .. } => "path-too-many-candidates",
            Self::TooManyConstraints { .. } => "path-too-many-constraints",
        }
    }

    /// The certificate that is to blame: the end entity's, an intermediate or a trusted one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Malformed { certificate, .. }
            | Self::UnhandledCriticalExtension { certificate, .. }
            | Self::NotYetValid { certificate, .. }
            | Self::Expired { certificate, .. }
            | Self::NameMismatch { certificate, .. }
            | Self::UnknownAuthority { certificate, .. }
            | Self::NotAuthorizedToSign { certificate }
            | Self::TooManyIntermediates { certificate, .. }
            | Self::NameConstraintViolated { certificate, .. }
            | Self::IncompatibleUsage { certificate, .. }
            | Self::TooManyConstraints { certificate } => Some(certificate),
            Self::TooManyCandidates { .. } => None,
        }
    }
}

impl std::error::Error for PathError {}

impl fmt::Display for PathError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed {
                certificate,
                reason,
            } => write!(
                formatter,
                "the certificate \"{}\" cannot be read by Go programs: {reason}",
                certificate.subject()
            ),
            Self::UnhandledCriticalExtension {
                certificate,
                extensions,
            } => write!(
                formatter,
                "the certificate \"{}\" has critical extensions that nobody here understands: {}",
                certificate.subject(),
                listed(extensions)
            ),
            Self::NotYetValid { certificate, now } => write!(
                formatter,
                "the certificate \"{}\" is valid from {}, and now it is {now}",
                certificate.subject(),
                certificate.validity().not_before
            ),
            Self::Expired { certificate, now } => write!(
                formatter,
                "the certificate \"{}\" was valid until {}, and now it is {now}",
                certificate.subject(),
                certificate.validity().not_after
            ),
            Self::NameMismatch {
                certificate,
                asked,
                found,
                only_common_name,
            } => {
                let subject = certificate.subject();
                match (found.as_slice(), only_common_name) {
                    (_, Some(_)) => write!(
                        formatter,
                        "the certificate \"{subject}\" names {asked} only as its common name, \
                         which does not count: it has no subject alternative names"
                    ),
                    ([], None) => write!(
                        formatter,
                        "the certificate \"{subject}\" is valid for no names, expected {asked}"
                    ),
                    (found, None) => write!(
                        formatter,
                        "the certificate \"{subject}\" is valid for {}, expected {asked}",
                        listed(found)
                    ),
                }
            }
            Self::UnknownAuthority {
                certificate,
                trusted,
                rejected,
            } => unknown_authority(formatter, certificate, *trusted, rejected),
            Self::NotAuthorizedToSign { certificate } => write!(
                formatter,
                "the certificate \"{}\" is presented as an intermediate CA, but its basic \
                 constraints do not say that it is a CA",
                certificate.subject()
            ),
            Self::TooManyIntermediates {
                certificate,
                allowed,
                found,
            } => write!(
                formatter,
                "the CA \"{}\" allows {allowed} further CAs below itself, found {found}",
                certificate.subject()
            ),
            Self::NameConstraintViolated {
                certificate,
                authority,
                name,
                constraint,
            } => write!(
                formatter,
                "the CA \"{}\" may not certify {name}, which the certificate \"{}\" holds: \
                 {constraint}",
                authority.subject(),
                certificate.subject()
            ),
            Self::IncompatibleUsage {
                certificate,
                needed,
                found,
            } => write!(
                formatter,
                "the certificate \"{}\" is for {}, expected {needed}",
                certificate.subject(),
                listed(found)
            ),
            Self::TooManyCandidates { checked } => write!(
                formatter,
                "no path was found within {checked} signatures: too many certificates have the \
                 same name"
            ),
            Self::TooManyConstraints { certificate } => write!(
                formatter,
                "the CA \"{}\" has too many name constraints to be checked",
                certificate.subject()
            ),
        }
    }
}

fn unknown_authority(
    formatter: &mut fmt::Formatter<'_>,
    certificate: &Certificate,
    trusted: usize,
    rejected: &[(Certificate, IssuerRejection)],
) -> fmt::Result {
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    if certificate.is_self_issued() {
        write!(
            formatter,
            "the certificate \"{subject}\" names itself as its issuer"
        )?;
    } else {
        write!(
            formatter,
            "the certificate \"{subject}\" is by \"{issuer}\""
        )?;
    }
    match trusted {
        0 => formatter.write_str(", and nothing is trusted")?,
        1 => formatter.write_str(", which is not the one trusted certificate")?,
        _ => write!(
            formatter,
            ", which is not among the {trusted} trusted certificates"
        )?,
    }
    match rejected.first() {
        Some((_, reason)) => write!(formatter, ": one of the same name {reason}"),
        None => Ok(()),
    }
}

/// What follows `one of the same name`.
impl fmt::Display for IssuerRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCertificateAuthority => {
                formatter.write_str("is no CA: its basic constraints do not say so")
            }
            Self::MayNotSignCertificates(usage) => write!(
                formatter,
                "may not sign certificates: its key usage is {usage}, expected keyCertSign"
            ),
            Self::WeakSignature(algorithm) => write!(
                formatter,
                "may be the issuer, but the signature is {algorithm}, which is refused as unsafe"
            ),
            Self::Signature(IssuedByError::Signature {
                error: SignatureError::Mismatch,
                ..
            }) => formatter.write_str("has another key"),
            Self::Signature(IssuedByError::Signature { error, .. }) => {
                write!(formatter, "is not the issuer: {error}")
            }
            Self::Signature(error) => write!(formatter, "is not the issuer: {error}"),
            Self::OtherSpelling(name) => write!(
                formatter,
                "writes \"{name}\" with other bytes (another string type), which is another name"
            ),
            Self::Malformed(reason) => {
                write!(formatter, "cannot be read by Go programs: {reason}")
            }
        }
    }
}

/// What follows the name and a colon.
impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excluded(constraint) => write!(formatter, "{constraint} is excluded"),
            Self::NotPermitted(permitted) => {
                write!(formatter, "only {} is permitted", permitted.join(", "))
            }
            Self::Incomparable(reason) => formatter.write_str(reason),
        }
    }
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> = items.iter().map(T::to_string).collect();
    shown.join(", ")
}
