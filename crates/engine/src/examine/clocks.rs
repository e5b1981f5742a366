//! Clocks compared over the wire.

use jiff::Timestamp;

/// How many seconds the clock that said `date` is ahead of this host's, which showed `asked` before
/// the question and `answered` after the answer.
///
/// A `Date` header knows whole seconds, cut off (RFC 9110 §6.6.1), and the server said it at some
/// moment between: whatever can be explained by that is no difference.
pub(super) fn ahead_seconds(date: Timestamp, asked: Timestamp, answered: Timestamp) -> i64 {
    let date = date.as_second();
    let (asked, answered) = (asked.as_second(), answered.as_second());
    if date > answered {
        date.saturating_sub(answered)
    } else if date < asked {
        date.saturating_sub(asked)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rounding_and_travel_cannot_explain_counts() {
        let at = |seconds: i64, milliseconds: i32| {
            Timestamp::new(seconds, milliseconds * 1_000_000).unwrap()
        };
        for (date, asked, answered, ahead) in [
            (100, at(100, 0), at(100, 5), 0),
            (100, at(100, 999), at(101, 1), 0),
            (101, at(100, 999), at(101, 1), 0),
            (102, at(100, 999), at(101, 1), 1),
            (160, at(100, 0), at(100, 5), 60),
            (40, at(100, 900), at(100, 905), -60),
        ] {
            assert_eq!(ahead_seconds(at(date, 0), asked, answered), ahead);
        }
    }
}
