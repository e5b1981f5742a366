//! `kubepki`: the certificate lifecycle of a Kubernetes cluster in one static binary.
//!
//! This room holds arguments, output and exit codes, and wires ports to their adapters; it decides
//! nothing about certificates. Called `kubectl-pki` it is a kubectl plugin.
//!
//! A library of one function, and a binary that calls it, only so that the tests of this package can
//! build the binary with the feature `fault-injection`.
//!
//! Exit codes: 0 fine, 1 failed, 2 usage, 3 warnings found, 4 critical found ([`exit_code`]).

mod args;
mod commands;
mod context;
mod error;
mod exit_code;
mod output;

use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use std::ffi::OsString;
use std::process;

/// The whole program: reads the command line, runs the verb, and says how it ended.
pub fn main() -> process::ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let wants_object = wants_object(&arguments);
    let code = match args::parse(arguments) {
        Ok(cli) => match Context::new(&cli.global) {
            Ok(context) => run(&context, &cli.command),
            Err(error) => {
                let _ = output::write_error(&mut anstream::stderr(), &error, wants_object);
                error.exit_code()
            }
        },
        Err(error) => refuse(&error, wants_object),
    };
    process::ExitCode::from(code.number())
}

fn run(context: &Context, command: &args::Command) -> ExitCode {
    match commands::run(context, command) {
        Ok(code) => code,
        // `kubepki inspect … | head` is a normal way to read: whoever reads has enough
        Err(error) if error.is_broken_pipe() => ExitCode::Fine,
        Err(error) => {
            context.report(&error);
            error.exit_code()
        }
    }
}

/// Shows help, the version, or what is wrong with the command line.
fn refuse(error: &clap::Error, wants_object: Option<output::Structured>) -> ExitCode {
    if error.use_stderr() && wants_object.is_some() {
        let text = error.render().to_string();
        let sentence = text
            .trim_start_matches("error: ")
            .split("\n\n")
            .next()
            .unwrap_or_default();
        let shown = CliError::usage(sentence.trim()).hint("see --help");
        let _ = output::write_error(&mut anstream::stderr(), &shown, wants_object);
        return ExitCode::Usage;
    }
    // a closed pipe after `--help | head` is no error
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::Usage
    } else {
        ExitCode::Fine
    }
}

/// What `-o` says, read before parsing so that a wrong command line is answered in kind.
fn wants_object(arguments: &[OsString]) -> Option<output::Structured> {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    let mut found = None;
    while let Some(word) = words.next() {
        let value = match word {
            "-o" | "--output" => words.next(),
            "--" => break,
            _ => word
                .strip_prefix("--output=")
                .or_else(|| word.strip_prefix("-o="))
                .or_else(|| word.strip_prefix("-o")),
        };
        match value {
            Some("json") => found = Some(output::Structured::Json),
            Some("yaml") => found = Some(output::Structured::Yaml),
            _ => {}
        }
    }
    found
}
