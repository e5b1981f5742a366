//! BER to DER, as far as PKCS#12 files need it: definite lengths and whole octet strings.
//!
//! NSS, macOS and Bouncy Castle write indefinite lengths and octet strings in pieces
//! (X.690 §8.1.3.6, §8.7.3). Values of primitive types are copied as they are. What stands inside
//! an octet string is not looked at; it is brought to DER when it is opened in its turn.

use zeroize::Zeroizing;

use super::Pkcs12Error;

/// Deeper than any PKCS#12 structure; bounds the recursion.
const MAX_DEPTH: u8 = 32;

const CONSTRUCTED: u8 = 0x20;
const OCTET_STRING: u8 = 0x04;
const INDEFINITE: u8 = 0x80;

/// The first value of `ber` in DER. Octets after it are ignored, as OpenSSL does.
pub(super) fn to_der(ber: &[u8]) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let mut der = Zeroizing::new(Vec::with_capacity(ber.len()));
    let mut input = Input { rest: ber };
    copy_value(&mut input, &mut der, 0)?;
    Ok(der)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Pkcs12Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| Pkcs12Error::malformed("ends in the middle of a value"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, Pkcs12Error> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn identifier(&mut self) -> Result<&'a [u8], Pkcs12Error> {
        let start = self.rest;
        let first = self.octet()?;
        let mut length = 1;
        if first & 0x1f == 0x1f {
            loop {
                length += 1;
                if self.octet()? & 0x80 == 0 {
                    break;
                }
            }
        }
        Ok(start.get(..length).unwrap_or_default())
    }

    /// Nothing when the length is indefinite.
    fn length(&mut self) -> Result<Option<usize>, Pkcs12Error> {
        let first = self.octet()?;
        if first == INDEFINITE {
            return Ok(None);
        }
        if first & 0x80 == 0 {
            return Ok(Some(usize::from(first)));
        }
        let mut length = 0_usize;
        for octet in self.take(usize::from(first & 0x7f))? {
            length = length
                .checked_mul(256)
                .map(|shifted| shifted | usize::from(*octet))
                .ok_or_else(|| Pkcs12Error::malformed("length is too large"))?;
        }
        Ok(Some(length))
    }

    fn skip_end_of_contents(&mut self) -> bool {
        match self.rest {
            [0, 0, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

fn copy_value(input: &mut Input<'_>, der: &mut Vec<u8>, depth: u8) -> Result<(), Pkcs12Error> {
    if depth > MAX_DEPTH {
        return Err(Pkcs12Error::malformed("nested too deeply"));
    }
    let identifier = input.identifier()?;
    let first = identifier.first().copied().unwrap_or_default();
    let length = input.length()?;
    if first & CONSTRUCTED == 0 {
        let length = length
            .ok_or_else(|| Pkcs12Error::malformed("indefinite length of a primitive value"))?;
        write_value(identifier, input.take(length)?, der);
        return Ok(());
    }

    let mut contents = Zeroizing::new(Vec::new());
    match length {
        Some(length) => {
            let mut inner = Input {
                rest: input.take(length)?,
            };
            while !inner.rest.is_empty() {
                copy_value(&mut inner, &mut contents, depth + 1)?;
            }
        }
        None => {
            while !input.skip_end_of_contents() {
                copy_value(input, &mut contents, depth + 1)?;
            }
        }
    }
    if identifier == [OCTET_STRING | CONSTRUCTED] {
        let whole = join_octet_strings(&contents)?;
        write_value(&[OCTET_STRING], &whole, der);
    } else {
        write_value(identifier, &contents, der);
    }
    Ok(())
}

/// The contents of octet strings that stand one after another in DER.
pub(super) fn join_octet_strings(pieces: &[u8]) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let mut whole = Zeroizing::new(Vec::with_capacity(pieces.len()));
    let mut input = Input { rest: pieces };
    while !input.rest.is_empty() {
        if input.identifier()? != [OCTET_STRING] {
            return Err(Pkcs12Error::malformed("a piece is not an octet string"));
        }
        let length = input.length()?.unwrap_or_default();
        whole.extend_from_slice(input.take(length)?);
    }
    Ok(whole)
}

fn write_value(identifier: &[u8], contents: &[u8], der: &mut Vec<u8>) {
    der.extend_from_slice(identifier);
    let octets = contents.len().to_be_bytes();
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = octets.get(zeros..).unwrap_or_default();
    match significant {
        [] => der.push(0),
        [short @ 0..=0x7f] => der.push(*short),
        _ => {
            // at most eight octets, so the cast cannot lose anything
            der.push(0x80 | significant.len() as u8);
            der.extend_from_slice(significant);
        }
    }
    der.extend_from_slice(contents);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_is_left_as_it_is() {
        let long = [&[0x30, 0x81, 0x83, 0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(*to_der(&long).unwrap(), long);
        let private_tag = [0x3f, 0x81, 0x01, 0x02, 0x05, 0x00];
        assert_eq!(*to_der(&private_tag).unwrap(), private_tag);
    }

    #[test]
    fn indefinite_lengths_and_pieces_become_definite_and_whole() {
        let ber = [
            0x30, 0x80, // SEQUENCE, indefinite
            0x24, 0x80, 0x04, 0x02, 1, 2, 0x04, 0x01, 3, 0, 0, // OCTET STRING in two pieces
            0xa0, 0x80, 0x02, 0x01, 5, 0, 0, // [0] { INTEGER 5 }
            0, 0,
        ];
        let der = [0x30, 0x0a, 0x04, 0x03, 1, 2, 3, 0xa0, 0x03, 0x02, 0x01, 5];
        assert_eq!(*to_der(&ber).unwrap(), der);
    }

    #[test]
    fn lengths_longer_than_needed_become_minimal() {
        assert_eq!(*to_der(&[0x04, 0x82, 0x00, 0x01, 9]).unwrap(), [4, 1, 9]);
    }

    #[test]
    fn truncated_and_bottomless_input_is_refused() {
        for ber in [
            &[0x30, 0x05, 0x04][..],
            &[0x30, 0x80, 0x04],
            &[],
            &[0x04, 0x80],
        ] {
            assert!(to_der(ber).is_err(), "{ber:x?}");
        }
        assert!(to_der(&[0x30, 0x80].repeat(10_000)).is_err());
        assert!(to_der(&[&[0x04, 0xff][..], &[0xff; 127]].concat()).is_err());
    }
}
