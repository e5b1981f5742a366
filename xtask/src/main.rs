//! Developer commands of kubepki: `cargo xtask {test,lab,bench,lint,docs,dist}`. Nothing here is part of
//! the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands talk to the developer"
)]

mod bench;
mod dist;
mod docs;
mod lab;
mod lint;
mod packages;
mod rooms;
mod summary;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of kubepki
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, then run every tier of tests and count them
    Test(test::Arguments),
    /// Real kubeadm clusters on this machine (root)
    Lab(lab::Arguments),
    /// Run benchmarks
    Bench(bench::Arguments),
    /// Check format, clippy and the walls between the rooms
    Lint,
    /// Write the pages that are made from the code
    Docs,
    /// Build the static program for release
    Dist(dist::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Lab(arguments) => lab::run(arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Lint => lint::run(),
        Command::Docs => docs::run(),
        Command::Dist(arguments) => dist::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // without the trace that anyhow would add
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
