//! Items as lines of a table, for many at once.

use crate::output::{self, BAD, Cell, Column, DIM, GOOD, NAME, WARN};
use anstyle::Style;
use jiff::{SignedDuration, Timestamp};
use kubepki_core::inspect::{Item, Location, Object, Signer, Source};
use kubepki_core::model::Severity;
use kubepki_x509::Certificate;

/// The columns of [`row`].
pub fn columns() -> Vec<Column> {
    vec![
        Column::path("LOCATION", 16),
        Column::fixed("KIND"),
        Column::shrinking("SUBJECT", 16),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::shrinking("SIGNED BY", 12),
        Column::fixed("KEY"),
        Column::fixed("KEY MATCH"),
        Column::shrinking("FINDINGS", 12),
    ]
}

/// One item.
pub fn row(item: &Item, now: Timestamp) -> Vec<Cell> {
    vec![
        Cell::styled(location(&item.location), NAME),
        Cell::new(short_kind(item)),
        Cell::new(subject(item)),
        Cell::new(end_of(item).map(date).unwrap_or_default()),
        left_cell(item, now),
        signed_by(item),
        Cell::new(key(item)),
        key_match(item),
        findings(item),
    ]
}

fn left_cell(item: &Item, now: Timestamp) -> Cell {
    let Some(end) = end_of(item) else {
        return Cell::new("");
    };
    let left = end.duration_since(now);
    match begin_of(item) {
        Some(begin) if begin > now && end >= begin => {
            let wait = begin.duration_since(now);
            Cell::styled(format!("begins in {}", output::left(wait)), BAD)
        }
        _ => Cell::styled(output::left(left), left_style(item, Some(left))),
    }
}

fn begin_of(item: &Item) -> Option<Timestamp> {
    match &item.object {
        Object::Certificate(certificate) => Some(certificate.validity().not_before),
        Object::Token(token) => token.time("nbf"),
        _ => None,
    }
}

/// When an item ends, for those that do.
fn end_of(item: &Item) -> Option<Timestamp> {
    match &item.object {
        Object::Certificate(certificate) => Some(certificate.validity().not_after),
        Object::Token(token) => token.time("exp"),
        _ => None,
    }
}

/// The style of what is left.
pub fn left_style(item: &Item, left: Option<SignedDuration>) -> Style {
    let is_soon = item
        .findings
        .iter()
        .any(|finding| finding.code == "expires-soon");
    match left {
        Some(left) if left.is_negative() => BAD,
        Some(_) if is_soon => WARN,
        _ => GOOD,
    }
}

/// The style of a severity.
pub fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => BAD,
        Severity::Warning => WARN,
        Severity::Info => DIM,
    }
}

fn short_kind(item: &Item) -> &'static str {
    match item.certificate() {
        Some(certificate) if certificate.is_ca() => "CA",
        _ => kind(item),
    }
}

/// What an item is, in a word or two.
pub fn kind(item: &Item) -> &'static str {
    match &item.object {
        Object::Certificate(certificate) if certificate.is_ca() => "CA certificate",
        Object::Certificate(_) => "certificate",
        Object::CertificationRequest(_) => "request",
        Object::PrivateKey(_) => "private key",
        Object::PublicKey(_) => "public key",
        Object::Kubeconfig(_) => "kubeconfig",
        Object::Token(_) => "token",
        Object::TlsServer(_) => "TLS server",
    }
}

/// A name that says something even when the subject is empty, as in certificates of web servers.
pub fn certificate_name(certificate: &Certificate) -> String {
    if certificate.subject().is_empty() {
        return certificate
            .subject_alt_names()
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
    }
    certificate.subject().to_string()
}

/// Where an item lies, and what a link points at.
fn location(location: &Location) -> String {
    match &*location.source {
        Source::File {
            link_target: Some(target),
            ..
        } => format!("{location} -> {target}"),
        _ => location.to_string(),
    }
}

fn subject(item: &Item) -> String {
    match &item.object {
        Object::Certificate(certificate) => certificate_name(certificate),
        Object::CertificationRequest(request) => request.subject().to_string(),
        Object::Kubeconfig(kubeconfig) => {
            let servers = kubeconfig
                .clusters
                .iter()
                .filter_map(|cluster| cluster.server.as_deref());
            servers.collect::<Vec<_>>().join(", ")
        }
        Object::Token(token) => token.subject().to_owned(),
        Object::TlsServer(server) if server.asks_client_certificate => {
            format!("{}, asks for a client certificate", server.protocol)
        }
        Object::TlsServer(server) => server.protocol.clone(),
        Object::PrivateKey(_) | Object::PublicKey(_) => String::new(),
    }
}

/// In parentheses who should have signed it, when that was not given.
fn signed_by(item: &Item) -> Cell {
    match (&item.relations.signed_by, &item.object) {
        (Some(Signer::Itself), _) => Cell::new("itself"),
        (Some(Signer::Given { location, .. }), _) => Cell::new(near(location, &item.location)),
        (None, Object::Certificate(certificate)) => {
            Cell::styled(format!("({})", certificate.issuer()), DIM)
        }
        (None, Object::Token(token)) => {
            Cell::styled(format!("({})", token.text("iss").unwrap_or("?")), DIM)
        }
        (None, _) => Cell::new(""),
    }
}

/// A location as seen from another: only the name when both lie in one folder.
pub fn near(location: &Location, from: &Location) -> String {
    let text = location.to_string();
    match (location.source.folder(), from.source.folder()) {
        (Some(folder), Some(other)) if folder == other && !folder.is_empty() => text
            .strip_prefix(&format!("{folder}/"))
            .map(str::to_owned)
            .unwrap_or(text),
        _ => text,
    }
}

fn key(item: &Item) -> String {
    match (&item.object, item.public_key()) {
        (_, Some(key)) => key.algorithm().to_string(),
        (Object::PrivateKey(_), None) => "encrypted".into(),
        _ => String::new(),
    }
}

fn key_match(item: &Item) -> Cell {
    match item.relations.key_matches {
        Some(true) => Cell::styled("yes", GOOD),
        Some(false) => Cell::styled("NO", BAD),
        None => Cell::new(""),
    }
}

fn findings(item: &Item) -> Cell {
    let codes: Vec<_> = item
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    Cell::styled(
        codes.join(","),
        item.worst().map(severity_style).unwrap_or_default(),
    )
}

fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}
