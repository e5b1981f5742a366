//! PEM (RFC 7468, RFC 1421) as found on hosts: read tolerantly, positions kept, written strictly.
//!
//! [`parse`] takes any bytes and returns every block that can be decoded together with where it
//! stands, so that a file can be edited elsewhere without touching the rest, and every problem it
//! met. It accepts CRLF, a byte order mark, text around blocks, blocks that start in the middle of
//! a line (a missing newline between two of them, indentation), white space anywhere, RFC 1421
//! headers, and any line length. Time is linear in the length of the input.
//!
//! Contents are [`Sealed`], because the scanner cannot know which block is a private key.

mod scanner;

use std::{fmt, ops::Range};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubepki_sealed::{Sealed, danger};

pub use scanner::parse;

use crate::{Certificate, CertificateError, CertificationRequest, RequestError};

/// One decoded block.
pub struct PemBlock {
    /// What stands after `BEGIN`.
    pub label: String,
    /// What the base64 decodes to, normally DER.
    pub contents: Sealed,
    /// From the first hyphen of the BEGIN line to the last hyphen of the END line.
    pub span: Range<usize>,
    /// RFC 1421 headers, such as `Proc-Type` and `DEK-Info` of encrypted keys.
    pub headers: Vec<(String, String)>,
}

/// Everything found in a file.
pub struct PemFile {
    /// Blocks that could be decoded, in order.
    pub blocks: Vec<PemBlock>,
    /// What is wrong, in order.
    pub problems: Vec<PemProblem>,
}

/// Something wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemProblem {
    /// Byte at which the block, or the line that belongs to none, starts.
    pub offset: usize,
    /// Label of the block, where there is one.
    pub label: Option<String>,
    /// What is wrong.
    pub reason: PemProblemReason,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemProblemReason {
    /// The block was decoded, but its BEGIN or END shares a line with something else, so that Go
    /// programs (every Kubernetes component) do not see it.
    NotOnItsOwnLines,
    /// A BEGIN or END line without the hyphens that close it.
    UnfinishedLine,
    /// A BEGIN without an END.
    NoEnd,
    /// An END without a BEGIN.
    NoBegin,
    /// BEGIN and END carry different labels.
    LabelsDiffer,
    /// What stands between BEGIN and END is not base64.
    NotBase64,
    /// Nothing stands between BEGIN and END.
    Empty,
}

impl PemProblem {
    /// Whether the block was decoded all the same.
    pub fn is_notice(&self) -> bool {
        self.reason == PemProblemReason::NotOnItsOwnLines
    }

    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self.reason {
            PemProblemReason::NotOnItsOwnLines => "pem-not-on-its-own-lines",
            PemProblemReason::UnfinishedLine => "pem-unfinished-line",
            PemProblemReason::NoEnd => "pem-no-end",
            PemProblemReason::NoBegin => "pem-no-begin",
            PemProblemReason::LabelsDiffer => "pem-labels-differ",
            PemProblemReason::NotBase64 => "pem-not-base64",
            PemProblemReason::Empty => "pem-empty",
        }
    }
}

impl fmt::Display for PemProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PEM block")?;
        if let Some(label) = &self.label {
            write!(formatter, " {:?}", crate::text::escaped(label, ""))?;
        }
        let reason = match self.reason {
            PemProblemReason::NotOnItsOwnLines => {
                "shares a line with other text, so Kubernetes components do not see it"
            }
            PemProblemReason::UnfinishedLine => "has a BEGIN or END line without closing hyphens",
            PemProblemReason::NoEnd => "has no END line",
            PemProblemReason::NoBegin => "has no BEGIN line",
            PemProblemReason::LabelsDiffer => "has another label in its END line",
            PemProblemReason::NotBase64 => "is not base64",
            PemProblemReason::Empty => "is empty",
        };
        write!(formatter, " at byte {} {reason}", self.offset)
    }
}

/// Why the certificates of a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// There is no certificate at all.
    #[error("no certificate found")]
    None,
    /// A certificate's PEM block is broken.
    #[error("{0}")]
    Pem(PemProblem),
    /// A certificate's block is sound but its contents are not.
    #[error("certificate {number} at byte {offset}: {error}")]
    Certificate {
        /// Which of the certificates, counted from 1.
        number: usize,
        /// Where its block starts.
        offset: usize,
        /// What is wrong with it.
        error: CertificateError,
    },
}

impl CertificatesError {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None => "no-certificate",
            Self::Pem(problem) => problem.code(),
            Self::Certificate { error, .. } => error.code(),
        }
    }
}

impl PemBlock {
    /// Whether the label is one that certificates have.
    pub fn is_certificate(&self) -> bool {
        is_certificate_label(&self.label)
    }

    /// The certificate in this block; none if the label says that it holds something else.
    pub fn certificate(&self) -> Option<Result<Certificate, CertificateError>> {
        let der = danger::open(&self.contents);
        match self.label.as_str() {
            // OpenSSL appends trust settings (X509_CERT_AUX) to the certificate.
            "TRUSTED CERTIFICATE" => {
                Some(Certificate::from_der_prefix(der).map(|(certificate, _)| certificate))
            }
            label if is_certificate_label(label) => Some(Certificate::from_der(der)),
            _ => None,
        }
    }

    /// The certification request in this block; none if the label says that it holds something
    /// else.
    pub fn certification_request(&self) -> Option<Result<CertificationRequest, RequestError>> {
        match self.label.as_str() {
            // OpenSSL reads both, and old versions wrote the second.
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
                Some(CertificationRequest::from_der(danger::open(&self.contents)))
            }
            _ => None,
        }
    }
}

/// Every certificate of a PEM file, in order; other blocks are passed over, but a certificate
/// that cannot be read is an error.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, CertificatesError> {
    let file = parse(bytes);
    let broken = file.problems.into_iter().find(|problem| {
        !problem.is_notice() && problem.label.as_deref().is_some_and(is_certificate_label)
    });
    if let Some(problem) = broken {
        return Err(CertificatesError::Pem(problem));
    }
    let found = file
        .blocks
        .iter()
        .filter_map(|block| Some((block, block.certificate()?)));
    let certificates = found.enumerate().map(|(index, (block, certificate))| {
        certificate.map_err(|error| CertificatesError::Certificate {
            number: index + 1,
            offset: block.span.start,
            error,
        })
    });
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        Err(CertificatesError::None)
    } else {
        Ok(certificates)
    }
}

/// PEM of something public: 64 columns, LF, newline at the end.
pub fn encode(label: &str, der: &[u8]) -> String {
    let mut pem = String::with_capacity(encoded_length(label, der.len()));
    pem.push_str("-----BEGIN ");
    pem.push_str(label);
    pem.push_str("-----\n");
    for line in der.chunks(OCTETS_PER_LINE) {
        STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem.push_str("-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

/// PEM of something secret, sealed again.
pub fn encode_sealed(label: &str, der: &Sealed) -> Sealed {
    // The text is written into one allocation of the right size: no copy is left behind.
    Sealed::new(encode(label, danger::open(der)).into_bytes())
}

/// 48 octets are 64 characters of base64.
const OCTETS_PER_LINE: usize = 48;

fn is_certificate_label(label: &str) -> bool {
    matches!(
        label,
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
    )
}

fn encoded_length(label: &str, length: usize) -> usize {
    let lines = length.div_ceil(OCTETS_PER_LINE);
    length.div_ceil(3) * 4 + lines + 2 * label.len() + "-----BEGIN -----\n-----END -----\n".len()
}
