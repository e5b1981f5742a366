//! `kubepki man`: man pages (section 1) made from the same definitions as the help.

use crate::args::{self, ManArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use std::io::Write;

/// Prints one page, or writes all of them into a folder.
pub fn run(context: &Context, args: &ManArgs) -> Result<ExitCode, CliError> {
    let mut whole = args::command(None);
    whole.build();
    if let Some(dir) = &args.dir {
        clap_mangen::generate_to(whole.disable_help_subcommand(true), make_folder(dir)?).map_err(
            |error| {
                CliError::new("output-failed", format!("cannot write man pages: {error}"))
                    .location(dir.display())
            },
        )?;
        context.note(format_args!("man pages written to {}", dir.display()));
        return Ok(ExitCode::Fine);
    }
    let page = match &args.verb {
        None => whole,
        Some(verb) => whole.find_subcommand(verb).cloned().ok_or_else(|| {
            CliError::usage(format!("there is no verb called {verb}"))
                .hint("`kubepki --help` lists the verbs")
        })?,
    };
    let mut rendered = Vec::new();
    clap_mangen::Man::new(page).render(&mut rendered)?;
    let mut stdout = context.stdout();
    stdout.write_all(&rendered)?;
    stdout.flush()?;
    Ok(ExitCode::Fine)
}

fn make_folder(dir: &std::path::Path) -> Result<&std::path::Path, CliError> {
    std::fs::create_dir_all(dir).map_err(|error| {
        CliError::new("output-failed", format!("cannot make the folder: {error}"))
            .location(dir.display())
    })?;
    Ok(dir)
}
