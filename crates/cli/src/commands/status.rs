//! `kubepki status`: discover, assess, show.

pub mod cluster;

use crate::args::StatusArgs;
use crate::commands::cluster::{Seen, look};
use crate::commands::unfinished::{InterruptedRun, Unfinished, halted, halted_in_words};
use crate::commands::wiring;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use crate::output::{self, Cell, Column, DIM, GOOD, HEADING, NAME, Table, WARN, severity};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::assess::{
    AuthorityRow, CertificateRow, ClusterStatus, Status, Thresholds, assess, assess_cluster,
};
use kubepki_core::model::{ComponentKind, Finding, Severity};
use serde::Serialize;
use std::io::Write;

/// Shows the status of the host, and of what lives in the API when that is asked for; the exit code is
/// that of the gravest finding.
pub fn run(context: &Context, args: &StatusArgs) -> Result<ExitCode, CliError> {
    let host = context.host();
    let inventory = wiring::inventory(context, host, &args.ca_dir)?;
    let thresholds = Thresholds {
        warn: args.warn,
        critical: args.critical,
    };
    let mut status = assess(&inventory, context.now(), &thresholds);
    let seen = look(context, &args.api, &inventory, false)?;
    if let Seen::Nothing(gap) = &seen {
        status.gaps.insert(0, gap.clone());
    }
    let observed = seen.cluster();
    let of_cluster = observed.map(|cluster| assess_cluster(cluster, context.now(), thresholds));
    let unfinished = Unfinished::find(host);
    let halted = halted(host);
    match context.structured() {
        Some(structured) => context.emit(
            structured,
            &Document {
                status: &status,
                interrupted_run: unfinished.as_ref().and_then(Unfinished::interrupted),
                halted_components: &halted,
                cluster: of_cluster,
            },
        )?,
        None => show(context, &status, of_cluster)?,
    }
    let stopped = halted_in_words(&halted);
    if let Some(stopped) = &stopped {
        context.note(stopped);
    }
    if let Some(unfinished) = unfinished {
        context.note(unfinished);
    } else if stopped.is_some() {
        // That comes first.
    } else if context.structured().is_none() {
        advise(context, &status);
    }
    let finds_nothing = status.certificates.is_empty() && status.certificate_authorities.is_empty();
    if finds_nothing && of_cluster.is_none() {
        return Err(wiring::nothing_found());
    }
    let worst_of_cluster = of_cluster.and_then(ClusterStatus::worst);
    Ok(seen.exit_code(exit_code(status.worst().max(worst_of_cluster))))
}

/// What is written for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted_run: Option<&'a InterruptedRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterStatus<'a>>,
    #[serde(skip_serializing_if = "<[ComponentKind]>::is_empty")]
    halted_components: &'a [ComponentKind],
}

/// What to do about certificates that are or will soon be past their end.
fn advise(context: &Context, status: &Status) {
    if let (Some(vendor), Some(renewal)) = (status.layout.managed_by, status.layout.renewal) {
        context.note(format_args!(
            "\n{vendor} sees to these certificates itself; they are renewed by: {renewal}"
        ));
        return;
    }
    let ending = |row: &&CertificateRow| {
        row.findings
            .iter()
            .any(|finding| matches!(finding.code.as_str(), "expired" | "expires-soon"))
    };
    let ending: Vec<&CertificateRow> = status.certificates.iter().filter(ending).collect();
    let here = ending.iter().filter(|row| row.renewable).count();
    if here > 0 {
        let these = if here == ending.len() { "them" } else { "some" };
        context.note(format_args!(
            "\n{} of {} certificates have expired or soon will: `kubepki renew all` renews {these}",
            ending.len(),
            status.certificates.len()
        ));
    }
}

/// The exit code that a severity stands for.
pub fn exit_code(worst: Option<Severity>) -> ExitCode {
    match worst {
        Some(Severity::Critical) => ExitCode::Critical,
        Some(Severity::Warning) => ExitCode::Warnings,
        _ => ExitCode::Fine,
    }
}

