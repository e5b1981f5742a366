//! What lives in the API, for people: what ends first, bundles, requests and tokens.

use crate::output::{
    self, Cell, Column, DIM, GOOD, HEADING, NAME, Table, WARN, printable, severity,
};
use jiff::Timestamp;
use kubepki_core::assess::ClusterStatus;
use kubepki_core::assess::cluster::{ApiBundleRow, ApiCertificateRow};
use kubepki_core::model::Finding;
use std::io::{self, Write};

/// Rows of a table without `-o wide`.
const MOST: usize = 20;
/// Rows by which the widths of a long table are settled.
const BATCH: usize = 500;

/// Writes the tables; those without rows are left out.
pub fn show(
    out: &mut dyn Write,
    status: ClusterStatus<'_>,
    is_wide: bool,
    width: Option<usize>,
) -> io::Result<()> {
    heading(out, status)?;
    let most = if is_wide { usize::MAX } else { MOST };
    let now = status.evaluated_at();
    let columns = vec![
        Column::shrinking("IN THE API", 24),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::shrinking("SUBJECT", 16),
        Column::fixed("STATE"),
    ];
    let rows = status.certificates().map(|row| certificate(&row, now));
    table(out, columns, rows, most, width, "that end later")?;
    bundles(out, status, is_wide, width)?;
    requests(out, status, most, width)?;
    tokens(out, status, most, width)?;
    for gap in status.gaps() {
        let text = printable(&format!("{}: {}", gap.object, gap.reason));
        writeln!(out, "{WARN}not seen{WARN:#} {text}")?;
    }
    Ok(())
}

fn heading(out: &mut dyn Write, status: ClusterStatus<'_>) -> io::Result<()> {
    let version = status
        .version()
        .map_or(String::new(), |version| format!(" {version}"));
    let server = printable(&format!("{}{version}", status.server()));
    let counts: Vec<String> = status
        .counts()
        .iter()
        .map(|(kind, number)| format!("{number} {}", plural(kind, *number)))
        .collect();
    writeln!(
        out,
        "\n{HEADING}{server}{HEADING:#} {DIM}{}{DIM:#}",
        printable(&counts.join(", "))
    )
}

