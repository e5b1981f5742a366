//! Why a PKI is not made.

use super::layout::LayoutError;
use crate::plan::lifetime::LifetimeSyntaxError;
use jiff::Timestamp;
use std::path::PathBuf;

/// Why there is no list of what to make.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FoundingRefusal {
    /// The layout does not hold together.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A length of time that leads outside the calendar.
    #[error(transparent)]
    Lifetime(#[from] LifetimeSyntaxError),
    /// There is something already.
    #[error("{} would be overwritten:\n{}", files(.paths.len()), lines(.paths))]
    Exists {
        /// What is there.
        paths: Vec<PathBuf>,
    },
    /// A name that nothing has.
    #[error("there is no `{name}` in this layout; there are: {known}")]
    UnknownName {
        /// As asked.
        name: String,
        /// What there is.
        known: String,
    },
    /// The authority's key is kept elsewhere.
    #[error("{name} cannot be signed: the key of authority {authority} is not here{}", place(.key))]
    ExternalAuthority {
        /// What was to be signed.
        name: String,
        /// By whom.
        authority: String,
        /// Where the key would be.
        key: PathBuf,
    },
    /// The authority has not been signed yet.
    #[error("{name} cannot be signed: authority {authority} must be signed first")]
    AuthorityRequested {
        /// What was to be signed.
        name: String,
        /// By whom.
        authority: String,
    },
    /// An authority that neither is there nor is to be made.
    #[error("{name} needs authority {authority}, which is not there ({}) and not selected", certificate.display())]
    AuthorityMissing {
        /// What needs it.
        name: String,
        /// The authority.
        authority: String,
        /// Where its certificate would be.
        certificate: PathBuf,
    },
    /// A key without its certificate.
    #[error("authority {authority} has a key ({}) but no certificate ({})", key.display(), certificate.display())]
    KeyWithoutCertificate {
        /// The authority.
        authority: String,
        /// The key's file.
        key: PathBuf,
        /// Where the certificate would be.
        certificate: PathBuf,
    },
    /// A key that belongs to another certificate.
    #[error("the key {} does not belong to any certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// An authority that is not valid now.
    #[error("authority {authority} is valid from {not_before} to {not_after}, not at {now}")]
    AuthorityNotValid {
        /// The authority.
        authority: String,
        /// Its start.
        not_before: Timestamp,
        /// Its end.
        not_after: Timestamp,
        /// The time at hand.
        now: Timestamp,
    },
    /// An authority that may not have others below it.
    #[error("authority {authority} may not sign other authorities: its path length is 0")]
    PathLength {
        /// The authority.
        authority: String,
    },
    /// A kubeconfig that would trust nobody.
    #[error("{name} needs the certificate of authority {authority}, which is not there ({})", certificate.display())]
    NothingToTrust {
        /// The kubeconfig.
        name: String,
        /// The authority.
        authority: String,
        /// Where its certificate would be.
        certificate: PathBuf,
    },
    /// The validity is empty.
    #[error("{name} would end ({not_after}) before it begins ({not_before})")]
    EmptyValidity {
        /// What would.
        name: String,
        /// Its start.
        not_before: Timestamp,
        /// Its end.
        not_after: Timestamp,
    },
}

impl FoundingRefusal {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Layout(error) => error.code(),
            Self::Lifetime(_) => "lifetime",
            Self::Exists { .. } => "already-exists",
            Self::UnknownName { .. } => "unknown-certificate",
            Self::ExternalAuthority { .. } => "external-ca",
            Self::AuthorityRequested { .. } => "ca-not-signed-yet",
            Self::AuthorityMissing { .. } => "ca-missing",
            Self::KeyWithoutCertificate { .. } => "ca-key-without-certificate",
            Self::KeyMismatch { .. } => "ca-key-mismatch",
            Self::AuthorityNotValid { .. } => "ca-not-valid",
            Self::PathLength { .. } => "ca-path-length",
            Self::NothingToTrust { .. } => "nothing-to-trust",
            Self::EmptyValidity { .. } => "empty-validity",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Exists { .. } => {
                "nothing is ever overwritten: move these files away, or choose what to make with --only; a CA is used again where both its certificate and its key are there"
            }
            Self::ExternalAuthority { .. } => {
                "write keys and certification requests with `--csr-dir DIR`, have them signed, and bring the certificates back with `--install DIR`"
            }
            Self::AuthorityRequested { .. } => {
                "make the authorities alone with `--only authorities --csr-dir DIR`, bring them back with `--only authorities --install DIR`, then make the rest"
            }
            Self::AuthorityMissing { .. } => {
                "name the authority in --only too, or put its files there"
            }
            Self::KeyWithoutCertificate { .. } => {
                "put the CA's certificate beside its key, or move the key away to have a new CA made"
            }
            Self::NothingToTrust { .. } => "put the CA's certificate there first",
            _ => return None,
        })
    }
}

/// A CA that was given without its key has no place for it.
fn place(path: &std::path::Path) -> String {
    match path.as_os_str().is_empty() {
        true => String::new(),
        false => format!(" ({})", path.display()),
    }
}

fn files(count: usize) -> String {
    match count {
        1 => "a file that exists".to_owned(),
        count => format!("{count} files that exist"),
    }
}

fn lines(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join("\n")
}