/// Writes the status for people.
fn show(
    context: &Context,
    status: &Status,
    of_cluster: Option<ClusterStatus<'_>>,
) -> Result<(), CliError> {
    let mut stdout = context.stdout();
    let width = output::terminal_width();
    writeln!(
        stdout,
        "{HEADING}{}{HEADING:#} {DIM}at {}, layout {}{DIM:#}\n",
        status.host,
        minute(status.evaluated_at),
        status.layout.name
    )?;
    certificates(&mut stdout, context, status, width)?;
    if !status.certificate_authorities.is_empty() {
        writeln!(stdout)?;
        authorities(&mut stdout, context, status, width)?;
    }
    if !status.service_account_keys.is_empty() && context.is_wide() {
        writeln!(stdout)?;
        keys(&mut stdout, status, width)?;
    }
    remarks(&mut stdout, status)?;
    if let Some(of_cluster) = of_cluster {
        cluster::show(&mut stdout, of_cluster, context.is_wide(), width)?;
    }
    stdout.flush()?;
    Ok(())
}

fn certificates(
    stdout: &mut dyn Write,
    context: &Context,
    status: &Status,
    width: Option<usize>,
) -> Result<(), CliError> {
    let mut columns = vec![
        Column::shrinking("CERTIFICATE", 20),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::shrinking("CA", 8),
        Column::fixed("STATE"),
    ];
    if context.is_wide() {
        columns.extend([
            Column::fixed("KEY"),
            Column::shrinking("SUBJECT", 16),
            Column::path("PATH", 24),
        ]);
    }
    let rows: Vec<Vec<Cell>> = status
        .certificates
        .iter()
        .map(|row| {
            let mut cells = vec![
                Cell::styled(&row.name, NAME),
                expires(row.expiration_date),
                left(row.expiration_date, status.evaluated_at, &row.findings),
                Cell::new(&row.ca_name),
                state(certificate_words(row), &row.findings),
            ];
            if context.is_wide() {
                let path = match &row.link_target {
                    Some(target) => format!("{} -> {target}", row.path),
                    None => row.path.clone(),
                };
                cells.extend([
                    Cell::new(row.key_type.clone().unwrap_or_default()),
                    Cell::new(row.subject.clone().unwrap_or_default()),
                    Cell::styled(path, DIM),
                ]);
            }
            cells
        })
        .collect();
    Table::new(columns, width).write(stdout, &rows)?;
    Ok(())
}

fn authorities(
    stdout: &mut dyn Write,
    context: &Context,
    status: &Status,
    width: Option<usize>,
) -> Result<(), CliError> {
    let mut columns = vec![
        Column::shrinking("AUTHORITY", 20),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::fixed("KEY"),
        Column::fixed("STATE"),
    ];
    if context.is_wide() {
        columns.extend([Column::shrinking("SUBJECT", 16), Column::path("PATH", 24)]);
    }
    let rows: Vec<Vec<Cell>> = status
        .certificate_authorities
        .iter()
        .map(|row| {
            let mut cells = vec![
                Cell::styled(&row.name, NAME),
                expires(row.expiration_date),
                left(row.expiration_date, status.evaluated_at, &row.findings),
                Cell::new(if row.externally_managed {
                    "external"
                } else {
                    "here"
                }),
                state(authority_words(row), &row.findings),
            ];
            if context.is_wide() {
                cells.extend([
                    Cell::new(row.subject.clone().unwrap_or_default()),
                    Cell::styled(&row.path, DIM),
                ]);
            }
            cells
        })
        .collect();
    Table::new(columns, width).write(stdout, &rows)?;
    Ok(())
}