/// `Secret`, `Secrets`; `Ingresses`.
fn plural(kind: &str, number: u64) -> String {
    match number {
        1 => kind.to_owned(),
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

/// Writes rows as they come; what is left out is counted.
fn table(
    out: &mut dyn Write,
    columns: Vec<Column>,
    rows: impl ExactSizeIterator<Item = Vec<Cell>>,
    most: usize,
    width: Option<usize>,
    others: &str,
) -> io::Result<()> {
    let number = rows.len();
    if number == 0 {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new(columns, width);
    let mut batch = Vec::with_capacity(BATCH.min(number));
    for row in rows.take(most) {
        batch.push(row);
        if batch.len() == BATCH {
            table.write(out, &batch)?;
            batch.clear();
        }
    }
    table.write(out, &batch)?;
    if number > most {
        let more = number - most;
        writeln!(
            out,
            "{DIM}and {more} more {others}: -o wide shows them{DIM:#}"
        )?;
    }
    Ok(())
}

fn certificate(row: &ApiCertificateRow<'_>, now: Timestamp) -> Vec<Cell> {
    let state = match (row.managed_by, row.findings.is_empty()) {
        (Some(manager), true) => Cell::styled(format!("ok, renewed by {manager}"), GOOD),
        (Some(manager), false) => judged(
            format!("{}, renewed by {manager}", words(&row.findings)),
            &row.findings,
        ),
        (None, _) => judged(words(&row.findings), &row.findings),
    };
    vec![
        Cell::styled(&row.object, NAME),
        when(row.expiration_date),
        left(row.expiration_date, now, &row.findings),
        Cell::new(row.subject),
        state,
    ]
}

/// Bundles; those with the same certificates and purpose are one row.
fn bundles(
    out: &mut dyn Write,
    status: ClusterStatus<'_>,
    is_wide: bool,
    width: Option<usize>,
) -> io::Result<()> {
    let mut groups: Vec<(ApiBundleRow, usize)> = Vec::new();
    for row in status.bundles() {
        let known = groups.iter_mut().find(|(first, _)| {
            !is_wide
                && first.purpose == row.purpose
                && !row.fingerprints_sha256.is_empty()
                && first.fingerprints_sha256 == row.fingerprints_sha256
        });
        match known {
            Some((_, number)) => *number += 1,
            None => groups.push((row, 1)),
        }
    }
    groups.sort_by_key(|(row, _)| row.expiration_date);
    let now = status.evaluated_at();
    let columns = vec![
        Column::shrinking("BUNDLE", 24),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::shrinking("HOLDS", 16),
        Column::fixed("STATE"),
    ];
    let rows = groups.iter().map(|(row, number)| {
        let object = match number {
            1 => row.object.clone(),
            _ => format!("{} and {} like it", row.object, number - 1),
        };
        vec![
            Cell::styled(object, NAME),
            when(row.expiration_date),
            left(row.expiration_date, now, &row.findings),
            Cell::new(row.subjects.join("; ")),
            judged(words(&row.findings), &row.findings),
        ]
    });
    let most = if is_wide { usize::MAX } else { MOST };
    table(out, columns, rows, most, width, "that end later")
}

fn requests(
    out: &mut dyn Write,
    status: ClusterStatus<'_>,
    most: usize,
    width: Option<usize>,
) -> io::Result<()> {
    let mut rows: Vec<_> = status.requests().collect();
    // what waits comes first, then the newest
    rows.sort_by_key(|row| (row.findings.is_empty(), std::cmp::Reverse(row.created)));
    let columns = vec![
        Column::fixed("REQUEST"),
        Column::fixed("SINCE"),
        Column::shrinking("ASKED BY", 16),
        Column::shrinking("SIGNER", 16),
        Column::fixed("STATE"),
    ];
    let rows = rows.iter().map(|row| {
        vec![
            Cell::styled(row.name, NAME),
            when(row.created),
            Cell::new(row.username),
            Cell::new(row.signer_name),
            judged(row.state.to_lowercase(), &row.findings),
        ]
    });
    table(out, columns, rows, most, width, "that were made before")
}

fn tokens(
    out: &mut dyn Write,
    status: ClusterStatus<'_>,
    most: usize,
    width: Option<usize>,
) -> io::Result<()> {
    let now = status.evaluated_at();
    let columns = vec![
        Column::fixed("BOOTSTRAP TOKEN"),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::fixed("FOR"),
        Column::fixed("STATE"),
    ];
    let rows = status.bootstrap_tokens().map(|row| {
        let uses: Vec<&str> = [
            row.authenticates.then_some("joining"),
            row.signs.then_some("signing cluster-info"),
        ]
        .into_iter()
        .flatten()
        .collect();
        vec![
            Cell::styled(row.id, NAME),
            when(row.expiration_date),
            left(row.expiration_date, now, &row.findings),
            Cell::new(uses.join(", ")),
            judged(words(&row.findings), &row.findings),
        ]
    });
    table(out, columns, rows, most, width, "of them")
}

fn judged(words: String, findings: &[Finding]) -> Cell {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(worst) => Cell::styled(words, severity::style(worst)),
        None => Cell::styled(words, GOOD),
    }
}

fn words(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "ok".to_owned();
    }
    let codes = findings.iter().map(|finding| match finding.code.as_str() {
        "secret-expires" | "bundle-expires" if finding.message.contains("expired at") => {
            "expired".to_owned()
        }
        "secret-expires" | "bundle-expires" => "expires soon".to_owned(),
        code => code.replace('-', " "),
    });
    codes.collect::<Vec<_>>().join(", ")
}

fn when(at: Option<Timestamp>) -> Cell {
    match at {
        Some(at) => Cell::new(at.strftime("%Y-%m-%d %H:%MZ").to_string()),
        None => Cell::styled("-", DIM),
    }
}

fn left(at: Option<Timestamp>, now: Timestamp, findings: &[Finding]) -> Cell {
    let Some(at) = at else {
        return Cell::styled("-", DIM);
    };
    let worst = findings.iter().map(|finding| finding.severity).max();
    let style = worst.map_or(GOOD, severity::style);
    Cell::styled(output::left(at.duration_since(now)), style)
}
