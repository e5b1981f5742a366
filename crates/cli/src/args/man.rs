//! `kubepki man`: what was typed.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `kubepki man`.
#[derive(Args, Debug)]
#[command(long_about = "\
Print or write the man pages

Without --dir the page of kubepki itself, or of the named verb, goes to standard output.

Examples:
  kubepki man inspect | man -l -
  kubepki man --dir /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The verb whose page to print
    #[arg(value_name = "VERB", conflicts_with = "dir")]
    pub verb: Option<String>,

    /// Write the pages of every verb into this folder instead
    ///
    /// The folder is made when missing; pages that are there already are replaced.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
