//! Byte-exact edits of PEM files: certificates and keys replaced where they stand.
//!
//! Text between the blocks, their order, the file's line ends and whether it ends with one stay as
//! they are. A file may hold a key anywhere, so files go in and come out sealed.
//! RFC 7468.

use std::ops::Range;

use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use zeroize::Zeroizing;

/// Why a PEM file could not be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemEditError {
    /// There is no block of the kind.
    #[error("no {wanted} found")]
    NotFound {
        /// What was looked for.
        wanted: &'static str,
    },
    /// There are several keys, and only one can be meant.
    #[error("{found} private keys found where one was expected")]
    SeveralKeys {
        /// How many.
        found: usize,
    },
    /// A block cannot be read, so what it holds cannot be told.
    #[error("{0}")]
    Broken(pem::PemProblem),
    /// Nothing to put in.
    #[error("no certificate to put in")]
    NoCertificates,
}

impl PemEditError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "pem-edit-not-found",
            Self::SeveralKeys { .. } => "pem-edit-several-keys",
            Self::Broken(problem) => problem.code(),
            Self::NoCertificates => "pem-edit-no-certificates",
        }
    }
}

/// Replaces the certificates of a file by `chain`, the end-entity certificate first.
///
/// The first certificate of the file gives way to the first of the chain. Where the chain brings
/// more than that one, it brings its own intermediates, and those of the file go; where it does
/// not, those of the file stay. A file without a certificate (a key alone) gets the chain at its
/// beginning.
pub fn replace_certificates(file: &Sealed, chain: &[Certificate]) -> Result<Sealed, PemEditError> {
    let text = danger::open(file);
    let (first, intermediates) = chain.split_first().ok_or(PemEditError::NoCertificates)?;
    let spans = spans(text, pem::PemBlock::is_certificate)?;
    let ending = line_ending(text);
    let block = |certificate: &Certificate| on_lines(&certificate.to_pem(), ending);
    let Some((leaf, others)) = spans.split_first() else {
        let mut whole: Vec<u8> = Vec::new();
        for certificate in chain {
            whole.extend_from_slice(&block(certificate));
            whole.extend_from_slice(ending.as_bytes());
        }
        return Ok(spliced(text, &[(0..0, Zeroizing::new(whole))]));
    };
    let mut splices = vec![(leaf.clone(), block(first))];
    if !intermediates.is_empty() {
        // One for one while both last; then what is left over is appended or cut out.
        let mut new = intermediates.iter();
        for old in others {
            match new.next() {
                Some(certificate) => splices.push((old.clone(), block(certificate))),
                None => splices.push((with_line_ending(text, old), Zeroizing::default())),
            }
        }
        let after = others.last().unwrap_or(leaf).end;
        for certificate in new {
            splices.push((after..after, Zeroizing::new(ending.as_bytes().to_vec())));
            splices.push((after..after, block(certificate)));
        }
    }
    Ok(spliced(text, &splices))
}

/// Puts these behind the first certificate of a file, in the place of all others; none to leave it alone.
pub fn replace_chain(file: &Sealed, behind: &[Certificate]) -> Result<Sealed, PemEditError> {
    let text = danger::open(file);
    let spans = spans(text, pem::PemBlock::is_certificate)?;
    let (first, others) = spans.split_first().ok_or(PemEditError::NoCertificates)?;
    let ending = line_ending(text);
    let mut splices = Vec::new();
    for certificate in behind {
        splices.push((
            first.end..first.end,
            Zeroizing::new(ending.as_bytes().to_vec()),
        ));
        splices.push((
            first.end..first.end,
            on_lines(&certificate.to_pem(), ending),
        ));
    }
    for other in others {
        splices.push((with_line_ending(text, other), Zeroizing::default()));
    }
    Ok(spliced(text, &splices))
}

/// Replaces the private key of a file by `key` (PEM). `EC PARAMETERS` that stood before an EC key
/// go with it: they repeat the curve of the old one.
pub fn replace_private_key(file: &Sealed, key: &Sealed) -> Result<Sealed, PemEditError> {
    let text = danger::open(file);
    let old = key_span(text)?;
    let new = trimmed(danger::open(key));
    let mut splices = Vec::new();
    if let Some(parameters) = spans(text, |block| block.label == "EC PARAMETERS")?
        .into_iter()
        .rfind(|span| span.end <= old.start)
    {
        splices.push((with_line_ending(text, &parameters), Zeroizing::default()));
    }
    splices.push((old, on_lines_bytes(new, line_ending(text))));
    Ok(spliced(text, &splices))
}

