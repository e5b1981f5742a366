//! What hosts wrote when each ran a verb for itself: under their names for people, one object for
//! programs (kind `HostResults`).

use super::connect::VerbOutput;
use crate::context::Context;
use crate::error::{API_VERSION, CliError};
use crate::exit_code::ExitCode;
use crate::output::{BAD, DIM, HEADING, ListWriter, printable};
use kubepki_fleet::session::SessionError;
use serde::Serialize;
use serde_json::Value;
use std::io::Write;

/// What came of a verb on one host.
pub enum HostResult {
    /// It ran.
    Ran {
        /// How it ended.
        exit_code: ExitCode,
        /// What it wrote for people, or for programs.
        output: Written,
        /// What it said beside that, or its error as an object.
        said: Written,
    },
    /// It could not be run.
    NotReached(SessionError),
}

/// Text, or an object.
pub enum Written {
    /// For people.
    Text(String),
    /// For programs.
    Object(Value),
    /// Nothing.
    Nothing,
}

impl HostResult {
    /// From what a host wrote.
    pub fn of(ran: Result<VerbOutput, SessionError>, structured: bool) -> Self {
        match ran {
            Err(error) => Self::NotReached(error),
            Ok(VerbOutput {
                status,
                stdout,
                stderr,
            }) => Self::Ran {
                exit_code: exit_code(status),
                output: Written::of(stdout, structured),
                said: Written::of(stderr, structured),
            },
        }
    }

    /// How it ended.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ran { exit_code, .. } => *exit_code,
            Self::NotReached(_) => ExitCode::Failed,
        }
    }
}

impl Written {
    fn of(text: String, structured: bool) -> Self {
        if text.trim().is_empty() {
            return Self::Nothing;
        }
        if !structured {
            return Self::Text(text);
        }
        // An error is an object on the last lines, behind what was said before it.
        let start = text.find("{\n").unwrap_or(0);
        match text.get(start..).map(serde_json::from_str) {
            Some(Ok(object)) => Self::Object(object),
            _ => Self::Text(text),
        }
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::String(text.clone())),
            Self::Object(object) => Some(object.clone()),
            Self::Nothing => None,
        }
    }
}

/// The exit code of another process of this program; one that was killed has failed.
fn exit_code(status: Option<i32>) -> ExitCode {
    match status {
        Some(0) => ExitCode::Fine,
        Some(2) => ExitCode::Usage,
        Some(3) => ExitCode::Warnings,
        Some(4) => ExitCode::Critical,
        _ => ExitCode::Failed,
    }
}

/// Where results are written as they come.
pub enum Output<'a> {
    /// Under headings.
    People(Box<dyn Write + 'a>, &'a Context),
    /// As items of a list.
    Programs(ListWriter<Box<dyn Write + 'a>>, usize),
}

/// The first fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: &'static str,
    kind: &'static str,
}

/// One host.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    host: &'a str,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// The last field.
#[derive(Serialize)]
struct Tail {
    failed: usize,
}

impl<'a> Output<'a> {
    /// Begins.
    pub fn begin(context: &'a Context) -> Result<Self, CliError> {
        let out: Box<dyn Write + 'a> = Box::new(context.stdout());
        Ok(match context.structured() {
            None => Self::People(out, context),
            Some(structured) => {
                let head = Head {
                    api_version: API_VERSION,
                    kind: "HostResults",
                };
                Self::Programs(ListWriter::begin(out, structured, &head, "hosts")?, 0)
            }
        })
    }

    /// Writes what a host wrote.
    pub fn host(&mut self, host: &str, result: &HostResult) -> Result<(), CliError> {
        match self {
            Self::People(out, context) => {
                writeln!(out, "{HEADING}{}{HEADING:#}", printable(host))?;
                match result {
                    HostResult::Ran { output, said, .. } => {
                        if let Written::Text(text) = output {
                            out.write_all(indented(text).as_bytes())?;
                        }
                        out.flush()?;
                        if let Written::Text(text) = said {
                            context.note(indented(text).trim_end());
                        }
                    }
                    HostResult::NotReached(error) => {
                        writeln!(
                            out,
                            "  {BAD}not reached{BAD:#}: {}",
                            printable(&error.message)
                        )?;
                        if let Some(hint) = &error.hint {
                            writeln!(out, "  {DIM}{}{DIM:#}", printable(hint))?;
                        }
                    }
                }
                writeln!(out)?;
                out.flush()?;
                Ok(())
            }
            Self::Programs(list, failed) => {
                let (output, error) = match result {
                    HostResult::Ran { output, said, .. } => (output.value(), said.value()),
                    HostResult::NotReached(error) => (None, serde_json::to_value(error).ok()),
                };
                let code = result.exit_code();
                let is_error = matches!(code, ExitCode::Failed | ExitCode::Usage);
                *failed += usize::from(is_error);
                list.item(&Item {
                    host,
                    exit_code: code.number(),
                    result: output,
                    error: error.filter(|_| is_error),
                })
            }
        }
    }

    /// Ends.
    pub fn end(self) -> Result<(), CliError> {
        match self {
            Self::People(mut out, _) => Ok(out.flush()?),
            Self::Programs(list, failed) => list.end(&Tail { failed }),
        }
    }
}

fn indented(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        if !line.is_empty() {
            shown.push_str("  ");
        }
        // What hosts write is made visible, not obeyed.
        shown.push_str(&printable(line));
        shown.push('\n');
    }
    shown
}
