//! From the parser's events to the tree of [`super::yaml`].
//!
//! The tree stores aliases as what they are, but everything that walks it follows them; so here it
//! is made sure that following them ends, and soon: a node inside itself is read as nothing, and a
//! text whose aliases repeat each other into millions of nodes is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle as Style, StructureStyle};
use zeroize::Zeroizing;

use super::yaml::{CollectionStyle, Content, Document, Node, ScalarStyle, ScalarText, YamlError};

/// A node with everything below it, aliases replaced by what they stand for.
#[derive(Clone, Copy)]
struct Extent {
    nodes: u64,
    depth: u64,
}

/// Ordinary manifests have no alias at all; these leave room for every honest use of them, while
/// a walk over the tree stays short and its recursion shallow.
const MOST_ALIASED_NODES: u64 = 1_000_000;
const DEEPEST_NESTING: u64 = 1_000;

/// Builds one document from events, with a stack of its own.
#[derive(Default)]
pub(super) struct Builder<'t> {
    nodes: Vec<Node<'t>>,
    extents: Vec<Extent>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, usize>,
    has_aliases: bool,
}

struct Open {
    node: usize,
    key: Option<usize>,
}

impl<'t> Builder<'t> {
    pub(super) fn take(&mut self, event: Event<'t>, span: Range<usize>, line: usize) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text = match text {
                    Cow::Borrowed(text) => ScalarText::Borrowed(text),
                    Cow::Owned(text) => ScalarText::Owned(Zeroizing::new(text)),
                };
                let style = match style {
                    Style::Plain => ScalarStyle::Plain,
                    Style::SingleQuoted => ScalarStyle::SingleQuoted,
                    Style::DoubleQuoted => ScalarStyle::DoubleQuoted,
                    Style::Literal | Style::Folded => ScalarStyle::Block,
                };
                let node = self.add(Content::Scalar { text, style }, span, line);
                self.properties(node, anchor, tag.is_some());
            }
            Event::MappingStart(style, anchor, tag) => {
                let content = Content::Mapping {
                    style: style_of(style),
                    entries: Vec::new(),
                };
                self.open(content, span, line, anchor, tag.is_some());
            }
            Event::SequenceStart(style, anchor, tag) => {
                let content = Content::Sequence {
                    style: style_of(style),
                    items: Vec::new(),
                };
                self.open(content, span, line, anchor, tag.is_some());
            }
            Event::MappingEnd | Event::SequenceEnd => self.close(span.end),
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied();
                // A node inside itself has no end; it is read as nothing.
                let target =
                    target.filter(|target| !self.open.iter().any(|open| open.node == *target));
                self.has_aliases = true;
                self.add(Content::Alias(target.unwrap_or(usize::MAX)), span, line);
            }
            _ => {}
        }
    }

    fn open(
        &mut self,
        content: Content<'t>,
        span: Range<usize>,
        line: usize,
        anchor: usize,
        tagged: bool,
    ) {
        let node = self.add(content, span, line);
        self.properties(node, anchor, tagged);
        self.open.push(Open { node, key: None });
    }

    fn close(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        if let Some(node) = self.nodes.get_mut(open.node) {
            node.span.end = end;
        }
        // What was counted below the collection is counted below its parent too.
        if let (Some(parent), Some(extent)) =
            (self.open.last(), self.extents.get(open.node).copied())
            && let Some(parent) = self.extents.get_mut(parent.node)
        {
            parent.nodes = parent.nodes.saturating_add(extent.nodes - 1);
            parent.depth = parent.depth.max(extent.depth + 1);
        }
    }

    fn add(&mut self, content: Content<'t>, span: Range<usize>, line: usize) -> usize {
        let index = self.nodes.len();
        let extent = match &content {
            Content::Alias(target) => self.extents.get(*target).copied(),
            _ => None,
        };
        let extent = extent.unwrap_or(Extent { nodes: 1, depth: 1 });
        self.extents.push(extent);
        self.nodes.push(Node {
            span,
            line,
            anchored: false,
            tagged: false,
            content,
        });
        if let Some(open) = self.open.last_mut() {
            if let Some(parent) = self.extents.get_mut(open.node) {
                parent.nodes = parent.nodes.saturating_add(extent.nodes);
                parent.depth = parent.depth.max(extent.depth + 1);
            }
            match self
                .nodes
                .get_mut(open.node)
                .map(|parent| &mut parent.content)
            {
                Some(Content::Sequence { items, .. }) => items.push(index),
                Some(Content::Mapping { entries, .. }) => match open.key.take() {
                    None => open.key = Some(index),
                    Some(key) => entries.push((key, index)),
                },
                _ => {}
            }
        }
        index
    }

    fn properties(&mut self, node: usize, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.anchored = anchor != 0;
            node.tagged = tagged;
        }
    }

    pub(super) fn finish(self) -> Result<Document<'t>, YamlError> {
        if self.has_aliases
            && let Some(Extent { nodes, depth }) = self.extents.first().copied()
            && (nodes > MOST_ALIASED_NODES || depth > DEEPEST_NESTING)
        {
            return Err(YamlError::TooManyAliases { nodes, depth });
        }
        Ok(Document { nodes: self.nodes })
    }
}

fn style_of(style: StructureStyle) -> CollectionStyle {
    match style {
        StructureStyle::Block => CollectionStyle::Block,
        StructureStyle::Flow => CollectionStyle::Flow,
    }
}
