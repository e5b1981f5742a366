//! `kubepki hosts`: what was typed.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;

/// Arguments of `kubepki hosts`.
#[derive(Args, Debug)]
#[command(long_about = "\
Write down the hosts of a cluster, show them, and see whether each can be reached

A document of kind Cluster names the hosts and how each is reached: by ssh with whatever \
~/.ssh/config says, by another command, or as a folder. Beside it --hosts and --role select. Roles \
are never written down, they are discovered.

Examples:
  kubepki hosts discover --user root --output-file kubepki.yaml
  kubepki hosts discover --from ansible:inventory/mycluster/hosts.yaml
  kubepki hosts list --check --hosts 'cp*'")]
pub struct HostsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub verb: HostsVerb,
}

/// What `kubepki hosts` does.
#[derive(Debug, Subcommand)]
pub enum HostsVerb {
    #[command(about = "Write a document from the cluster's Nodes or an Ansible inventory")]
    Discover(HostsDiscoverArgs),
    #[command(about = "Show the hosts of the document, and with --check what each answers")]
    List(HostsListArgs),
}

/// Arguments of `kubepki hosts discover`.
#[derive(Args, Debug)]
#[command(long_about = "\
Write a document from the cluster's Nodes, kubeadm's stored configuration or an Ansible inventory

Nothing is connected to but the Kubernetes API, and with ansible: or nodes: not even that. The \
document is printed for you to look over, or written with --output-file. An external etcd is found \
in kubeadm's configuration; other hosts that are no Nodes, such as load balancers, are not.")]
pub struct HostsDiscoverArgs {
    /// Where from: nodes, kubeadm, nodes:FILE or ansible:FILE
    ///
    /// nodes asks the API for the Nodes, kubeadm also for the ConfigMap kubeadm-config; without
    /// either it is kubeadm where there is such a ConfigMap, else nodes. nodes:FILE reads what
    /// `kubectl get nodes -o json` printed. ansible:FILE reads an inventory (INI, YAML, or what
    /// `ansible-inventory --list` prints); kubespray's groups are known.
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<HostsSource>,

    /// Ask the API with this kubeconfig
    ///
    /// By default the file in KUBECONFIG, else /etc/kubernetes/admin.conf, super-admin.conf, then
    /// ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Ask this API server instead of the kubeconfig's
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,

    /// Log in as this user
    ///
    /// By default whoever ssh would take, or whom the inventory names.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Write the document to FILE instead of printing it
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,

    /// Replace the file if it is there
    #[arg(long, requires = "output_file")]
    pub force: bool,
}

/// Arguments of `kubepki hosts list`.
#[derive(Args, Debug)]
#[command(long_about = "\
Show the hosts of the document, and with --check what each answers

With --check every host is connected to: whether it can be reached, as whom, how far its clock is \
from this machine's, and what it is to the cluster. Nothing is changed but that this program is put \
there, once. Ends with 1 when a host cannot be reached.")]
pub struct HostsListArgs {
    /// Connect to every host, and say what it answers
    #[arg(long)]
    pub check: bool,
}

/// Where hosts are written down already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostsSource {
    /// The API's Nodes, or a file with them.
    Nodes(Option<PathBuf>),
    /// kubeadm's stored configuration and the Nodes.
    Kubeadm,
    /// An Ansible inventory.
    Ansible(PathBuf),
}

impl FromStr for HostsSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "nodes" => Ok(Self::Nodes(None)),
            None if text == "kubeadm" => Ok(Self::Kubeadm),
            Some(("nodes", file)) if !file.is_empty() => Ok(Self::Nodes(Some(file.into()))),
            Some(("ansible", file)) if !file.is_empty() => Ok(Self::Ansible(file.into())),
            _ => Err("expected nodes, kubeadm, nodes:FILE or ansible:FILE".to_owned()),
        }
    }
}
