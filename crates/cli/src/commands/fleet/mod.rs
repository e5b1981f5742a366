//! Verbs over many hosts: which they are, how they are reached, and what is done on them together.
//!
//! `status`, `doctor`, `renew` and `apply` look at all hosts and judge, plan and act on the cluster as
//! one. Verbs without interplay between hosts are fanned out: each host runs the same verb. What is
//! about the machine that it is typed on (`demo`, `init`, `explain`, …) ignores the document, and what
//! is about files (`inspect`, `ca-hash`, `kubeconfig`) follows it only when hosts are asked for by name.

mod apply;
pub mod carry;
pub mod clocks;
pub mod connect;
mod doctor;
pub mod document;
mod fan_out;
mod looking;
mod progress;
mod reach;
mod renew;
mod results;
mod status;
mod status_rows;

use crate::args::{BackupVerb, Command, KubeconfigVerb};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use document::{SelectedHosts, selected};
use kubepki_fleet::session::SessionError;

pub use looking::{Looked, look_at_all, look_at_each, request as look_request};
pub use progress::Voices;
pub use reach::{Reach, everybody};

/// Runs a verb on the hosts of a cluster document; `None` when it is about this host alone.
pub fn run(context: &Context, command: &Command) -> Option<Result<ExitCode, CliError>> {
    if !is_about_hosts(context, command) {
        return None;
    }
    match selected(context) {
        Ok(Some(hosts)) => on(context, &hosts, command),
        Ok(None) => None,
        Err(error) => Some(Err(error)),
    }
}

fn on(
    context: &Context,
    hosts: &SelectedHosts,
    command: &Command,
) -> Option<Result<ExitCode, CliError>> {
    Some(match command {
        Command::Status(args) => status::run(context, hosts, args),
        Command::Doctor(args) => doctor::run(context, hosts, args),
        Command::Renew(args) => renew::run(context, hosts, args),
        Command::Apply(args) => return apply::run(context, hosts, args).transpose(),
        Command::Undo(_) => fan_out::run(context, hosts, Some("Undo the last run on")),
        Command::Restore(_) => fan_out::run(context, hosts, Some("Restore files from backups on")),
        Command::Backup(args) => {
            let question = match args.verb {
                BackupVerb::Prune(_) => Some("Forget old runs on"),
                BackupVerb::Create(_) | BackupVerb::List | BackupVerb::Diff(_) => None,
            };
            fan_out::run(context, hosts, question)
        }
        Command::Kubeconfig(args) => {
            let question = match &args.verb {
                Some(KubeconfigVerb::Update(_)) => Some("Update copies of admin.conf on"),
                Some(KubeconfigVerb::List(_)) | None => None,
            };
            fan_out::run(context, hosts, question)
        }
        Command::Inspect(_) | Command::CaHash(_) => fan_out::run(context, hosts, None),
        _ => return None,
    })
}

/// Whether the verb has to do with the hosts of a cluster.
fn is_about_hosts(context: &Context, command: &Command) -> bool {
    let flags = context.fleet();
    let are_typed = flags.cluster.is_some() || !flags.hosts.is_empty() || !flags.role.is_empty();
    match command {
        Command::Doctor(args) => args.explain.is_none(),
        Command::Status(_)
        | Command::Renew(_)
        | Command::Apply(_)
        | Command::Undo(_)
        | Command::Backup(_)
        | Command::Restore(_) => true,
        Command::Inspect(_) | Command::CaHash(_) | Command::Kubeconfig(_) => are_typed,
        _ => false,
    }
}

/// What a host said, as an error of this program.
pub fn session_error(host: &str, error: &SessionError) -> CliError {
    let shown = CliError::new(
        error.code.clone(),
        format_args!("{host}: {}", error.message),
    );
    let shown = error.details.iter().fold(shown, |shown, (label, value)| {
        // Labels of this program are constants; those of hosts are said with their value.
        shown.detail("evidence", format_args!("{label}: {value}"))
    });
    match &error.hint {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

/// The exit code of several hosts: what was not done counts more than what was found.
pub fn worst(codes: impl IntoIterator<Item = ExitCode>) -> ExitCode {
    let rank = |code: &ExitCode| match code {
        ExitCode::Fine => 0,
        ExitCode::Warnings => 1,
        ExitCode::Critical => 2,
        ExitCode::Failed => 3,
        ExitCode::Usage => 4,
    };
    codes.into_iter().max_by_key(rank).unwrap_or(ExitCode::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_counts_more_than_what_was_found() {
        use ExitCode::{Critical, Failed, Fine, Warnings};
        assert_eq!(worst([]), Fine);
        assert_eq!(worst([Fine, Critical, Warnings]), Critical);
        assert_eq!(worst([Critical, Failed, Fine]), Failed);
    }
}
