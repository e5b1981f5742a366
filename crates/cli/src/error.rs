//! Errors as a user meets them: one sentence, where it happened, and what to do next.
//!
//! Every verb ends with a [`CliError`] or an exit code. Errors of other rooms are turned into one
//! at the place where the location and a useful hint are known, not by a blanket conversion.
//!
//! ```text
//! error: cannot read /etc/kubernetes/pki/ca.key: permission denied
//!   location  /etc/kubernetes/pki/ca.key
//!
//! hint: run as root
//! ```
//!
//! With `-o json` or `-o yaml` the same error is an object of kind `Error` on standard error;
//! standard output carries only what was asked for.

use crate::exit_code::ExitCode;
use kubepki_fleet::session::SessionError;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::io;

/// `apiVersion` of everything this program writes for other programs.
pub const API_VERSION: &str = "kubepki.dev/v1alpha1";

/// An error ready to be shown.
#[derive(Debug)]
pub struct CliError {
    code: String,
    message: String,
    details: Vec<(Cow<'static, str>, String)>,
    hint: Option<String>,
    exit_code: ExitCode,
}

impl CliError {
    /// An error that ends the command with exit code 1. `code` is a stable kebab-case word,
    /// `message` a lower-case sentence without a period.
    pub fn new(code: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            code: code.into(),
            message: message.to_string(),
            details: Vec::new(),
            hint: None,
            exit_code: ExitCode::Failed,
        }
    }

    /// A command line that cannot be obeyed: exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self {
            exit_code: ExitCode::Usage,
            ..Self::new("usage", message)
        }
    }

    /// Says where it happened: a path, an endpoint, an object. The last word counts: whoever knows
    /// how the user called it says it last.
    pub fn location(mut self, location: impl fmt::Display) -> Self {
        self.details.retain(|(label, _)| label != LOCATION);
        self.details
            .insert(0, (LOCATION.into(), location.to_string()));
        self
    }

    /// Adds a piece of evidence, e.g. `expected` or `found`.
    pub fn detail(mut self, label: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.details.push((label.into(), value.to_string()));
        self
    }

    /// Adds what the user can do about it.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Ends the command with another code than 1.
    pub fn exits_with(mut self, exit_code: ExitCode) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// The code the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        self.exit_code
    }

    /// The stable word for this kind of error.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the reader of our output went away, which is how `| head` ends and no error.
    pub fn is_broken_pipe(&self) -> bool {
        self.code == BROKEN_PIPE
    }

    /// The error as an object for `-o json` and `-o yaml`.
    pub fn object(&self) -> ErrorObject<'_> {
        let found = |label: &str| {
            self.details
                .iter()
                .find(|(name, _)| name == label)
                .map(|(_, value)| value.as_str())
        };
        ErrorObject {
            api_version: API_VERSION,
            kind: "Error",
            code: &self.code,
            message: &self.message,
            location: found(LOCATION),
            details: self
                .details
                .iter()
                .filter(|(name, _)| name != LOCATION)
                .map(|(label, value)| Detail { label, value })
                .collect(),
            hint: self.hint.as_deref(),
        }
    }
}

const LOCATION: &str = "location";

const BROKEN_PIPE: &str = "broken-pipe";

/// What a host refused, as its session put it into words.
impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        let mut shown = Self::new(error.code, error.message);
        for (label, value) in error.details {
            shown = if label == LOCATION {
                shown.location(value)
            } else {
                shown.detail(label, value)
            };
        }
        match error.hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}

/// Only failures of our own output reach this conversion; reading goes through the host's port.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(BROKEN_PIPE, "the reader of the output went away")
        } else {
            Self::new("output-failed", format!("cannot write the output: {error}"))
        }
    }
}

/// The human form without colour and without the leading `error: `.
impl fmt::Display for CliError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        let width = self
            .details
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or(0);
        for (label, value) in &self.details {
            let indented = value.replace('\n', &format!("\n    {:width$}", ""));
            write!(formatter, "\n  {label:width$}  {indented}")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// What `-o json` and `-o yaml` show of an error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorObject<'a> {
    api_version: &'static str,
    kind: &'static str,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct Detail<'a> {
    label: &'a str,
    value: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CliError {
        CliError::new("expired", "certificate `apiserver` expired 3 days ago")
            .location("/etc/kubernetes/pki/apiserver.crt (item 1)")
            .detail("validity", "not after 2026-11-18T22:11:00Z")
            .hint("renew it with `kubepki renew apiserver`")
    }

    #[test]
    fn human_form_has_sentence_evidence_and_hint() {
        assert_eq!(
            sample().to_string(),
            "certificate `apiserver` expired 3 days ago\n\
             \x20 location  /etc/kubernetes/pki/apiserver.crt (item 1)\n\
             \x20 validity  not after 2026-11-18T22:11:00Z\n\
             \n\
             hint: renew it with `kubepki renew apiserver`"
        );
    }

    #[test]
    fn object_form_carries_the_same_facts() {
        assert_eq!(
            serde_json::to_value(sample().object()).unwrap(),
            serde_json::json!({
                "apiVersion": "kubepki.dev/v1alpha1",
                "kind": "Error",
                "code": "expired",
                "message": "certificate `apiserver` expired 3 days ago",
                "location": "/etc/kubernetes/pki/apiserver.crt (item 1)",
                "details": [{"label": "validity", "value": "not after 2026-11-18T22:11:00Z"}],
                "hint": "renew it with `kubepki renew apiserver`",
            })
        );
    }

    #[test]
    fn usage_errors_end_with_two() {
        assert_eq!(CliError::usage("no").exit_code(), ExitCode::Usage);
        assert!(CliError::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_broken_pipe());
    }
}
