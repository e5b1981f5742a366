//! Flags of a static pod's container, set or removed where they are spelled: every other byte stays.
//!
//! A flag is one word of `command` or `args` (`--name=value`) or two (`--name`, `value`). What cannot
//! be done so (a script, a flag that is there twice, an alias) is refused. The edited manifest is read
//! again: its words must be the old ones but for what was asked.

use super::static_pod::{StaticPod, StaticPodError};
use super::yaml::{self, CollectionStyle, Content, NodeRef, ScalarStyle};
use super::yaml_spelling::spelled_word;
use super::yaml_splice::{line_end, line_ending, line_start, next_line, part, spliced};
use std::ops::Range;
use zeroize::Zeroizing;

/// Why flags were not set. The text is then as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagEditError {
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] StaticPodError),
    /// There is no such container.
    #[error("there is no container {container}")]
    NoContainer {
        /// Its name.
        container: String,
    },
    /// The component is started by a shell.
    #[error("the component is started by a script: set --{flag} by hand")]
    InScript {
        /// The flag.
        flag: String,
    },
    /// Only one of several could be meant.
    #[error("--{flag} is there more than once: leave one of them")]
    Repeated {
        /// The flag.
        flag: String,
    },
    /// There is no list of words, or no file, to put it into.
    #[error("--{flag} is not there, and nothing says where it belongs: add it by hand")]
    NoPlace {
        /// The flag.
        flag: String,
    },
    /// It is spelled in a way that leaves no room.
    #[error("--{flag} at line {line} is spelled in a way that cannot be edited")]
    Spelling {
        /// The flag.
        flag: String,
        /// The line.
        line: usize,
    },
    /// The value cannot stand on a command line as it is.
    #[error("the value of --{flag} holds a letter that no flag's value needs")]
    Value {
        /// The flag.
        flag: String,
    },
    /// The edited text did not read back as asked.
    #[error("--{flag} would not read back as written: set it by hand")]
    Unsound {
        /// The flag.
        flag: String,
    },
}

impl FlagEditError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Manifest(error) => error.code(),
            Self::NoContainer { .. } => "no-container",
            Self::InScript { .. } => "flag-in-script",
            Self::Repeated { .. } => "flag-repeated",
            Self::NoPlace { .. } => "flag-no-place",
            Self::Spelling { .. } => "flag-spelling",
            Self::Value { .. } => "flag-value",
            Self::Unsound { .. } => "flag-unsound",
        }
    }
}

impl StaticPod {
    /// The manifest with these flags of a container set (`None` removes one); all else stays byte for
    /// byte, and the same bytes come back when every flag is so already.
    pub fn with_flags(
        manifest: &[u8],
        container: &str,
        settings: &[(&str, Option<&str>)],
    ) -> Result<Vec<u8>, FlagEditError> {
        Self::parse(manifest)?;
        let text = yaml::text_of(manifest).map_err(StaticPodError::from)?;
        let mut text = Zeroizing::new(text.to_owned());
        for (flag, value) in settings {
            text = with_flag(&text, container, flag, *value)?;
        }
        Ok(text.as_bytes().to_vec())
    }
}

/// Whether the word names this flag; what follows its `=`, when it has one.
pub(super) fn names_flag<'w>(word: &'w str, flag: &str) -> Option<Option<&'w str>> {
    let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let (name, value) = match bare.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (bare, None),
    };
    (name.replace('_', "-") == flag).then_some(value)
}

