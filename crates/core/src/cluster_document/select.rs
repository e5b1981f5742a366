//! Which hosts a user means: names, globs, labels, and what is taken away again.
//!
//! `cp1,w*` is a union; `!w3` takes away; only takings away begin with all. `env=prod` selects by a
//! label. A pattern that selects nobody is an error: a misspelled name must not be a quiet nothing.

use super::ClusterHost;

/// Why a selection cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// A pattern that selects nobody.
    #[error("no host is called {pattern}; there are {known}")]
    UnknownHost {
        /// As it was typed.
        pattern: String,
        /// The names that there are.
        known: String,
    },
    /// A label that nobody has.
    #[error("no host has the label {pattern}; there are {known}")]
    UnknownLabel {
        /// As it was typed.
        pattern: String,
        /// The labels that there are.
        known: String,
    },
    /// Everything was taken away again.
    #[error("{patterns} leaves no host")]
    Nobody {
        /// The patterns, with commas.
        patterns: String,
    },
    /// A pattern without a letter.
    #[error("a pattern of hosts is empty")]
    Empty,
}

impl SelectionError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownHost { .. } => "unknown-host",
            Self::UnknownLabel { .. } => "unknown-label",
            Self::Nobody { .. } => "no-host-selected",
            Self::Empty => "empty-host-pattern",
        }
    }
}

/// The hosts that the patterns select, in the order of the document; all of them without a pattern.
pub fn select<'h>(
    hosts: &'h [ClusterHost],
    patterns: &[String],
) -> Result<Vec<&'h ClusterHost>, SelectionError> {
    let patterns: Vec<(bool, &str)> = patterns
        .iter()
        .flat_map(|pattern| pattern.split(','))
        .map(|pattern| match pattern.trim().strip_prefix('!') {
            Some(taken) => (false, taken.trim()),
            None => (true, pattern.trim()),
        })
        .collect();
    for (_, pattern) in &patterns {
        if pattern.is_empty() {
            return Err(SelectionError::Empty);
        }
        if !hosts.iter().any(|host| is_meant(host, pattern)) {
            return Err(unknown(hosts, pattern));
        }
    }
    let takes_all = patterns.iter().all(|(adds, _)| !adds);
    let is_selected = |host: &&ClusterHost| {
        let hit = |wanted: bool| {
            let mut patterns = patterns.iter().filter(|(adds, _)| *adds == wanted);
            patterns.any(|(_, pattern)| is_meant(host, pattern))
        };
        (takes_all || hit(true)) && !hit(false)
    };
    let selected: Vec<&ClusterHost> = hosts.iter().filter(is_selected).collect();
    if selected.is_empty() && !patterns.is_empty() {
        let spelled = patterns.iter().map(|(adds, pattern)| match adds {
            true => (*pattern).to_owned(),
            false => format!("!{pattern}"),
        });
        return Err(SelectionError::Nobody {
            patterns: spelled.collect::<Vec<_>>().join(","),
        });
    }
    Ok(selected)
}

fn is_meant(host: &ClusterHost, pattern: &str) -> bool {
    match pattern.split_once('=') {
        Some((label, value)) => host
            .labels
            .get(label)
            .is_some_and(|found| matches(value, found)),
        None => matches(pattern, &host.name),
    }
}

fn unknown(hosts: &[ClusterHost], pattern: &str) -> SelectionError {
    let pattern_text = pattern.to_owned();
    if pattern.contains('=') {
        let mut labels: Vec<String> = hosts
            .iter()
            .flat_map(|host| &host.labels)
            .map(|(label, value)| format!("{label}={value}"))
            .collect();
        labels.sort();
        labels.dedup();
        return SelectionError::UnknownLabel {
            pattern: pattern_text,
            known: some_of(&labels),
        };
    }
    let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
    SelectionError::UnknownHost {
        pattern: pattern_text,
        known: some_of(&names),
    }
}

/// Of five thousand names nobody reads all.
const MOST_NAMES: usize = 20;

fn some_of(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(MOST_NAMES).map(String::as_str).collect();
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `*` is any letters or none, `?` is one. The two indices move back to the last `*` at most, so the
/// time is the product of both lengths and no more.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(read) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == letter => {
                at += 1;
                read += 1;
            }
            _ => match &mut star {
                Some((place, from)) => {
                    *from += 1;
                    at = *place + 1;
                    read = *from;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Vec<ClusterHost> {
        let mut hosts: Vec<ClusterHost> = ["cp1", "cp2", "w1", "w2", "w10"]
            .into_iter()
            .map(|name| ClusterHost::by_ssh(name, format!("root@{name}")))
            .collect();
        for (host, zone) in hosts.iter_mut().zip(["a", "b", "a", "b", "a"]) {
            host.labels.insert("zone".to_owned(), zone.to_owned());
        }
        hosts
    }

    fn names(patterns: &[&str]) -> Result<Vec<String>, SelectionError> {
        let patterns: Vec<String> = patterns.iter().map(|it| (*it).to_owned()).collect();
        let hosts = hosts();
        let selected = select(&hosts, &patterns)?;
        Ok(selected.iter().map(|host| host.name.clone()).collect())
    }

    #[test]
    fn patterns_are_a_union_in_the_order_of_the_document() {
        let all = ["cp1", "cp2", "w1", "w2", "w10"];
        for (patterns, expected) in [
            (&[][..], &all[..]),
            (&["*"], &all),
            (&["w*,cp1"], &["cp1", "w1", "w2", "w10"]),
            (&["w?", "cp2"], &["cp2", "w1", "w2"]),
            (&["!w*"], &["cp1", "cp2"]),
            (&["w*", "!w10"], &["w1", "w2"]),
            (&["zone=a"], &["cp1", "w1", "w10"]),
            (&["zone=a,!cp*"], &["w1", "w10"]),
            (&["!zone=a"], &["cp2", "w2"]),
            (&["*1*"], &["cp1", "w1", "w10"]),
            (&["zone=?"], &all),
        ] {
            assert_eq!(names(patterns).unwrap(), expected, "{patterns:?}");
        }
    }

    #[test]
    fn whoever_is_not_there_is_an_error_that_tells_who_is() {
        for (patterns, expected) in [
            (
                "cp3",
                "no host is called cp3; there are cp1, cp2, w1, w2, w10",
            ),
            (
                "!cp3",
                "no host is called cp3; there are cp1, cp2, w1, w2, w10",
            ),
            (
                "zone=c",
                "no host has the label zone=c; there are zone=a, zone=b",
            ),
            ("w1,!w*", "w1,!w* leaves no host"),
            ("cp1,,w1", "a pattern of hosts is empty"),
        ] {
            let error = names(&[patterns]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn of_many_names_only_some_are_told() {
        let hosts: Vec<ClusterHost> = (0..5_000)
            .map(|number| ClusterHost::by_ssh(format!("n{number}"), "x"))
            .collect();
        let error = select(&hosts, &["w1".to_owned()]).unwrap_err();
        assert!(error.to_string().ends_with("n19 and 4980 more"), "{error}");
    }

    #[test]
    fn stars_do_not_take_time_that_grows_without_bounds() {
        let pattern = "*a".repeat(40);
        assert!(!matches(&pattern, &"a".repeat(39)));
        assert!(matches(&pattern, &"a".repeat(41)));
        assert!(matches("*", ""));
        assert!(!matches("?", ""));
    }
}
