//! `CertificateSerialNumber` (RFC 5280 §4.1.2.2), kept as the octets found.
//!
//! kubeadm's own CAs have serial 0, and negative or longer than 20 octets serials exist on hosts.
//! All are read, shown and compared; whether one may be *issued* is for the caller to ask.

use std::fmt;

use crate::asn1::{tag, tlv};

/// A serial number: the contents octets of an INTEGER.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber {
    octets: Vec<u8>,
}

impl SerialNumber {
    /// From contents octets as found, two's complement, any length.
    pub fn from_octets(octets: &[u8]) -> Self {
        Self {
            octets: octets.to_vec(),
        }
    }

    /// From the octets of an unsigned number, most significant first.
    pub fn from_unsigned(octets: &[u8]) -> Self {
        let mut octets: Vec<u8> = octets
            .iter()
            .copied()
            .skip_while(|octet| *octet == 0)
            .collect();
        if octets.first().is_none_or(|first| first & 0x80 != 0) {
            octets.insert(0, 0);
        }
        Self { octets }
    }

    /// Contents octets, two's complement, as found.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether it is 0, as in CAs made by kubeadm before 1.30.
    pub fn is_zero(&self) -> bool {
        self.octets.iter().all(|octet| *octet == 0)
    }

    /// Whether it is below 0, which RFC 5280 forbids but older tools wrote.
    pub fn is_negative(&self) -> bool {
        self.octets.first().is_some_and(|first| first & 0x80 != 0)
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        // An INTEGER has at least one octet.
        let octets = if self.octets.is_empty() {
            &[0]
        } else {
            self.octets.as_slice()
        };
        tlv(tag::INTEGER, octets)
    }

    fn magnitude(&self) -> Vec<u8> {
        let mut octets = self.octets.clone();
        if self.is_negative() {
            let mut carry = true;
            for octet in octets.iter_mut().rev() {
                (*octet, carry) = (!*octet).overflowing_add(u8::from(carry));
            }
        }
        octets.into_iter().skip_while(|octet| *octet == 0).collect()
    }
}

/// Upper-case hexadecimal of the magnitude, `-` before it if negative, `00` for zero.
impl fmt::Display for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.magnitude();
        if magnitude.is_empty() {
            return formatter.write_str("00");
        }
        let sign = if self.is_negative() { "-" } else { "" };
        write!(formatter, "{sign}{}", hex::encode_upper(magnitude))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SerialNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_serial_can_be_shown() {
        for (octets, shown) in [
            (&[][..], "00"),
            (&[0], "00"),
            (&[1], "01"),
            (&[0, 0xff], "FF"),
            (&[0xff], "-01"),
            (&[0x80], "-80"),
            (&[0xff, 0x00], "-0100"),
            (&[0x12, 0x34], "1234"),
        ] {
            assert_eq!(
                SerialNumber::from_octets(octets).to_string(),
                shown,
                "{octets:02x?}"
            );
        }
    }

    #[test]
    fn unsigned_octets_stay_positive_and_shortest() {
        assert_eq!(
            SerialNumber::from_unsigned(&[0, 0, 0x80]).octets(),
            [0, 0x80]
        );
        assert_eq!(SerialNumber::from_unsigned(&[0, 0x7f]).octets(), [0x7f]);
        assert!(SerialNumber::from_unsigned(&[]).is_zero());
        assert!(!SerialNumber::from_unsigned(&[0xff; 20]).is_negative());
    }
}
