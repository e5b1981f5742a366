//! The table of connections: how each came out on disk, in memory and on the wire.

use crate::output::{self, BAD, Cell, Column, DIM, GOOD, NAME, Table, WARN};
use kubepki_core::diagnose::{ConnectionReport, Diagnosis, State, Where};
use std::io::{self, Write};

/// Writes the connections that fail, or with `-o wide` all of them.
pub fn table(out: &mut dyn Write, diagnosis: &Diagnosis, is_wide: bool) -> io::Result<()> {
    let shown: Vec<&ConnectionReport> = diagnosis
        .connections
        .iter()
        .filter(|connection| is_wide || fails(connection))
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut columns = vec![
        Column::shrinking("CONNECTION", 24),
        Column::fixed("DISK"),
        Column::fixed("LOADED"),
        Column::fixed("WIRE"),
    ];
    if is_wide {
        columns.push(Column::shrinking("SERVES", 16));
        columns.push(Column::shrinking("WHY", 16));
    }
    let rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|connection| {
            let mut cells = vec![
                Cell::styled(&connection.id, NAME),
                state(&connection.on_disk),
                state(&connection.loaded),
                state(&connection.on_wire),
            ];
            if is_wide {
                cells.push(Cell::new(&connection.serves));
                cells.push(Cell::styled(why(connection), DIM));
            }
            cells
        })
        .collect();
    Table::new(columns, output::terminal_width()).write(out, &rows)
}

fn places(connection: &ConnectionReport) -> [&Where; 3] {
    [&connection.on_disk, &connection.loaded, &connection.on_wire]
}

/// Whether one of the three fails.
pub fn fails(connection: &ConnectionReport) -> bool {
    places(connection)
        .iter()
        .any(|place| place.state == State::Failed)
}

fn state(place: &Where) -> Cell {
    match place.state {
        State::Verified => Cell::styled("ok", GOOD),
        State::Failed => Cell::styled("FAILED", BAD),
        State::Unknown => Cell::styled("unknown", WARN),
        State::NotApplicable => Cell::styled("-", DIM),
    }
}

/// The first reason that there is, a failure's before all others. Where several things are not known
/// the first is enough.
fn why(connection: &ConnectionReport) -> String {
    let of = |state: State| {
        places(connection)
            .into_iter()
            .filter(move |place| place.state == state)
            .find_map(|place| place.reason.clone())
    };
    if let Some(reason) = of(State::Failed) {
        return reason;
    }
    let unknown = of(State::Unknown).unwrap_or_default();
    unknown.split("; ").next().unwrap_or_default().to_owned()
}
