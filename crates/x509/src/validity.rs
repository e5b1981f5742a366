//! `Validity` (RFC 5280 §4.1.2.5). What it means depends on a `now` that the caller brings.

use jiff::{SignedDuration, Timestamp};

use crate::asn1::{sequence, time_der};

/// The period in which a certificate is valid, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Validity {
    /// First instant.
    pub not_before: Timestamp,
    /// Last instant; [`Timestamp::MAX`] stands for RFC 5280's `99991231235959Z`, no defined end.
    pub not_after: Timestamp,
}

/// Where an instant falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValidityState {
    /// Before `not_before`.
    NotYetValid,
    /// Within the period.
    Valid,
    /// After `not_after`.
    Expired,
}

impl Validity {
    /// Where `now` falls. A certificate that is over before it begins is never valid.
    pub fn state(&self, now: Timestamp) -> ValidityState {
        // The last second counts in full: `not_after` has no fractions.
        if now.as_second() > self.not_after.as_second() {
            ValidityState::Expired
        } else if now < self.not_before {
            ValidityState::NotYetValid
        } else {
            ValidityState::Valid
        }
    }

    /// What is left at `now`; negative once expired.
    pub fn remaining(&self, now: Timestamp) -> SignedDuration {
        self.not_after.duration_since(now)
    }

    /// The whole period.
    pub fn duration(&self) -> SignedDuration {
        self.not_after.duration_since(self.not_before)
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        sequence(&[time_der(self.not_before), time_der(self.not_after)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_included() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let validity = Validity {
            not_before: at(100),
            not_after: at(200),
        };
        let states = [99, 100, 200, 201].map(|second| validity.state(at(second)));
        assert_eq!(
            states,
            [
                ValidityState::NotYetValid,
                ValidityState::Valid,
                ValidityState::Valid,
                ValidityState::Expired
            ]
        );
        assert_eq!(validity.remaining(at(260)), SignedDuration::from_secs(-60));
        assert_eq!(validity.duration(), SignedDuration::from_secs(100));
    }
}
