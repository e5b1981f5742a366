//! Whom servers accept, and whose certificates they present: asked of each of them directly, all at
//! once.
//!
//! The client that is tried is nobody: its key and certificate are made in memory for one question,
//! valid for minutes, in the name of a user whom no rule allows anything. What it proves is the
//! authority that signed it. An API server or kubelet that knows the authority answers 403 or better,
//! one that does not answers 401 (authentication comes before everything else); etcd refuses in the TLS
//! handshake (RFC 8446 §4.4.2.4).

use crate::examine::parallel;
use crate::ports::{
    Attempt, Attempted, ClientIdentity, Endpoint, FILE_LIMIT, HostError, HostRead, Question,
    TlsProbe,
};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::rotation::{ProbeTarget, TargetKind};
use kubepki_keys::{IssueError, Issuer, KeyEncoding, KeyError, KeyType, PrivateKey, random_serial};
use kubepki_sealed::danger;
use kubepki_x509::path::{CertificatePool, PathQuery, Purpose, Uncached, validate};
use kubepki_x509::{
    Certificate, CertificateTemplate, ExtendedKeyUsage, Name, Validity, pem, profile,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The user that nobody is.
pub const PROBE_USER: &str = "kubepki:probe";

/// How long a throwaway certificate is valid, and how far clocks may be behind.
const VALID: SignedDuration = SignedDuration::from_mins(10);
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);

/// Servers asked at the same time.
const WIDTH: usize = 16;

/// How many of those that are not so are named.
const NAMED: usize = 5;

/// Yes or no, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether it is so.
    pub ok: bool,
    /// What was found, in words.
    pub found: String,
}

impl Found {
    /// Yes, when nothing speaks against it; else the first few of what does.
    pub(super) fn unless(against: Vec<String>, yes: String) -> Self {
        if against.is_empty() {
            return Self {
                ok: true,
                found: yes,
            };
        }
        let more = against.len().saturating_sub(NAMED);
        let mut found = against
            .into_iter()
            .take(NAMED)
            .collect::<Vec<_>>()
            .join("; ");
        if more > 0 {
            found.push_str(&format!("; and {more} more"));
        }
        Self { ok: false, found }
    }
}

/// The question cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// A file of the authority.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The bundle cannot be read.
    #[error("{}: {detail}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The bundle does not hold the certificate that is meant.
    #[error(
        "{} holds no certificate with the SHA-256 fingerprint {expected}, found {found}",
        path.display()
    )]
    OtherAuthority {
        /// The file.
        path: PathBuf,
        /// The fingerprint that is meant.
        expected: String,
        /// Those that are there.
        found: String,
    },
    /// The key cannot be used.
    #[error("{}: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// The certificate cannot be issued.
    #[error("a certificate for {PROBE_USER} cannot be issued: {0}")]
    Issue(IssueError),
    /// No key could be made.
    #[error("a key for {PROBE_USER} cannot be made: {0}")]
    NoKey(KeyError),
}

impl ProveError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host(_) => "probe-file",
            Self::Bundle { .. } => "probe-bundle",
            Self::OtherAuthority { .. } => "probe-other-authority",
            Self::Key { .. } => "probe-key",
            Self::Issue(_) | Self::NoKey(_) => "probe-not-issued",
        }
    }
}

/// The authority that signs a throwaway client.
#[derive(Clone, Copy, Debug)]
pub struct ProbeAuthority<'a> {
    /// Its bundle.
    pub certificate: &'a Path,
    /// Its key.
    pub key: &'a Path,
    /// SHA-256 of the certificate in the bundle that is meant, hexadecimal.
    pub fingerprint_sha256: &'a str,
}

/// Tries a throwaway client of an authority at every target. `front_proxy_names` are the names that the
/// API servers allow front proxies (`requestheader-allowed-names`): one of them is the name of a client
/// that is tried as one.
///
/// # Errors
/// When there is no such authority on this host, or it cannot sign.
#[expect(clippy::too_many_arguments, reason = "each is another kind of thing")]
pub fn clients(
    host: &dyn HostRead,
    tls: &dyn TlsProbe,
    authority: &ProbeAuthority<'_>,
    targets: &[ProbeTarget],
    accepted: bool,
    front_proxy_names: &[String],
    timeout: Duration,
    now: Timestamp,
) -> Result<Found, ProveError> {
    let issuer = issuer(host, authority)?;
    let is_proxy = |target: &ProbeTarget| target.kind == TargetKind::FrontProxy;
    let own = throwaway(&issuer, PROBE_USER, now)?;
    let proxy = match (targets.iter().any(is_proxy), front_proxy_names.first()) {
        (true, Some(name)) => Some(throwaway(&issuer, name, now)?),
        _ => None,
    };
    let against = parallel::each(targets, WIDTH, |target| {
        let identity = match is_proxy(target) {
            true => proxy.as_ref().unwrap_or(&own),
            false => &own,
        };
        let found = try_client(tls, target, identity, timeout);
        match (&found, accepted) {
            (Judged::Accepted(_), true) | (Judged::Refused(_), false) => None,
            _ => Some(format!("{} {found}", target.name)),
        }
    });
    let against: Vec<String> = against.into_iter().flatten().collect();
    let does = if accepted { "accept" } else { "refuse" };
    Ok(Found::unless(
        against,
        format!(
            "{} of {} servers {does} a client that {} signed",
            targets.len(),
            targets.len(),
            issuer.certificate().subject()
        ),
    ))
}

