//! Contents of whatever format: which it is, and what is in it.
//!
//! Formats are told apart by their contents, never by a file's name. Text may carry other formats
//! inside (a Secret holds PEM, a ConfigMap a kubeconfig, a terminal's clipboard bare base64), so
//! reading is recursive to a small depth.

use super::item::{Item, Object, PrivateKeyObject};
use super::json_web_token::JsonWebToken;
use super::location::{Location, Source};
use super::secrets::{OpenedKey, SecretProblem, Secrets};
use super::{der, manifest, pem};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::Certificate;
use std::sync::Arc;

/// What was found in one source.
#[derive(Debug, Default)]
pub struct Inspected {
    /// In the source's order.
    pub items: Vec<Item>,
    /// What should have been readable and was not.
    pub problems: Vec<Problem>,
    /// Files that a kubeconfig names.
    pub references: Vec<Reference>,
    /// PEM labels of what is not shown: parameters, revocation lists.
    pub passed_over: Vec<String>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub location: Location,
    /// Stable kebab-case code.
    pub code: String,
    /// One lower-case sentence.
    pub message: String,
}

/// A file named by a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// As written; relative paths start at the kubeconfig's folder.
    pub path: String,
    /// The field that names it.
    pub pointer: Arc<str>,
    /// The user or cluster that it belongs to.
    pub object: Arc<str>,
}

/// Says what is in `contents`. Nothing found at all is one [`Problem`].
pub fn inspect(contents: &Sealed, source: &Arc<Source>, secrets: &dyn Secrets) -> Inspected {
    let mut collector = Collector::new(Arc::clone(source), secrets);
    let bytes = danger::open(contents);
    if !collector.read(bytes) && collector.is_empty() {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            collector.problem("empty", "nothing in it");
        } else if let Some(label) = collector.found.passed_over.first() {
            let message = format!("only {label} in it, which is not shown");
            collector.problem("nothing-found", &message);
        } else if bytes.first() == Some(&der::SEQUENCE) {
            let known = "no certificate, request, key, PKCS#7 or PKCS#12";
            let why = match Certificate::from_der(bytes) {
                Ok(_) => String::new(),
                Err(error) => format!("; {error}"),
            };
            collector.problem("unknown-format", &format!("binary, but {known}{why}"));
        } else {
            collector.problem(
                "unknown-format",
                "no certificate, request, key, kubeconfig, manifest or token in it",
            );
        }
    }
    collector.found
}

/// How deep formats may lie in each other: a List of ConfigMaps with kubeconfigs with PEM is 3.
const DEEPEST: u8 = 4;

/// Gathers what is found in one source.
pub(super) struct Collector<'a> {
    pub(super) source: Arc<Source>,
    pub(super) secrets: &'a dyn Secrets,
    pub(super) found: Inspected,
    pointer: Option<Arc<str>>,
    object: Option<Arc<str>>,
    depth: u8,
}

impl<'a> Collector<'a> {
    fn new(source: Arc<Source>, secrets: &'a dyn Secrets) -> Self {
        let found = Inspected::default();
        Self {
            source,
            secrets,
            found,
            pointer: None,
            object: None,
            depth: 0,
        }
    }

    /// Reads bytes of any format; false when they are of none.
    pub(super) fn read(&mut self, bytes: &[u8]) -> bool {
        if self.depth >= DEEPEST {
            return false;
        }
        self.depth += 1;
        let known = self.read_any(bytes);
        self.depth -= 1;
        known
    }

    fn read_any(&mut self, bytes: &[u8]) -> bool {
        if der::read(self, bytes) {
            return true;
        }
        let text = std::str::from_utf8(bytes).ok();
        if let Some(text) = text
            && manifest::looks_like_one(text)
        {
            return manifest::read(self, text);
        }
        if contains(bytes, pem::BEGIN.as_bytes()) {
            pem::read(self, bytes);
            return !self.is_empty();
        }
        if let Some(token) = text.and_then(JsonWebToken::parse) {
            self.add(Object::Token(Box::new(token)));
            return true;
        }
        match text.and_then(base64_of) {
            Some(decoded) => self.read(danger::open(&decoded)),
            None => false,
        }
    }

