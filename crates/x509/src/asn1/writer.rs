//! Writes ASN.1 elements as DER (X.690 §10): shortest lengths, always definite.

use super::tag;

/// One element with `contents`.
pub(crate) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(contents.len() + 6);
    der.push(tag);
    match u8::try_from(contents.len()) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            let octets = contents.len().to_be_bytes();
            let significant = octets.iter().skip_while(|octet| **octet == 0);
            // A length has at most eight octets, so its count always fits the low seven bits.
            der.push(0x80 | u8::try_from(significant.clone().count()).unwrap_or(0x7f));
            der.extend(significant);
        }
    }
    der.extend_from_slice(contents);
    der
}

/// SEQUENCE of elements already encoded.
pub(crate) fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    tlv(tag::SEQUENCE, &concatenated(parts))
}

/// `[number] EXPLICIT`, or IMPLICIT over a constructed type whose contents are given.
pub(crate) fn explicit(number: u8, contents: &[u8]) -> Vec<u8> {
    tlv(tag::context_constructed(number), contents)
}

/// OCTET STRING.
pub(crate) fn octet_string(octets: &[u8]) -> Vec<u8> {
    tlv(tag::OCTET_STRING, octets)
}

/// BIT STRING whose last `unused` bits do not count.
pub(crate) fn bit_string(unused: u8, octets: &[u8]) -> Vec<u8> {
    let mut contents = Vec::with_capacity(octets.len() + 1);
    contents.push(unused);
    contents.extend_from_slice(octets);
    tlv(tag::BIT_STRING, &contents)
}

/// INTEGER from a number.
pub(crate) fn integer_u64(value: u64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let mut contents: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
    if contents.first().is_none_or(|first| first & 0x80 != 0) {
        contents.insert(0, 0);
    }
    tlv(tag::INTEGER, &contents)
}

/// NULL.
pub(crate) fn null() -> Vec<u8> {
    tlv(tag::NULL, &[])
}

fn concatenated<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    parts
        .iter()
        .flat_map(|part| part.as_ref().iter().copied())
        .collect()
}
