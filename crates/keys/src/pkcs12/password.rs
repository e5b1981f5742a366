//! Passwords of PKCS#12 files and the keys derived from them (RFC 7292 appendix B, RFC 8018).
//!
//! Two derivations are in use, and they take the password differently: PBKDF2 takes its octets,
//! PKCS#12's own derivation takes UTF-16 with a terminating zero.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, pbkdf2};
use zeroize::Zeroizing;

use super::{MAX_ITERATIONS, Pkcs12Error};

/// A password in both spellings.
pub(super) struct Password {
    octets: Zeroizing<Vec<u8>>,
    utf16: Zeroizing<Vec<u8>>,
}

/// What a key from PKCS#12's own derivation is for; the value is the diversifier of RFC 7292 B.3.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Encryption = 1,
    InitializationVector = 2,
    Integrity = 3,
}

impl Password {
    /// The spellings under which `password` may have been used, the likelier first. Only an empty
    /// one has two: a lone terminating zero, or nothing at all.
    pub(super) fn spellings(password: &[u8]) -> Vec<Self> {
        let mut spellings = vec![Self {
            octets: Zeroizing::new(password.to_vec()),
            utf16: to_utf16(password),
        }];
        if password.is_empty() {
            spellings.push(Self {
                octets: Zeroizing::default(),
                utf16: Zeroizing::default(),
            });
        }
        spellings
    }

    /// PBKDF2 (RFC 8018 §5.2).
    pub(super) fn pbkdf2(
        &self,
        algorithm: pbkdf2::Algorithm,
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        let iterations = check_iterations(iterations)?;
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(algorithm, iterations, salt, &self.octets, &mut key);
        Ok(key)
    }

    /// PKCS#12's own derivation (RFC 7292 appendix B.2); the step numbers are the RFC's.
    pub(super) fn pkcs12(
        &self,
        algorithm: &'static digest::Algorithm,
        purpose: Purpose,
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        let iterations = check_iterations(iterations)?;
        let block_length = algorithm.block_len();
        // 1. to 4.: diversifier D, and I from salt and password, each filled up to whole blocks
        let diversifier = vec![purpose as u8; block_length];
        let mut input = Zeroizing::new(Vec::new());
        for part in [salt, &self.utf16] {
            let filled = part.len().div_ceil(block_length) * block_length;
            input.extend(part.iter().cycle().take(filled));
        }
        // 5. and 6.: hash, hash again, and stir the result into I for the next block
        let mut key = Zeroizing::new(Vec::with_capacity(length + algorithm.output_len()));
        loop {
            let mut context = digest::Context::new(algorithm);
            context.update(&diversifier);
            context.update(&input);
            let mut hash = Zeroizing::new(context.finish().as_ref().to_vec());
            for _ in 1..iterations.get() {
                let again = digest::digest(algorithm, &hash);
                hash.copy_from_slice(again.as_ref());
            }
            key.extend_from_slice(&hash);
            if key.len() >= length {
                break;
            }
            for block in input.chunks_exact_mut(block_length) {
                add_with_one(block, &hash);
            }
        }
        // 7. and 8.
        key.truncate(length);
        Ok(key)
    }
}

/// `block` = `block` + B + 1 modulo its width, B being `hash` repeated to the width (step 6.C).
fn add_with_one(block: &mut [u8], hash: &[u8]) {
    let width = block.len();
    let repeated: Zeroizing<Vec<u8>> =
        Zeroizing::new(hash.iter().copied().cycle().take(width).collect());
    let mut carry = 1_u16;
    for (octet, addend) in block.iter_mut().rev().zip(repeated.iter().rev()) {
        let [high, low] = (u16::from(*octet) + u16::from(*addend) + carry).to_be_bytes();
        *octet = low;
        carry = u16::from(high);
    }
}

fn check_iterations(found: u32) -> Result<NonZeroU32, Pkcs12Error> {
    NonZeroU32::new(found)
        .filter(|iterations| iterations.get() <= MAX_ITERATIONS)
        .ok_or(Pkcs12Error::Iterations { found })
}

/// UTF-16, big-endian, with a terminating zero. What is not UTF-8 is taken as Latin-1.
fn to_utf16(password: &[u8]) -> Zeroizing<Vec<u8>> {
    // twice the octets and the terminator: never grows, so no copy is left behind
    let mut utf16 = Zeroizing::new(Vec::with_capacity(2 * password.len() + 2));
    let mut push = |unit: u16| utf16.extend_from_slice(&unit.to_be_bytes());
    match std::str::from_utf8(password) {
        Ok(text) => text.encode_utf16().for_each(&mut push),
        Err(_) => password.iter().for_each(|octet| push(u16::from(*octet))),
    }
    push(0);
    utf16
}
