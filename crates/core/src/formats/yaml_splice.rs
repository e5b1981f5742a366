//! Where in a YAML or JSON text an entry of a mapping can be put in, replaced or cut out.
//!
//! The bytes behind [`super::yaml_edit`]: positions come from the tree, the few letters between
//! its nodes (`:`, `,`, `|`, indentation, line ends) are read here. Whatever looks unusual is
//! refused rather than guessed.

use std::ops::Range;

use zeroize::Zeroizing;

use super::yaml::{CollectionStyle, Content, Node, NodeRef, ScalarStyle};
use super::yaml_edit::{EditError, Step, shown, shown_with};
use super::yaml_spelling::spelled;

/// What a value is set to.
pub(super) enum NewValue<'a> {
    /// A text.
    Text(&'a str),
    /// A mapping with one entry, both texts.
    Mapping(&'a str, &'a str),
}

/// The text with the entry at `position` replaced: its key by `key` if given, and its value.
pub(super) fn replaced(
    text: &str,
    mapping: NodeRef<'_>,
    position: usize,
    (old, key): (&str, &str),
    value: &NewValue<'_>,
    path: &[Step<'_>],
) -> Result<Zeroizing<String>, EditError> {
    let (key_node, value_node) = entry_nodes(mapping, position, path)?;
    let json = is_flow(mapping) && style_of(key_node) == ScalarStyle::DoubleQuoted;
    let mut splices = Vec::new();
    if old != key {
        plainly_written(key_node, path, old)?;
        splices.push((key_node.span.clone(), spelled(key, style_of(key_node))));
    }
    let value_text = |style: ScalarStyle| match value {
        NewValue::Text(value) => spelled(
            value,
            if json {
                ScalarStyle::DoubleQuoted
            } else {
                style
            },
        ),
        NewValue::Mapping(inner, value) => flow_mapping(inner, value, json),
    };
    match &value_node.content {
        Content::Alias(_) => {
            splices.push((value_node.span.clone(), value_text(ScalarStyle::Plain)));
        }
        Content::Scalar { style, .. } => {
            plainly_written(value_node, path, old)?;
            if value_node.span.is_empty() && *style == ScalarStyle::Plain {
                let colon = after_colon(text, key_node).ok_or_else(|| {
                    spelling(value_node, path, old, "there is no colon after the key")
                })?;
                let value = value_text(ScalarStyle::Plain);
                splices.push((colon..colon, joined(&[" ", &value])));
            } else if *style == ScalarStyle::Block {
                let header = block_header(text, key_node).ok_or_else(|| {
                    spelling(value_node, path, old, "its block header was not found")
                })?;
                let first_line_end = line_end(text, header.end);
                let end = content_end(text, mapping, (key_node, value_node));
                splices.push((header, value_text(ScalarStyle::Plain)));
                splices.push((
                    first_line_end..end.max(first_line_end),
                    Zeroizing::default(),
                ));
            } else {
                splices.push((value_node.span.clone(), value_text(*style)));
            }
        }
        Content::Mapping { .. } | Content::Sequence { .. } => {
            return Err(EditError::Shape {
                path: shown_with(path, old),
                line: value_node.line,
                expected: "scalar",
            });
        }
    }
    Ok(spliced(text, &splices))
}

/// The text with a new first entry in `mapping`.
pub(super) fn inserted(
    text: &str,
    mapping: NodeRef<'_>,
    key: &str,
    value: &NewValue<'_>,
    path: &[Step<'_>],
) -> Result<Zeroizing<String>, EditError> {
    let Some(node) = mapping.node() else {
        return Err(EditError::NotFound { path: shown(path) });
    };
    let first = match mapping.raw_entries().first() {
        Some(_) => Some(entry_nodes(mapping, 0, path)?),
        None => None,
    };
    if let Some((first_key, _)) = first {
        plainly_written(first_key, path, key)?;
    }
    let (at, entry) = if is_flow(mapping) {
        in_braces(text, mapping, first, (key, value))
            .ok_or_else(|| spelling(node, path, key, "it has no braces of its own"))?
    } else {
        let first_key = first.map(|(first_key, _)| first_key);
        let first_key = first_key.filter(|first_key| first_key.span.start == node.span.start);
        let placed =
            first_key.and_then(|first_key| on_lines(text, mapping, first_key, (key, value)));
        placed.ok_or_else(|| spelling(node, path, key, "its first key does not start a line"))?
    };
    Ok(spliced(text, &[(at..at, entry)]))
}

/// The text without the entry at `position`.
pub(super) fn removed(
    text: &str,
    mapping: NodeRef<'_>,
    position: usize,
    key: &str,
    path: &[Step<'_>],
) -> Result<Zeroizing<String>, EditError> {
    let (key_node, value_node) = entry_nodes(mapping, position, path)?;
    let refused = |reason| spelling(key_node, path, key, reason);
    plainly_written(key_node, path, key)?;
    let end = content_end(text, mapping, (key_node, value_node));
    let next = entry_nodes(mapping, position + 1, path)
        .ok()
        .map(|(next, _)| next);
    if let Some(next) = next {
        plainly_written(next, path, key)?;
    }
    let previous = match position.checked_sub(1) {
        Some(previous) => Some(entry_nodes(mapping, previous, path)?),
        None => None,
    };
    let range = if is_flow(mapping) {
        let (range, gap) = match (next, previous) {
            (Some(next), _) => (key_node.span.start..next.span.start, end..next.span.start),
            (None, Some((key, value))) => {
                let before = content_end(text, mapping, (key, value));
                (before..end, before..key_node.span.start)
            }
            (None, None) => (key_node.span.start..end, end..end),
        };
        if part(text, &gap).contains('#') {
            return Err(refused("a comment is in the way"));
        }
        range
    } else {
        let start = line_start(text, key_node.span.start);
        let prefix = part(text, &(start..key_node.span.start));
        match next {
            None if previous.is_none() => return Err(refused("it is the only entry")),
            _ if prefix.chars().all(|letter| letter == ' ') => start..next_line(text, end),
            Some(next) if part(text, &(end..next.span.start)).trim().is_empty() => {
                key_node.span.start..next.span.start
            }
            _ => return Err(refused("it does not start its line")),
        }
    };
    Ok(spliced(text, &[(range, Zeroizing::default())]))
}

pub(super) fn is_flow(mapping: NodeRef<'_>) -> bool {
    matches!(
        mapping.content(),
        Some(Content::Mapping {
            style: CollectionStyle::Flow,
            ..
        })
    )
}

type Entry<'a> = (&'a str, &'a NewValue<'a>);

/// A new first entry between braces.
fn in_braces(
    text: &str,
    mapping: NodeRef<'_>,
    first: Option<(&Node<'_>, &Node<'_>)>,
    (key, value): Entry<'_>,
) -> Option<(usize, Zeroizing<String>)> {
    let open = mapping.span().start;
    part(text, &(open..text.len()))
        .starts_with('{')
        .then_some(())?;
    let Some((first_key, first_value)) = first else {
        // An empty mapping does not tell; the whole document does.
        let json = mapping.nodes.first().is_some_and(|root| {
            matches!(
                root.content,
                Content::Mapping {
                    style: CollectionStyle::Flow,
                    ..
                }
            )
        });
        return Some((open + 1, entry_in_braces(key, value, json, ": ")));
    };
    let json = style_of(first_key) == ScalarStyle::DoubleQuoted;
    let between = part(text, &(first_key.span.end..first_value.span.start));
    let colon = match between.trim() {
        ":" if !first_value.span.is_empty() && !between.contains(['\n', '\r']) => between,
        _ => ": ",
    };
    let entry = entry_in_braces(key, value, json, colon);
    let space = part(text, &(open + 1..first_key.span.start));
    let space = match space.trim() {
        "" if space.contains('\n') => space,
        _ => " ",
    };
    Some((first_key.span.start, joined(&[&entry, ",", space])))
}

fn entry_in_braces(key: &str, value: &NewValue<'_>, json: bool, colon: &str) -> Zeroizing<String> {
    let style = if json {
        ScalarStyle::DoubleQuoted
    } else {
        ScalarStyle::Plain
    };
    let value = match value {
        NewValue::Text(value) => spelled(value, style),
        NewValue::Mapping(inner, value) => flow_mapping(inner, value, json),
    };
    joined(&[&spelled(key, style), colon, &value])
}

fn flow_mapping(inner: &str, value: &str, json: bool) -> Zeroizing<String> {
    let entry = entry_in_braces(inner, &NewValue::Text(value), json, ": ");
    joined(&["{", &entry, "}"])
}

/// A new first entry on a line of its own.
fn on_lines(
    text: &str,
    mapping: NodeRef<'_>,
    first_key: &Node<'_>,
    (key, value): Entry<'_>,
) -> Option<(usize, Zeroizing<String>)> {
    let at = first_key.span.start;
    let indentation = indentation(text, at)?;
    let line_end = line_ending(text, at);
    let plain = |text| spelled(text, ScalarStyle::Plain);
    let key = plain(key);
    let entry = match value {
        NewValue::Text(value) => joined(&[&key, ": ", &plain(value), line_end, &indentation]),
        NewValue::Mapping(inner, value) => {
            let deeper = " ".repeat(deeper(text, mapping, indentation.len()));
            let (inner, value) = (plain(inner), plain(value));
            let first = [&key, ":", line_end, &indentation, &deeper];
            joined(&[
                &joined(&first),
                &inner,
                ": ",
                &value,
                line_end,
                &indentation,
            ])
        }
    };
    Some((at, entry))
}

/// The spaces that a further key of a mapping needs whose first key stands at `at`. None if
/// anything but indentation and sequence dashes stands before it.
fn indentation(text: &str, at: usize) -> Option<String> {
    let prefix = part(text, &(line_start(text, at)..at)).trim_start_matches('\u{feff}');
    let known = prefix.chars().all(|letter| matches!(letter, ' ' | '-'));
    known.then(|| " ".repeat(prefix.len()))
}

/// By how much the mappings inside this one are indented further: as one of them is, else two.
fn deeper(text: &str, mapping: NodeRef<'_>, own: usize) -> usize {
    let inner = mapping
        .entries()
        .find_map(|(_, value)| match value.content() {
            Some(Content::Mapping {
                style: CollectionStyle::Block,
                ..
            }) => indentation(text, value.span().start),
            _ => None,
        });
    inner
        .and_then(|inner| inner.len().checked_sub(own))
        .filter(|more| *more > 0)
        .unwrap_or(2)
}

fn entry_nodes<'d>(
    mapping: NodeRef<'d>,
    position: usize,
    path: &[Step<'_>],
) -> Result<(&'d Node<'d>, &'d Node<'d>), EditError> {
    let entry = mapping.raw_entries().get(position);
    let nodes =
        entry.and_then(|(key, value)| Some((mapping.nodes.get(*key)?, mapping.nodes.get(*value)?)));
    nodes.ok_or_else(|| EditError::NotFound { path: shown(path) })
}

/// Refuses a node that others may repeat or that says more than its text.
fn plainly_written(node: &Node<'_>, path: &[Step<'_>], key: &str) -> Result<(), EditError> {
    let (path, line) = (shown_with(path, key), node.line);
    match node.content {
        Content::Alias(_) => Err(EditError::Alias { path, line }),
        _ if node.anchored || node.tagged => Err(EditError::AnchorOrTag { path, line }),
        _ => Ok(()),
    }
}

fn spelling(node: &Node<'_>, path: &[Step<'_>], key: &str, reason: &'static str) -> EditError {
    EditError::Spelling {
        path: shown_with(path, key),
        line: node.line,
        reason,
    }
}

