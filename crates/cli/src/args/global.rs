//! Flags that every verb understands.
//!
//! What was typed, nothing more; [`crate::context::Context`] resolves it once for all verbs.

use super::fleet::FleetArgs;
use super::values;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use std::path::PathBuf;

/// Flags of every verb.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Treat DIR as the host's root folder
    ///
    /// Every path is then looked for below DIR, absolute ones and symbolic links included, and
    /// nothing that runs is asked: for the mounted disk of a host that does not boot, and for
    /// trying things out on a copy.
    #[arg(long, global = true, value_name = "DIR", env = "KUBEPKI_ROOT")]
    pub root: Option<PathBuf>,

    /// Find also the files that the layout in FILE declares
    ///
    /// For a host laid out by hand: what no flag of a component names is found by it, and what is
    /// lost is made after it with `renew --profiles layout`. YAML or JSON, kind Layout, as `kubepki
    /// init --layout` takes it; relative paths begin in --ca-dir, those of kubeconfigs in the folder
    /// above it. A host of a cluster document may have its own there (`layout: FILE`), which this
    /// one replaces.
    #[arg(long, global = true, value_name = "FILE")]
    pub layout: Option<PathBuf>,

    /// How to show the result: table, wide, json or yaml
    ///
    /// `table` and `wide` are for people: coloured on a terminal, plain when piped. `json` and
    /// `yaml` are for programs: every object carries `apiVersion` and `kind`, times are RFC 3339,
    /// and `kubepki schema` prints their JSON Schema. Results go to standard output; talk and
    /// errors go to standard error, as objects of kind `Error` with `json` and `yaml`.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub output: Option<OutputFormat>,

    /// Evaluate as of this time instead of now
    ///
    /// A time (2026-08-20T10:00:00Z) or a date (2026-08-20, midnight UTC). Only what counts as
    /// expired changes; the host's clock is not touched.
    #[arg(long, global = true, value_name = "TIME", value_parser = values::time)]
    pub now: Option<Timestamp>,

    /// When to use colour: auto, always or never
    ///
    /// `auto` colours a terminal and obeys NO_COLOR and CLICOLOR_FORCE. Meaning is never only in
    /// the colour.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub color: ColorWhen,

    /// Say more about what is being done; twice for even more
    ///
    /// Written to standard error, never into the result.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say nothing but the result and errors
    ///
    /// No progress and no remarks; errors are still written to standard error.
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Answer every question with yes
    ///
    /// Needed where no terminal can answer, for example in scripts; without it such a run is
    /// refused before anything changes.
    #[arg(short, long, global = true)]
    pub yes: bool,

    /// Which hosts.
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// One line per thing.
    Table,
    /// Everything there is to say, for people.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal that wants it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
