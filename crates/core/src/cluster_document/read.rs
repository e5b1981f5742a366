//! Reading a cluster document, with errors that name the line and the field.
//!
//! Strict on purpose: a misspelled `becom` would otherwise be found when the first host refuses, and
//! a destination that begins with `-` would be an option of `ssh` (CVE-2017-1000117 and its kin).

use super::{Become, ClusterDocument, ClusterHost, KIND, Reach};
use crate::formats::yaml::{self, NodeRef, YamlError};
use crate::plan::document::API_VERSION;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Why a text is no cluster document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Neither YAML nor JSON.
    #[error(transparent)]
    Syntax(#[from] YamlError),
    /// Nothing in it, or more than one document.
    #[error("expected one document, found {found}")]
    Documents {
        /// How many.
        found: usize,
    },
    /// Another kind of document.
    #[error("expected {API_VERSION} {KIND}, found {found}")]
    OtherKind {
        /// Its version and kind.
        found: String,
    },
    /// A field that is wrong.
    #[error("line {line}: {field}: {reason}")]
    Field {
        /// Counted from 1.
        line: usize,
        /// Its place, e.g. `hosts[2].ssh`.
        field: String,
        /// What was expected and what was found.
        reason: String,
    },
}

impl DocumentError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(error) => error.code(),
            Self::Documents { .. } => "cluster-document-number",
            Self::OtherKind { .. } => "cluster-document-kind",
            Self::Field { .. } => "cluster-document-field",
        }
    }
}

impl ClusterDocument {
    /// Reads a document from YAML or JSON.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and field.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let documents = yaml::parse(text)?;
        let [document] = documents.as_slice() else {
            return Err(DocumentError::Documents {
                found: documents.len(),
            });
        };
        let root = document.root();
        let word = |field| root.get(field).and_then(NodeRef::as_str);
        if (word("apiVersion"), word("kind")) != (Some(API_VERSION), Some(KIND)) {
            let found = [word("apiVersion"), word("kind")].map(|word| word.unwrap_or("nothing"));
            return Err(DocumentError::OtherKind {
                found: found.join(" "),
            });
        }
        let fields = Fields::of(root, "", &["apiVersion", "kind", "name", "layout", "hosts"])?;
        let mut hosts: Vec<ClusterHost> = Vec::new();
        let list = fields.required("hosts", "the hosts of the cluster")?;
        if !list.is_sequence() || list.items().next().is_none() {
            return Err(wrong(list, "hosts", "expected a list of at least one host"));
        }
        for (index, node) in list.items().enumerate() {
            let place = format!("hosts[{index}]");
            let host = read_host(node, &place)?;
            for other in &hosts {
                if other.name == host.name {
                    let reason = format!("there is another host {}", host.name);
                    return Err(wrong(node, &format!("{place}.name"), reason));
                }
                if is_same_place(&other.reach, &host.reach) {
                    let reason = format!("{} and {} are both {host}", other.name, host.name);
                    return Err(wrong(node, &place, reason));
                }
            }
            hosts.push(host);
        }
        Ok(Self {
            layout: fields.text("layout")?.map(PathBuf::from),
            ..Self::new(fields.text("name")?, hosts)
        })
    }
}

fn read_host(node: NodeRef<'_>, place: &str) -> Result<ClusterHost, DocumentError> {
    let known = [
        "name", "ssh", "command", "root", "local", "become", "labels", "layout",
    ];
    let fields = Fields::of(node, place, &known)?;
    let name_node = fields.required("name", "what the host is called here")?;
    let name = fields.text("name")?.unwrap_or_default();
    check_name(&name).map_err(|reason| wrong(name_node, &fields.place("name"), reason))?;
    let reach = read_reach(&fields)?;
    let becomes = match fields.get("become") {
        None => None,
        Some(node) => {
            let becomes = match node.as_str() {
                Some("sudo") => Become::Sudo,
                Some("root") => Become::Root,
                found => {
                    let reason = format!("expected sudo or root, found {}", shown(found));
                    return Err(wrong(node, &fields.place("become"), reason));
                }
            };
            Some(becomes)
        }
    };
    let mut labels = BTreeMap::new();
    if let Some(node) = fields.get("labels") {
        let place = fields.place("labels");
        if !node.is_mapping() {
            return Err(wrong(node, &place, "expected labels and their values"));
        }
        for (key, value) in node.keyed_entries() {
            let label = key.as_str().unwrap_or_default();
            let is_word = !label.is_empty() && !label.contains(['=', ',', '!', ' ']);
            let (true, Some(value)) = (is_word, value.as_str()) else {
                let reason = "expected a word without = , ! and blanks, and its value";
                return Err(wrong(key, &format!("{place}.{label}"), reason));
            };
            if labels.insert(label.to_owned(), value.to_owned()).is_some() {
                let reason = "the label is there twice";
                return Err(wrong(key, &format!("{place}.{label}"), reason));
            }
        }
    }
    Ok(ClusterHost {
        name,
        reach,
        becomes,
        labels,
        layout: fields.text("layout")?.map(PathBuf::from),
    })
}

