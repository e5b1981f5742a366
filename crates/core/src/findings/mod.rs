//! The catalogue of findings: every code that this program says, what it means, how it comes about,
//! how it is known, and what mends it.
//!
//! One table for three readers: the checks take their codes and severities from here, `kubepki
//! explain CODE` shows a row, and `docs/findings` is written from all of them. Nobody judges here.
//! The text is for someone at 3 a.m.: short, in order, with commands to be typed as they stand.

#[macro_use]
mod row;
pub mod accepted_risks;
mod authorities;
mod backends;
mod cluster;
mod files;
mod keys;
mod kubelet;
mod pages;
mod people;
mod processes;
mod requests;
mod time;
mod trust;
mod verification;

pub use pages::{index, page};
pub use row::{FindingKind, Subject};

/// The codes as constants, so that a misspelt one does not compile.
pub mod code {
    pub use super::authorities::codes::*;
    pub use super::backends::codes::*;
    pub use super::cluster::codes::*;
    pub use super::files::codes::*;
    pub use super::keys::codes::*;
    pub use super::kubelet::codes::*;
    pub use super::people::codes::*;
    pub use super::processes::codes::*;
    pub use super::requests::codes::*;
    pub use super::time::codes::*;
    pub use super::trust::codes::*;
    pub use super::verification::codes::*;
}

/// The whole catalogue, by subject, in the order in which one looks: what has ended first.
pub const CATALOGUE: &[Subject] = &[
    Subject {
        title: "Time",
        kinds: time::KINDS,
    },
    Subject {
        title: "Files",
        kinds: files::KINDS,
    },
    Subject {
        title: "Keys and signatures",
        kinds: keys::KINDS,
    },
    Subject {
        title: "Who trusts whom",
        kinds: trust::KINDS,
    },
    Subject {
        title: "Certification authorities",
        kinds: authorities::KINDS,
    },
    Subject {
        title: "Names, usages and identities",
        kinds: verification::KINDS,
    },
    Subject {
        title: "What running processes hold",
        kinds: processes::KINDS,
    },
    Subject {
        title: "The kubelet",
        kinds: kubelet::KINDS,
    },
    Subject {
        title: "Copies of a CA in the API",
        kinds: cluster::KINDS,
    },
    Subject {
        title: "Servers that the API server calls",
        kinds: backends::KINDS,
    },
    Subject {
        title: "Requests and tokens",
        kinds: requests::KINDS,
    },
    Subject {
        title: "Credentials, and what was accepted",
        kinds: people::KINDS,
    },
];

/// Every row.
pub fn all() -> impl Iterator<Item = &'static FindingKind> {
    CATALOGUE.iter().flat_map(|subject| subject.kinds)
}

/// The row of this code.
pub fn find(code: &str) -> Option<&'static FindingKind> {
    all().find(|kind| kind.code == code)
}

/// The code that somebody may have meant who wrote one that there is not: the one with the fewest
/// letters to change, when they are few.
pub fn nearest(written: &str) -> Option<&'static str> {
    let written = written.to_ascii_lowercase().replace(['_', ' '], "-");
    let (distance, code) = all()
        .map(|kind| (distance(&written, kind.code), kind.code))
        .min()?;
    let few = (written.len() / 3).max(2);
    (distance <= few).then_some(code).or_else(|| {
        // a part of it was remembered
        (written.len() > 3)
            .then(|| all().find(|kind| kind.code.contains(&written)))
            .flatten()
            .map(|kind| kind.code)
    })
}

/// Letters to insert, remove or change to get from one word to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, from) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (to, above) in other.chars().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(from != to);
            left = changed.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_is_there_once_and_spelt_as_codes_are() {
        let mut seen = BTreeSet::new();
        for kind in all() {
            assert!(seen.insert(kind.code), "{} is there twice", kind.code);
            let is_kebab = kind.code.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
            });
            assert!(is_kebab && !kind.code.starts_with('-'), "{}", kind.code);
            assert_eq!(find(kind.code).map(|found| found.title), Some(kind.title));
        }
        assert!(seen.len() > 60, "{}", seen.len());
    }

    #[test]
    fn every_row_says_everything() {
        for kind in all() {
            for (part, text) in [
                ("title", kind.title),
                ("meaning", kind.meaning),
                ("cause", kind.cause),
                ("known by", kind.known_by),
                ("remedy", kind.remedy),
                ("example", kind.example),
            ] {
                assert!(text.len() >= 10, "{}: {part} says nothing", kind.code);
                assert!(
                    !text.contains("  ") && !text.starts_with(' ') && !text.ends_with(' '),
                    "{}: stray blanks in {part}",
                    kind.code
                );
            }
            assert!(!kind.title.ends_with('.'), "{}", kind.code);
            for sentence in [kind.meaning, kind.cause, kind.known_by, kind.remedy] {
                assert!(sentence.ends_with('.'), "{}: {sentence}", kind.code);
            }
            assert!(!kind.verbs.is_empty(), "{}", kind.code);
            for verb in kind.verbs {
                assert!(["status", "inspect", "doctor"].contains(verb), "{verb}");
            }
        }
    }

    #[test]
    fn a_misspelt_code_is_recognised() {
        for (written, meant) in [
            ("expird", Some("expired")),
            ("not_yet_valid", Some("not-yet-valid")),
            ("Key-Mismatch", Some("key-mismatch")),
            ("root-ca", Some("root-ca-stale")),
            ("somebody-elses-problem", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
    }
}
