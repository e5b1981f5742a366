//! A plan as people read it: what is issued, what is restarted, what they should know.

mod cluster;

pub use cluster::{cluster_notices, old_keys, show_cluster};

use crate::context::Context;
use crate::error::CliError;
use crate::output::{self, Cell, Column, DIM, HEADING, NAME, Table, WARN};
use kubepki_core::plan::{Issuance, KeyChoice, Notice, Origin, Plan, Signer, TakeUp};
use std::io::Write;

/// Writes the plan: to standard output, or to standard error when that is kept for an object.
pub fn show(context: &Context, plan: &Plan) -> Result<(), CliError> {
    if context.structured().is_some() {
        write(&mut context.stderr(), plan, None)
    } else {
        let mut stdout = context.stdout();
        write(&mut stdout, plan, output::terminal_width())?;
        stdout.flush()?;
        Ok(())
    }
}

/// Writes only what the user should know.
pub fn notices(context: &Context, plan: &Plan) -> Result<(), CliError> {
    write_shared_notices(&mut context.stderr(), &plan.notices)
}

fn write(writer: &mut dyn Write, plan: &Plan, width: Option<usize>) -> Result<(), CliError> {
    writeln!(
        writer,
        "{HEADING}Plan {}{HEADING:#} {DIM}for {}{DIM:#}\n",
        plan.id, plan.host
    )?;
    let rows: Vec<Vec<Cell>> = plan.issuances.iter().map(row).collect();
    let columns = vec![
        Column::fixed("RENEW"),
        Column::fixed("NOW ENDS"),
        Column::fixed("NEW END"),
        Column::fixed("KEY"),
        Column::fixed("SIGNED BY"),
        Column::path("INTO", 24),
    ];
    Table::new(columns, width).write(writer, &rows)?;
    if let Some(restoration) = &plan.restoration {
        writeln!(
            writer,
            "{HEADING}BRING BACK{HEADING:#} from {}",
            restoration.archive.display()
        )?;
        for path in &restoration.paths {
            writeln!(writer, "  {}", path.display())?;
        }
    }
    for update in &plan.trust_updates {
        writeln!(
            writer,
            "{NAME}{}{NAME:#}: CA data brought up to date with {}",
            update.kubeconfig.display(),
            update.bundle.display()
        )?;
    }
    if !plan.components.is_empty() {
        writeln!(writer)?;
        let rows: Vec<Vec<Cell>> = plan
            .components
            .iter()
            .map(|action| {
                let how = match action.take_up {
                    TakeUp::Restart => "restart".to_owned(),
                    TakeUp::Reload { within_seconds } => {
                        format!("re-reads within {within_seconds} s")
                    }
                };
                vec![
                    Cell::styled(action.component.to_string(), NAME),
                    Cell::new(how),
                    Cell::styled(action.reasons.join(", "), DIM),
                ]
            })
            .collect();
        let columns = vec![
            Column::fixed("COMPONENT"),
            Column::fixed("TAKES IT UP"),
            Column::shrinking("BECAUSE OF", 24),
        ];
        Table::new(columns, width).write(writer, &rows)?;
    }
    write_shared_notices(writer, &plan.notices)
}

/// Notices, those of the same words together.
fn write_shared_notices(writer: &mut dyn Write, notices: &[Notice]) -> Result<(), CliError> {
    let (fresh, others): (Vec<_>, Vec<_>) =
        notices.iter().partition(|notice| notice.code == "fresh");
    if !others.is_empty() || !fresh.is_empty() {
        writeln!(writer)?;
    }
    // What is so of many is said once.
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for notice in others {
        match said.iter_mut().find(|(text, _)| *text == notice.message) {
            Some((_, objects)) => objects.push(&notice.object),
            None => said.push((&notice.message, vec![&notice.object])),
        }
    }
    for (message, objects) in said {
        writeln!(
            writer,
            "{WARN}note{WARN:#} {}: {message}",
            objects.join(", ")
        )?;
    }
    if !fresh.is_empty() {
        let names: Vec<&str> = fresh.iter().map(|notice| notice.object.as_str()).collect();
        writeln!(
            writer,
            "{DIM}left as they are, renewed just before (--force renews them all the same): {}{DIM:#}",
            names.join(", ")
        )?;
    }
    Ok(())
}

fn row(issuance: &Issuance) -> Vec<Cell> {
    let now = match &issuance.origin {
        Origin::Certificate { not_after, .. } => day(*not_after),
        Origin::Client { .. } | Origin::Profile { .. } | Origin::Template { .. } => "-".to_owned(),
    };
    let end = match &issuance.signer {
        Signer::Request { .. } | Signer::Installed { .. } => "as signed".to_owned(),
        _ => day(issuance.not_after),
    };
    let into = match &issuance.signer {
        Signer::Request { directory } => directory
            .join(format!("{}.csr", issuance.file_stem()))
            .display()
            .to_string(),
        _ => issuance.destination.to_string(),
    };
    vec![
        Cell::styled(&issuance.name, NAME),
        Cell::new(now),
        Cell::new(end),
        Cell::new(key_words(issuance)),
        Cell::new(signer_words(issuance)),
        Cell::styled(into, DIM),
    ]
}

fn day(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

fn key_words(issuance: &Issuance) -> String {
    match (&issuance.signer, &issuance.key) {
        (Signer::Installed { .. }, _) => "as brought".to_owned(),
        (_, KeyChoice::Generate { key_type }) => format!("new {key_type}"),
        (_, KeyChoice::Reuse) => "kept".to_owned(),
    }
}

fn signer_words(issuance: &Issuance) -> String {
    match &issuance.signer {
        Signer::Authority { name, .. } => name.clone(),
        Signer::Elsewhere { host, name, .. } => format!("{name} on {host}"),
        Signer::Given { host, .. } => format!("as on {host}"),
        Signer::ItsOwnKey => "its own key".to_owned(),
        Signer::OneTimeAuthority => "itself".to_owned(),
        Signer::Request { .. } | Signer::Installed { .. } => "somebody else".to_owned(),
    }
}
