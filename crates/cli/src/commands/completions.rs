//! `kubepki completions SHELL`: made from the same definitions as the help.

use crate::args::{self, CompletionsArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use clap_complete::Shell;
use std::io::Write;

/// Prints a completion script.
pub fn run(context: &Context, args: &CompletionsArgs) -> Result<ExitCode, CliError> {
    let shell = match args.shell {
        args::CompletionShell::Bash => Shell::Bash,
        args::CompletionShell::Zsh => Shell::Zsh,
        args::CompletionShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(None), "kubepki", &mut script);
    let mut stdout = context.stdout();
    stdout.write_all(&script)?;
    stdout.flush()?;
    Ok(ExitCode::Fine)
}
