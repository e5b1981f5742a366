//! Serial numbers for new certificates (RFC 5280 §4.1.2.2).

use kubepki_x509::SerialNumber;

/// Octets of a serial number; RFC 5280 allows twenty.
const LENGTH: usize = 16;

/// A serial number of 127 random bits: positive, never zero, the top bit of its octets clear.
///
/// # Panics
///
/// When the operating system cannot give random octets, in which state no key can be made either.
#[expect(
    clippy::expect_used,
    reason = "without randomness nothing in this crate can go on, and no input can cause it"
)]
pub fn random_serial() -> SerialNumber {
    let mut octets = [0; LENGTH];
    loop {
        aws_lc_rs::rand::fill(&mut octets).expect("the operating system gives random octets");
        if let Some(serial) = from_random(octets) {
            return serial;
        }
    }
}

/// Nothing for the one draw in 2^127 that is zero.
fn from_random(mut octets: [u8; LENGTH]) -> Option<SerialNumber> {
    octets[0] &= 0x7f;
    octets
        .iter()
        .any(|octet| *octet != 0)
        .then(|| SerialNumber::from_unsigned(&octets))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn serials_are_positive_and_all_different() {
        let serials: Vec<_> = (0..2000).map(|_| random_serial()).collect();
        for serial in &serials {
            assert!(!serial.is_zero());
            assert!(!serial.is_negative());
            assert!(serial.octets().len() <= LENGTH);
        }
        let distinct: HashSet<_> = serials.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), serials.len());
    }

    #[test]
    fn the_top_bit_is_cleared_and_leading_zeros_are_minimal() {
        let all_ones = from_random([0xff; LENGTH]).unwrap();
        assert_eq!(all_ones.to_string(), format!("7F{}", "FF".repeat(15)));
        let mut octets = [0; LENGTH];
        octets[LENGTH - 1] = 0x80;
        let small = from_random(octets).unwrap();
        assert_eq!(small.octets(), [0x00, 0x80]);
        assert!(!small.is_negative());
    }

    #[test]
    fn zero_is_drawn_again() {
        assert!(from_random([0; LENGTH]).is_none());
        let mut top_bit_only = [0; LENGTH];
        top_bit_only[0] = 0x80;
        assert!(from_random(top_bit_only).is_none());
    }
}
