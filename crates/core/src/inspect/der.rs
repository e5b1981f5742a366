//! Contents that are DER (or BER): which of the known structures they are.
//!
//! A structure is recognised by reading it: the kinds do not look alike after their first octets,
//! and whatever reads as one of them is that. The order only decides which error is worth telling.

use super::contents::Collector;
use super::item::Object;
use kubepki_sealed::Sealed;
use kubepki_x509::{Certificate, CertificationRequest, PublicKey, pkcs7};

/// `SEQUENCE`, with which every known structure begins.
pub(super) const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// `rsaEncryption` with NULL parameters (RFC 3279 §2.3.1), as an `AlgorithmIdentifier`.
const RSA_ENCRYPTION: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// Adds what `bytes` are; false when they are none of the known structures.
pub(super) fn read(collector: &mut Collector<'_>, bytes: &[u8]) -> bool {
    if bytes.first() != Some(&SEQUENCE) {
        return false;
    }
    let certificate = Certificate::from_der(bytes);
    if let Ok(certificate) = certificate {
        collector.add(Object::Certificate(certificate));
    } else if let Ok(request) = CertificationRequest::from_der(bytes) {
        collector.add(Object::CertificationRequest(Box::new(request)));
    } else if let Ok(certificates) = pkcs7::certificates(bytes) {
        add_all(collector, certificates);
    } else if collector.secrets.is_pkcs12(bytes) {
        read_pkcs12(collector, bytes);
    } else if let Some(key) = public_key(bytes) {
        collector.add(Object::PublicKey(key));
    } else {
        let sealed = Sealed::new(bytes.to_vec());
        match collector.secrets.public_half_of_der(&sealed) {
            Ok(opened) => collector.add_private_key(Ok(opened)),
            Err(problem) if problem.code == "private-key-encrypted" => {
                collector.add_private_key(Err(problem));
            }
            Err(_) => return false,
        }
    }
    true
}

/// Adds the certificates of a PKCS#7 structure.
pub(super) fn add_all(collector: &mut Collector<'_>, certificates: Vec<Certificate>) {
    if certificates.is_empty() {
        collector.problem("nothing-found", "PKCS#7 without certificates");
    }
    for certificate in certificates {
        collector.add(Object::Certificate(certificate));
    }
}

/// A public key: `SubjectPublicKeyInfo`, or the older `RSAPublicKey` of PKCS#1 (RFC 8017 A.1.1).
pub(super) fn public_key(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::from_spki_der(bytes)
        .ok()
        .or_else(|| rsa_public_key(bytes))
}

/// An `RSAPublicKey`: exactly two integers, which are then wrapped as every other key is.
pub(super) fn rsa_public_key(bytes: &[u8]) -> Option<PublicKey> {
    let (contents, rest) = split_element(bytes, SEQUENCE)?;
    let (_, after_modulus) = split_element(contents, INTEGER)?;
    let (_, after_exponent) = split_element(after_modulus, INTEGER)?;
    if !rest.is_empty() || !after_exponent.is_empty() {
        return None;
    }
    let bits = element(BIT_STRING, &[&[0], bytes].concat());
    PublicKey::from_spki_der(&element(SEQUENCE, &[RSA_ENCRYPTION, &bits].concat())).ok()
}

/// Writes one element of definite length.
pub(super) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(length @ 0..0x80) => out.push(length),
        _ => {
            let octets = contents.len().to_be_bytes();
            let start = octets
                .iter()
                .position(|octet| *octet != 0)
                .unwrap_or(octets.len());
            let significant = octets.get(start..).unwrap_or_default();
            // a usize has at most eight octets
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// Writes an INTEGER from big-endian octets without sign.
pub(super) fn unsigned_integer(octets: &[u8]) -> Vec<u8> {
    let start = octets
        .iter()
        .position(|octet| *octet != 0)
        .unwrap_or(octets.len());
    let significant = octets.get(start..).unwrap_or_default();
    let needs_zero = significant.first().is_none_or(|first| first & 0x80 != 0);
    let sign: &[u8] = if needs_zero { &[0] } else { &[] };
    element(INTEGER, &[sign, significant].concat())
}

/// Contents of the first element, which must have this tag, and what follows it.
fn split_element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                octets
                    .iter()
                    .fold(0usize, |sum, octet| sum << 8 | usize::from(*octet)),
                rest,
            )
        }
        _ => return None,
    };
    let split = rest.split_at_checked(length)?;
    (found == tag).then_some(split)
}

fn read_pkcs12(collector: &mut Collector<'_>, bytes: &[u8]) {
    let opened = match collector.secrets.open_pkcs12(bytes, &collector.source) {
        Ok(opened) => opened,
        Err(problem) => return collector.problem(&problem.code, &problem.message),
    };
    if opened.certificates.is_empty() && opened.keys.is_empty() {
        collector.problem("nothing-found", "PKCS#12 without certificates and keys");
    }
    for bag in opened.certificates {
        collector.called(bag.friendly_name, |collector| match bag.certificate {
            Ok(certificate) => collector.add(Object::Certificate(certificate)),
            Err(reason) => collector.problem("certificate-malformed", &reason),
        });
    }
    for bag in opened.keys {
        collector.called(bag.friendly_name, |collector| {
            collector.add_private_key(bag.key)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_length_are_written_and_read() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let contents = vec![7; length];
            let mut written = element(SEQUENCE, &contents);
            written.push(9);
            assert_eq!(
                split_element(&written, SEQUENCE).unwrap(),
                (&contents[..], &[9][..])
            );
            assert!(
                split_element(&written[..written.len() - 2], SEQUENCE).is_none() || length == 0
            );
        }
        assert!(split_element(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff], SEQUENCE).is_none());
        assert!(split_element(&[SEQUENCE, 0x80, 0, 0], SEQUENCE).is_none());
    }

    #[test]
    fn integers_get_a_sign_octet_only_where_needed() {
        assert_eq!(unsigned_integer(&[0, 0, 5]), [2, 1, 5]);
        assert_eq!(unsigned_integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned_integer(&[]), [2, 1, 0]);
    }
}