fn read_reach(fields: &Fields<'_>) -> Result<Reach, DocumentError> {
    let mut reach = Reach {
        ssh: fields.text("ssh")?,
        command: None,
        root: fields.text("root")?.map(PathBuf::from),
        local: false,
    };
    if let (Some(node), Some(destination)) = (fields.get("ssh"), &reach.ssh) {
        check_destination(destination)
            .map_err(|reason| wrong(node, &fields.place("ssh"), reason))?;
    }
    if let Some(node) = fields.get("command") {
        let words: Option<Vec<String>> = node.items().map(NodeRef::to_text).collect();
        match words {
            Some(words) if words.first().is_some_and(|word| !word.is_empty()) => {
                reach.command = Some(words);
            }
            _ => {
                let reason =
                    "expected a list of words that begin a command, e.g. [docker, exec, -i, node1]";
                return Err(wrong(node, &fields.place("command"), reason));
            }
        }
    }
    if let Some(node) = fields.get("local") {
        let Some(local) = node.as_bool() else {
            let reason = format!("expected true or false, found {}", shown(node.as_str()));
            return Err(wrong(node, &fields.place("local"), reason));
        };
        reach.local = local;
    }
    let kinds = [
        ("ssh", reach.ssh.is_some()),
        ("command", reach.command.is_some()),
        ("root", reach.root.is_some()),
        ("local", reach.local),
    ];
    let set: Vec<&str> = kinds
        .iter()
        .filter_map(|(kind, is_set)| is_set.then_some(*kind))
        .collect();
    if let [_, second, ..] = set.as_slice() {
        let node = fields.get(second).unwrap_or(fields.node);
        let reason = format!("a host is reached in one way, found {}", set.join(" and "));
        return Err(wrong(node, &fields.place(second), reason));
    }
    Ok(reach)
}

/// Names are typed after `--hosts`, and without a destination after `ssh`.
fn check_name(name: &str) -> Result<(), String> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let begins_well = name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if begins_well && name.len() <= 253 && name.chars().all(is_letter) {
        return Ok(());
    }
    Err(format!(
        "expected letters, digits, '-', '_' and '.', a letter or digit first, found {name:?}"
    ))
}

/// A word of a command line, and no option.
pub(super) fn check_destination(destination: &str) -> Result<(), String> {
    // `user@-oProxyCommand=…` is refused by ssh itself, and by old ones not.
    let host = destination.rsplit('@').next().unwrap_or_default();
    if destination.starts_with('-') || host.starts_with('-') {
        return Err(format!(
            "a destination that begins with '-' would be an option of ssh, found {destination:?}"
        ));
    }
    if host.is_empty() || destination.contains(|it: char| it.is_whitespace() || it.is_control()) {
        return Err(format!(
            "expected a destination as ssh understands it, e.g. root@10.0.0.5, found {destination:?}"
        ));
    }
    Ok(())
}

/// Whether two hosts are certainly one.
fn is_same_place(one: &Reach, other: &Reach) -> bool {
    *one == *other && *one != Reach::default()
}

/// The fields of a mapping, each known and there once.
struct Fields<'d> {
    node: NodeRef<'d>,
    place: String,
}

impl<'d> Fields<'d> {
    fn of(node: NodeRef<'d>, place: &str, known: &[&str]) -> Result<Self, DocumentError> {
        let fields = Self {
            node,
            place: place.to_owned(),
        };
        if !node.is_mapping() {
            let found = shown(node.as_str());
            let reason = format!("expected fields and their values, found {found}");
            return Err(wrong(node, place, reason));
        }
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in node.keyed_entries() {
            let name = key.as_str().unwrap_or_default();
            if !known.contains(&name) {
                let reason = format!("no such field; there are {}", known.join(", "));
                return Err(wrong(key, &fields.place(name), reason));
            }
            if seen.contains(&name) {
                return Err(wrong(key, &fields.place(name), "the field is there twice"));
            }
            seen.push(name);
        }
        Ok(fields)
    }

    /// The field's name with those above it.
    fn place(&self, field: &str) -> String {
        if self.place.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.place)
        }
    }

    /// The value; one that is null is none.
    fn get(&self, field: &str) -> Option<NodeRef<'d>> {
        self.node.get(field).filter(|node| !node.is_null())
    }

    fn required(&self, field: &str, what: &str) -> Result<NodeRef<'d>, DocumentError> {
        self.get(field).ok_or_else(|| {
            let node = self.node.get(field).unwrap_or(self.node);
            wrong(node, &self.place(field), format!("missing: {what}"))
        })
    }

    /// A word or none; an empty one is an error.
    fn text(&self, field: &str) -> Result<Option<String>, DocumentError> {
        let Some(node) = self.get(field) else {
            return Ok(None);
        };
        match node.as_str() {
            Some(text) if !text.is_empty() => Ok(Some(text.to_owned())),
            Some(_) => Err(wrong(node, &self.place(field), "is empty")),
            None => Err(wrong(node, &self.place(field), "expected a text")),
        }
    }
}

fn shown(text: Option<&str>) -> String {
    text.map_or_else(|| "something else".to_owned(), |text| format!("{text:?}"))
}

fn wrong(node: NodeRef<'_>, field: &str, reason: impl Into<String>) -> DocumentError {
    DocumentError::Field {
        line: node.line(),
        field: if field.is_empty() { "document" } else { field }.to_owned(),
        reason: reason.into(),
    }
}
