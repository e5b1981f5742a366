//! `kubepki rotate`: look at every host, see where the rotation stands, prove what is to be done,
//! show, ask, carry out, look again.
//!
//! The wiring only: where a rotation stands, what is left of it and whether that is safe is decided in
//! `core::rotation`; what happens on a host is done by the engine there.

mod clocked;
mod left;
mod matrix;
#[cfg(test)]
mod scene;
mod scope;
mod standing;
mod words;

use crate::args::RotateArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Runs the verb.
pub fn run(_context: &Context, _args: &RotateArgs) -> Result<ExitCode, CliError> {
    Err(CliError::new("not-built", "not there yet"))
}