    /// Whether nothing was found and nothing was complained about.
    pub(super) fn is_empty(&self) -> bool {
        self.found.items.is_empty()
            && self.found.problems.is_empty()
            && self.found.references.is_empty()
    }

    /// Adds an item at the present place.
    pub(super) fn add(&mut self, object: Object) {
        let location = self.location();
        self.found.items.push(Item::new(location, object));
    }

    /// Adds a private key, known by its public half or not at all.
    pub(super) fn add_private_key(&mut self, opened: Result<OpenedKey, SecretProblem>) {
        let key = match opened {
            Ok(OpenedKey {
                public_key,
                encoding,
            }) => PrivateKeyObject {
                public_key: Some(public_key),
                encoding: Some(encoding),
                problem: None,
            },
            Err(problem) => {
                // an encrypted key is a key all the same; anything else is broken
                if problem.code != "private-key-encrypted" {
                    return self.problem(&problem.code, &problem.message);
                }
                PrivateKeyObject {
                    public_key: None,
                    encoding: None,
                    problem: Some(problem),
                }
            }
        };
        self.add(Object::PrivateKey(key));
    }

    /// Complains at the present place.
    pub(super) fn problem(&mut self, code: &str, message: &str) {
        let problem = Problem {
            location: self.location(),
            code: code.into(),
            message: message.into(),
        };
        self.found.problems.push(problem);
    }

    /// Notes a PEM block that is not shown.
    pub(super) fn pass_over(&mut self, label: &str) {
        self.found.passed_over.push(label.to_owned());
    }

    /// Notes a file that is named at the present place.
    pub(super) fn refer_to(&mut self, path: &str) {
        self.found.references.push(Reference {
            path: path.to_owned(),
            pointer: self.pointer.clone().unwrap_or_default(),
            object: self.object.clone().unwrap_or_default(),
        });
    }

    /// Works at a field of the object that is being read.
    pub(super) fn at(&mut self, segment: &str, work: impl FnOnce(&mut Self)) {
        let segment = segment.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{}/{segment}", self.pointer.as_deref().unwrap_or_default());
        let outer = self.pointer.replace(pointer.into());
        work(self);
        self.pointer = outer;
    }

    /// Works on an object that has a name, inside the one that is being read.
    pub(super) fn called(&mut self, name: Option<String>, work: impl FnOnce(&mut Self)) {
        let inner = match (&self.object, name) {
            (Some(outer), Some(name)) => Some(format!("{outer}, {name}").into()),
            (outer, None) => outer.clone(),
            (None, Some(name)) => Some(name.into()),
        };
        let outer = std::mem::replace(&mut self.object, inner);
        work(self);
        self.object = outer;
    }

    fn location(&self) -> Location {
        Location {
            source: Arc::clone(&self.source),
            index: u32::try_from(self.found.items.len() + 1).unwrap_or(u32::MAX),
            pointer: self.pointer.clone(),
            object: self.object.clone(),
        }
    }
}

/// Bare base64, possibly over several lines, as a clipboard or `-o jsonpath` gives it.
pub(super) fn base64_of(text: &str) -> Option<Sealed> {
    let shortest = 32;
    if text.len() < shortest || !text.bytes().all(is_base64) {
        return None;
    }
    let mut compact = Vec::with_capacity(text.len());
    compact.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let compact = Sealed::new(compact);
    STANDARD
        .decode(danger::open(&compact))
        .ok()
        .map(Sealed::new)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || matches!(byte, b'+' | b'/' | b'=')
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'-')
        .any(|(start, _)| {
            bytes
                .get(start..)
                .is_some_and(|rest| rest.starts_with(wanted))
        })
}
