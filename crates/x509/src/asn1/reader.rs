//! Reads ASN.1 elements one after another out of a byte slice; never copies, never panics.

use super::DerError;
use crate::ObjectIdentifier;

/// Indefinite lengths nested deeper than this are not followed: nothing real does it, and each
/// level costs one more scan.
const MAXIMUM_DEPTH: u8 = 16;

/// One element: its tag, its contents and all of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// First identifier octet: class, constructed bit and low tag number.
    pub(crate) tag: u8,
    /// Contents octets.
    pub(crate) contents: &'a [u8],
    /// Identifier, length and contents (and end-of-contents) octets: the element verbatim.
    pub(crate) der: &'a [u8],
    /// Where the element starts, counted from the outermost slice.
    pub(crate) offset: usize,
}

impl<'a> Element<'a> {
    /// A reader over the elements inside this one.
    pub(crate) fn reader(&self) -> Reader<'a> {
        let header = match self.der.get(1) {
            Some(0x80) => 2,
            _ => self.der.len().saturating_sub(self.contents.len()),
        };
        Reader {
            rest: self.contents,
            offset: self.offset.saturating_add(header),
        }
    }

    /// The contents as an OBJECT IDENTIFIER.
    pub(crate) fn object_identifier(
        &self,
        what: &'static str,
    ) -> Result<ObjectIdentifier, DerError> {
        ObjectIdentifier::from_bytes(self.contents)
            .map_err(|_| self.value_error(what, "unusable object identifier"))
    }

    /// The contents as a BOOLEAN; any non-zero octet is true, as in BER.
    pub(crate) fn boolean(&self, what: &'static str) -> Result<bool, DerError> {
        match self.contents {
            [octet] => Ok(*octet != 0),
            _ => Err(self.value_error(what, "a boolean must have one octet")),
        }
    }

    /// The contents as a BIT STRING: number of unused bits, then the octets.
    pub(crate) fn bit_string(&self, what: &'static str) -> Result<(u8, &'a [u8]), DerError> {
        match self.contents.split_first() {
            Some((unused, octets)) if *unused < 8 => Ok((*unused, octets)),
            _ => Err(self.value_error(what, "unusable bit string")),
        }
    }

    /// The contents as a non-negative INTEGER that fits 64 bits.
    pub(crate) fn unsigned(&self, what: &'static str) -> Result<u64, DerError> {
        let significant = match self.contents {
            [] => return Err(self.value_error(what, "empty integer")),
            [first, ..] if first & 0x80 != 0 => {
                return Err(self.value_error(what, "negative integer"));
            }
            octets => octets.iter().skip_while(|octet| **octet == 0),
        };
        significant
            .enumerate()
            .try_fold(0u64, |value, (index, octet)| {
                (index < 8).then_some((value << 8) | u64::from(*octet))
            })
            .ok_or_else(|| self.value_error(what, "integer too large"))
    }

    /// An error about this element.
    pub(crate) fn value_error(&self, what: &'static str, reason: &'static str) -> DerError {
        DerError::Value {
            what,
            offset: self.offset,
            reason,
        }
    }
}

/// Elements one after another.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            offset: 0,
        }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// First identifier octet of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self, what: &'static str) -> Result<Element<'a>, DerError> {
        let (element, rest) = element(self.rest, self.offset, what, 0)?;
        self.offset = self.offset.saturating_add(element.der.len());
        self.rest = rest;
        Ok(element)
    }

    /// The next element, which must have `expected` as its tag.
    pub(crate) fn expect(
        &mut self,
        expected: u8,
        what: &'static str,
    ) -> Result<Element<'a>, DerError> {
        match self.peek() {
            None => Err(DerError::Truncated {
                what,
                offset: self.offset,
            }),
            Some(found) if found == expected => self.any(what),
            Some(found) => Err(DerError::UnexpectedTag {
                what,
                offset: self.offset,
                expected,
                found,
            }),
        }
    }

    /// The next element if it has `expected` as its tag.
    pub(crate) fn optional(
        &mut self,
        expected: u8,
        what: &'static str,
    ) -> Result<Option<Element<'a>>, DerError> {
        if self.peek() == Some(expected) {
            self.any(what).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Refuses left-over bytes.
    pub(crate) fn finish(&self, what: &'static str) -> Result<(), DerError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DerError::Trailing {
            what,
            offset: self.offset,
            count: self.rest.len(),
        })
    }
}

/// Splits the first element off `bytes`.
fn element<'a>(
    bytes: &'a [u8],
    offset: usize,
    what: &'static str,
    depth: u8,
) -> Result<(Element<'a>, &'a [u8]), DerError> {
    let truncated = || DerError::Truncated {
        what,
        offset: offset.saturating_add(bytes.len()),
    };
    let unusable = || DerError::Length { what, offset };

    let (&tag, mut rest) = bytes.split_first().ok_or_else(truncated)?;
    if tag & 0x1f == 0x1f {
        let tag_number = rest
            .iter()
            .position(|octet| octet & 0x80 == 0)
            .ok_or_else(truncated)?;
        rest = rest.get(tag_number + 1..).ok_or_else(truncated)?;
    }
    let (&first, mut rest) = rest.split_first().ok_or_else(truncated)?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x80 => return indefinite(bytes, rest, tag, offset, what, depth),
        _ => {
            let (octets, after) = rest
                .split_at_checked(usize::from(first & 0x7f))
                .ok_or_else(truncated)?;
            rest = after;
            octets
                .iter()
                .try_fold(0usize, |length, octet| {
                    length
                        .checked_mul(256)
                        .map(|length| length | usize::from(*octet))
                })
                .ok_or_else(unusable)?
        }
    };
    let (contents, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
    let der = bytes
        .get(..bytes.len().saturating_sub(after.len()))
        .ok_or_else(unusable)?;
    Ok((
        Element {
            tag,
            contents,
            der,
            offset,
        },
        after,
    ))
}

/// Follows an indefinite length (X.690 §8.1.3.6) to its end-of-contents octets.
fn indefinite<'a>(
    bytes: &'a [u8],
    body: &'a [u8],
    tag: u8,
    offset: usize,
    what: &'static str,
    depth: u8,
) -> Result<(Element<'a>, &'a [u8]), DerError> {
    let unusable = || DerError::Length { what, offset };
    let constructed = tag & 0x20 != 0;
    if !constructed || depth >= MAXIMUM_DEPTH {
        return Err(unusable());
    }
    let body_offset = offset.saturating_add(bytes.len().saturating_sub(body.len()));
    let mut rest = body;
    loop {
        if let Some(after) = rest.strip_prefix(&[0, 0]) {
            let contents = body
                .get(..body.len().saturating_sub(rest.len()))
                .ok_or_else(unusable)?;
            let der = bytes
                .get(..bytes.len().saturating_sub(after.len()))
                .ok_or_else(unusable)?;
            return Ok((
                Element {
                    tag,
                    contents,
                    der,
                    offset,
                },
                after,
            ));
        }
        let inner_offset = body_offset.saturating_add(body.len().saturating_sub(rest.len()));
        rest = element(rest, inner_offset, what, depth + 1)?.1;
    }
}