/// Whether every target presents a certificate that this one signed.
///
/// # Errors
/// Never for what a server answers: that is found.
pub fn served(
    tls: &dyn TlsProbe,
    issuer: &Certificate,
    targets: &[ProbeTarget],
    timeout: Duration,
    now: Timestamp,
) -> Found {
    let roots = CertificatePool::new([issuer.clone()]);
    let against = parallel::each(targets, WIDTH, |target| {
        serves(tls, &roots, target, timeout, now)
            .err()
            .map(|found| format!("{} {found}", target.name))
    });
    Found::unless(
        against.into_iter().flatten().collect(),
        format!(
            "{} servers present certificates that {} signed",
            targets.len(),
            issuer.subject()
        ),
    )
}

fn serves(
    tls: &dyn TlsProbe,
    roots: &CertificatePool,
    target: &ProbeTarget,
    timeout: Duration,
    now: Timestamp,
) -> Result<(), String> {
    let served = tls
        .served(&endpoint(target), timeout)
        .map_err(|error| error.detail)?;
    let Some((certificate, intermediates)) = served.chain.split_first() else {
        return Err("presents no certificate".to_owned());
    };
    let query = PathQuery {
        certificate,
        intermediates,
        roots,
        now,
        purpose: Purpose::ServerAuth,
        server_name: None,
        signatures: &Uncached,
    };
    match validate(&query) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "presents {} (issued by {}, serial {}): {error}",
            certificate.subject(),
            certificate.issuer(),
            certificate.serial_number()
        )),
    }
}

/// What became of a client.
enum Judged {
    Accepted(String),
    Refused(String),
    /// Nothing was learnt.
    Unknown(String),
}

/// Reads on after the server's name.
impl std::fmt::Display for Judged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted(detail) => write!(f, "accepts it ({detail})"),
            Self::Refused(detail) => write!(f, "refuses it ({detail})"),
            Self::Unknown(detail) => write!(f, "does not tell: {detail}"),
        }
    }
}

fn try_client(
    tls: &dyn TlsProbe,
    target: &ProbeTarget,
    identity: &ClientIdentity,
    timeout: Duration,
) -> Judged {
    let headers: &[(&str, &str)] = match target.kind {
        TargetKind::FrontProxy => &[
            ("X-Remote-User", PROBE_USER),
            ("X-Remote-Group", PROBE_USER),
        ],
        _ => &[],
    };
    let speaks_http = matches!(target.kind, TargetKind::Kubernetes | TargetKind::FrontProxy);
    let endpoint = endpoint(target);
    let attempted = tls.attempt(&Attempt {
        endpoint: &endpoint,
        identity: Some(identity),
        // Whom it is is another question; what is sent is of no use to anybody.
        expectation: None,
        question: speaks_http.then_some(Question {
            // A kubelet answers 404 for what it does not know before it asks who is there.
            path: "/healthz",
            lines: &[],
            headers,
        }),
        timeout,
    });
    match attempted {
        Attempted::Accepted(None) => Judged::Accepted("TLS handshake".to_owned()),
        Attempted::Accepted(Some(reply)) => match reply.status {
            401 => Judged::Refused("HTTP 401".to_owned()),
            status @ (200..=399 | 403 | 404) => Judged::Accepted(format!("HTTP {status}")),
            status => Judged::Unknown(format!("HTTP {status}")),
        },
        Attempted::ClientRefused(detail) => Judged::Refused(detail),
        Attempted::Closed(detail) | Attempted::Unanswered { detail, .. } => Judged::Unknown(detail),
        Attempted::ServerRefused(refusal) => Judged::Unknown(refusal.to_string()),
    }
}

fn endpoint(target: &ProbeTarget) -> Endpoint {
    Endpoint {
        host: target.host.clone(),
        port: target.port,
        server_name: None,
    }
}

fn issuer(host: &dyn HostRead, authority: &ProbeAuthority<'_>) -> Result<Issuer, ProveError> {
    let path = authority.certificate;
    let bundle =
        pem::certificates(danger::open(&host.read(path, FILE_LIMIT)?)).map_err(|error| {
            ProveError::Bundle {
                path: path.to_owned(),
                detail: error.to_string(),
            }
        })?;
    let fingerprint = |certificate: &Certificate| hex::encode(certificate.fingerprint_sha256());
    let meant = bundle
        .iter()
        .find(|it| fingerprint(it).eq_ignore_ascii_case(authority.fingerprint_sha256))
        .ok_or_else(|| ProveError::OtherAuthority {
            path: path.to_owned(),
            expected: authority.fingerprint_sha256.to_owned(),
            found: bundle
                .iter()
                .map(fingerprint)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
    let key = PrivateKey::from_pem(&host.read(authority.key, FILE_LIMIT)?).map_err(|source| {
        ProveError::Key {
            path: authority.key.to_owned(),
            source,
        }
    })?;
    Issuer::new(meant.clone(), key).map_err(ProveError::Issue)
}

/// A certificate and key that live as long as this value.
fn throwaway(issuer: &Issuer, user: &str, now: Timestamp) -> Result<ClientIdentity, ProveError> {
    let key = PrivateKey::generate(KeyType::EcdsaP256).map_err(ProveError::NoKey)?;
    let subject = Name::common(user, &[]);
    let usages = [ExtendedKeyUsage::ClientAuth];
    let extensions = profile::leaf(&subject, &usages, &[], issuer.certificate());
    let shifted = |by: SignedDuration| now.checked_add(by).unwrap_or(now);
    let certificate = issuer
        .issue(&CertificateTemplate {
            serial_number: random_serial(),
            validity: Validity {
                not_before: shifted(-CLOCKS),
                not_after: shifted(VALID).min(issuer.certificate().validity().not_after),
            },
            subject,
            public_key: key.public_key().clone(),
            extensions,
        })
        .map_err(ProveError::Issue)?;
    Ok(ClientIdentity {
        chain: vec![certificate],
        key_pem: key.to_pem(KeyEncoding::Pkcs8).map_err(ProveError::NoKey)?,
    })
}
