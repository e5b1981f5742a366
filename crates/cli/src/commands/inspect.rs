//! `kubepki inspect WHAT…`: shows what is in files, folders and servers, and how it belongs
//! together.
//!
//! Inputs come lazily ([`inputs`]), are read and related in portions ([`portion`]), and are shown
//! as they come: one line each ([`rows`]), in full ([`detail`]), or as JSON and YAML. What the
//! formats are and what is wrong with an item is the business of `kubepki_core::inspect`.

mod detail;
mod glob;
mod inputs;
mod portion;
mod reading;
mod rows;
mod secrets;
mod server;
mod summary;

use crate::args::{InspectArgs, OutputFormat};
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{self, ListWriter, Table};
use inputs::Inputs;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::inspect::{Item, ItemReport, Known};
use reading::Reader;
use secrets::Keys;
use serde::Serialize;
use std::io::Write;
use std::time::Duration;
use summary::Summary;

/// Runs the verb.
pub fn run(context: &Context, args: &InspectArgs) -> Result<ExitCode, CliError> {
    let timeout =
        Duration::try_from(args.timeout).map_err(|_| CliError::usage("--timeout is negative"))?;
    let keys = Keys::new(context, args.password_file.as_deref())?;
    let probe = RustlsProbe::new();
    let reader = Reader {
        context,
        keys: &keys,
        probe: &probe,
        timeout,
    };
    let mut inputs = Inputs::new(context, &args.what, args.server_name.as_deref()).peekable();
    let mut progress = context.progress("reading", None);
    let mut known = Known::default();
    let mut summary = Summary::default();
    let mut show: Option<Show<'_>> = None;

    loop {
        let (taken, mut errors) = portion::next(&mut inputs);
        if taken.is_empty() && errors.is_empty() {
            break;
        }
        let times = (context.now(), args.warn);
        let (items, unread) = portion::inspect(&taken, &reader, &mut known, times, &mut progress);
        errors.extend(unread);
        let is_single = show.is_none() && taken.len() == 1 && inputs.peek().is_none();
        progress.step(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        progress.clear();
        summary.count(&items);
        let show = match &mut show {
            Some(show) => show,
            None => show.insert(Show::begin(context, args, is_single, &items)?),
        };
        show.items(context, &items)?;
        for error in errors {
            context.report(&error);
            summary.failed(error);
        }
    }
    drop(progress);
    if summary.is_empty() {
        let error = CliError::new("nothing-found", "nothing to show in what was named")
            .hint("files of unknown kinds in a folder are passed over; -v names them");
        context.report(&error);
        summary.failed(error);
    }
    let show = match show {
        Some(show) => show,
        None => Show::begin(context, args, false, &[])?,
    };
    let is_table = matches!(show, Show::Rows(..));
    show.end(&summary)?;
    if is_table {
        context.note(summary.sentence(args.warn));
    }
    Ok(summary.exit_code())
}

/// A single file with at most so many items is shown in full.
const MOST_IN_FULL: usize = 8;

type Writer<'a> = Box<dyn Write + 'a>;

enum Show<'a> {
    Rows(Table, Writer<'a>),
    Detail { any: bool, writer: Writer<'a> },
    List(ListWriter<Writer<'a>>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: &'static str,
    kind: &'static str,
    evaluated_at: jiff::Timestamp,
    warn_seconds: i64,
}

impl<'a> Show<'a> {
    fn begin(
        context: &'a Context,
        args: &InspectArgs,
        is_single: bool,
        items: &[Item],
    ) -> Result<Self, CliError> {
        let writer: Writer<'a> = Box::new(context.stdout());
        if let Some(structured) = context.structured() {
            let head = Head {
                api_version: API_VERSION,
                kind: "Inspection",
                evaluated_at: context.now(),
                warn_seconds: args.warn.as_secs(),
            };
            return Ok(Self::List(ListWriter::begin(
                writer, structured, &head, "items",
            )?));
        }
        let in_full = match context.format() {
            Some(OutputFormat::Wide) => true,
            Some(_) => false,
            None => is_single && items.len() <= MOST_IN_FULL,
        };
        Ok(if in_full {
            Self::Detail { any: false, writer }
        } else {
            Self::Rows(
                Table::new(rows::columns(), output::terminal_width()),
                writer,
            )
        })
    }

    fn items(&mut self, context: &Context, items: &[Item]) -> Result<(), CliError> {
        match self {
            Self::Rows(table, writer) => {
                let rows: Vec<_> = items
                    .iter()
                    .map(|item| rows::row(item, context.now()))
                    .collect();
                table.write(writer, &rows)?;
                writer.flush()?;
            }
            Self::Detail { any, writer } => {
                for item in items {
                    if std::mem::replace(any, true) {
                        writeln!(writer)?;
                    }
                    detail::write(writer, item, context.now())?;
                }
                writer.flush()?;
            }
            Self::List(list) => {
                for item in items {
                    list.item(&ItemReport::new(item, context.now()))?;
                }
            }
        }
        Ok(())
    }

    fn end(self, summary: &Summary) -> Result<(), CliError> {
        match self {
            Self::List(list) => list.end(&summary.report()),
            Self::Rows(..) | Self::Detail { .. } => Ok(()),
        }
    }
}
