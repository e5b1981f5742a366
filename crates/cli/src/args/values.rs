//! Values that flags take: times and lengths of time, in one spelling for every verb.
//!
//! Parsers only read what was typed; whether the value makes sense is the verb's business.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::plan::length_of_time;

/// Reads an RFC 3339 time (`2026-08-20T10:00:00Z`) or a date (`2026-08-20`, midnight UTC).
pub fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    text.parse::<Date>()
        .ok()
        .filter(|_| text.len() == "2026-08-20".len())
        .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        .map(|midnight| midnight.timestamp())
        .ok_or_else(|| "expected a time like 2026-08-20T10:00:00Z or a date like 2026-08-20".into())
}

/// Reads a length of time as [`length_of_time`] does, also one with a sign.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let (is_negative, length) = match text.strip_prefix('-') {
        Some(rest) => (true, length_of_time(rest)),
        None => (false, length_of_time(text)),
    };
    length
        .map(|length| if is_negative { -length } else { length })
        .ok_or_else(|| "expected a length of time like 30d, 12h, 1y or 1d12h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_dates() {
        let noon: Timestamp = "2026-08-20T12:00:00Z".parse().unwrap();
        assert_eq!(time("2026-08-20T12:00:00Z").unwrap(), noon);
        assert_eq!(time("2026-08-20T14:00:00+02:00").unwrap(), noon);
        assert_eq!(
            time("2026-08-20").unwrap(),
            "2026-08-20T00:00:00Z".parse().unwrap()
        );
        assert_eq!(
            time("2080-01-01").unwrap(),
            "2080-01-01T00:00:00Z".parse().unwrap()
        );
        for wrong in [
            "",
            "tomorrow",
            "2026-13-01",
            "20260820",
            "2026-08-20T12:00:00",
        ] {
            assert!(time(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations_are_spelled_as_lifetimes_are_and_may_have_a_sign() {
        let hours = SignedDuration::from_hours;
        assert_eq!(duration("1d12h").unwrap(), hours(36));
        assert_eq!(duration("1y").unwrap(), hours(8760));
        assert_eq!(duration("-365d").unwrap(), hours(-8760));
        for wrong in ["", "-", "--1d", "30", "30 d", "99999999999999y"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
