//! From when and until when a certificate is valid: `--not-before`, `--validity`, and the CA's end.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan, civil::Date};
use std::str::FromStr;

/// Start of validity.
#[derive(Clone, Copy, Debug)]
pub enum StartRule {
    /// This span before now (five minutes by default, as kubeadm's `CertificateBackdate`).
    Before(Span),
    /// At this time.
    At(Timestamp),
}

/// End of validity.
#[derive(Clone, Copy, Debug)]
pub enum EndRule {
    /// This long after now.
    For(Span),
    /// At this time.
    At(Timestamp),
}

/// A span or date that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read `{0}`: expected a duration such as 1y, 90d, 12h or 1y6mo, or a date such as 2036-01-31 or 2036-01-31T00:00:00Z"
)]
pub struct LifetimeSyntaxError(pub String);

impl Default for StartRule {
    fn default() -> Self {
        Self::Before(5.minutes())
    }
}

impl Default for EndRule {
    fn default() -> Self {
        // kubeadm's 8760 h.
        Self::For(365.days())
    }
}

impl FromStr for StartRule {
    type Err = LifetimeSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || LifetimeSyntaxError(text.to_owned());
        if let Some(rest) = text.strip_prefix('-') {
            return Ok(Self::Before(span(rest).ok_or_else(error)?));
        }
        if text == "now" {
            return Ok(Self::Before(0.seconds()));
        }
        date(text).map(Self::At).ok_or_else(error)
    }
}

impl FromStr for EndRule {
    type Err = LifetimeSyntaxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        date(text)
            .map(Self::At)
            .or_else(|| span(text).map(Self::For))
            .ok_or_else(|| LifetimeSyntaxError(text.to_owned()))
    }
}

impl StartRule {
    /// Whether this is what nobody asked for: five minutes before now.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Before(back) if back.fieldwise() == 5.minutes().fieldwise())
    }

    /// The time it names, seen from `now`, to the second.
    pub fn resolve(&self, now: Timestamp) -> Result<Timestamp, LifetimeSyntaxError> {
        match self {
            Self::At(at) => Ok(*at),
            Self::Before(back) => shift(now, -*back),
        }
        .map(whole_seconds)
    }
}

impl EndRule {
    /// The time it names, seen from `now`, to the second.
    pub fn resolve(&self, now: Timestamp) -> Result<Timestamp, LifetimeSyntaxError> {
        match self {
            Self::At(at) => Ok(*at),
            Self::For(length) => shift(now, *length),
        }
        .map(whole_seconds)
    }
}

/// Reads a plain length of time such as `30d`, for thresholds.
pub fn duration(text: &str) -> Result<SignedDuration, LifetimeSyntaxError> {
    let error = || LifetimeSyntaxError(text.to_owned());
    let span = span(text).ok_or_else(error)?;
    let start = Timestamp::UNIX_EPOCH;
    let end = shift(start, span)?;
    Ok(end.duration_since(start))
}

/// A calendar span in UTC: a year is a calendar year, a day 24 hours.
fn shift(from: Timestamp, by: Span) -> Result<Timestamp, LifetimeSyntaxError> {
    from.to_zoned(TimeZone::UTC)
        .checked_add(by)
        .map(|zoned| zoned.timestamp())
        .map_err(|_| LifetimeSyntaxError(format!("{by:#}")))
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn span(text: &str) -> Option<Span> {
    let parsed: Span = text.parse().ok()?;
    (parsed.is_positive() || parsed.is_zero()).then_some(parsed)
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
    fn a_year_is_a_calendar_year() {
        let end: EndRule = "10y".parse().unwrap();
        assert_eq!(
            end.resolve(now()).unwrap().to_string(),
            "2036-11-22T10:00:00Z"
        );
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
        for text in ["", "soon", "-5y", "5", "2036-13-01"] {
            let error = text.parse::<EndRule>().unwrap_err();
            assert!(
                error.to_string().contains("expected a duration"),
                "{text}: {error}"
            );
        }
        assert!("365d".parse::<StartRule>().is_err());
    }

    #[test]
    fn thresholds_are_plain_lengths() {
        assert_eq!(
            duration("30d").unwrap(),
            SignedDuration::from_hours(30 * 24)
        );
        assert_eq!(duration("12h").unwrap(), SignedDuration::from_hours(12));
    }
}
