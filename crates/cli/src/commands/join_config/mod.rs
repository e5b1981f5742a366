//! `kubepki join-config`: what a joining host is told, or what a node needs while nobody can be asked.

mod node;
mod online;

use crate::args::JoinConfigArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Prints how to join, or writes a node's credentials.
pub fn run(context: &Context, args: &JoinConfigArgs) -> Result<ExitCode, CliError> {
    match &args.node {
        Some(node) => node::run(context, args, node),
        None => online::run(context, args),
    }
}
