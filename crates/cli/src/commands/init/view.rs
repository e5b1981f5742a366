//! The list of what will be made, as people read it.

use crate::context::Context;
use crate::error::CliError;
use crate::output::{self, Cell, Column, DIM, HEADING, NAME, Table, WARN};
use jiff::Timestamp;
use kubepki_core::founding::{Destination, Founding, Making, ServiceAccountKeyMaking, Source};
use std::io::Write;

/// Writes the list: to standard output, or to standard error when that is kept for an object.
pub fn list(context: &Context, founding: &Founding) -> Result<(), CliError> {
    if context.structured().is_some() {
        write(&mut context.stderr(), founding, None)
    } else {
        let mut stdout = context.stdout();
        write(&mut stdout, founding, output::terminal_width())?;
        stdout.flush()?;
        Ok(())
    }
}

fn write(
    writer: &mut dyn Write,
    founding: &Founding,
    width: Option<usize>,
) -> Result<(), CliError> {
    let columns = vec![
        Column::shrinking("MAKE", 18),
        Column::shrinking("SUBJECT", 20),
        Column::shrinking("SIGNED BY", 8),
        Column::fixed("ENDS"),
        Column::fixed("KEY"),
        Column::path("INTO", 24),
    ];
    let makings = founding.makings.iter().map(making);
    let keys = founding.service_account_keys.iter().map(key_pair);
    let rows: Vec<Vec<Cell>> = makings.chain(keys).collect();
    Table::new(columns, width).write(writer, &rows)?;
    if !founding.kept.is_empty() {
        writeln!(writer, "\n{HEADING}USED AS IT IS{HEADING:#}")?;
        for path in &founding.kept {
            writeln!(writer, "{}", path.display())?;
        }
    }
    if !founding.notices.is_empty() {
        writeln!(writer)?;
    }
    for notice in &founding.notices {
        writeln!(
            writer,
            "{WARN}note{WARN:#} {}: {}",
            notice.object, notice.message
        )?;
    }
    Ok(())
}

fn making(making: &Making) -> Vec<Cell> {
    let (signer, ends, key) = match &making.source {
        Source::Itself => ("itself", day(making.not_after), making.key_type.clone()),
        Source::Authority(name) => (
            name.as_str(),
            day(making.not_after),
            making.key_type.clone(),
        ),
        Source::Request(_) => (
            "somebody else",
            "as signed".to_owned(),
            making.key_type.clone(),
        ),
        Source::Installed { .. } => (
            "somebody else",
            "as signed".to_owned(),
            "as there".to_owned(),
        ),
    };
    let into = match (&making.source, &making.destination) {
        (Source::Request(directory), _) => {
            let stem = making.file_stem();
            format!("{}/{stem}.{{key,csr}}", directory.display())
        }
        (_, Destination::Files { certificate, key }) => pair(certificate, key),
        (_, Destination::Kubeconfig { file, .. }) => file.display().to_string(),
    };
    vec![
        Cell::styled(&making.name, NAME),
        Cell::new(making.subject.to_string()),
        Cell::new(signer),
        Cell::new(ends),
        Cell::new(key),
        Cell::styled(into, DIM),
    ]
}

fn key_pair(made: &ServiceAccountKeyMaking) -> Vec<Cell> {
    let (key, into) = match &made.key_type {
        Some(key_type) => (key_type.clone(), pair(&made.private, &made.public)),
        None => ("as there".to_owned(), made.public.display().to_string()),
    };
    vec![
        Cell::styled(&made.name, NAME),
        Cell::styled("signs service-account tokens", DIM),
        Cell::new("-"),
        Cell::new("never"),
        Cell::new(key),
        Cell::styled(into, DIM),
    ]
}

/// Two files that differ in their ending only are shown as one: `apiserver.{crt,key}`.
fn pair(first: &std::path::Path, second: &std::path::Path) -> String {
    let stems = (first.with_extension(""), second.with_extension(""));
    match (first.extension(), second.extension()) {
        _ if first == second => first.display().to_string(),
        (Some(one), Some(other)) if stems.0 == stems.1 => format!(
            "{}.{{{},{}}}",
            stems.0.display(),
            one.display(),
            other.display()
        ),
        _ => format!("{} and {}", first.display(), second.display()),
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}
