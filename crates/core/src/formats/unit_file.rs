//! systemd units: what a service is started with, drop-ins and environment files merged.
//!
//! Drop-ins are laid over the unit in the order given; an empty `ExecStart=` resets the list, as
//! kubeadm's `10-kubeadm.conf` does. Finding the files and their order is the caller's work.
//! Specifiers other than `%%` stay as they are spelled.
//! <https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html>

use std::collections::BTreeMap;

use super::shell_words;

/// A unit with its drop-ins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFile {
    settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    section: String,
    key: String,
    value: String,
}

/// One `EnvironmentFile=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// The path; it may hold a glob.
    pub path: String,
    /// Whether the unit starts without it (a leading `-`).
    pub optional: bool,
}

impl UnitFile {
    /// Merges a unit and its drop-ins, the unit first.
    pub fn merge<S: AsRef<str>>(fragments: &[S]) -> Self {
        let mut unit = Self::default();
        for fragment in fragments {
            unit.take(fragment.as_ref());
        }
        unit
    }

    /// Every value of a setting, those before a reset (an empty value) left out.
    pub fn all<'a>(&'a self, section: &'a str, key: &'a str) -> Vec<&'a str> {
        let mut values = Vec::new();
        for setting in &self.settings {
            if setting.section == section && setting.key == key {
                if setting.value.is_empty() {
                    values.clear();
                } else {
                    values.push(setting.value.as_str());
                }
            }
        }
        values
    }

    /// The last value of a setting.
    pub fn one<'a>(&'a self, section: &'a str, key: &'a str) -> Option<&'a str> {
        self.all(section, key).pop()
    }

    /// `EnvironmentFile=`, in order.
    pub fn environment_files(&self) -> Vec<EnvironmentFile> {
        let files = self
            .all("Service", "EnvironmentFile")
            .into_iter()
            .map(|value| {
                let path = value.trim_start_matches('-');
                EnvironmentFile {
                    path: path.to_owned(),
                    optional: value.starts_with('-'),
                }
            });
        files.collect()
    }

    /// `Environment=`, in order.
    pub fn environment(&self) -> Vec<(String, String)> {
        let values = self.all("Service", "Environment").into_iter();
        let words = values.flat_map(|value| shell_words::words(&without_specifiers(value)));
        words
            .filter_map(|word| {
                word.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect()
    }

    /// The environment that the service is given: `Environment=`, then each environment file's
    /// contents, later ones stronger.
    pub fn environment_with<S: AsRef<str>>(&self, files: &[S]) -> BTreeMap<String, String> {
        let mut environment: BTreeMap<_, _> = self.environment().into_iter().collect();
        for file in files {
            environment.extend(parse_environment_file(file.as_ref()));
        }
        environment
    }

    /// The argument list of the (last) `ExecStart=`, variables replaced from `Environment=` and
    /// the contents of the environment files. None if the unit starts nothing.
    pub fn argv<S: AsRef<str>>(&self, environment_files: &[S]) -> Option<Vec<String>> {
        let line = self.one("Service", "ExecStart")?;
        let environment = self.environment_with(environment_files);
        let command = line.trim_start_matches(['-', '@', ':', '+', '!', '|']);
        let prefixes = line.strip_suffix(command).unwrap_or_default();
        let mut words = shell_words::words(&without_specifiers(command));
        if let Some(end) = words.iter().position(|word| word == ";") {
            words.truncate(end);
        }
        if prefixes.contains('@') && words.len() > 1 {
            // `@path name arguments…`: the name is only what the process is shown as.
            words.remove(1);
        }
        if prefixes.contains(':') {
            return Some(words);
        }
        Some(
            words
                .into_iter()
                .flat_map(|word| expanded(word, &environment))
                .collect(),
        )
    }

    fn take(&mut self, fragment: &str) {
        let mut section = String::new();
        for line in logical_lines(fragment) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                section = name.to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                self.settings.push(Setting {
                    section: section.clone(),
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                });
            }
        }
    }
}

/// Reads an environment file as systemd does: comments, quotes, backslashes, several lines.
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=>
pub fn parse_environment_file(text: &str) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let trimmed = rest.trim_start();
        if trimmed.starts_with(['#', ';']) {
            rest = trimmed.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let line_end = trimmed.find('\n').unwrap_or(trimmed.len());
        let Some(equals) = trimmed.get(..line_end).and_then(|line| line.find('=')) else {
            rest = trimmed
                .get(line_end..)
                .unwrap_or_default()
                .trim_start_matches('\n');
            continue;
        };
        let (name, after) = trimmed.split_at(equals);
        let (value, after) = environment_value(after.strip_prefix('=').unwrap_or(after));
        rest = after;
        variables.push((name.trim().to_owned(), value));
    }
    variables
}

/// The value up to the end of its (logical) line, and what follows.
fn environment_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    // Whitespace at the end is dropped, but not what stood in quotes.
    let mut kept = 0;
    let mut quote = None;
    let mut letters = text.trim_start_matches([' ', '\t']).char_indices();
    let base = text.len() - text.trim_start_matches([' ', '\t']).len();
    while let Some((position, letter)) = letters.next() {
        match (quote, letter) {
            (None, '\n') => {
                value.truncate(kept);
                return (value, text.get(base + position + 1..).unwrap_or_default());
            }
            (None, '\'' | '"') => {
                quote = Some(letter);
                kept = value.len();
            }
            (Some(open), _) if open == letter => {
                quote = None;
                kept = value.len();
            }
            (None | Some('"'), '\\') => match letters.next() {
                None | Some((_, '\n')) => {}
                Some((_, escaped)) => {
                    let keeps_backslash =
                        quote.is_some() && !matches!(escaped, '"' | '\\' | '`' | '$');
                    value.extend(keeps_backslash.then_some('\\'));
                    value.push(escaped);
                    kept = value.len();
                }
            },
            _ => {
                value.push(letter);
                if quote.is_some() || !letter.is_whitespace() {
                    kept = value.len();
                }
            }
        }
    }
    value.truncate(kept);
    (value, "")
}

/// Lines with continuations joined; comments and empty lines left out, also between continued ones.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || trimmed.is_empty() && open.is_none() {
            continue;
        }
        let (piece, continues) = match trimmed.strip_suffix('\\') {
            Some(piece) => (piece, true),
            None => (trimmed, false),
        };
        let mut whole = open.take().unwrap_or_default();
        whole.push_str(piece);
        if continues {
            whole.push(' ');
            open = Some(whole);
        } else {
            lines.push(whole.trim().to_owned());
        }
    }
    lines.extend(open.map(|line| line.trim().to_owned()));
    lines
}

fn without_specifiers(value: &str) -> String {
    value.replace("%%", "%")
}

/// `$NAME` alone becomes as many words as its value has; `${NAME}` is replaced inside a word.
fn expanded(word: String, environment: &BTreeMap<String, String>) -> Vec<String> {
    if let Some(name) = word.strip_prefix('$')
        && !name.starts_with(['{', '$'])
        && !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    {
        return environment
            .get(name)
            .map(|value| shell_words::words(value))
            .unwrap_or_default();
    }
    let mut result = String::new();
    let mut rest = word.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|a| a.split_once('}'))
        {
            result.push_str(environment.get(name).map_or("", String::as_str));
            rest = after;
        } else {
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    vec![result]
}
