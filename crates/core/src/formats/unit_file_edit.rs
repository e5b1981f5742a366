//! Flags in the files of a systemd unit, set or removed where they are spelled: the unit, a drop-in, or
//! an environment file. Every other byte stays.
//!
//! What a unit starts is put together from all of its files ([`super::unit_file`]); so the edited files
//! are put together again, and the command line must be the old one but for what was asked.
//! <https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html>

use super::flag_edit::{FlagEditError, check_value, names_flag};
use super::unit_file::UnitFile;
use std::ops::Range;

/// The files of a unit, as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitTexts {
    /// The unit, then its drop-ins in their order.
    pub fragments: Vec<String>,
    /// Its environment files in their order.
    pub environments: Vec<String>,
}

impl UnitTexts {
    /// The files with these flags set; `None` removes one.
    pub fn with_flags(mut self, settings: &[(&str, Option<&str>)]) -> Result<Self, FlagEditError> {
        for (flag, value) in settings {
            self = self.with_flag(flag, *value)?;
        }
        Ok(self)
    }

    /// The command line that they make.
    fn words(&self) -> Vec<String> {
        let unit = UnitFile::merge(&self.fragments);
        unit.argv(&self.environments).unwrap_or_default()
    }

    fn with_flag(self, flag: &str, value: Option<&str>) -> Result<Self, FlagEditError> {
        check_value(flag, value)?;
        let old = self.words();
        let named = |word: &&String| names_flag(word, flag).is_some();
        if old.iter().any(|word| word == "-c") {
            return Err(FlagEditError::InScript {
                flag: flag.to_owned(),
            });
        }
        match (old.iter().filter(named).count(), value) {
            (0, None) => return Ok(self),
            (0 | 1, _) => {}
            _ => {
                return Err(FlagEditError::Repeated {
                    flag: flag.to_owned(),
                });
            }
        }
        let expected = expected(&old, flag, value);
        if expected == old {
            return Ok(self);
        }
        for candidate in self.candidates(flag, value) {
            if candidate.words() == expected {
                return Ok(candidate);
            }
        }
        match old.iter().any(|word| names_flag(word, flag).is_some()) {
            true => Err(FlagEditError::Unsound {
                flag: flag.to_owned(),
            }),
            false => Err(FlagEditError::NoPlace {
                flag: flag.to_owned(),
            }),
        }
    }

    /// Every edit of one place in one file that may be what is asked for.
    fn candidates(&self, flag: &str, value: Option<&str>) -> Vec<Self> {
        let mut candidates = Vec::new();
        for number in 0..self.fragments.len() + self.environments.len() {
            let Some(text) = self.text(number) else {
                continue;
            };
            let mut texts: Vec<String> = spelled_in(text, flag)
                .into_iter()
                .flat_map(|spelled| spelled.edits(text, value))
                .collect();
            if let Some(value) = value {
                texts.extend(appended(text, flag, value));
            }
            candidates.extend(texts.into_iter().map(|text| self.with_text(number, text)));
        }
        candidates
    }

    fn text(&self, number: usize) -> Option<&str> {
        let all = self.fragments.iter().chain(&self.environments);
        all.map(String::as_str).nth(number)
    }

    fn with_text(&self, number: usize, text: String) -> Self {
        let mut edited = self.clone();
        let mut all = edited.fragments.iter_mut().chain(&mut edited.environments);
        if let Some(old) = all.nth(number) {
            *old = text;
        }
        edited
    }
}

/// The command line that is asked for; a flag that was not there comes last.
fn expected(old: &[String], flag: &str, value: Option<&str>) -> Vec<String> {
    let mut words = old.to_vec();
    let Some(at) = old.iter().position(|word| names_flag(word, flag).is_some()) else {
        words.extend(value.map(|value| format!("--{flag}={value}")));
        return words;
    };
    let word = old.get(at).map_or("", String::as_str);
    let is_inline = word.contains('=');
    let is_apart = !is_inline && old.get(at + 1).is_some_and(|next| !next.starts_with('-'));
    let new: Vec<String> = match value {
        None => Vec::new(),
        Some(value) if is_apart => vec![word.to_owned(), value.to_owned()],
        Some(value) => {
            let name = word.split('=').next().unwrap_or(word);
            vec![format!("{name}={value}")]
        }
    };
    words.splice(at..at + 1 + usize::from(is_apart), new);
    words
}

/// A flag where it is spelled in a text.
struct Spelled {
    /// `--flag`.
    name: Range<usize>,
    /// What follows it, `=` or space included.
    value: Range<usize>,
}

