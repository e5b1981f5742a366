//! The name of one run: sortable by time, unique by chance, safe in a file name.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Identifies a run, its journal, its backup and its staged files, e.g. `20261118T221100Z-3fa9c1d2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// Text that is no run id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id: 1 to 40 letters, digits and hyphens, no hyphen first")]
pub struct InvalidRunId(pub String);

impl RunId {
    /// A new name from the time and four random bytes.
    pub fn new(now: Timestamp, chance: [u8; 4]) -> Self {
        let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        Self(format!("{time}-{}", hex::encode(chance)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = InvalidRunId;

    fn from_str(text: &str) -> Result<Self, InvalidRunId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_valid =
            (1..=40).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRunId(text.to_owned()))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = InvalidRunId;

    fn try_from(text: String) -> Result<Self, InvalidRunId> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_sorts_by_time_and_reads_back() {
        let id = RunId::new(
            "2026-11-18T22:11:00Z".parse().unwrap(),
            [0x3f, 0xa9, 0xc1, 0xd2],
        );
        assert_eq!(id.as_str(), "20261118T221100Z-3fa9c1d2");
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
    }

    #[test]
    fn what_could_leave_a_folder_is_no_run_id() {
        for text in ["", "../x", "a/b", "a.b", "-a", &"a".repeat(41)] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
