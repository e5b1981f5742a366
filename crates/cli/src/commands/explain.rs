//! `kubepki explain`: the catalogue of findings, one page, all codes, or as files.

use crate::args::ExplainArgs;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, Cell, Column, HEADING, NAME, Structured, Table, severity};
use kubepki_core::findings::{self, FindingKind};
use kubepki_core::model::Severity;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Shows what was asked for.
pub fn run(context: &Context, args: &ExplainArgs) -> Result<ExitCode, CliError> {
    match (&args.dir, &args.code) {
        (Some(folder), _) => write_pages(context, folder)?,
        (None, Some(code)) => explain(context, code)?,
        (None, None) => list(context)?,
    }
    Ok(ExitCode::Fine)
}

/// Shows one page.
pub fn explain(context: &Context, code: &str) -> Result<(), CliError> {
    let kind = findings::find(code).ok_or_else(|| unknown(code))?;
    if let Some(structured) = context.structured() {
        return emit(context, structured, [kind]);
    }
    let mut stdout = context.stdout();
    let mut in_code = false;
    for line in findings::page(kind).lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            writeln!(stdout, "  {line}")?;
        } else if let Some(title) = line.trim_start_matches('#').strip_prefix(' ')
            && line.starts_with('#')
        {
            writeln!(stdout, "{HEADING}{title}{HEADING:#}")?;
        } else {
            writeln!(stdout, "{}", line.replace("**", ""))?;
        }
    }
    stdout.flush()?;
    Ok(())
}

fn unknown(code: &str) -> CliError {
    let hint = match findings::nearest(code) {
        Some(meant) => format!("did you mean {meant}? `kubepki explain` lists all codes"),
        None => "`kubepki explain` lists all codes".to_owned(),
    };
    CliError::usage(format!("there is no finding called {code}")).hint(hint)
}

fn list(context: &Context) -> Result<(), CliError> {
    if let Some(structured) = context.structured() {
        return emit(context, structured, findings::all());
    }
    let mut stdout = context.stdout();
    let columns = vec![
        Column::fixed("CODE"),
        Column::fixed("SEVERITY"),
        Column::shrinking("MEANING", 20),
    ];
    let rows: Vec<Vec<Cell>> = findings::all()
        .map(|kind| {
            vec![
                Cell::styled(kind.code, NAME),
                Cell::styled(
                    severity::word(kind.severity),
                    severity::style(kind.severity),
                ),
                Cell::new(kind.title),
            ]
        })
        .collect();
    Table::new(columns, output::terminal_width()).write(&mut stdout, &rows)?;
    stdout.flush()?;
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    api_version: &'static str,
    kind: &'static str,
    findings: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    code: &'static str,
    severity: Severity,
    title: &'static str,
    meaning: &'static str,
    cause: &'static str,
    known_by: &'static str,
    remedy: &'static str,
    commands: &'static [&'static str],
    example: &'static str,
    said_by: &'static [&'static str],
}

fn emit(
    context: &Context,
    structured: Structured,
    kinds: impl IntoIterator<Item = &'static FindingKind>,
) -> Result<(), CliError> {
    let row = |kind: &'static FindingKind| Row {
        code: kind.code,
        severity: kind.severity,
        title: kind.title,
        meaning: kind.meaning,
        cause: kind.cause,
        known_by: kind.known_by,
        remedy: kind.remedy,
        commands: kind.commands,
        example: kind.example,
        said_by: kind.verbs,
    };
    let catalogue = Catalogue {
        api_version: API_VERSION,
        kind: "FindingCatalogue",
        findings: kinds.into_iter().map(row).collect(),
    };
    context.emit(structured, &catalogue)
}

fn write_pages(context: &Context, folder: &Path) -> Result<(), CliError> {
    let failed = |path: &Path, error: std::io::Error| {
        CliError::new("output-failed", format!("cannot write: {error}")).location(path.display())
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let index = ("README.md".to_owned(), findings::index());
    let pages = findings::all().map(|kind| (format!("{}.md", kind.code), findings::page(kind)));
    let mut written = 0;
    for (name, text) in std::iter::once(index).chain(pages) {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        written += 1;
    }
    context.note(format_args!(
        "{written} pages written to {}",
        folder.display()
    ));
    Ok(())
}
