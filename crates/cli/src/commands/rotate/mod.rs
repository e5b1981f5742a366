//! `kubepki rotate`: look at every host, see where the rotation stands, prove what is to be done,
//! show, ask, carry out, look again.
//!
//! The wiring only: where a rotation stands, what is left of it and whether that is safe is decided in
//! `core::rotation`; what happens on a host is done by the engine there.

mod account;
mod back;
mod clocked;
mod go;
mod lease;
mod left;
mod look;
mod matrix;
mod pause;
mod proof;
mod ready;
#[cfg(test)]
mod scene;
mod scope;
mod show;
mod standing;
mod words;

use super::fleet::Reach;
use super::fleet::carry::Undertaking;
use crate::args::{BackupChoice, RotateArgs, RotateStep, RotationMeans};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use go::Extent;
use kubepki_core::rotation::plan::Refusal;
use look::{Looker, World};

/// Runs the verb.
pub fn run(context: &Context, args: &RotateArgs) -> Result<ExitCode, CliError> {
    let hosts = scope::hosts(context)?;
    match &args.step {
        RotateStep::Plan(args) => {
            let world = look(context, &hosts, &args.means)?;
            show::plan(context, &hosts, &world, args)
        }
        RotateStep::Status(args) => {
            let world = look(context, &hosts, &args.means)?;
            show::status(context, &hosts, &world, args)
        }
        RotateStep::Start(args) => go::run(context, &hosts, args, Extent::Start),
        RotateStep::Next(args) => go::run(context, &hosts, args, Extent::Next),
        RotateStep::Run(args) => go::run(context, &hosts, args, Extent::Run),
        RotateStep::Finish(args) => go::run(context, &hosts, args, Extent::Finish),
        RotateStep::Pause(args) => {
            let world = look(context, &hosts, &args.means)?;
            let reach = Reach::new(&hosts);
            pause::ask(context, &reach.once(), &world)
        }
        RotateStep::Back(args) => back::run(context, &hosts, args),
    }
}

/// Looks and changes nothing.
fn look(
    context: &Context,
    hosts: &super::fleet::document::SelectedHosts,
    means: &RotationMeans,
) -> Result<World, CliError> {
    let reach = Reach::new(hosts);
    let sessions = reach.kept();
    let backup = BackupChoice {
        no_backup: true,
        backup_recipient: Vec::new(),
    };
    let undertaking = Undertaking::new(hosts, &sessions, &means.ca_dir, &backup);
    Looker {
        context,
        undertaking: &undertaking,
        timeout: means.timeout,
    }
    .look()
}

/// Why the planner does not plan, as an error of this program.
fn refusal(refusal: &Refusal) -> CliError {
    let error = CliError::new(refusal.code(), refusal);
    match refusal.hint() {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
