//! `KeyUsage` (RFC 5280 §4.2.1.3): a set of named bits.

use std::{
    fmt,
    ops::{BitOr, BitOrAssign},
};

use crate::asn1::{DerError, Reader, bit_string, tag};

/// What a key may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyUsage {
    /// Bit n of RFC 5280 is `1 << n`.
    bits: u16,
}

#[expect(missing_docs, reason = "each constant is its RFC name")]
impl KeyUsage {
    pub const DIGITAL_SIGNATURE: Self = Self { bits: 1 };
    pub const NON_REPUDIATION: Self = Self { bits: 1 << 1 };
    pub const KEY_ENCIPHERMENT: Self = Self { bits: 1 << 2 };
    pub const DATA_ENCIPHERMENT: Self = Self { bits: 1 << 3 };
    pub const KEY_AGREEMENT: Self = Self { bits: 1 << 4 };
    pub const KEY_CERT_SIGN: Self = Self { bits: 1 << 5 };
    pub const CRL_SIGN: Self = Self { bits: 1 << 6 };
    pub const ENCIPHER_ONLY: Self = Self { bits: 1 << 7 };
    pub const DECIPHER_ONLY: Self = Self { bits: 1 << 8 };
}

impl KeyUsage {
    /// Reads an extension value; bits that RFC 5280 does not name are dropped.
    pub fn from_der(der: &[u8]) -> Result<Self, DerError> {
        let element = Reader::new(der).expect(tag::BIT_STRING, "keyUsage")?;
        let (_, octets) = element.bit_string("keyUsage")?;
        let mut bits = 0;
        for (index, _) in NAMES.iter().enumerate() {
            let octet = octets.get(index / 8).copied().unwrap_or_default();
            if octet & (0x80 >> (index % 8)) != 0 {
                bits |= 1 << index;
            }
        }
        Ok(Self { bits })
    }

    /// Writes an extension value.
    pub fn der(&self) -> Vec<u8> {
        // Bit 0 is the most significant bit of the first octet; X.690 §11.2.2 wants trailing zero
        // bits of a named bit list cut off.
        let reversed = self.bits.reverse_bits();
        let unused = u8::try_from(reversed.trailing_zeros() % 8).unwrap_or_default();
        let octets = reversed.to_be_bytes();
        let length = match octets {
            [0, 0] => return bit_string(0, &[]),
            [_, 0] => 1,
            _ => 2,
        };
        bit_string(unused, octets.get(..length).unwrap_or_default())
    }

    /// Whether every usage of `other` is in this set.
    pub fn contains(&self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }

    /// Usages in the spelling and order of RFC 5280.
    pub fn names(&self) -> Vec<&'static str> {
        let named = NAMES.iter().enumerate();
        named
            .filter(|(index, _)| self.bits & (1 << index) != 0)
            .map(|(_, name)| *name)
            .collect()
    }
}

impl BitOr for KeyUsage {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            bits: self.bits | other.bits,
        }
    }
}

impl BitOrAssign for KeyUsage {
    fn bitor_assign(&mut self, other: Self) {
        self.bits |= other.bits;
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.names().join(", "))
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyUsage({self})")
    }
}

const NAMES: &[&str] = &[
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_written_as_other_tools_write_them() {
        for (usage, der) in [
            (
                KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT,
                "030205a0",
            ),
            (
                KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT | KeyUsage::KEY_CERT_SIGN,
                "030202a4",
            ),
            (KeyUsage::DECIPHER_ONLY, "0303070080"),
            (KeyUsage::default(), "030100"),
        ] {
            assert_eq!(hex::encode(usage.der()), der);
            assert_eq!(KeyUsage::from_der(&usage.der()), Ok(usage));
        }
    }
}
