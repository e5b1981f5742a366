//! YAML and JSON text as a tree of nodes that know where they stand.
//!
//! One tree serves reading and editing, so that what is edited is what was read: every node keeps
//! its byte range in the text ([`super::yaml_edit`] replaces just those bytes). JSON is read as
//! the YAML 1.2 subset that it is. Scalars are borrowed from the text where the text spells them
//! plainly and are zeroized otherwise, because a kubeconfig holds private keys.
//!
//! Not here: types, schemas and deserialization. A Kubernetes object is navigated, so that fields
//! nobody asked about can neither fail nor get lost.
//! <https://yaml.org/spec/1.2.2/>

use std::ops::Range;

use granit_parser::{Event, Parser};
use zeroize::Zeroizing;

use super::yaml_builder::Builder;

/// Merge keys and aliases may form a cycle; no manifest nests this deep.
const LONGEST_ALIAS_CHAIN: usize = 32;

/// Why a text could not be read as YAML or JSON. Never shows the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// A byte is not UTF-8.
    #[error("not UTF-8 text: invalid byte at offset {offset}")]
    NotUtf8 {
        /// Offset of the first byte that is not UTF-8.
        offset: usize,
    },
    /// Aliases repeat parts of the text so often, or nest so deeply, that it would not end well.
    #[error("aliases repeat parts of this YAML {nodes} times, or nest {depth} deep")]
    TooManyAliases {
        /// Nodes after every alias was replaced by what it stands for.
        nodes: u64,
        /// Depth of nesting, likewise.
        depth: u64,
    },
    /// The text breaks YAML's grammar.
    #[error("not valid YAML or JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// What the grammar wanted.
        reason: String,
    },
}

impl YamlError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "not-utf8",
            Self::Syntax { .. } => "yaml-syntax",
            Self::TooManyAliases { .. } => "yaml-too-many-aliases",
        }
    }
}

/// `bytes` as text.
pub fn text_of(bytes: &[u8]) -> Result<&str, YamlError> {
    std::str::from_utf8(bytes).map_err(|error| YamlError::NotUtf8 {
        offset: error.valid_up_to(),
    })
}

/// Reads every document of `text`. A text of comments only holds no document.
pub fn parse(text: &str) -> Result<Vec<Document<'_>>, YamlError> {
    let mut documents = Vec::new();
    let mut building: Option<Builder<'_>> = None;
    let options = granit_parser::options! { emit_comments: false };
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| YamlError::Syntax {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.kind().to_string(),
        })?;
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => building = Some(Builder::default()),
            Event::DocumentEnd => {
                if let Some(builder) = building.take() {
                    documents.push(builder.finish()?);
                }
            }
            other => {
                if let Some(builder) = &mut building {
                    builder.take(other, range, span.start.line());
                }
            }
        }
    }
    Ok(documents)
}

/// One YAML document.
pub struct Document<'t> {
    pub(super) nodes: Vec<Node<'t>>,
}

impl Document<'_> {
    /// The document's outermost node.
    pub fn root(&self) -> NodeRef<'_> {
        NodeRef {
            nodes: &self.nodes,
            index: 0,
        }
    }
}

/// How a mapping or a sequence is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionStyle {
    /// By indentation.
    Block,
    /// In braces or brackets, as all JSON is.
    Flow,
}

/// How a scalar is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// A block: `|` or `>`.
    Block,
}

/// One node of a [`Document`]; nodes are stored in the order of the text.
pub(super) struct Node<'t> {
    pub(super) span: Range<usize>,
    pub(super) line: usize,
    pub(super) anchored: bool,
    pub(super) tagged: bool,
    pub(super) content: Content<'t>,
}

pub(super) enum Content<'t> {
    Alias(usize),
    Mapping {
        style: CollectionStyle,
        entries: Vec<(usize, usize)>,
    },
    Scalar {
        text: ScalarText<'t>,
        style: ScalarStyle,
    },
    Sequence {
        style: CollectionStyle,
        items: Vec<usize>,
    },
}

/// Not `Cow`: an owned scalar may be a key and must not outlive its use.
pub(super) enum ScalarText<'t> {
    Borrowed(&'t str),
    Owned(Zeroizing<String>),
}

impl ScalarText<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

/// A node in its document. Reading follows aliases (`*name`) and merge keys (`<<`).
#[derive(Clone, Copy)]
pub struct NodeRef<'d> {
    pub(super) nodes: &'d [Node<'d>],
    pub(super) index: usize,
}

