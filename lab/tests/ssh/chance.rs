//! Numbers that look random and are the same in every run: SplitMix64.

/// A sequence.
pub struct Chance(u64);

impl Chance {
    /// The sequence of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(mixed % limit).unwrap_or(0)
    }
}

#[test]
fn a_seed_gives_the_same_numbers_each_time() {
    let numbers = |seed| {
        let mut chance = Chance::seeded(seed);
        (0..8).map(|_| chance.below(100)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(4), numbers(4));
    assert_ne!(numbers(4), numbers(5));
}
