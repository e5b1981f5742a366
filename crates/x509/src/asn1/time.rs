//! UTCTime and GeneralizedTime (RFC 5280 §4.1.2.5), read tolerantly and written exactly.
//!
//! Read: seconds may be missing, fractions are cut off, a zone offset is applied, a missing `Z`
//! means UTC. Times after the last instant that [`Timestamp`] can hold become that instant: RFC
//! 5280's "no well-defined expiration date", `99991231235959Z`, is such a time, and is written
//! back from it unchanged.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{DerError, Element, tag, tlv};

/// RFC 5280 §4.1.2.5: the end of a certificate that has no well-defined end.
const NO_EXPIRATION: &[u8] = b"99991231235959Z";

/// Reads a `Time`.
pub(crate) fn parse_time(element: &Element<'_>, what: &'static str) -> Result<Timestamp, DerError> {
    let year_digits = match element.tag {
        tag::UTC_TIME => 2,
        tag::GENERALIZED_TIME => 4,
        found => {
            let (offset, expected) = (element.offset, tag::UTC_TIME);
            return Err(DerError::UnexpectedTag {
                what,
                offset,
                expected,
                found,
            });
        }
    };
    timestamp(element.contents, year_digits)
        .ok_or_else(|| element.value_error(what, "not a date and time"))
}

/// Writes a `Time`: UTCTime from 1950 through 2049, GeneralizedTime otherwise.
pub(crate) fn time_der(time: Timestamp) -> Vec<u8> {
    let civil = Offset::UTC.to_datetime(time);
    if time.as_second() == Timestamp::MAX.as_second() {
        return tlv(tag::GENERALIZED_TIME, NO_EXPIRATION);
    }
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    match civil.year() {
        year @ 1950..=2049 => tlv(
            tag::UTC_TIME,
            format!("{:02}{rest}", year.rem_euclid(100)).as_bytes(),
        ),
        year => tlv(
            tag::GENERALIZED_TIME,
            format!("{:04}{rest}", year.max(0)).as_bytes(),
        ),
    }
}

fn timestamp(text: &[u8], year_digits: usize) -> Option<Timestamp> {
    let mut rest = text;
    let year = i16::try_from(digits(&mut rest, year_digits)?).ok()?;
    // RFC 5280 §4.1.2.5.1: two digits below 50 are years of this century.
    let year = match (year_digits, year) {
        (2, 0..=49) => year + 2000,
        (2, _) => year + 1900,
        _ => year,
    };
    let month = i8::try_from(digits(&mut rest, 2)?).ok()?;
    let day = i8::try_from(digits(&mut rest, 2)?).ok()?;
    let hour = i8::try_from(digits(&mut rest, 2)?).ok()?;
    let minute = i8::try_from(digits(&mut rest, 2)?).ok()?;
    let second = match rest.first() {
        Some(octet) if octet.is_ascii_digit() => i8::try_from(digits(&mut rest, 2)?).ok()?.min(59),
        _ => 0,
    };
    if let Some(fraction) = rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b",")) {
        let end = fraction.iter().position(|octet| !octet.is_ascii_digit());
        rest = fraction.get(end.unwrap_or(fraction.len())..)?;
    }
    let offset = zone(rest)?;
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(offset.to_timestamp(civil).unwrap_or(Timestamp::MAX))
}

fn zone(text: &[u8]) -> Option<Offset> {
    let (sign, mut rest) = match text {
        [] | b"Z" | b"z" => return Some(Offset::UTC),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = i32::from(digits(&mut rest, 2)?);
    let minutes = i32::from(digits(&mut rest, 2)?);
    if !rest.is_empty() {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn digits(rest: &mut &[u8], count: usize) -> Option<u16> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    digits.iter().try_fold(0u16, |value, octet| {
        octet
            .is_ascii_digit()
            .then(|| value * 10 + u16::from(octet - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::Reader;

    fn read(tag: u8, text: &str) -> Result<Timestamp, DerError> {
        let der = tlv(tag, text.as_bytes());
        parse_time(&Reader::new(&der).any("time")?, "time")
    }

    #[test]
    fn every_spelling_is_read() {
        for (tag, text, expected) in [
            (tag::UTC_TIME, "491231235959Z", "2049-12-31T23:59:59Z"),
            (tag::UTC_TIME, "500101000000Z", "1950-01-01T00:00:00Z"),
            (tag::UTC_TIME, "2402291200Z", "2024-02-29T12:00:00Z"),
            (tag::UTC_TIME, "240229120000+0530", "2024-02-29T06:30:00Z"),
            (tag::UTC_TIME, "240229120000", "2024-02-29T12:00:00Z"),
            (tag::UTC_TIME, "161231235960Z", "2016-12-31T23:59:59Z"),
            (
                tag::GENERALIZED_TIME,
                "20240229120000.123Z",
                "2024-02-29T12:00:00Z",
            ),
            (
                tag::GENERALIZED_TIME,
                "00010101000000Z",
                "0001-01-01T00:00:00Z",
            ),
            (
                tag::GENERALIZED_TIME,
                "20800229120000-0100",
                "2080-02-29T13:00:00Z",
            ),
        ] {
            assert_eq!(read(tag, text), Ok(expected.parse().unwrap()), "{text}");
        }
        assert_eq!(
            read(tag::GENERALIZED_TIME, "99991231235959Z"),
            Ok(Timestamp::MAX)
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "Z",
            "230229120000Z",
            "241329120000Z",
            "24022912Z",
            "2402291200xx",
            "é",
        ] {
            assert!(read(tag::UTC_TIME, text).is_err(), "{text:?}");
        }
        assert!(read(tag::INTEGER, "491231235959Z").is_err());
    }

    #[test]
    fn the_form_changes_in_2050() {
        for (time, tag, text) in [
            (
                "1949-12-31T23:59:59Z",
                tag::GENERALIZED_TIME,
                "19491231235959Z",
            ),
            ("1950-01-01T00:00:00Z", tag::UTC_TIME, "500101000000Z"),
            ("2049-12-31T23:59:59.9Z", tag::UTC_TIME, "491231235959Z"),
            (
                "2050-01-01T00:00:00Z",
                tag::GENERALIZED_TIME,
                "20500101000000Z",
            ),
        ] {
            assert_eq!(time_der(time.parse().unwrap()), tlv(tag, text.as_bytes()));
        }
        assert_eq!(
            time_der(Timestamp::MAX),
            tlv(tag::GENERALIZED_TIME, NO_EXPIRATION)
        );
    }
}
