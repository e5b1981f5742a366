//! The command line: one file per verb, parsed by clap, resolved elsewhere.
//!
//! To add a verb: a file here with its `…Args`, a file in `commands/` with its `run`, one variant of
//! [`Command`] below and one arm in `commands::run`. The first line of a doc comment is shown by
//! `-h`, the rest by `--help` and in the man page; a test refuses flags without help.

mod agent;
mod api;
mod ca_hash;
mod completions;
mod demo;
mod doctor;
mod explain;
mod fleet;
mod global;
mod hosts;
mod init;
mod inspect;
mod join_config;
mod kubeconfig;
mod man;
mod renew;
mod rescue;
mod rotate;
mod schema;
mod status;
mod undo;
pub mod values;

pub use agent::AgentArgs;
pub use api::ApiChoice;
pub use ca_hash::CaHashArgs;
pub use completions::{CompletionShell, CompletionsArgs};
pub use demo::DemoArgs;
pub use doctor::{DoctorArgs, EndpointChoice};
pub use explain::ExplainArgs;
pub use fleet::FleetArgs;
pub use global::{ColorWhen, GlobalArgs, OutputFormat};
pub use hosts::{HostsArgs, HostsDiscoverArgs, HostsListArgs, HostsSource, HostsVerb};
pub use init::InitArgs;
pub use inspect::InspectArgs;
pub use join_config::JoinConfigArgs;
pub use kubeconfig::{KubeconfigArgs, KubeconfigListArgs, KubeconfigUpdateArgs, KubeconfigVerb};
pub use man::ManArgs;
pub use renew::{ApplyArgs, BackupChoice, KeyTypeChoice, KeyWhich, RenewArgs};
pub use rescue::RescueArgs;
pub use rotate::{
    OldKeyChoice, RestartChoice, RootChoice, RotateArgs, RotateBackArgs, RotatePlanArgs,
    RotateRunArgs, RotateStatusArgs, RotateStep, RotationMeans, RotationWish, roots,
};
pub use schema::SchemaArgs;
pub use status::StatusArgs;
pub use undo::{
    BackupArgs, BackupCreateArgs, BackupDiffArgs, BackupPruneArgs, BackupVerb, RestoreArgs,
    RestoreChoice, UndoArgs,
};

use crate::exit_code::EXIT_CODES;
use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The certificate lifecycle of a Kubernetes cluster: see it, renew it, undo it
#[derive(Debug, Parser)]
#[command(
    name = "kubepki",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    arg_required_else_help = true,
    styles = HELP_STYLES,
)]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs. Their one line is an attribute and no doc comment, because a doc comment would also
/// take away the `long_about` that each verb's arguments carry.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(about = "Show on a host made for it how an expired control plane comes back")]
    Demo(DemoArgs),
    #[command(
        about = "Show every certificate, kubeconfig, CA and service-account key of this host"
    )]
    Status(StatusArgs),
    #[command(about = "Verify every connection of this host, and name the one file that is wrong")]
    Doctor(Box<DoctorArgs>),
    #[command(about = "Show what a finding means, how it comes about, and what mends it")]
    Explain(ExplainArgs),
    #[command(about = "Renew certificates: plan, show, confirm, apply, verify")]
    Renew(Box<RenewArgs>),
    #[command(about = "Bring a cluster back whose API answers nobody")]
    Rescue(Box<RescueArgs>),
    #[command(
        about = "Replace CAs and service-account keys of a running cluster, without a failed request"
    )]
    Rotate(Box<RotateArgs>),
    #[command(about = "Carry out a plan that `renew --plan-out` wrote")]
    Apply(ApplyArgs),
    #[command(about = "Bring back the files that the last plan changed")]
    Undo(UndoArgs),
    #[command(
        about = "Save all certificates, keys, kubeconfigs and manifests; list and compare archives"
    )]
    Backup(BackupArgs),
    #[command(about = "Bring files back from a backup")]
    Restore(RestoreArgs),
    #[command(about = "Make the PKI of a new cluster")]
    Init(Box<InitArgs>),
    #[command(about = "Write a kubeconfig for a user; list and update those of this host")]
    Kubeconfig(KubeconfigArgs),
    #[command(
        about = "Show what is in certificates, keys, requests, kubeconfigs, tokens and TLS servers"
    )]
    Inspect(InspectArgs),
    #[command(about = "Print the hash that `kubeadm join --discovery-token-ca-cert-hash` takes")]
    CaHash(CaHashArgs),
    #[command(about = "Print how a host joins, or write a node's credentials without the API")]
    JoinConfig(Box<JoinConfigArgs>),
    #[command(about = "Write down the hosts of a cluster, show them, and see whether each answers")]
    Hosts(HostsArgs),
    #[command(
        about = "Answer another kubepki over standard input and output",
        hide = true
    )]
    Agent(AgentArgs),
    #[command(about = "Print a completion script for a shell")]
    Completions(CompletionsArgs),
    #[command(about = "Print or write the man pages")]
    Man(ManArgs),
    #[command(about = "Print the JSON Schema of an output")]
    Schema(SchemaArgs),
}

