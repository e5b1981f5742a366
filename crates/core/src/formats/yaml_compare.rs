//! Whether two texts say the same, but for one entry of one mapping.
//!
//! The last check of an edit: positions were computed from one tree, so the other tree is asked
//! whether the bytes that moved took anything with them.

use super::yaml::{Content, NodeRef};

/// Compares two trees. `changed` names a mapping of the left one, and the key that it has left and
/// right whose value may differ or be missing.
pub(super) fn same(
    left: NodeRef<'_>,
    right: NodeRef<'_>,
    changed: Option<(usize, (&str, &str))>,
) -> bool {
    let mut pending = vec![(left.index, right.index)];
    while let Some((left_index, right_index)) = pending.pop() {
        let (left, right) = (left.at_index(left_index), right.at_index(right_index));
        match (left.content(), right.content()) {
            // What an alias stands for is compared where it is written.
            (Some(Content::Alias(_)), Some(Content::Alias(_))) => {}
            (Some(Content::Scalar { .. }), Some(Content::Scalar { .. })) => {
                if left.as_str() != right.as_str() || left.is_null() != right.is_null() {
                    return false;
                }
            }
            (
                Some(Content::Sequence { items: left, .. }),
                Some(Content::Sequence { items: right, .. }),
            ) => {
                if left.len() != right.len() {
                    return false;
                }
                pending.extend(left.iter().copied().zip(right.iter().copied()));
            }
            (Some(Content::Mapping { .. }), Some(Content::Mapping { .. })) => {
                let but = changed.filter(|(mapping, _)| *mapping == left_index);
                let (left, right) = (
                    entries(left, but.map(|(_, (key, _))| key)),
                    entries(right, but.map(|(_, (_, key))| key)),
                );
                if left.len() != right.len() {
                    return false;
                }
                for ((left_key, left), (right_key, right)) in left.iter().zip(&right) {
                    pending.extend([(*left_key, *right_key), (*left, *right)]);
                }
            }
            (left, right) => {
                if left.is_some() || right.is_some() {
                    return false;
                }
            }
        }
    }
    true
}

fn entries(mapping: NodeRef<'_>, but: Option<&str>) -> Vec<(usize, usize)> {
    let kept = |(key, _): &&(usize, usize)| {
        but.is_none_or(|but| mapping.at_index(*key).scalar_text() != Some(but))
    };
    mapping.raw_entries().iter().filter(kept).copied().collect()
}
