//! `kubepki join-config`: what was typed.

use super::values;
use clap::Args;
use jiff::SignedDuration;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::{EndRule, StartRule};
use kubepki_keys::KeyType;
use std::path::PathBuf;

/// Arguments of `kubepki join-config`.
#[derive(Args, Debug)]
#[command(long_about = "\
Print how a host joins the cluster, or write a node's credentials when the API is down

While the API answers: the line of `kubeadm join` with a bootstrap token and the hash of every CA, or \
with --configuration a JoinConfiguration. It is made sure that cluster-info is there, signed for the \
token, and holds the CA: what a joining host checks, and silently waits for when it is not so.

When nobody answers: --node NAME --out DIR writes what the kubelet of an existing node needs to come \
back without the API: kubelet.conf with a client certificate that this host's CA signed, and ca.crt, \
with what to do in README.

The token's secret and the private key go to standard output or to files of mode 0600, and nowhere else.

Examples:
  kubepki join-config
  kubepki join-config --create-token --ttl 2h --out join.sh
  kubepki join-config --control-plane --configuration --out join.yaml
  kubepki join-config --node w3 --out /root/w3")]
pub struct JoinConfigArgs {
    /// Make a new bootstrap token in the cluster
    ///
    /// Without it one that is there is used: the one that is valid longest. The Secret is
    /// bootstrap-token-ID in kube-system, as kubeadm makes it.
    #[arg(long, conflicts_with = "node")]
    pub create_token: bool,

    /// How long the new token is valid
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = values::duration)]
    pub ttl: SignedDuration,

    /// For a host that becomes a control plane
    #[arg(long, conflicts_with = "node")]
    pub control_plane: bool,

    /// Print a JoinConfiguration for `kubeadm join --config` instead of the line
    #[arg(long, conflicts_with = "node")]
    pub configuration: bool,

    /// The name of the joining node, when it is not to be the host's own
    #[arg(long, value_name = "NAME", conflicts_with = "node")]
    pub node_name: Option<String>,

    /// The API server that hosts join at: HOST:PORT
    ///
    /// By default the one that cluster-info names.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "node")]
    pub endpoint: Option<String>,

    /// Write what is printed to this file (0600), a node's credentials to this folder (0700)
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,

    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    pub force: bool,

    /// Ask the API with this kubeconfig
    ///
    /// By default the file in KUBECONFIG, else /etc/kubernetes/admin.conf, super-admin.conf, then
    /// ~/.kube/config.
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "The cluster",
        conflicts_with = "node"
    )]
    pub kubeconfig: Option<PathBuf>,

    /// The API server's URL, instead of the kubeconfig's
    #[arg(long, value_name = "URL", help_heading = "The cluster")]
    pub server: Option<String>,

    /// The folder that holds ca.crt, and for --node ca.key
    ///
    /// Where there is no ca.crt the CA that cluster-info holds is pinned.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder, help_heading = "The cluster")]
    pub ca_dir: PathBuf,

    /// Write the credentials of this node, without asking the API
    #[arg(
        long,
        value_name = "NAME",
        requires = "out",
        help_heading = "Without the API"
    )]
    pub node: Option<String>,

    /// How long the node's certificate is valid, or until when
    ///
    /// It is only to bring the kubelet back, which then asks for one of its own.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30d",
        help_heading = "Without the API"
    )]
    pub validity: EndRule,

    /// From when the node's certificate is valid
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-5m",
        allow_hyphen_values = true,
        help_heading = "Without the API"
    )]
    pub not_before: StartRule,

    /// The kind of the node's key
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "rsa:2048",
        help_heading = "Without the API"
    )]
    pub key_type: KeyType,
}
