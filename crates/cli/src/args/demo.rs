//! `kubepki demo`: what was typed.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `kubepki demo`.
#[derive(Args, Debug)]
#[command(long_about = "\
Show on a host made for it how an expired control plane comes back

Makes a folder that looks like a kubeadm host whose certificates ended yesterday, shows its status, \
renews everything, shows it again, and proves it: clients and servers that hold these files shake \
hands before and after. Where an etcd and a kube-apiserver are on PATH or in KUBEBUILDER_ASSETS, \
they are started on these files too, on free loopback ports, and ended again. Needs no root and no \
network, and touches nothing outside of the folder, which stays for trying other verbs with --root.

Examples:
  kubepki demo
  kubepki demo --dir ./demo-host")]
pub struct DemoArgs {
    /// Make the host in DIR, which must be empty or not there
    ///
    /// By default a new folder for temporary files.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Start no etcd and no kube-apiserver, wherever they are
    #[arg(long)]
    pub no_components: bool,
}
