//! `kubepki ca-hash FILE…`: what a joining node is given to recognise the cluster's CA by.
//!
//! <https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/#token-based-discovery-with-ca-pinning>

use crate::args::CaHashArgs;
use crate::context::{Context, host_error};
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use kubepki_core::inspect::ca_hash;
use kubepki_engine::ports::HostRead as _;
use kubepki_sealed::{Sealed, danger};
use kubepki_x509::{Certificate, pem};
use serde::Serialize;
use std::io::{Read, Write};
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaHashes {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<CaHash>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaHash {
    path: String,
    index: usize,
    subject: String,
    hash: String,
}

/// A bundle of every CA in the world has 250 KiB.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Runs the verb. Nothing is printed unless every file could be read: a missing line would go
/// unnoticed in a join command.
pub fn run(context: &Context, args: &CaHashArgs) -> Result<ExitCode, CliError> {
    let mut items = Vec::new();
    for path in &args.files {
        for (number, certificate) in certificates(context, path)?.iter().enumerate() {
            items.push(CaHash {
                path: path.display().to_string(),
                index: number + 1,
                subject: certificate.subject().to_string(),
                hash: ca_hash(certificate),
            });
            if !certificate.is_ca() {
                let subject = certificate.subject();
                context.note(format_args!(
                    "warning: {subject} in {} is no CA",
                    path.display()
                ));
            }
        }
    }
    if let Some(structured) = context.structured() {
        let hashes = CaHashes {
            api_version: API_VERSION,
            kind: "CaHashes",
            items,
        };
        context.emit(structured, &hashes)?;
        return Ok(ExitCode::Fine);
    }
    let mut stdout = context.stdout();
    for item in &items {
        if context.is_wide() {
            writeln!(stdout, "{}  {} ({})", item.hash, item.path, item.subject)?;
        } else {
            writeln!(stdout, "{}", item.hash)?;
        }
    }
    stdout.flush()?;
    Ok(ExitCode::Fine)
}

/// The hash of each certificate, every one once.
pub fn hashes(certificates: &[Certificate]) -> Vec<String> {
    let mut hashes: Vec<String> = Vec::new();
    for hash in certificates.iter().map(ca_hash) {
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    hashes
}

/// The certificates of a file: DER or PEM.
pub fn certificates(context: &Context, path: &Path) -> Result<Vec<Certificate>, CliError> {
    let contents = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| {
                CliError::new("unreadable", format!("cannot read standard input: {error}"))
            })?;
        Sealed::new(bytes)
    } else {
        let absolute = context.host_path(path)?;
        context
            .host()
            .read(&absolute, LIMIT)
            .map_err(|error| host_error(&error))?
    };
    let bytes = danger::open(&contents);
    if let Ok(certificate) = Certificate::from_der(bytes) {
        return Ok(vec![certificate]);
    }
    pem::certificates(bytes).map_err(|error| {
        CliError::new(
            error.code(),
            format!("cannot read {}: {error}", path.display()),
        )
        .location(path.display())
    })
}