fn style_of(node: &Node<'_>) -> ScalarStyle {
    match &node.content {
        Content::Scalar { style, .. } => *style,
        _ => ScalarStyle::Plain,
    }
}

/// Behind the colon that follows a key.
fn after_colon(text: &str, key: &Node<'_>) -> Option<usize> {
    let rest = part(text, &(key.span.end..text.len()));
    let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest.get(spaces..)?
        .starts_with(':')
        .then_some(key.span.end + spaces + 1)
}

/// The `|` or `>` of a block scalar, with its indicators.
fn block_header(text: &str, key: &Node<'_>) -> Option<Range<usize>> {
    let colon = after_colon(text, key)?;
    let rest = part(text, &(colon..text.len()));
    let start = colon + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let header = part(text, &(start..text.len()));
    header.starts_with(['|', '>']).then_some(())?;
    let indicators = header.get(1..)?;
    let more = indicators
        .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '+' | '-')))
        .unwrap_or(indicators.len());
    Some(start..start + 1 + more)
}

/// Where the last letter of a value ends. The tree's own ends of block nodes reach to the next
/// node, over comments and empty lines that belong to nobody.
fn content_end(text: &str, mapping: NodeRef<'_>, entry: (&Node<'_>, &Node<'_>)) -> usize {
    let (mut key, mut value) = (Some(entry.0), entry.1);
    loop {
        let last = match &value.content {
            Content::Mapping {
                style: CollectionStyle::Block,
                entries,
            } => entries.last().map(|(key, value)| (Some(*key), *value)),
            Content::Sequence {
                style: CollectionStyle::Block,
                items,
            } => items.last().map(|item| (None, *item)),
            _ => None,
        };
        let last = last.and_then(|(key, value)| {
            let key = key.and_then(|key| mapping.nodes.get(key));
            Some((key, mapping.nodes.get(value)?))
        });
        match last {
            Some(last) => (key, value) = last,
            None => break,
        }
    }
    match &value.content {
        Content::Scalar {
            style: ScalarStyle::Plain,
            ..
        } if value.span.is_empty() => {
            let colon = key.and_then(|key| after_colon(text, key));
            colon.unwrap_or(value.span.end).max(value.span.end)
        }
        Content::Scalar {
            style: ScalarStyle::Block,
            ..
        } => {
            // A block of nothing starts on the next line already; its header does not.
            let before = part(text, &(0..value.span.start));
            let header = before
                .rfind(['|', '>'])
                .map_or(value.span.start, |at| at + 1);
            let written = part(text, &(header..value.span.end)).trim_end().len();
            line_end(text, header + written)
        }
        _ => value.span.end,
    }
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    part(text, &(0..at))
        .rfind('\n')
        .map_or(0, |newline| newline + 1)
}

