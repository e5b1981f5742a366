//! Byte-exact edits of YAML and JSON text: set, rename or remove one entry of one mapping.
//!
//! Nothing but the bytes of that entry changes: comments, order, quotes, indentation, line ends
//! and other documents stay. What cannot be done so (an anchored value that others repeat, a key
//! that is there twice, a mapping spelled in a way that leaves no room) is refused. After every
//! edit the text is read again and must say what was asked, or the edit is refused too.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::yaml::{self, Content, Document, NodeRef, YamlError};
use super::yaml_compare;
use super::yaml_splice::{self, NewValue};

/// Why an edit was refused. The text is then as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text cannot be read at all.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// There is nothing at the path.
    #[error("{path} not found")]
    NotFound {
        /// The path.
        path: String,
    },
    /// There are several, and only one can be meant.
    #[error("{path} is there more than once")]
    Ambiguous {
        /// The path.
        path: String,
    },
    /// Something else is at the path.
    #[error("{path} at line {line} is not a {expected}")]
    Shape {
        /// The path.
        path: String,
        /// The line of what is there.
        line: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// An alias repeats something that is written elsewhere.
    #[error("{path} at line {line} is an alias of another part of the file: edit it by hand")]
    Alias {
        /// The path.
        path: String,
        /// Its line.
        line: usize,
    },
    /// An anchor or a tag stands before the value.
    #[error("{path} at line {line} has an anchor or a tag: edit it by hand")]
    AnchorOrTag {
        /// The path.
        path: String,
        /// Its line.
        line: usize,
    },
    /// The mapping is spelled in a way that leaves no room.
    #[error("{path} at line {line} is spelled in a way that cannot be edited: {reason}")]
    Spelling {
        /// The path.
        path: String,
        /// Its line.
        line: usize,
        /// What is in the way.
        reason: &'static str,
    },
    /// The edited text did not read back as asked.
    #[error("{path} would not read back as written")]
    Unsound {
        /// The path.
        path: String,
    },
}

impl EditError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Yaml(error) => error.code(),
            Self::NotFound { .. } => "edit-not-found",
            Self::Ambiguous { .. } => "edit-ambiguous",
            Self::Shape { .. } => "edit-shape",
            Self::Alias { .. } => "edit-alias",
            Self::AnchorOrTag { .. } => "edit-anchor-or-tag",
            Self::Spelling { .. } => "edit-spelling",
            Self::Unsound { .. } => "edit-unsound",
        }
    }
}

