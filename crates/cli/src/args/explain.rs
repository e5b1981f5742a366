//! `kubepki explain`: what was typed.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `kubepki explain`.
#[derive(Args, Debug)]
#[command(long_about = "\
Show what a finding means, how it comes about, and what mends it

The code stands at the end of every finding of `kubepki doctor`, and in `-o json` of `status`, \
`doctor` and `inspect`. Without one, all codes are listed. Needs neither a network nor a host.

Examples:
  kubepki explain expired-in-memory
  kubepki explain")]
pub struct ExplainArgs {
    /// The code of a finding
    #[arg(value_name = "CODE", conflicts_with = "dir")]
    pub code: Option<String>,

    /// Write a Markdown page for every code, and an index, into this folder
    ///
    /// The folder is made when missing; pages that are there already are replaced.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
