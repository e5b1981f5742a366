//! The YAML form of an inventory, and the JSON that `ansible-inventory --list` prints.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html>

use super::super::SourceError;
use super::groups::{ALL, Groups};
use super::ranges;
use crate::formats::yaml::{self, Document, NodeRef};

/// Groups nest by hand; this deep nobody goes.
const DEEPEST: usize = 64;

/// The groups; `None` when the text is none of both and hence the INI form.
pub(super) fn parse(text: &str) -> Result<Option<Groups>, SourceError> {
    let Ok(documents) = yaml::parse(text) else {
        return Ok(None);
    };
    let root = documents.first().map(Document::root);
    let Some(root) = root.filter(|root| root.is_mapping()) else {
        return Ok(None);
    };
    let mut groups = Groups::default();
    if let Some(meta) = root.get("_meta") {
        list(&mut groups, root, meta);
        return Ok(Some(groups));
    }
    for (key, node) in root.keyed_entries() {
        let name = key.as_str().unwrap_or_default();
        if !(node.is_mapping() || node.is_null()) {
            return Err(SourceError::Line {
                line: key.line(),
                reason: format!("expected a group with hosts, children or vars, found {name:?}"),
            });
        }
        groups.group(name);
        group(&mut groups, name, node, DEEPEST)?;
    }
    Ok(Some(groups))
}

fn group(
    groups: &mut Groups,
    name: &str,
    node: NodeRef<'_>,
    depth: usize,
) -> Result<(), SourceError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(SourceError::Line {
            line: node.line(),
            reason: format!("groups nest more than {DEEPEST} deep"),
        });
    };
    for (key, hosts) in node.keyed_entries() {
        let field = key.as_str().unwrap_or_default();
        if !["hosts", "children", "vars"].contains(&field) {
            return Err(SourceError::Line {
                line: key.line(),
                reason: format!("group {name}: expected hosts, children or vars, found {field:?}"),
            });
        }
        if field != "hosts" {
            continue;
        }
        for (key, variables) in hosts.keyed_entries() {
            let pattern = key.as_str().unwrap_or_default();
            let names = ranges::expand(pattern).map_err(|reason| SourceError::Line {
                line: key.line(),
                reason,
            })?;
            for host in names {
                groups.host(name, &host);
                for (variable, value) in texts(variables) {
                    groups.set_of_host(&host, variable, value);
                }
            }
        }
    }
    for (variable, value) in node.get("vars").into_iter().flat_map(texts) {
        groups.set_of_group(name, variable, value);
    }
    for (child, inner) in node.get("children").into_iter().flat_map(NodeRef::entries) {
        if name == ALL {
            groups.group(child);
        } else {
            groups.child(name, child);
        }
        group(groups, child, inner, depth)?;
    }
    Ok(())
}

/// Groups with lists of names, and every host's variables folded together already.
fn list(groups: &mut Groups, root: NodeRef<'_>, meta: NodeRef<'_>) {
    let names = |node: NodeRef<'_>, field: &str| -> Vec<String> {
        let items = node.get(field).into_iter().flat_map(NodeRef::items);
        items.filter_map(NodeRef::to_text).collect()
    };
    for (name, node) in root.entries().filter(|(name, _)| *name != "_meta") {
        groups.group(name);
        for host in names(node, "hosts") {
            groups.host(name, &host);
        }
        for child in names(node, "children") {
            groups.child(name, &child);
        }
    }
    for (host, variables) in meta.get("hostvars").into_iter().flat_map(NodeRef::entries) {
        for (variable, value) in texts(variables) {
            groups.set_of_host(host, variable, value);
        }
    }
}

fn texts<'d>(node: NodeRef<'d>) -> impl Iterator<Item = (&'d str, &'d str)> {
    node.entries()
        .filter_map(|(name, value)| Some((name, value.as_str()?)))
}
