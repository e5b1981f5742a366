//! How many hosts work at once in a batch: a number, or a part of all of them.

use std::fmt;
use std::str::FromStr;

/// The size of a batch, as `--batch` spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// This many hosts.
    Hosts(u32),
    /// This many of a hundred, rounded up: never none.
    Percent(u8),
}

impl BatchSize {
    /// How many of `total` hosts: at least one.
    pub fn of(self, total: usize) -> u32 {
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        let size = match self {
            Self::Hosts(hosts) => u64::from(hosts),
            Self::Percent(percent) => total.saturating_mul(u64::from(percent)).div_ceil(100),
        };
        u32::try_from(size).unwrap_or(u32::MAX).max(1)
    }
}

impl FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!("expected a number of hosts from 1, or a part of them like 5%, found {text:?}")
        };
        match text.strip_suffix('%') {
            Some(part) => match part.parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
            None => match text.parse() {
                Ok(hosts @ 1..) => Ok(Self::Hosts(hosts)),
                _ => Err(wrong()),
            },
        }
    }
}

impl fmt::Display for BatchSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => write!(formatter, "{hosts}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_never_empty() {
        let size = |text: &str, total| BatchSize::from_str(text).map(|size| size.of(total));
        assert_eq!(size("5%", 500), Ok(25));
        assert_eq!(size("5%", 3), Ok(1));
        assert_eq!(size("34%", 5), Ok(2));
        assert_eq!(size("100%", 0), Ok(1));
        assert_eq!(size("7", 3), Ok(7));
    }

    #[test]
    fn a_part_is_of_a_hundred_and_a_number_is_of_hosts() {
        for wrong in ["0", "0%", "101%", "", "%", "-1", "5 %", "five", "1.5%"] {
            assert!(BatchSize::from_str(wrong).is_err(), "{wrong:?}");
        }
    }
}