fn keys(stdout: &mut dyn Write, status: &Status, width: Option<usize>) -> Result<(), CliError> {
    let columns = vec![
        Column::path("SERVICE-ACCOUNT KEY", 24),
        Column::fixed("HALF"),
        Column::fixed("TYPE"),
        Column::fixed("STATE"),
    ];
    let rows: Vec<Vec<Cell>> = status
        .service_account_keys
        .iter()
        .map(|row| {
            vec![
                Cell::new(&row.path),
                Cell::new(row.half.unwrap_or("unreadable")),
                Cell::new(row.key_types.join(", ")),
                state(words(&row.findings), &row.findings),
            ]
        })
        .collect();
    Table::new(columns, width).write(stdout, &rows)?;
    Ok(())
}

/// Every finding that is more than its word in the table, and every gap, in sentences.
fn remarks(stdout: &mut dyn Write, status: &Status) -> Result<(), CliError> {
    let certificates = status
        .certificates
        .iter()
        .map(|row| (row.name.as_str(), &row.findings));
    let authorities = status
        .certificate_authorities
        .iter()
        .map(|row| (row.name.as_str(), &row.findings));
    let keys = status
        .service_account_keys
        .iter()
        .map(|row| (row.path.as_str(), &row.findings));
    // What is so of many is said once.
    let mut said: Vec<(Severity, &str, Vec<&str>)> = Vec::new();
    for (name, findings) in certificates.chain(authorities).chain(keys) {
        for finding in findings {
            // The date stands in the table already.
            if matches!(finding.code.as_str(), "expired" | "expires-soon") {
                continue;
            }
            let known = said.iter_mut().find(|(severity, message, _)| {
                (*severity, *message) == (finding.severity, &finding.message)
            });
            match known {
                Some((_, _, names)) => names.push(name),
                None => said.push((finding.severity, &finding.message, vec![name])),
            }
        }
    }
    if !said.is_empty() || !status.gaps.is_empty() {
        writeln!(stdout)?;
    }
    for (severity, message, names) in said {
        let style = severity::style(severity);
        writeln!(
            stdout,
            "{style}{}{style:#} {}: {message}",
            severity::word(severity),
            names.join(", ")
        )?;
    }
    for gap in &status.gaps {
        writeln!(
            stdout,
            "{WARN}not seen{WARN:#} {}: {}",
            gap.object, gap.reason
        )?;
    }
    Ok(())
}

fn certificate_words(row: &CertificateRow) -> String {
    let mut words = words(&row.findings);
    if !row.renewable && !row.missing && row.externally_managed {
        words.push_str(", external CA");
    }
    words
}

/// What is wrong with an authority, in a word or two.
pub fn authority_words(row: &AuthorityRow) -> String {
    let mut words = words(&row.findings);
    if row.bundle_size > 1 {
        words.push_str(&format!(", bundle of {}", row.bundle_size));
    }
    words
}

/// Findings, in a word or two each.
pub fn words(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "ok".to_owned();
    }
    findings
        .iter()
        .map(|finding| finding.code.replace('-', " "))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Words in the style of the gravest finding.
pub fn state(words: String, findings: &[Finding]) -> Cell {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(severity) => Cell::styled(words, severity::style(severity)),
        None => Cell::styled(words, GOOD),
    }
}

/// The end of validity.
pub fn expires(at: Option<Timestamp>) -> Cell {
    match at {
        Some(at) => Cell::new(minute(at)),
        None => Cell::styled("-", DIM),
    }
}

/// The time left.
pub fn left(at: Option<Timestamp>, now: Timestamp, findings: &[Finding]) -> Cell {
    let Some(at) = at else {
        return Cell::styled("-", DIM);
    };
    let left: SignedDuration = at.duration_since(now);
    let concerns_time = |finding: &&Finding| {
        matches!(
            finding.code.as_str(),
            "expired" | "expires-soon" | "not-yet-valid"
        )
    };
    let style = findings
        .iter()
        .find(concerns_time)
        .map_or(GOOD, |finding| severity::style(finding.severity));
    Cell::styled(output::left(left), style)
}

/// A time, to the minute.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}