/// Only letters that neither a shell, systemd nor a kubelet would take for something else.
pub(super) fn check_value(flag: &str, value: Option<&str>) -> Result<(), FlagEditError> {
    let is_plain = |letter: char| {
        letter.is_ascii_alphanumeric()
            || matches!(letter, '/' | '.' | '_' | '-' | ',' | ':' | '@' | '=' | '+')
    };
    match value {
        Some(value) if value.is_empty() || !value.chars().all(is_plain) => {
            Err(FlagEditError::Value {
                flag: flag.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// One list of words, where it lies.
struct Words<'d> {
    style: CollectionStyle,
    items: Vec<NodeRef<'d>>,
}

fn with_flag(
    text: &str,
    container: &str,
    flag: &str,
    value: Option<&str>,
) -> Result<Zeroizing<String>, FlagEditError> {
    check_value(flag, value)?;
    let documents = yaml::parse(text).map_err(StaticPodError::from)?;
    let lists = lists(documents.first().map(|it| it.root()), container, flag)?;
    let old: Vec<Vec<String>> = lists.iter().map(words).collect();
    let edited = edited(text, &lists, flag, value)?;
    let Some((edited, expected)) = edited else {
        return Ok(Zeroizing::new(text.to_owned()));
    };
    let unsound = || FlagEditError::Unsound {
        flag: flag.to_owned(),
    };
    let after = yaml::parse(&edited).map_err(|_| unsound())?;
    let found = self::lists(after.first().map(|it| it.root()), container, flag)?;
    let found: Vec<Vec<String>> = found.iter().map(words).collect();
    let is_sound = documents.len() == after.len()
        && found == expected.applied_to(old)
        && StaticPod::parse(edited.as_bytes()).is_ok();
    match is_sound {
        true => Ok(edited),
        false => Err(unsound()),
    }
}

/// `command`, then `args`, of those that are there.
fn lists<'d>(
    root: Option<NodeRef<'d>>,
    container: &str,
    flag: &str,
) -> Result<Vec<Words<'d>>, FlagEditError> {
    let containers = root.and_then(|root| root.at(&["spec", "containers"]));
    let found = containers
        .into_iter()
        .flat_map(NodeRef::items)
        .find(|item| item.get("name").and_then(NodeRef::as_str) == Some(container))
        .ok_or_else(|| FlagEditError::NoContainer {
            container: container.to_owned(),
        })?;
    let mut lists = Vec::new();
    for list in ["command", "args"]
        .into_iter()
        .filter_map(|key| found.get(key))
    {
        let spelling = || FlagEditError::Spelling {
            flag: flag.to_owned(),
            line: list.line(),
        };
        let node = list.node().ok_or_else(spelling)?;
        let Content::Sequence { style, items } = &node.content else {
            return Err(spelling());
        };
        let items: Vec<NodeRef<'d>> = items
            .iter()
            .map(|index| NodeRef {
                nodes: list.nodes,
                index: *index,
            })
            .collect();
        let is_plain = |item: &NodeRef<'_>| {
            item.node()
                .is_some_and(|node| !node.anchored && !node.tagged)
                && item.scalar_text().is_some()
        };
        if node.anchored || node.tagged || !items.iter().all(is_plain) {
            return Err(spelling());
        }
        lists.push(Words {
            style: *style,
            items,
        });
    }
    let is_script = |list: &Words<'_>| words(list).iter().any(|word| word == "-c");
    if lists.iter().any(is_script) {
        return Err(FlagEditError::InScript {
            flag: flag.to_owned(),
        });
    }
    Ok(lists)
}

fn words(list: &Words<'_>) -> Vec<String> {
    let texts = list.items.iter().filter_map(|item| item.scalar_text());
    texts.map(ToOwned::to_owned).collect()
}

/// What becomes of the words: in this list, from here, so many go and this comes.
struct Difference {
    list: usize,
    at: usize,
    removed: usize,
    added: Option<String>,
}

impl Difference {
    fn applied_to(&self, mut lists: Vec<Vec<String>>) -> Vec<Vec<String>> {
        if let Some(list) = lists.get_mut(self.list) {
            let end = (self.at + self.removed).min(list.len());
            list.splice(self.at.min(end)..end, self.added.clone());
        }
        lists
    }
}

type Edit = (Zeroizing<String>, Difference);

fn edited(
    text: &str,
    lists: &[Words<'_>],
    flag: &str,
    value: Option<&str>,
) -> Result<Option<Edit>, FlagEditError> {
    let all: Vec<Vec<String>> = lists.iter().map(words).collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (list, words) in all.iter().enumerate() {
        let named = words.iter().enumerate();
        let named = named.filter(|(_, word)| names_flag(word, flag).is_some());
        found.extend(named.map(|(at, _)| (list, at)));
    }
    let (number, at) = match (found.as_slice(), value) {
        ([], None) => return Ok(None),
        ([], Some(value)) => return appended(text, lists, flag, value).map(Some),
        ([one], _) => *one,
        _ => {
            return Err(FlagEditError::Repeated {
                flag: flag.to_owned(),
            });
        }
    };
    let no_place = || FlagEditError::NoPlace {
        flag: flag.to_owned(),
    };
    let list = lists.get(number).ok_or_else(no_place)?;
    let here = all.get(number).ok_or_else(no_place)?;
    let word = here.get(at).ok_or_else(no_place)?;
    let inline = names_flag(word, flag).flatten();
    let behind = here
        .get(at + 1)
        .filter(|next| inline.is_none() && !next.starts_with('-'));
    let edit = match (value, behind) {
        (None, behind) => {
            let removed = 1 + usize::from(behind.is_some());
            let difference = Difference {
                list: number,
                at,
                removed,
                added: None,
            };
            (without(text, list, at, removed, flag)?, difference)
        }
        (Some(value), None) => {
            if inline == Some(value) {
                return Ok(None);
            }
            let name = word.split('=').next().unwrap_or(word);
            let new = format!("{name}={value}");
            let edited = replaced(text, list, at, &new, flag)?;
            (
                edited,
                Difference {
                    list: number,
                    at,
                    removed: 1,
                    added: Some(new),
                },
            )
        }
        (Some(value), Some(old)) => {
            if old == value {
                return Ok(None);
            }
            let edited = replaced(text, list, at + 1, value, flag)?;
            let added = Some(value.to_owned());
            (
                edited,
                Difference {
                    list: number,
                    at: at + 1,
                    removed: 1,
                    added,
                },
            )
        }
    };
    Ok(Some(edit))
}

fn replaced(
    text: &str,
    list: &Words<'_>,
    at: usize,
    word: &str,
    flag: &str,
) -> Result<Zeroizing<String>, FlagEditError> {
    let (span, style) = spelling_of(list, at, flag)?;
    let new = spelled_word(word, style, list.style == CollectionStyle::Block);
    Ok(spliced(text, &[(span, new)]))
}

/// Behind the last word, spelled as that is.
fn appended(
    text: &str,
    lists: &[Words<'_>],
    flag: &str,
    value: &str,
) -> Result<Edit, FlagEditError> {
    let no_place = || FlagEditError::NoPlace {
        flag: flag.to_owned(),
    };
    let number = lists.len().checked_sub(1).ok_or_else(no_place)?;
    let list = lists.get(number).ok_or_else(no_place)?;
    let last = list.items.len().checked_sub(1).ok_or_else(no_place)?;
    let (span, style) = spelling_of(list, last, flag)?;
    let word = format!("--{flag}={value}");
    let new = spelled_word(&word, style, list.style == CollectionStyle::Block);
    let (at, inserted) = match list.style {
        CollectionStyle::Flow => (span.end, format!(", {}", new.as_str())),
        CollectionStyle::Block => {
            let prefix = dash_before(text, &span).ok_or_else(|| spelling(list, last, flag))?;
            let end = line_end(text, span.end);
            let line = line_ending(text, span.end);
            (end, format!("{line}{prefix}{}", new.as_str()))
        }
    };
    let difference = Difference {
        list: number,
        at: last + 1,
        removed: 0,
        added: Some(word),
    };
    let edited = spliced(text, &[(at..at, Zeroizing::new(inserted))]);
    Ok((edited, difference))
}

fn without(
    text: &str,
    list: &Words<'_>,
    at: usize,
    count: usize,
    flag: &str,
) -> Result<Zeroizing<String>, FlagEditError> {
    let refused = || spelling(list, at, flag);
    let (first, _) = spelling_of(list, at, flag)?;
    let (last, _) = spelling_of(list, at + count - 1, flag)?;
    if list.items.len() == count {
        return Err(refused());
    }
    let range = match list.style {
        CollectionStyle::Block => {
            for number in at..at + count {
                let (span, _) = spelling_of(list, number, flag)?;
                dash_before(text, &span).ok_or_else(refused)?;
                let behind = part(text, &(span.end..line_end(text, span.end))).trim();
                if !behind.is_empty() && !behind.starts_with('#') {
                    return Err(refused());
                }
            }
            line_start(text, first.start)..next_line(text, last.end)
        }
        CollectionStyle::Flow => {
            let next = list.items.get(at + count).map(|next| next.span().start);
            let before = at.checked_sub(1).and_then(|it| list.items.get(it));
            let range = match (next, before) {
                (Some(next), _) => first.start..next,
                (None, Some(before)) => before.span().end..last.end,
                (None, None) => return Err(refused()),
            };
            if part(text, &range).contains('#') {
                return Err(refused());
            }
            range
        }
    };
    Ok(spliced(text, &[(range, Zeroizing::default())]))
}

/// The bytes of one word, when they are on one line.
fn spelling_of(
    list: &Words<'_>,
    at: usize,
    flag: &str,
) -> Result<(Range<usize>, ScalarStyle), FlagEditError> {
    let refused = || spelling(list, at, flag);
    let node = list
        .items
        .get(at)
        .and_then(|item| item.node())
        .ok_or_else(refused)?;
    match &node.content {
        Content::Scalar { style, .. } if *style != ScalarStyle::Block && !node.span.is_empty() => {
            Ok((node.span.clone(), *style))
        }
        _ => Err(refused()),
    }
}

/// What stands before an item on its line: spaces, one dash, spaces.
fn dash_before<'t>(text: &'t str, span: &Range<usize>) -> Option<&'t str> {
    let prefix = part(text, &(line_start(text, span.start)..span.start));
    let is_dash = prefix.trim() == "-" && prefix.chars().all(|it| matches!(it, ' ' | '-'));
    is_dash.then_some(prefix)
}

fn spelling(list: &Words<'_>, at: usize, flag: &str) -> FlagEditError {
    FlagEditError::Spelling {
        flag: flag.to_owned(),
        line: list.items.get(at).map_or(0, |item| item.line()),
    }
}
