//! Contents that are Kubernetes objects in YAML or JSON: any kind, one or many.
//!
//! No kind is known by its fields except Secret and ConfigMap, whose values may be anything. In all
//! others every text is looked at, and what is PEM, base64 of PEM or DER, or a token is shown:
//! `caBundle` of webhooks and API services, `spec.request` and `status.certificate` of signing
//! requests, and whatever a custom resource carries. `metadata` is left out; its annotations repeat
//! the object.

use super::contents::{Collector, base64_of};
use super::item::Object;
use super::json_web_token::JsonWebToken;
use super::{kubeconfig, pem};
use crate::formats::yaml::{self, NodeRef};
use kubepki_sealed::danger;

/// Whether a text is worth reading as YAML or JSON: PEM and plain text are not.
pub(super) fn looks_like_one(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) {
        return true;
    }
    text.lines()
        .take_while(|line| !line.starts_with(pem::BEGIN))
        .map(|line| line.strip_prefix("- ").unwrap_or(line))
        .any(|line| KEYS.iter().any(|key| line.starts_with(key)))
}

/// Keys of which every object and every kubeconfig has one at the outermost level.
const KEYS: [&str; 10] = [
    "apiVersion:",
    "\"apiVersion\":",
    "kind:",
    "\"kind\":",
    "clusters:",
    "users:",
    "data:",
    "stringData:",
    "items:",
    "metadata:",
];

/// Adds what the objects in `text` hold; false when that is nothing.
pub(super) fn read(collector: &mut Collector<'_>, text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let documents = match yaml::parse(text) {
        Ok(documents) => documents,
        Err(error) if text.contains(pem::BEGIN) => {
            // a template, or prose around PEM: show what can be shown
            pem::read(collector, text.as_bytes());
            if collector.found.items.is_empty() {
                collector.problem(error.code(), &error.to_string());
            }
            return !collector.is_empty();
        }
        Err(error) => {
            collector.problem(error.code(), &error.to_string());
            return true;
        }
    };
    let before = (collector.found.items.len(), collector.found.problems.len());
    let several = documents.len() > 1;
    for (number, document) in documents.iter().enumerate() {
        if several {
            // a JSON pointer says nothing about which document; the number stands in front
            collector.at(&number.to_string(), |collector| {
                any(collector, document.root())
            });
        } else {
            any(collector, document.root());
        }
    }
    if before == (collector.found.items.len(), collector.found.problems.len()) {
        let kind = documents
            .iter()
            .find_map(|document| text_at(document.root(), &["kind"]));
        if let Some(kind) = kind {
            let message = format!("no certificate, request, key or token in this {kind}");
            collector.problem("nothing-found", &message);
        }
    }
    !collector.is_empty()
}

fn any(collector: &mut Collector<'_>, node: NodeRef<'_>) {
    if node.is_sequence() {
        each(collector, node);
    } else if kubeconfig::is_one(node) {
        kubeconfig::read(collector, node);
    } else if let Some(items) = node.get("items").filter(|items| items.is_sequence()) {
        collector.at("items", |collector| each(collector, items));
    } else {
        object(collector, node);
    }
}

fn each(collector: &mut Collector<'_>, sequence: NodeRef<'_>) {
    for (number, item) in sequence.items().enumerate() {
        collector.at(&number.to_string(), |collector| any(collector, item));
    }
}

fn object(collector: &mut Collector<'_>, node: NodeRef<'_>) {
    let kind = text_at(node, &["kind"]).unwrap_or_else(|| "object".into());
    let name = text_at(node, &["metadata", "name"]).unwrap_or_default();
    let called = match text_at(node, &["metadata", "namespace"]) {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    };
    collector.called(Some(called.trim_end().to_owned()), |collector| {
        for (key, value) in node.entries() {
            let read_value: fn(&mut Collector<'_>, NodeRef<'_>) = match (kind.as_str(), key) {
                (_, "metadata") => continue,
                ("Secret", "data") | ("ConfigMap", "binaryData") => encoded_values,
                ("Secret", "stringData") | ("ConfigMap", "data") => plain_values,
                _ => every_text,
            };
            collector.at(key, |collector| read_value(collector, value));
        }
    });
}

/// Values that are base64 of anything.
fn encoded_values(collector: &mut Collector<'_>, mapping: NodeRef<'_>) {
    for (key, value) in mapping.entries() {
        if let Some(decoded) = value.as_str().and_then(base64_of) {
            collector.at(key, |collector| {
                collector.read(danger::open(&decoded));
            });
        }
    }
}

/// Values that are text of anything.
fn plain_values(collector: &mut Collector<'_>, mapping: NodeRef<'_>) {
    for (key, value) in mapping.entries() {
        if let Some(text) = value.as_str() {
            collector.at(key, |collector| {
                collector.read(text.as_bytes());
            });
        }
    }
}

/// Every text below a node, where it is unmistakably something.
pub(super) fn every_text(collector: &mut Collector<'_>, node: NodeRef<'_>) {
    if node.is_mapping() {
        for (key, value) in node.entries() {
            collector.at(key, |collector| every_text(collector, value));
        }
    } else if node.is_sequence() {
        for (number, item) in node.items().enumerate() {
            collector.at(&number.to_string(), |collector| every_text(collector, item));
        }
    } else if let Some(text) = node.as_str() {
        one_text(collector, text);
    }
}

fn one_text(collector: &mut Collector<'_>, text: &str) {
    if text.contains(pem::BEGIN) {
        pem::read(collector, text.as_bytes());
    } else if text.starts_with("eyJ") {
        if let Some(token) = JsonWebToken::parse(text) {
            collector.add(Object::Token(Box::new(token)));
        }
    } else if BASE64_BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
        && let Some(decoded) = base64_of(text)
    {
        collector.read(danger::open(&decoded));
    }
}

/// Base64 of `-----BEGIN`, with and without a line end before it, and of a DER SEQUENCE with a
/// length of two octets.
const BASE64_BEGINNINGS: [&str; 3] = ["LS0tLS1CRUdJTi", "Ci0tLS0tQkVHSU4", "MI"];

fn text_at(node: NodeRef<'_>, path: &[&str]) -> Option<String> {
    node.at(path)
        .and_then(NodeRef::to_text)
        .filter(|text| !text.is_empty())
}