/// Where the line of `at` ends, before its line ending.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = part(text, &(at..text.len()));
    let end = rest.find('\n').unwrap_or(rest.len());
    let end = if rest.get(..end).is_some_and(|line| line.ends_with('\r')) {
        end - 1
    } else {
        end
    };
    at + end
}

/// Where the line after that of `at` starts.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    let rest = part(text, &(at..text.len()));
    rest.find('\n')
        .map_or(text.len(), |newline| at + newline + 1)
}

/// The line ending that is used around `at`.
pub(super) fn line_ending(text: &str, at: usize) -> &'static str {
    let end = line_end(text, at);
    let near = part(text, &(end..text.len()));
    if near.starts_with("\r\n") || near.is_empty() && text.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    }
}

pub(super) fn part<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
    text.get(range.clone()).unwrap_or_default()
}

/// One text of several, in one allocation of the right size: growing would leave copies of keys
/// behind.
fn joined(parts: &[&str]) -> Zeroizing<String> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = Zeroizing::new(String::with_capacity(length));
    for part in parts {
        whole.push_str(part);
    }
    whole
}

/// Replaces ranges, given in order.
pub(super) fn spliced(
    text: &str,
    splices: &[(Range<usize>, Zeroizing<String>)],
) -> Zeroizing<String> {
    let mut parts = Vec::with_capacity(2 * splices.len() + 1);
    let mut done = 0;
    for (range, new) in splices {
        parts.extend([part(text, &(done..range.start)), new.as_str()]);
        done = range.end;
    }
    parts.push(part(text, &(done..text.len())));
    joined(&parts)
}
