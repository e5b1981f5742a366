//! `kubepki hosts`: the document that names a cluster's hosts, written and shown.

mod discover;
mod list;

use crate::args::{HostsArgs, HostsVerb};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Writes the document, or shows what it names.
pub fn run(context: &Context, args: &HostsArgs) -> Result<ExitCode, CliError> {
    match &args.verb {
        HostsVerb::Discover(args) => discover::run(context, args),
        HostsVerb::List(args) => list::run(context, args),
    }
}
