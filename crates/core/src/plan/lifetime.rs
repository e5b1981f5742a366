//! From when and until when a certificate is valid: `--not-before`, `--validity`, and the CA's end;
//! and lengths of time as every flag and file spells them.
//!
//! A length of time is fixed: a day has 24 hours and a year 365 days, as in kubeadm's `8760h` and
//! `87600h`. A month has no length; an end that should fall on a certain day is written as a date.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil::Date};
use std::str::FromStr;

/// Start of validity.
#[derive(Clone, Copy, Debug)]
pub enum StartRule {
    /// This long before now (five minutes by default, as kubeadm's `CertificateBackdate`).
    Before(SignedDuration),
    /// At this time.
    At(Timestamp),
}

/// End of validity.
#[derive(Clone, Copy, Debug)]
pub enum EndRule {
    /// This long after now.
    For(SignedDuration),
    /// At this time.
    At(Timestamp),
}

const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// A length of time or date that could not be read, or leads out of all calendars.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read `{0}`: expected a length of time such as 1y, 90d or 12h, or a date such as 2036-01-31 or 2036-01-31T00:00:00Z"
)]
pub struct LifetimeSyntaxError(pub String);

impl Default for StartRule {
    fn default() -> Self {
        Self::Before(BACKDATE)
    }
}

impl Default for EndRule {
    fn default() -> Self {
        // kubeadm's.
        Self::For(SignedDuration::from_hours(8760))
    }
}

impl FromStr for StartRule {
    type Err = LifetimeSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || LifetimeSyntaxError(text.to_owned());
        if let Some(rest) = text.strip_prefix('-') {
            return Ok(Self::Before(length_of_time(rest).ok_or_else(error)?));
        }
        if text == "now" {
            return Ok(Self::Before(SignedDuration::ZERO));
        }
        date(text).map(Self::At).ok_or_else(error)
    }
}

impl FromStr for EndRule {
    type Err = LifetimeSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        date(text)
            .map(Self::At)
            .or_else(|| length_of_time(text).map(Self::For))
            .ok_or_else(|| LifetimeSyntaxError(text.to_owned()))
    }
}

impl StartRule {
    /// Whether this is what nobody asked for: five minutes before now.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Before(back) if *back == BACKDATE)
    }

    /// The time it names, seen from `now`, to the second.
    pub fn resolve(&self, now: Timestamp) -> Result<Timestamp, LifetimeSyntaxError> {
        match self {
            Self::At(at) => Ok(*at),
            Self::Before(back) => shift(now, back.checked_neg(), back),
        }
        .map(whole_seconds)
    }
}

impl EndRule {
    /// The time it names, seen from `now`, to the second.
    pub fn resolve(&self, now: Timestamp) -> Result<Timestamp, LifetimeSyntaxError> {
        match self {
            Self::At(at) => Ok(*at),
            Self::For(length) => shift(now, Some(*length), length),
        }
        .map(whole_seconds)
    }
}

/// Reads a length of time: `30d`, `12h`, `90m`, `45s`, `2w`, `1y` (365 days), or several: `1d12h`.
pub fn length_of_time(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut total = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let number: i64 = number.parse().ok()?;
        let mut characters = tail.chars();
        let seconds_each = match characters.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            'y' => 365 * 86_400,
            _ => return None,
        };
        let more = SignedDuration::from_secs(number.checked_mul(seconds_each)?);
        total = Some(total.unwrap_or(SignedDuration::ZERO).checked_add(more)?);
        rest = characters.as_str();
    }
    total
}

fn shift(
    from: Timestamp,
    by: Option<SignedDuration>,
    asked: &SignedDuration,
) -> Result<Timestamp, LifetimeSyntaxError> {
    by.and_then(|by| from.checked_add(by).ok())
        .ok_or_else(|| LifetimeSyntaxError(format!("{asked:#}")))
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn date(text: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let date: Date = text.parse().ok()?;
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T10:00:00.5Z".parse().unwrap()
    }

    #[test]
    fn a_year_is_365_days_wherever_it_is_written() {
        let end: EndRule = "10y".parse().unwrap();
        let days: EndRule = "3650d".parse().unwrap();
        let hours: EndRule = "87600h".parse().unwrap();
        for end in [end, days, hours] {
            let end = end.resolve(now()).unwrap();
            assert_eq!(end.to_string(), "2036-11-19T10:00:00Z");
        }
        let start: StartRule = "-1y".parse().unwrap();
        let start = start.resolve(now()).unwrap();
        assert_eq!(start.to_string(), "2025-11-22T10:00:00Z");
        assert_eq!(length_of_time("1y"), length_of_time("365d"));
    }

    #[test]
    fn the_default_is_kubeadms_8760_hours() {
        let end = EndRule::default().resolve(now()).unwrap();
        assert_eq!(end.to_string(), "2027-11-22T10:00:00Z");
        let start = StartRule::default().resolve(now()).unwrap();
        assert_eq!(start.to_string(), "2026-11-22T09:55:00Z");
    }

    #[test]
    fn starts_go_back_or_name_a_date() {
        let back: StartRule = "-365d".parse().unwrap();
        assert_eq!(
            back.resolve(now()).unwrap().to_string(),
            "2025-11-22T10:00:00Z"
        );
        let at: StartRule = "2020-01-01".parse().unwrap();
        assert_eq!(
            at.resolve(now()).unwrap().to_string(),
            "2020-01-01T00:00:00Z"
        );
    }

    #[test]
    fn nonsense_is_refused_with_the_spelling_expected() {
        for text in ["", "soon", "-5y", "5", "2036-13-01", "1y6mo", "P1Y"] {
            let error = text.parse::<EndRule>().unwrap_err();
            assert!(
                error.to_string().contains("expected a length of time"),
                "{text}: {error}"
            );
        }
        assert!("365d".parse::<StartRule>().is_err());
    }

    #[test]
    fn lengths_add_up_their_units() {
        let hours = SignedDuration::from_hours;
        for (text, length) in [
            ("30d", hours(720)),
            ("1d12h", hours(36)),
            ("1y", hours(8760)),
            ("2w", hours(336)),
            ("90m", SignedDuration::from_mins(90)),
            ("0s", SignedDuration::ZERO),
        ] {
            assert_eq!(length_of_time(text), Some(length), "{text}");
        }
        for wrong in ["", "30", "d", "30 d", "1.5d", "30D", "99999999999999y"] {
            assert_eq!(length_of_time(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_leads_out_of_all_calendars_is_refused() {
        let end: EndRule = "99999y".parse().unwrap();
        end.resolve(now()).unwrap_err();
        let start: StartRule = "-99999y".parse().unwrap();
        start.resolve(now()).unwrap_err();
    }
}
