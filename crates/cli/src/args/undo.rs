//! `kubepki undo`, `backup` and `restore`: what was typed.

use super::values;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use kubepki_core::layouts::KUBEADM;
use std::path::PathBuf;

/// Arguments of `kubepki undo`.
#[derive(Args, Debug)]
#[command(long_about = "\
Bring back the files that the last plan changed

From the backup that it made. Undoing is a change like any other: it makes a backup of its own, and \
can be undone. Components are restarted to take the old files up, but for those whose old \
certificates have expired: they would only stop working.")]
pub struct UndoArgs {
    /// Undo this run instead of the last one
    ///
    /// `kubepki backup list` shows the runs.
    #[arg(value_name = "RUN")]
    pub run: Option<String>,

    /// How components and the archive are treated.
    #[command(flatten)]
    pub how: RestoreChoice,
}

/// Arguments of `kubepki backup`.
#[derive(Args, Debug)]
#[command(long_about = "\
Save every certificate, key, kubeconfig and manifest of this host in one archive

A plain tar file, 0600, with owners, modes, times and a manifest; encrypted with age when asked. \
`kubepki renew` makes one by itself.")]
pub struct BackupArgs {
    /// What to do with backups.
    #[command(subcommand)]
    pub verb: BackupVerb,
}

/// What to do with backups.
#[derive(Debug, Subcommand)]
pub enum BackupVerb {
    /// Save the files as they are now
    Create(BackupCreateArgs),
    /// List the archives of this host
    List,
    /// Compare an archive with the files as they are now
    Diff(BackupDiffArgs),
    /// Forget old runs: remove their journals and archives
    Prune(BackupPruneArgs),
}

/// Arguments of `kubepki backup prune`.
#[derive(Args, Debug)]
#[command(
    long_about = "\
Forget old runs: remove their journals and archives

Snapshots of etcd that rotations saved are kept by the same rule, counted by themselves. Never the run that \
`kubepki undo` would take, never an interrupted one, and no archive that has \
another name than a run gives. What is removed is shown and asked about first.",
    group = clap::ArgGroup::new("which").required(true)
)]
pub struct BackupPruneArgs {
    /// Keep this many runs, the newest
    #[arg(long, value_name = "NUMBER", group = "which", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    /// Remove what was made longer ago than this
    ///
    /// A length of time such as 90d or 1y.
    #[arg(long, value_name = "TIME", group = "which", value_parser = values::duration)]
    pub older_than: Option<SignedDuration>,
}

/// Arguments of `kubepki backup create`.
#[derive(Args, Debug)]
pub struct BackupCreateArgs {
    /// Write the archive to FILE instead of /var/lib/kubepki/backups
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Encrypt it for this age recipient
    ///
    /// An X25519 recipient (age1...) as `age-keygen` prints it. May be repeated.
    #[arg(long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,

    /// The folder with kubeadm's certificates
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,
}

/// Arguments of `kubepki backup diff`.
#[derive(Args, Debug)]
pub struct BackupDiffArgs {
    /// The archive; by default the last one that `undo` or `restore` did not make
    #[arg(value_name = "ARCHIVE")]
    pub archive: Option<PathBuf>,

    /// The age identity file that opens an encrypted archive
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// Arguments of `kubepki restore`.
#[derive(Args, Debug)]
#[command(long_about = "\
Bring files back from a backup, all of them or some

What was there then is written back with its owner, mode and time; what was absent then is removed. \
The manifests of static pods come back only when they are named: a renewal changes nothing in them \
but the annotation that restarts the pod.")]
pub struct RestoreArgs {
    /// The archive; by default the last one that `undo` or `restore` did not make
    #[arg(long, value_name = "ARCHIVE")]
    pub archive: Option<PathBuf>,

    /// Paths to bring back; all by default
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// How components and the archive are treated.
    #[command(flatten)]
    pub how: RestoreChoice,
}

/// How a restoration is carried out.
#[derive(Args, Clone, Debug)]
pub struct RestoreChoice {
    /// Do not restart anything
    #[arg(long)]
    pub no_restart: bool,

    /// The age identity file that opens an encrypted archive
    ///
    /// The present files are saved encrypted for it, unless --backup-recipient names another.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    /// The folder with kubeadm's certificates
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,

    /// How the present files are saved.
    #[command(flatten)]
    pub backup: super::BackupChoice,
}
