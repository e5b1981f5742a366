//! Globs: `*`, `?`, `[abc]`, `[a-z]`, `[!x]` within a name, `**` for any folders.
//!
//! For patterns that the shell did not expand: quoted ones, those of another host's tree (`--root`),
//! and those too long for a command line. Hidden names need a pattern that begins with a dot, as in
//! a shell.

use crate::context::Context;
use kubepki_engine::ports::{FileKind, HostRead as _};
use std::path::{Path, PathBuf};

/// Whether a text has anything of a pattern in it.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Every path that matches, sorted; folders that cannot be listed match nothing.
pub fn expand(context: &Context, pattern: &str) -> Vec<String> {
    let (start, rest) = match pattern.strip_prefix('/') {
        Some(rest) => ("/".to_owned(), rest),
        None => (String::new(), pattern),
    };
    let segments: Vec<&str> = rest
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let mut found = Vec::new();
    walk(context, start, &segments, DEEPEST, &mut found);
    found.sort();
    found.dedup();
    found
}

/// A tree deeper than this has a loop or is not a host's.
const DEEPEST: usize = 64;

fn walk(context: &Context, at: String, segments: &[&str], depth: usize, found: &mut Vec<String>) {
    let Some((segment, rest)) = segments.split_first() else {
        found.push(at);
        return;
    };
    if depth == 0 {
        return;
    }
    if *segment == "**" {
        walk(context, at.clone(), rest, depth - 1, found);
        for name in names(context, &at) {
            let below = join(&at, &name);
            if !name.starts_with('.')
                && kind(context, &below, Links::Keep) == Some(FileKind::Directory)
            {
                walk(context, below, segments, depth - 1, found);
            }
        }
        return;
    }
    if !is_pattern(segment) {
        let below = join(&at, segment);
        if kind(context, &below, Links::Keep).is_some() {
            walk(context, below, rest, depth - 1, found);
        }
        return;
    }
    for name in names(context, &at) {
        let hidden = name.starts_with('.') && !segment.starts_with('.');
        if hidden || !matches(segment, &name) {
            continue;
        }
        let below = join(&at, &name);
        if rest.is_empty() || kind(context, &below, Links::Follow) == Some(FileKind::Directory) {
            walk(context, below, rest, depth - 1, found);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Links {
    Follow,
    Keep,
}

fn names(context: &Context, folder: &str) -> Vec<String> {
    let folder = if folder.is_empty() { "." } else { folder };
    host_path(context, folder)
        .and_then(|path| context.host().list(&path).ok())
        .unwrap_or_default()
}

fn kind(context: &Context, path: &str, links: Links) -> Option<FileKind> {
    let path = host_path(context, path)?;
    let metadata = match links {
        Links::Follow => context.host().metadata(&path),
        Links::Keep => context.host().symlink_metadata(&path),
    };
    metadata.ok().map(|metadata| metadata.kind)
}

fn host_path(context: &Context, path: &str) -> Option<PathBuf> {
    context.host_path(Path::new(path)).ok()
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        _ => format!("{folder}/{name}"),
    }
}

/// Whether one name matches one segment of a pattern.
fn matches(pattern: &str, name: &str) -> bool {
    let mut characters = pattern.chars();
    match characters.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = characters.as_str();
            let ends = name.char_indices().map(|(end, _)| end).chain([name.len()]);
            ends.filter_map(|end| name.get(end..))
                .any(|tail| matches(rest, tail))
        }
        Some('?') => first(name).is_some_and(|(_, tail)| matches(characters.as_str(), tail)),
        Some('[') => match class(characters.as_str()) {
            Some((class, rest)) => first(name)
                .is_some_and(|(character, tail)| class.holds(character) && matches(rest, tail)),
            None => literal('[', characters.as_str(), name),
        },
        Some(character) => literal(character, characters.as_str(), name),
    }
}

fn literal(character: char, rest: &str, name: &str) -> bool {
    first(name).is_some_and(|(found, tail)| found == character && matches(rest, tail))
}

fn first(name: &str) -> Option<(char, &str)> {
    let mut characters = name.chars();
    characters
        .next()
        .map(|character| (character, characters.as_str()))
}

struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn holds(&self, character: char) -> bool {
        self.negated
            != self
                .ranges
                .iter()
                .any(|(low, high)| (low..=high).contains(&&character))
    }
}

/// What stands in brackets, and what follows them; nothing when they do not close.
fn class(text: &str) -> Option<(Class, &str)> {
    let negated = text.starts_with(['!', '^']);
    let body = if negated { text.get(1..)? } else { text };
    // a closing bracket in first place is a member
    let end = body
        .char_indices()
        .skip(1)
        .find(|(_, c)| *c == ']')
        .map(|(at, _)| at)?;
    let (members, rest) = (body.get(..end)?, body.get(end + 1..)?);
    let mut ranges = Vec::new();
    let characters: Vec<char> = members.chars().collect();
    let mut at = characters.as_slice();
    while let Some((low, tail)) = at.split_first() {
        match tail {
            ['-', high, tail @ ..] => {
                ranges.push((*low, *high));
                at = tail;
            }
            _ => {
                ranges.push((*low, *low));
                at = tail;
            }
        }
    }
    Some((Class { negated, ranges }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        let cases = [
            ("*.crt", "ca.crt", true),
            ("*.crt", "ca.crt.bak", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("?.pem", "é.pem", true),
            ("?.pem", "ab.pem", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a]x", "bx", true),
            ("[]]x", "]x", true),
            ("[ab", "[ab", true),
            ("", "", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
