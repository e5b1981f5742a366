//! The verbs: each takes what was typed and the resolved [`Context`], and ends with an exit code.

mod agent;
mod backup;
mod ca_hash;
mod cluster;
mod completions;
mod demo;
mod doctor;
mod explain;
mod fleet;
mod hosts;
mod init;
mod inspect;
mod join_config;
mod kubeconfig;
pub mod layout;
mod man;
mod plan_view;
mod renew;
mod rescue;
mod rotate;
mod run;
mod schema;
mod status;
mod undo;
mod unfinished;
mod wiring;
mod written;

use crate::args::Command;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;

/// Runs one verb.
pub fn run(context: &Context, command: &Command) -> Result<ExitCode, CliError> {
    if let Some(ended) = fleet::run(context, command) {
        return ended;
    }
    match command {
        Command::Demo(args) => demo::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::Renew(args) => renew::run(context, args),
        Command::Rescue(args) => rescue::run(context, args),
        Command::Rotate(args) => rotate::run(context, args),
        Command::Apply(args) => renew::apply(context, args),
        Command::Undo(args) => undo::undo(context, args),
        Command::Backup(args) => backup::run(context, args),
        Command::Restore(args) => undo::restore(context, args),
        Command::Init(args) => init::run(context, args),
        Command::Kubeconfig(args) => kubeconfig::run(context, args),
        Command::Inspect(args) => inspect::run(context, args),
        Command::CaHash(args) => ca_hash::run(context, args),
        Command::JoinConfig(args) => join_config::run(context, args),
        Command::Hosts(args) => hosts::run(context, args),
        Command::Agent(args) => agent::run(context, args),
        Command::Completions(args) => completions::run(context, args),
        Command::Man(args) => man::run(context, args),
        Command::Schema(args) => schema::run(context, args),
    }
}
