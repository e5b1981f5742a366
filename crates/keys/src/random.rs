//! Random octets for secrets that are no keys: bootstrap tokens.

use kubepki_sealed::Sealed;

/// Random octets of the operating system.
///
/// # Panics
///
/// When the operating system cannot give random octets, in which state no key can be made either.
#[expect(
    clippy::expect_used,
    reason = "without randomness nothing in this crate can go on, and no input can cause it"
)]
pub fn random_octets(length: usize) -> Sealed {
    let mut octets = vec![0; length];
    aws_lc_rs::rand::fill(&mut octets).expect("the operating system gives random octets");
    Sealed::new(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubepki_sealed::danger;

    #[test]
    fn two_draws_differ() {
        let (one, other) = (random_octets(64), random_octets(64));
        assert_eq!(one.len(), 64);
        assert!(danger::open(&one) != danger::open(&other));
    }
}
