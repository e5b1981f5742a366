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
