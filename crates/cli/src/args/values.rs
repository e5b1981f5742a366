//! Values that flags take: times and lengths of time, in one spelling for every verb.
//!
//! Parsers only read what was typed; whether the value makes sense is the verb's business.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

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

/// Reads a length of time: `30d`, `12h`, `90m`, `45s`, `2w`, `1y` (365 days), or several: `1d12h`.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let expected = || "expected a length of time like 30d, 12h, 1y or 1d12h".to_string();
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if rest.is_empty() {
        return Err(expected());
    }
    let mut total = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(expected)?;
        let (number, tail) = rest.split_at(digits);
        let number: i64 = number.parse().map_err(|_| expected())?;
        let mut characters = tail.chars();
        let seconds_each = match characters.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 7 * 86_400,
            Some('y') => 365 * 86_400,
            _ => return Err(expected()),
        };
        let seconds = number.checked_mul(seconds_each).ok_or_else(expected)?;
        total = total
            .checked_add(SignedDuration::from_secs(seconds))
            .ok_or_else(expected)?;
        rest = characters.as_str();
    }
    Ok(if sign < 0 { -total } else { total })
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
    fn durations_add_up_their_units() {
        let hours = SignedDuration::from_hours;
        assert_eq!(duration("30d").unwrap(), hours(720));
        assert_eq!(duration("1d12h").unwrap(), hours(36));
        assert_eq!(duration("1y").unwrap(), hours(8760));
        assert_eq!(duration("2w").unwrap(), hours(336));
        assert_eq!(duration("90m").unwrap(), SignedDuration::from_mins(90));
        assert_eq!(duration("0s").unwrap(), SignedDuration::ZERO);
        assert_eq!(duration("-365d").unwrap(), hours(-8760));
        for wrong in ["", "-", "30", "d", "30 d", "1.5d", "30D", "99999999999999y"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