const HELP_STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(Style::new().dimmed());

/// Parses a command line, the program's own name first. Also returns what was asked by `--help`
/// and `--version`, which clap reports as errors that end with 0.
pub fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    let matches = command(arguments.first()).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// The definitions that help, completions and man pages are made from. As a kubectl plugin (a file
/// called `kubectl-pki` on PATH) the program calls itself `kubectl pki`.
pub fn command(program: Option<&OsString>) -> clap::Command {
    let called_as_plugin = program
        .and_then(|program| Path::new(program).file_stem())
        .is_some_and(|name| name == OsStr::new("kubectl-pki"));
    let command = with_exit_codes(Cli::command());
    if called_as_plugin {
        command
            .name("kubectl-pki")
            .bin_name("kubectl pki")
            .display_name("kubectl-pki")
    } else {
        command
    }
}

fn with_exit_codes(command: clap::Command) -> clap::Command {
    command
        .after_long_help(EXIT_CODES)
        .mut_subcommands(with_exit_codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(command: &clap::Command, visit: &mut dyn FnMut(&clap::Command)) {
        visit(command);
        for verb in command.get_subcommands() {
            walk(verb, visit);
        }
    }

    #[test]
    fn definitions_are_consistent() {
        command(None).debug_assert();
    }

    #[test]
    fn every_verb_and_every_flag_has_help() {
        let mut flags = 0;
        let mut root = command(None);
        root.build();
        walk(&root, &mut |verb| {
            assert!(
                verb.get_about().is_some(),
                "verb {} has no help",
                verb.get_name()
            );
            for flag in verb.get_arguments() {
                flags += 1;
                let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
                let place = format!("{} {}", verb.get_name(), flag.get_id());
                assert!(!help.is_empty(), "{place} has no help");
                assert!(
                    !help.ends_with('.'),
                    "{place}: short help ends with a period"
                );
                assert!(help.len() <= 90, "{place}: short help is too long for -h");
            }
        });
        assert!(flags > 20, "the walk saw only {flags} flags");
    }

    /// A doc comment on a variant would take it away without a word.
    #[test]
    fn every_verb_keeps_its_long_description() {
        for verb in command(None).get_subcommands() {
            let text = |about: Option<&clap::builder::StyledStr>| {
                about.map(ToString::to_string).unwrap_or_default()
            };
            let (short, long) = (text(verb.get_about()), text(verb.get_long_about()));
            assert!(long.len() > short.len(), "{} has none", verb.get_name());
        }
    }

    #[test]
    fn every_verb_documents_the_exit_codes() {
        walk(&command(None), &mut |verb| {
            let help = verb.clone().render_long_help().to_string();
            assert!(help.contains("4  critical found"), "{}", verb.get_name());
            let short = verb.clone().render_help().to_string();
            assert!(!short.contains("4  critical found"), "{}", verb.get_name());
        });
    }

    /// The pages of findings name commands; words in capitals are for the reader to fill in.
    #[test]
    fn every_command_that_a_finding_names_can_be_typed() {
        let mut typed = 0;
        for kind in kubepki_core::findings::all() {
            for command in kind.commands {
                let line = command.split('#').next().unwrap_or_default();
                let last = line.split(" | ").last().unwrap_or_default().trim();
                if !last.starts_with("kubepki ") {
                    continue;
                }
                let words = last
                    .replace("ADDRESS", "10.0.0.5")
                    .split_whitespace()
                    .map(OsString::from)
                    .collect();
                match parse(words) {
                    Err(error) if error.use_stderr() => panic!("{}: {last}: {error}", kind.code),
                    _ => typed += 1,
                }
            }
        }
        assert!(typed > 40, "{typed}");
    }

    #[test]
    fn as_a_plugin_it_is_called_kubectl_pki() {
        let program = OsString::from("/usr/local/bin/kubectl-pki");
        let help = command(Some(&program)).render_long_help().to_string();
        assert!(help.contains("Usage: kubectl pki "), "{help}");
        let mut whole = command(Some(&program));
        whole.build();
        let inspect = whole.find_subcommand_mut("inspect").unwrap();
        assert!(
            inspect
                .render_help()
                .to_string()
                .contains("Usage: kubectl pki inspect ")
        );
        let plain = OsString::from("kubepki");
        assert!(
            command(Some(&plain))
                .render_help()
                .to_string()
                .contains("Usage: kubepki ")
        );
    }

    #[test]
    fn global_flags_may_stand_after_the_verb() {
        let line = [
            "kubepki",
            "inspect",
            "a.crt",
            "-o",
            "json",
            "--now",
            "2026-01-01",
            "-y",
        ];
        let cli = parse(line.iter().map(OsString::from).collect()).unwrap();
        assert_eq!(cli.global.output, Some(OutputFormat::Json));
        assert!(cli.global.yes);
        assert_eq!(
            cli.global.now,
            Some("2026-01-01T00:00:00Z".parse().unwrap())
        );
    }
}
