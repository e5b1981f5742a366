//! Reading one input: its contents, the files that a kubeconfig in it names, and the key beside it.

use super::inputs::{From, Input};
use super::secrets::{Keys, hint};
use super::server;
use crate::context::{Context, host_error};
use crate::error::CliError;
use kubepki_core::inspect::{Inspected, Item, Object, Problem, Source, inspect, key_paths_beside};
use kubepki_engine::ports::{HostErrorKind, HostRead as _, TlsProbe};
use kubepki_sealed::Sealed;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What one input held.
#[derive(Default)]
pub struct Found {
    /// To be shown.
    pub items: Vec<Item>,
    /// Private keys beside a named certificate: to be related, not shown.
    pub beside: Vec<Item>,
    /// What could not be read.
    pub errors: Vec<CliError>,
}

/// Everything that reading needs; shared by the threads that read.
pub struct Reader<'a> {
    /// The resolved global flags.
    pub context: &'a Context,
    /// Opens keys.
    pub keys: &'a Keys<'a>,
    /// Asks TLS servers.
    pub probe: &'a dyn TlsProbe,
    /// How long a server may take.
    pub timeout: Duration,
}

/// A file of certificates is never larger; etcd's database and container images are.
const LIMIT: u64 = 64 * 1024 * 1024;

impl Reader<'_> {
    /// Reads one input.
    pub fn read(&self, input: &Input) -> Found {
        let mut found = Found::default();
        match &input.from {
            From::File { path, is_named } => {
                self.file(&input.source, path, *is_named, &mut found);
            }
            From::StandardInput => match read_standard_input() {
                Ok(contents) => {
                    let inspected = inspect(&contents, &input.source, self.keys);
                    found.take(inspected);
                }
                Err(error) => found.errors.push(error),
            },
            From::Server(endpoint) => match self.probe.served(endpoint, self.timeout) {
                Ok(served) => found.items = server::items(&input.source, endpoint, served),
                Err(error) => found.errors.push(
                    CliError::new(
                        if error.unreachable {
                            "unreachable"
                        } else {
                            "handshake-failed"
                        },
                        format!("cannot ask {}: {}", error.endpoint, error.detail),
                    )
                    .location(&error.endpoint),
                ),
            },
        }
        found
    }

    fn file(&self, source: &Arc<Source>, path: &Path, is_named: bool, found: &mut Found) {
        let must_hold_something = is_named || has_telling_name(path);
        let contents = match self.context.host().read(path, LIMIT) {
            Ok(contents) => contents,
            Err(error) => {
                if must_hold_something || error.kind == HostErrorKind::PermissionDenied {
                    found.errors.push(host_error(&error).location(source));
                }
                return;
            }
        };
        let inspected = inspect(&contents, source, self.keys);
        drop(contents);
        if !must_hold_something && inspected.items.is_empty() {
            self.context.detail(
                1,
                format_args!("passed over {source}: nothing to show in it"),
            );
            return;
        }
        let mut already = BTreeSet::from([path.to_path_buf()]);
        for reference in &inspected.references {
            let (at, shown) = beside(path, &source.to_string(), &reference.path);
            if already.insert(at.clone()) {
                self.named_file(source, &at, shown, found);
            }
        }
        let named = std::mem::take(found);
        found.take(inspected);
        found.items.extend(named.items);
        found.errors.extend(named.errors);
        if is_named {
            self.key_beside(source, path, found);
        }
    }

    /// A file that a kubeconfig names.
    fn named_file(&self, by: &Source, path: &Path, shown: String, found: &mut Found) {
        let host = self.context.host();
        let link_target = host
            .read_link(path)
            .ok()
            .map(|target| target.display().to_string());
        let source = Source::File {
            path: shown,
            link_target,
            named_by: Some(by.to_string()),
        };
        match host.read(path, LIMIT) {
            Ok(contents) => found.take(inspect(&contents, &Arc::new(source), self.keys)),
            Err(error) => {
                found
                    .errors
                    .push(host_error(&error).location(&source).detail("named by", by));
            }
        }
    }

    /// The private key beside a certificate that was named alone.
    fn key_beside(&self, source: &Source, path: &Path, found: &mut Found) {
        let is_alone = matches!(
            found.items.first().map(|item| &item.object),
            Some(Object::Certificate(_) | Object::CertificationRequest(_))
        ) && !found
            .items
            .iter()
            .any(|item| matches!(item.object, Object::PrivateKey(_)));
        if !is_alone {
            return;
        }
        for key in key_paths_beside(&source.to_string()) {
            let (at, shown) = beside(
                path,
                &source.to_string(),
                key.rsplit('/').next().unwrap_or(&key),
            );
            match self.context.host().read(&at, LIMIT) {
                Ok(contents) => {
                    let inspected = inspect(&contents, &Arc::new(Source::file(shown)), self.keys);
                    found.beside = inspected.items;
                    found
                        .beside
                        .retain(|item| matches!(item.object, Object::PrivateKey(_)));
                    return;
                }
                Err(error) if error.kind == HostErrorKind::NotFound => {}
                Err(error) => {
                    self.context
                        .detail(1, format_args!("passed over the key beside it: {error}"));
                    return;
                }
            }
        }
    }
}

impl Found {
    fn take(&mut self, inspected: Inspected) {
        self.items.extend(inspected.items);
        self.errors.extend(inspected.problems.iter().map(error_of));
    }
}

fn error_of(problem: &Problem) -> CliError {
    let Problem {
        location,
        code,
        message,
    } = problem;
    let error = CliError::new(code, format!("cannot read {}: {message}", location.source))
        .location(location);
    match hint(code) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// A path written in a file, or beside it: where it is, and how it is shown.
fn beside(path: &Path, shown: &str, other: &str) -> (PathBuf, String) {
    let at = path.parent().unwrap_or(Path::new("/")).join(other);
    let shown_folder = shown.rsplit_once('/').map(|(folder, _)| folder);
    let shown = match shown_folder {
        Some(folder) if !other.starts_with('/') => format!("{folder}/{other}"),
        _ => other.to_owned(),
    };
    (at, shown)
}

/// Whether a file of this name in a walked folder should hold something that is shown; whatever
/// else a folder has (READMEs, manifests of pods, databases) is passed over without a word.
fn has_telling_name(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    TELLING_EXTENSIONS
        .iter()
        .any(|telling| extension.eq_ignore_ascii_case(telling))
}

const TELLING_EXTENSIONS: [&str; 14] = [
    "cer",
    "cert",
    "crt",
    "csr",
    "der",
    "jwt",
    "key",
    "kubeconfig",
    "p12",
    "p7b",
    "p7c",
    "pem",
    "pfx",
    "pub",
];

fn read_standard_input() -> Result<Sealed, CliError> {
    let mut contents = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(LIMIT + 1)
        .read_to_end(&mut contents);
    let contents = Sealed::new(contents);
    let failed = |reason: &dyn std::fmt::Display| {
        CliError::new(
            "unreadable",
            format!("cannot read standard input: {reason}"),
        )
        .location("-")
    };
    match read {
        Err(error) => Err(failed(&error)),
        Ok(length) if u64::try_from(length).is_ok_and(|length| length > LIMIT) => {
            Err(failed(&format_args!("more than {LIMIT} bytes")))
        }
        Ok(_) => Ok(contents),
    }
}
