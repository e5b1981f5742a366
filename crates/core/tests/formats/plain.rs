//! A YAML text reduced to what it says, to compare texts before and after an edit.

use kubepki_core::formats::yaml::{self, NodeRef};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    Null,
    Text(String),
    Sequence(Vec<Plain>),
    Mapping(Vec<(String, Plain)>),
}

/// Every document of a text.
pub fn documents(text: &str) -> Vec<Plain> {
    let documents = yaml::parse(text).unwrap();
    documents
        .iter()
        .map(|document| of(document.root()))
        .collect()
}

fn of(node: NodeRef<'_>) -> Plain {
    if node.is_mapping() {
        Plain::Mapping(
            node.entries()
                .map(|(key, value)| (key.to_owned(), of(value)))
                .collect(),
        )
    } else if node.is_sequence() {
        Plain::Sequence(node.items().map(of).collect())
    } else {
        node.to_text().map_or(Plain::Null, Plain::Text)
    }
}

impl Plain {
    /// Whether two are the same but for the order of keys.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mapping(left), Self::Mapping(right)) => {
                let sorted = |entries: &Vec<(String, Self)>| {
                    let mut entries = entries.clone();
                    // Stable: what is there twice keeps its order.
                    entries.sort_by(|left, right| left.0.cmp(&right.0));
                    entries
                };
                left.len() == right.len()
                    && sorted(left).iter().zip(sorted(right)).all(
                        |((left_key, left), (right_key, right))| {
                            *left_key == right_key && left.same(&right)
                        },
                    )
            }
            (Self::Sequence(left), Self::Sequence(right)) => {
                left.len() == right.len()
                    && left.iter().zip(right).all(|(left, right)| left.same(right))
            }
            _ => self == other,
        }
    }

    /// The entries of a mapping.
    pub fn entries_mut(&mut self) -> &mut Vec<(String, Self)> {
        match self {
            Self::Mapping(entries) => entries,
            other => panic!("not a mapping: {other:?}"),
        }
    }
}
