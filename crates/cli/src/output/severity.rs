//! A severity as people see it: one word and one colour, the same in every verb.

use super::style::{BAD, DIM, WARN};
use anstyle::Style;
use kubepki_core::model::Severity;

/// The word.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// The colour.
pub fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => BAD,
        Severity::Warning => WARN,
        Severity::Info => DIM,
    }
}