impl Spelled {
    fn edits(&self, text: &str, value: Option<&str>) -> Vec<String> {
        let name = text.get(self.name.clone()).unwrap_or_default();
        let old = text.get(self.value.clone()).unwrap_or_default();
        match value {
            Some(value) => {
                let between: String = match old.starts_with('=') {
                    true => "=".to_owned(),
                    false => old.chars().take_while(|it| it.is_whitespace()).collect(),
                };
                let apart = replaced(
                    text,
                    self.name.start..self.value.end,
                    &format!("{name}{between}{value}"),
                );
                let bare = replaced(text, self.name.clone(), &format!("{name}={value}"));
                vec![apart, bare]
            }
            None => [self.value.end, self.name.end]
                .into_iter()
                .map(|end| without(text, self.name.start..end))
                .collect(),
        }
    }
}

/// Every place where the flag is spelled as a word of its own, outside of comments.
fn spelled_in(text: &str, flag: &str) -> Vec<Spelled> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let is_comment = line.trim_start().starts_with(['#', ';']);
        let mut rest = 0;
        while let Some(at) = line
            .get(rest..)
            .and_then(|rest| rest.find('-'))
            .filter(|_| !is_comment)
        {
            let at = rest + at;
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            let word = line.get(at..).unwrap_or_default();
            let end = at + word.find(ends_word).unwrap_or(word.len());
            rest = end.max(at + 1);
            let is_word =
                before.is_none_or(|it| it.is_whitespace() || matches!(it, '"' | '\'' | '='));
            let name = line.get(at..end).unwrap_or_default();
            if !is_word || names_flag(name, flag).is_none() {
                continue;
            }
            let name_end = at + name.find('=').unwrap_or(name.len());
            let value_end = match name.contains('=') {
                true => end,
                false => apart(line, end),
            };
            found.push(Spelled {
                name: start + at..start + name_end,
                value: start + name_end..start + value_end,
            });
        }
        start += line.len();
    }
    found
}

/// Where a value ends that stands behind its flag, after spaces.
fn apart(line: &str, end: usize) -> usize {
    let behind = line.get(end..).unwrap_or_default();
    let spaces = behind.len() - behind.trim_start_matches([' ', '\t']).len();
    let value = behind.get(spaces..).unwrap_or_default();
    match value.starts_with(['-', '\\', '\n', '\r', '"', '\'']) || value.is_empty() || spaces == 0 {
        true => end,
        false => end + spaces + value.find(ends_word).unwrap_or(value.len()),
    }
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '"' | '\'' | '\\')
}

fn replaced(text: &str, range: Range<usize>, new: &str) -> String {
    let before = text.get(..range.start).unwrap_or_default();
    let behind = text.get(range.end..).unwrap_or_default();
    format!("{before}{new}{behind}")
}

/// Without a word: with its line, when that holds nothing else but the sign that it goes on; else with
/// the spaces before it.
fn without(text: &str, range: Range<usize>) -> String {
    let line_start = text
        .get(..range.start)
        .and_then(|it| it.rfind('\n'))
        .map_or(0, |at| at + 1);
    let behind = text.get(range.end..).unwrap_or_default();
    let line_end = behind
        .find('\n')
        .map_or(text.len(), |at| range.end + at + 1);
    let before = text.get(line_start..range.start).unwrap_or_default();
    let rest = text.get(range.end..line_end).unwrap_or_default().trim();
    let is_alone = before.trim().is_empty();
    if is_alone && rest == "\\" {
        return replaced(text, line_start..line_end, "");
    }
    if is_alone && rest.is_empty() {
        // The last of continued lines: the one before must no longer go on.
        let above = text.get(..line_start).unwrap_or_default();
        if let Some(open) = above.trim_end().strip_suffix('\\') {
            let kept = open.trim_end().len();
            let end =
                line_end - usize::from(text.get(..line_end).is_some_and(|it| it.ends_with('\n')));
            return replaced(text, kept..end, "");
        }
    }
    let trimmed = before.trim_end_matches([' ', '\t']).len();
    replaced(text, line_start + trimmed..range.end, "")
}

/// Behind the last word of every command that is started, one text for each.
fn appended(text: &str, flag: &str, value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let (mut start, mut is_open) = (0, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let is_comment = trimmed.starts_with(['#', ';']);
        let begins = trimmed.strip_prefix("ExecStart").is_some_and(|rest| {
            rest.trim_start()
                .strip_prefix('=')
                .is_some_and(|it| !it.trim().is_empty())
        });
        if (begins || is_open) && !is_comment {
            is_open = trimmed.ends_with('\\');
            if !is_open {
                let at = start + line.trim_end().len();
                texts.push(replaced(text, at..at, &format!(" --{flag}={value}")));
            }
        }
        start += line.len();
    }
    texts
}
