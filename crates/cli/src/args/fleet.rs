//! Flags about many hosts, which every verb understands: which document names them, who of them is
//! meant, and how many work at once.
//!
//! What was typed, nothing more; `commands/fleet/document.rs` reads the document and selects.

use clap::Args;
use kubepki_core::cluster_document::{BatchSize, HostRole};
use std::num::NonZeroU16;
use std::path::PathBuf;

/// Flags about many hosts.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Hosts of a cluster")]
pub struct FleetArgs {
    /// Work on the hosts that FILE names
    ///
    /// YAML or JSON, apiVersion kubepki.dev/v1alpha1, kind Cluster; `kubepki hosts discover` writes
    /// one, `kubepki schema Cluster` prints its JSON Schema. By default the file in
    /// KUBEPKI_CLUSTER, else kubepki.yaml in the current folder, in the user's configuration folder
    /// (~/.config/kubepki) or in /etc/kubepki; without any, this host alone.
    #[arg(long, global = true, value_name = "FILE")]
    pub cluster: Option<PathBuf>,

    /// Only these hosts: names, w*, !w3 for all but, env=prod for a label
    ///
    /// Separated by commas, or repeated. Patterns are a union, in the order of the document; those
    /// with a ! take away, and if there are no others, from all. A pattern that selects nobody is
    /// an error.
    #[arg(
        long,
        global = true,
        value_name = "PATTERN",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub hosts: Vec<String>,

    /// Only hosts with this role: control-plane, etcd or worker
    ///
    /// May be repeated. Roles are discovered: every host that --hosts selects is looked at first.
    #[arg(long, global = true, value_name = "ROLE", value_delimiter = ',')]
    pub role: Vec<HostRole>,

    /// Work on this host alone, whatever documents there are
    #[arg(long, global = true)]
    pub local: bool,

    /// How many hosts are connected to at once
    #[arg(long, global = true, value_name = "N", default_value = "32")]
    pub max_parallel: NonZeroU16,

    /// How many hosts are changed at once: a number, or a part of them like 5%
    ///
    /// For hosts that no quorum depends on; control planes are changed one after another. After
    /// each batch it is made sure that its hosts are well before the next one begins.
    #[arg(long, global = true, value_name = "N|N%")]
    pub batch: Option<BatchSize>,

    /// The command to reach hosts with, instead of ssh
    ///
    /// Words as a shell splits them, e.g. "ssh -F lab/ssh_config". The destination and the command
    /// to run are put behind it.
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        env = "KUBEPKI_SSH_COMMAND"
    )]
    pub ssh_command: Option<String>,
}
