//! The table of endpoints that were named or that the cluster exposes.

use crate::output::{self, BAD, Cell, Column, DIM, GOOD, NAME, Table, WARN};
use kubepki_core::diagnose::{Diagnosis, EndpointReport, State};
use std::io::{self, Write};

/// Writes every endpoint that was asked for; nothing where none was.
pub fn table(out: &mut dyn Write, diagnosis: &Diagnosis) -> io::Result<()> {
    if diagnosis.endpoints.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let columns = vec![
        Column::shrinking("ENDPOINT", 22),
        Column::fixed("EXPIRES"),
        Column::fixed("LEFT"),
        Column::shrinking("SERVES", 16),
        Column::shrinking("STATE", 12),
    ];
    let rows: Vec<Vec<Cell>> = diagnosis
        .endpoints
        .iter()
        .map(|endpoint| row(diagnosis, endpoint))
        .collect();
    Table::new(columns, output::terminal_width()).write(out, &rows)
}

fn row(diagnosis: &Diagnosis, endpoint: &EndpointReport) -> Vec<Cell> {
    let address = match &endpoint.server_name {
        Some(name) => format!("{} as {name}", endpoint.address),
        None => endpoint.address.clone(),
    };
    let (expires, left) = match endpoint.expiration_date {
        Some(end) => (
            end.strftime("%Y-%m-%d %H:%MZ").to_string(),
            output::left(end.duration_since(diagnosis.evaluated_at)),
        ),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let (style, word) = match endpoint.on_wire.state {
        State::Verified | State::NotApplicable => (GOOD, "ok"),
        State::Unknown => (WARN, "no answer"),
        State::Failed => (BAD, "FAILED"),
    };
    let state = match &endpoint.on_wire.reason {
        Some(reason) => format!("{word}: {reason}"),
        None => word.to_owned(),
    };
    vec![
        Cell::styled(address, NAME),
        Cell::new(expires),
        Cell::new(left),
        Cell::styled(endpoint.subject.clone().unwrap_or_default(), DIM),
        Cell::styled(state, style),
    ]
}