impl<'d> NodeRef<'d> {
    /// The scalar's text; none for null, mappings and sequences. Numbers and booleans come as
    /// they are spelled.
    pub fn as_str(self) -> Option<&'d str> {
        if self.is_null() {
            return None;
        }
        match self.resolved()?.content() {
            Some(Content::Scalar { text, .. }) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The scalar as an owned text.
    pub fn to_text(self) -> Option<String> {
        self.as_str().map(str::to_owned)
    }

    /// An unquoted boolean, in the spellings that Kubernetes' YAML reader takes.
    pub fn as_bool(self) -> Option<bool> {
        match self.resolved()?.content()? {
            Content::Scalar {
                text,
                style: ScalarStyle::Plain,
            } => match text.as_str() {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
                    Some(false)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// A number that fits.
    pub fn as_number<T: std::str::FromStr>(self) -> Option<T> {
        self.as_str()?.trim().parse().ok()
    }

    /// Whether there is no value: nothing at all, `~` or `null`.
    pub fn is_null(self) -> bool {
        match self.resolved().and_then(NodeRef::node) {
            Some(Node {
                content:
                    Content::Scalar {
                        text,
                        style: ScalarStyle::Plain,
                    },
                span,
                ..
            }) => span.is_empty() || matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            Some(_) => false,
            None => true,
        }
    }

    /// Whether this is a mapping.
    pub fn is_mapping(self) -> bool {
        matches!(
            self.resolved().and_then(NodeRef::content),
            Some(Content::Mapping { .. })
        )
    }

    /// Whether this is a sequence.
    pub fn is_sequence(self) -> bool {
        matches!(
            self.resolved().and_then(NodeRef::content),
            Some(Content::Sequence { .. })
        )
    }

    /// The value of `key` in a mapping. Of several the last, as Go's readers have it.
    pub fn get(self, key: &str) -> Option<NodeRef<'d>> {
        self.get_within(key, LONGEST_ALIAS_CHAIN)
    }

    /// The value at the end of a path of mapping keys.
    pub fn at(self, path: &[&str]) -> Option<NodeRef<'d>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The items of a sequence; none for anything else.
    pub fn items(self) -> impl Iterator<Item = NodeRef<'d>> {
        let items = match self.resolved().and_then(NodeRef::content) {
            Some(Content::Sequence { items, .. }) => items.as_slice(),
            _ => &[],
        };
        items.iter().map(move |index| NodeRef {
            nodes: self.nodes,
            index: *index,
        })
    }

    /// The entries of a mapping in their order, merge keys not followed; none for anything else.
    pub fn entries(self) -> impl Iterator<Item = (&'d str, NodeRef<'d>)> {
        self.raw_entries().iter().filter_map(move |(key, value)| {
            let key = NodeRef {
                nodes: self.nodes,
                index: *key,
            };
            Some((
                key.scalar_text()?,
                NodeRef {
                    nodes: self.nodes,
                    index: *value,
                },
            ))
        })
    }

    /// The entries of a mapping in their order with their keys as nodes, so that it can be said where
    /// each stands; merge keys not followed.
    pub fn keyed_entries(self) -> impl Iterator<Item = (NodeRef<'d>, NodeRef<'d>)> {
        let entries = self.raw_entries().iter();
        entries.map(move |(key, value)| (self.at_index(*key), self.at_index(*value)))
    }

    /// The bytes of this node in the text: quotes included, anchors and tags not.
    pub fn span(self) -> Range<usize> {
        self.node().map_or(0..0, |node| node.span.clone())
    }

    /// The line where this node begins, counted from 1.
    pub fn line(self) -> usize {
        self.node().map_or(0, |node| node.line)
    }

    pub(super) fn node(self) -> Option<&'d Node<'d>> {
        self.nodes.get(self.index)
    }

    /// Another node of the same document.
    pub(super) fn at_index(self, index: usize) -> Self {
        NodeRef {
            nodes: self.nodes,
            index,
        }
    }

    pub(super) fn content(self) -> Option<&'d Content<'d>> {
        self.node().map(|node| &node.content)
    }

    /// The text of a scalar even where it spells null: mapping keys.
    pub(super) fn scalar_text(self) -> Option<&'d str> {
        match self.resolved()?.content()? {
            Content::Scalar { text, .. } => Some(text.as_str()),
            _ => None,
        }
    }

    pub(super) fn raw_entries(self) -> &'d [(usize, usize)] {
        match self.resolved().and_then(NodeRef::content) {
            Some(Content::Mapping { entries, .. }) => entries,
            _ => &[],
        }
    }

    /// The value of `key` in this very mapping, merge keys not followed.
    pub(super) fn own(self, key: &str) -> Option<NodeRef<'d>> {
        let own = self.entries().filter(|(name, _)| *name == key).last();
        own.map(|(_, value)| value)
    }

    fn get_within(self, key: &str, hops: usize) -> Option<NodeRef<'d>> {
        let hops = hops.checked_sub(1)?;
        self.own(key).or_else(|| {
            let (_, merged) = self.entries().find(|(name, _)| *name == "<<")?;
            if merged.is_sequence() {
                merged.items().find_map(|item| item.get_within(key, hops))
            } else {
                merged.get_within(key, hops)
            }
        })
    }

    fn resolved(self) -> Option<NodeRef<'d>> {
        let mut node = self;
        for _ in 0..LONGEST_ALIAS_CHAIN {
            match node.content()? {
                Content::Alias(target) => {
                    node = NodeRef {
                        nodes: self.nodes,
                        index: *target,
                    }
                }
                _ => return Some(node),
            }
        }
        None
    }
}
