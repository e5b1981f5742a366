//! One row of the catalogue, and the shorthand in which rows are written.

use crate::model::Severity;

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingKind {
    /// Stable kebab-case code.
    pub code: &'static str,
    /// The usual severity; some are graver or lighter in special cases, and then the text says so.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What it means, and what breaks.
    pub meaning: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// From what it is concluded.
    pub known_by: &'static str,
    /// What mends it.
    pub remedy: &'static str,
    /// The commands for it, to be typed as they stand or with the upper-case words filled in.
    pub commands: &'static [&'static str],
    /// The object and the sentence as they are shown.
    pub example: &'static str,
    /// Which verbs say it.
    pub verbs: &'static [&'static str],
}

/// Kinds of findings about one subject.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What they are about.
    pub title: &'static str,
    /// The kinds, most important first.
    pub kinds: &'static [FindingKind],
}

/// Writes rows: a constant with the code for each, and all of them as `KINDS`.
macro_rules! kinds {
    ($($name:ident = $code:literal, $severity:ident, $title:literal, [$($verb:literal),+] {
        meaning: $meaning:literal,
        cause: $cause:literal,
        known_by: $known_by:literal,
        remedy: $remedy:literal,
        commands: [$($command:literal),* $(,)?],
        example: $example:literal $(,)?
    })+) => {
        /// The codes.
        pub mod codes {
            $(
                #[doc = $title]
                pub const $name: &str = $code;
            )+
        }

        /// The rows.
        pub(super) const KINDS: &[$crate::findings::FindingKind] = &[$(
            $crate::findings::FindingKind {
                code: $code,
                severity: $crate::model::Severity::$severity,
                title: $title,
                meaning: $meaning,
                cause: $cause,
                known_by: $known_by,
                remedy: $remedy,
                commands: &[$($command),*],
                example: $example,
                verbs: &[$($verb),+],
            },
        )+];
    };
}
