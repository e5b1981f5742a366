//! `kubepki kubeconfig`: what was typed.

use super::BackupChoice;
use clap::{Args, Subcommand};
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::{EndRule, StartRule};
use kubepki_keys::KeyType;
use std::path::PathBuf;

/// Arguments of `kubepki kubeconfig`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    long_about = "\
Write a kubeconfig for a user, with a client certificate signed by the cluster's CA; list what there is

The user is the certificate's common name, the groups are its organizations; what they may do is \
for RBAC to say. Kubernetes revokes no certificates: whoever holds the file is that user until the \
certificate ends, so keep --validity short.

`list` shows every kubeconfig of this host, those in people's homes too, and tells copies of admin.conf; \
`update` brings those copies up to date that a renewal of admin.conf has left behind.

Examples:
  kubepki kubeconfig --user jane --group developers --validity 30d --out jane.conf
  kubepki kubeconfig --user ci --server https://k8s.example.com:6443 > ci.conf
  kubepki kubeconfig list
  kubepki kubeconfig update"
)]
pub struct KubeconfigArgs {
    /// What to do with those that there are, instead of making one.
    #[command(subcommand)]
    pub verb: Option<KubeconfigVerb>,

    /// The user's name: CN of the certificate
    #[arg(long, value_name = "NAME", required = true)]
    pub user: Option<String>,

    /// A group of the user's: O of the certificate
    ///
    /// May be repeated. Members of system:masters may do everything, whatever RBAC says.
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,

    /// The API server's URL
    ///
    /// By default that of this host's admin.conf, or else of another kubeconfig of kubeadm's, or
    /// else the address that its own API server advertises.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,

    /// The cluster's name in the kubeconfig
    ///
    /// By default that of the kubeconfig that the server is taken from, else kubernetes.
    #[arg(long, value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// How long the certificate is valid, or until when
    ///
    /// A length of time from now (30d, 12h) or a date. An end after the CA's own is moved to the
    /// CA's, with a notice.
    #[arg(long, value_name = "TIME", default_value = "365d")]
    pub validity: EndRule,

    /// From when the certificate is valid
    ///
    /// A time before now (-5m) or a date.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-5m",
        allow_hyphen_values = true
    )]
    pub not_before: StartRule,

    /// The kind of key: rsa:2048, rsa:3072, rsa:4096, ecdsa:p256, ecdsa:p384, ed25519
    #[arg(long, value_name = "TYPE", default_value = "rsa:2048")]
    pub key_type: KeyType,

    /// The folder that holds ca.crt and ca.key
    ///
    /// Every certificate of ca.crt is trusted by the kubeconfig; the one that ca.key belongs to
    /// signs.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,

    /// Where to write the kubeconfig (0600), or - for standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
}

/// What is done with kubeconfigs that there are.
#[derive(Debug, Subcommand)]
pub enum KubeconfigVerb {
    #[command(about = "Show every kubeconfig of this host, and whose copy it is")]
    List(KubeconfigListArgs),
    #[command(about = "Give copies of admin.conf the certificate that it has now")]
    Update(KubeconfigUpdateArgs),
}

/// Arguments of `kubepki kubeconfig list`.
#[derive(Args, Debug)]
#[command(long_about = "\
Show every kubeconfig of this host, and whose copy it is

kubeadm's, those that flags name, and in the home of every user of /etc/passwd ~/.kube/config and what \
is called *.conf or *.config beside it. A copy of admin.conf or super-admin.conf is told by its \
certificate: the same one, or an earlier one of the same subject that the same CA signed, with its key.")]
pub struct KubeconfigListArgs {
    /// The folder with kubeadm's certificates
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,
}

/// Arguments of `kubepki kubeconfig update`.
#[derive(Args, Debug)]
#[command(long_about = "\
Give copies of admin.conf the certificate and key that it has now

Only the two fields of the copy's user change; every other byte, the owner and the mode stay. The old \
files are saved first, and `kubepki undo` brings them back. Whoever owns a copy goes on being what \
admin.conf is, so each is shown and asked about: leave out those that should end.")]
pub struct KubeconfigUpdateArgs {
    /// The copies; by default every one that is out of date
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// The folder with kubeadm's certificates
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,

    /// How old files are saved.
    #[command(flatten)]
    pub backup: BackupChoice,
}
