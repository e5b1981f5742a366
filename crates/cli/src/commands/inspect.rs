//! Placeholder until its room is built.

use crate::args::InspectArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Not built yet.
pub fn run(_context: &Context, _args: &InspectArgs) -> Result<ExitCode, CliError> {
    Err(CliError::new("not-built", "this verb is not built yet"))
}