/// The private key of a file, as its PEM block stands there, with a line end.
pub fn private_key(file: &Sealed) -> Result<Sealed, PemEditError> {
    let text = danger::open(file);
    let span = key_span(text)?;
    let block = text.get(span).unwrap_or_default();
    let mut key = Vec::with_capacity(block.len() + 1);
    key.extend_from_slice(block);
    key.push(b'\n');
    Ok(Sealed::new(key))
}

/// Replaces the `number`-th block of a file, counted from 0, by the PEM text `block`.
pub fn replace_block(file: &Sealed, number: usize, block: &Sealed) -> Result<Sealed, PemEditError> {
    let text = danger::open(file);
    let span = pem::parse(text)
        .blocks
        .into_iter()
        .nth(number)
        .map(|block| block.span);
    let span = span.ok_or(PemEditError::NotFound {
        wanted: "PEM block of this number",
    })?;
    let new = on_lines_bytes(trimmed(danger::open(block)), line_ending(text));
    Ok(spliced(text, &[(span, new)]))
}

fn key_span(text: &[u8]) -> Result<Range<usize>, PemEditError> {
    let mut keys = spans(text, is_private_key)?;
    match (keys.pop(), keys.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), others) => Err(PemEditError::SeveralKeys { found: others + 1 }),
        (None, _) => Err(PemEditError::NotFound {
            wanted: "private key",
        }),
    }
}

fn is_private_key(block: &pem::PemBlock) -> bool {
    block.label.ends_with("PRIVATE KEY")
}

fn spans(
    text: &[u8],
    wanted: impl Fn(&pem::PemBlock) -> bool,
) -> Result<Vec<Range<usize>>, PemEditError> {
    let file = pem::parse(text);
    // What a broken block holds cannot be told: it may be the very one that is to be replaced.
    if let Some(problem) = file
        .problems
        .into_iter()
        .find(|problem| !problem.is_notice())
    {
        return Err(PemEditError::Broken(problem));
    }
    Ok(file
        .blocks
        .iter()
        .filter(|block| wanted(block))
        .map(|block| block.span.clone())
        .collect())
}

/// The line ending of the first line that has one.
fn line_ending(text: &[u8]) -> &'static str {
    let newline = text.iter().position(|byte| *byte == b'\n');
    let before = newline
        .and_then(|newline| newline.checked_sub(1))
        .and_then(|at| text.get(at));
    if before == Some(&b'\r') { "\r\n" } else { "\n" }
}

/// The span with the line ending that follows it.
fn with_line_ending(text: &[u8], span: &Range<usize>) -> Range<usize> {
    let rest = text.get(span.end..).unwrap_or_default();
    let ending = [&b"\r\n"[..], b"\n"]
        .into_iter()
        .find(|ending| rest.starts_with(ending));
    span.start..span.end + ending.map_or(0, <[u8]>::len)
}

/// A PEM block with these line ends and none after the last line.
fn on_lines(block: &str, ending: &str) -> Zeroizing<Vec<u8>> {
    on_lines_bytes(trimmed(block.as_bytes()), ending)
}

fn on_lines_bytes(block: &[u8], ending: &str) -> Zeroizing<Vec<u8>> {
    let lines = block.iter().filter(|byte| **byte == b'\n').count();
    let mut result = Zeroizing::new(Vec::with_capacity(block.len() + lines));
    for (number, line) in block.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            result.extend_from_slice(ending.as_bytes());
        }
        result.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    result
}

fn trimmed(block: &[u8]) -> &[u8] {
    block.trim_ascii()
}

/// Replaces ranges, given in order.
fn spliced(text: &[u8], splices: &[(Range<usize>, Zeroizing<Vec<u8>>)]) -> Sealed {
    let added: usize = splices.iter().map(|(_, new)| new.len()).sum();
    let mut result = Vec::with_capacity(text.len() + added);
    let mut done = 0;
    for (range, new) in splices {
        result.extend_from_slice(text.get(done..range.start).unwrap_or_default());
        result.extend_from_slice(new);
        done = range.end;
    }
    result.extend_from_slice(text.get(done..).unwrap_or_default());
    Sealed::new(result)
}
