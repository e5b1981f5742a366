//! Finds and decodes PEM blocks in one pass over the bytes.

use std::ops::Range;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use kubepki_sealed::{Sealed, danger};
use memchr::{memchr, memmem};

use super::{PemBlock, PemFile, PemProblem, PemProblemReason};

/// Finds every PEM block in `bytes`. See the module for what is accepted.
pub fn parse(bytes: &[u8]) -> PemFile {
    let mut begins = memmem::find_iter(bytes, BEGIN).peekable();
    let mut ends = memmem::find_iter(bytes, END).peekable();
    let mut file = PemFile {
        blocks: Vec::new(),
        problems: Vec::new(),
    };
    let mut open: Option<Opened<'_>> = None;
    loop {
        let begin_is_next = match (begins.peek(), ends.peek()) {
            (None, None) => break,
            (Some(begin), Some(end)) => begin < end,
            (begin, _) => begin.is_some(),
        };
        let next = if begin_is_next {
            begins.next()
        } else {
            ends.next()
        };
        let Some(offset) = next else { break };
        let marker = if begin_is_next { BEGIN } else { END };
        let line = MarkerLine::read(bytes, offset, marker.len());
        if begin_is_next {
            if let Some(unended) = open.take() {
                file.problem(unended.offset, Some(unended.label), PemProblemReason::NoEnd);
            }
            match line {
                Some(line) => {
                    open = Some(Opened {
                        offset,
                        label: line.label,
                        body: line.end,
                    })
                }
                None => file.problem(offset, None, PemProblemReason::UnfinishedLine),
            }
            continue;
        }
        match (open.take(), line) {
            (None, line) => {
                file.problem(
                    offset,
                    line.map(|line| line.label),
                    PemProblemReason::NoBegin,
                );
            }
            (Some(begin), None) => {
                file.problem(
                    begin.offset,
                    Some(begin.label),
                    PemProblemReason::UnfinishedLine,
                );
            }
            (Some(begin), Some(end)) if begin.label != end.label => {
                file.problem(
                    begin.offset,
                    Some(begin.label),
                    PemProblemReason::LabelsDiffer,
                );
            }
            (Some(begin), Some(end)) => {
                let body = bytes.get(begin.body..offset).unwrap_or_default();
                file.block(bytes, begin, body, offset..end.end);
            }
        }
    }
    if let Some(unended) = open {
        file.problem(unended.offset, Some(unended.label), PemProblemReason::NoEnd);
    }
    file
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const HYPHENS: &[u8] = b"-----";

/// Go and OpenSSL let unused bits be set, but want padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A BEGIN line whose END has not been met yet.
struct Opened<'a> {
    offset: usize,
    label: &'a str,
    body: usize,
}

/// Label of a BEGIN or END line, and where its closing hyphens end.
struct MarkerLine<'a> {
    label: &'a str,
    end: usize,
}

impl<'a> MarkerLine<'a> {
    fn read(bytes: &'a [u8], offset: usize, marker: usize) -> Option<Self> {
        let start = offset.checked_add(marker)?;
        let rest = bytes.get(start..)?;
        let near = rest.get(..LONGEST_LABEL).unwrap_or(rest);
        let line = near.get(..memchr(b'\n', near).unwrap_or(near.len()))?;
        let length = memmem::find(line, HYPHENS)?;
        let label = str::from_utf8(line.get(..length)?).ok()?.trim();
        Some(Self {
            label,
            end: start.checked_add(length)?.checked_add(HYPHENS.len())?,
        })
    }
}

/// Longer labels do not exist, and the limit keeps the time linear: otherwise a file that is one
/// line of markers would be searched to its end for each of them.
const LONGEST_LABEL: usize = 256;

impl PemFile {
    fn problem(&mut self, offset: usize, label: Option<&str>, reason: PemProblemReason) {
        let label = label.map(str::to_owned);
        self.problems.push(PemProblem {
            offset,
            label,
            reason,
        });
    }

    fn block(&mut self, bytes: &[u8], begin: Opened<'_>, body: &[u8], end: Range<usize>) {
        let (headers, base64) = headers(body);
        let contents = match decode(base64) {
            Some(contents) if contents.is_empty() => {
                return self.problem(begin.offset, Some(begin.label), PemProblemReason::Empty);
            }
            Some(contents) => contents,
            None => {
                return self.problem(begin.offset, Some(begin.label), PemProblemReason::NotBase64);
            }
        };
        let own_lines = [begin.offset, end.start]
            .into_iter()
            .all(|start| starts_line(bytes, start))
            && [begin.body, end.end]
                .into_iter()
                .all(|stop| ends_line(bytes, stop));
        if !own_lines {
            self.problem(
                begin.offset,
                Some(begin.label),
                PemProblemReason::NotOnItsOwnLines,
            );
        }
        let (label, span) = (begin.label.to_owned(), begin.offset..end.end);
        self.blocks.push(PemBlock {
            label,
            contents,
            span,
            headers,
        });
    }
}

/// Splits RFC 1421 headers off the body: leading lines with a colon, which base64 never has.
fn headers(body: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let mut headers = Vec::new();
    let mut rest = body.trim_ascii_start();
    loop {
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        let Some((line, after)) = rest.split_at_checked(length) else {
            break;
        };
        let Some(colon) = memchr(b':', line) else {
            break;
        };
        let Some((name, value)) = line.split_at_checked(colon) else {
            break;
        };
        let text = |part: &[u8]| String::from_utf8_lossy(part.trim_ascii()).into_owned();
        headers.push((text(name), text(value.strip_prefix(b":").unwrap_or(value))));
        rest = after.trim_ascii_start();
    }
    (headers, rest)
}

fn decode(base64: &[u8]) -> Option<Sealed> {
    let mut text = Vec::with_capacity(base64.len());
    text.extend(
        base64
            .iter()
            .copied()
            .filter(|octet| !octet.is_ascii_whitespace()),
    );
    // Sealed from here on, so that the text of a private key is zeroized too.
    let text = Sealed::new(text);
    let mut contents = Vec::with_capacity(base64::decoded_len_estimate(text.len()));
    let decoded = BASE64.decode_vec(danger::open(&text), &mut contents);
    let contents = Sealed::new(contents);
    decoded.ok().map(|()| contents)
}

/// Go accepts a BEGIN or END line only at the very start of the file or right after a newline.
fn starts_line(bytes: &[u8], offset: usize) -> bool {
    match offset.checked_sub(1) {
        None => true,
        Some(before) => bytes.get(before) == Some(&b'\n'),
    }
}

/// Go accepts nothing but white space after the hyphens of a BEGIN or END line.
fn ends_line(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let stop = rest
        .iter()
        .find(|octet| !matches!(octet, b' ' | b'\t' | b'\r'));
    stop.is_none_or(|octet| *octet == b'\n')
}