/// One step from a node to one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The value of this key.
    Key(&'a str),
    /// The item of a sequence, counted from 0.
    Item(usize),
    /// The item of a sequence whose `name` this is, as Kubernetes' lists have it.
    Named(&'a str),
}

/// A text under edit.
pub struct Editor {
    text: Zeroizing<String>,
    document: usize,
}

impl Editor {
    /// Edits the first document of `text`.
    pub fn new(text: &str) -> Result<Self, EditError> {
        yaml::parse(text)?;
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            document: 0,
        })
    }

    /// The text as edited so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The edited text.
    pub fn finish(self) -> Zeroizing<String> {
        self.text
    }

    /// Whether the mapping at `path` has this key.
    pub fn has(&self, path: &[Step<'_>], key: &str) -> Result<bool, EditError> {
        let documents = yaml::parse(&self.text)?;
        let mapping = self.mapping(&documents, path)?;
        Ok(entry(mapping, key, path)?.is_some())
    }

    /// Sets `key` of the mapping at `path` to the text `value`: replaced where it is, else
    /// inserted before the mapping's first key.
    pub fn set(&mut self, path: &[Step<'_>], key: &str, value: &str) -> Result<(), EditError> {
        self.put(path, (key, key), &NewValue::Text(value))
    }

    /// Puts `key` with the text `value` in the place of `old`, which must be there.
    pub fn replace(
        &mut self,
        path: &[Step<'_>],
        old: &str,
        key: &str,
        value: &str,
    ) -> Result<(), EditError> {
        if !self.has(path, old)? {
            return Err(EditError::NotFound {
                path: shown_with(path, old),
            });
        }
        self.put(path, (old, key), &NewValue::Text(value))
    }

    /// Sets `key` of the mapping at `path` to a mapping with one entry; the key must not be there,
    /// or have no value.
    pub fn set_mapping(
        &mut self,
        path: &[Step<'_>],
        key: &str,
        (inner, value): (&str, &str),
    ) -> Result<(), EditError> {
        self.put(path, (key, key), &NewValue::Mapping(inner, value))
    }

    /// Removes `key` of the mapping at `path`; false if it is not there.
    ///
    /// The only entry of a block mapping cannot go, as nothing would be left that is a mapping:
    /// remove the mapping's own key instead.
    pub fn remove(&mut self, path: &[Step<'_>], key: &str) -> Result<bool, EditError> {
        let edited = {
            let documents = yaml::parse(&self.text)?;
            let mapping = self.mapping(&documents, path)?;
            match entry(mapping, key, path)? {
                None => return Ok(false),
                Some(position) => yaml_splice::removed(&self.text, mapping, position, key, path)?,
            }
        };
        self.accept(edited, path, (key, key), None)?;
        Ok(true)
    }

    /// Whether `key` is the only entry of the mapping at `path`, spelled without braces.
    pub fn is_only_line(&self, path: &[Step<'_>], key: &str) -> Result<bool, EditError> {
        let documents = yaml::parse(&self.text)?;
        let mapping = self.mapping(&documents, path)?;
        let only = mapping.raw_entries().len() == 1 && entry(mapping, key, path)?.is_some();
        Ok(only && !yaml_splice::is_flow(mapping))
    }

    fn put(
        &mut self,
        path: &[Step<'_>],
        keys: (&str, &str),
        value: &NewValue<'_>,
    ) -> Result<(), EditError> {
        let edited = {
            let documents = yaml::parse(&self.text)?;
            let mapping = self.mapping(&documents, path)?;
            match entry(mapping, keys.0, path)? {
                Some(position) => {
                    yaml_splice::replaced(&self.text, mapping, position, keys, value, path)?
                }
                None => yaml_splice::inserted(&self.text, mapping, keys.1, value, path)?,
            }
        };
        self.accept(edited, path, keys, Some(value))
    }

    /// Takes an edited text, if `keys` (as it was, as it is) of the mapping at `path` says what it
    /// should and everything else what it said.
    fn accept(
        &mut self,
        edited: Zeroizing<String>,
        path: &[Step<'_>],
        keys: (&str, &str),
        value: Option<&NewValue<'_>>,
    ) -> Result<(), EditError> {
        let unsound = || EditError::Unsound {
            path: shown_with(path, keys.1),
        };
        let sound = {
            let before = yaml::parse(&self.text)?;
            let after = yaml::parse(&edited).map_err(|_| unsound())?;
            let mapping = self.mapping(&before, path)?;
            let found = self.mapping(&after, path)?.own(keys.1);
            let says = match (value, found) {
                (None, None) => true,
                (Some(NewValue::Text(value)), Some(found)) => found.scalar_text() == Some(value),
                (Some(NewValue::Mapping(inner, value)), Some(found)) => {
                    found.get(inner).and_then(NodeRef::scalar_text) == Some(value)
                }
                _ => false,
            };
            let mut pairs = before.iter().zip(&after).enumerate();
            says && before.len() == after.len()
                && pairs.all(|(number, (before, after))| {
                    let changed = (number == self.document).then_some((mapping.index, keys));
                    yaml_compare::same(before.root(), after.root(), changed)
                })
        };
        if !sound {
            return Err(unsound());
        }
        self.text = edited;
        Ok(())
    }

    fn mapping<'d>(
        &self,
        documents: &'d [Document<'d>],
        path: &[Step<'_>],
    ) -> Result<NodeRef<'d>, EditError> {
        let document = documents
            .get(self.document)
            .ok_or_else(|| EditError::NotFound { path: shown(path) })?;
        let mut node = document.root();
        for (depth, step) in path.iter().enumerate() {
            let here = path.get(..=depth).unwrap_or(path);
            node = below(node, *step, here)?;
        }
        written_here(node, path)?;
        match node.content() {
            Some(Content::Mapping { .. }) => Ok(node),
            _ => Err(EditError::Shape {
                path: shown(path),
                line: node.line(),
                expected: "mapping",
            }),
        }
    }
}

/// The node one step below, if it is there once and written there.
fn below<'d>(
    node: NodeRef<'d>,
    step: Step<'_>,
    path: &[Step<'_>],
) -> Result<NodeRef<'d>, EditError> {
    let outer = path.split_last().map_or(&[][..], |(_, outer)| outer);
    written_here(node, outer)?;
    let mut found: Vec<NodeRef<'d>> = match step {
        Step::Key(key) => {
            let position = entry(node, key, outer)?;
            let entry = position.and_then(|position| node.raw_entries().get(position));
            let value = entry.map(|(_, value)| NodeRef {
                nodes: node.nodes,
                index: *value,
            });
            value.into_iter().collect()
        }
        Step::Item(number) => node.items().nth(number).into_iter().collect(),
        Step::Named(name) => {
            let named =
                |item: &NodeRef<'_>| item.get("name").and_then(NodeRef::as_str) == Some(name);
            node.items().filter(named).collect()
        }
    };
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(EditError::Ambiguous { path: shown(path) }),
        (None, _) => Err(EditError::NotFound { path: shown(path) }),
    }
}

/// Refuses what an alias repeats, here or elsewhere: an edit would change both.
fn written_here(node: NodeRef<'_>, path: &[Step<'_>]) -> Result<(), EditError> {
    let line = node.line();
    match node.node() {
        Some(node) if matches!(node.content, Content::Alias(_)) => Err(EditError::Alias {
            path: shown(path),
            line,
        }),
        Some(node) if node.anchored => Err(EditError::AnchorOrTag {
            path: shown(path),
            line,
        }),
        _ => Ok(()),
    }
}

/// The position of `key` among the entries of `mapping`.
fn entry(mapping: NodeRef<'_>, key: &str, path: &[Step<'_>]) -> Result<Option<usize>, EditError> {
    let keys = mapping.raw_entries().iter().map(|(key, _)| NodeRef {
        nodes: mapping.nodes,
        index: *key,
    });
    let mut positions = keys
        .enumerate()
        .filter(|(_, name)| name.scalar_text() == Some(key))
        .map(|(position, _)| position);
    let first = positions.next();
    match positions.next() {
        Some(_) => Err(EditError::Ambiguous {
            path: shown_with(path, key),
        }),
        None => Ok(first),
    }
}

/// A path for people: `users[admin].user`.
pub(super) fn shown(path: &[Step<'_>]) -> String {
    let mut shown = String::new();
    for step in path {
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Key(key) if shown.is_empty() => write!(shown, "{key}"),
            Step::Key(key) => write!(shown, ".{key}"),
            Step::Item(number) => write!(shown, "[{number}]"),
            Step::Named(name) => write!(shown, "[{name}]"),
        };
    }
    if shown.is_empty() {
        shown.push_str("the document");
    }
    shown
}

pub(super) fn shown_with(path: &[Step<'_>], key: &str) -> String {
    let mut whole = path.to_vec();
    whole.push(Step::Key(key));
    shown(&whole)
}
