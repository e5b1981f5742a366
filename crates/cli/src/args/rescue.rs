//! `kubepki rescue`: what was typed.

use super::renew::BackupChoice;
use super::values;
use clap::Args;
use jiff::SignedDuration;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::{EndRule, StartRule};
use std::path::PathBuf;

/// Arguments of `kubepki rescue`.
#[derive(Args, Debug)]
#[command(long_about = "\
Bring a cluster back whose API answers nobody: look at every host, say what is broken, mend it

Looks at all hosts of the cluster document (or at this host alone), says in plain words what is \
broken and in which order it has to be mended, shows the plan with an estimate, asks, and carries it \
out: first the files of all hosts, then etcd, the API servers, kube-controller-manager and \
kube-scheduler, the kubelets of control planes, the workers. Which CA is the cluster's is decided \
over all hosts; what is not broken is not touched; nothing in etcd is changed. Run again after an \
interruption, it goes on from there.

It ends with every node Ready, or with an account of what is not and why.

Examples:
  kubepki rescue --cluster kubepki.yaml
  kubepki rescue --cluster kubepki.yaml --plan-out rescue.json
  kubepki rescue --offline --yes
  kubepki rescue --new-ca --offline
  kubepki rescue --root /mnt/disk")]
pub struct RescueArgs {
    /// Stop the control planes first, write all files, start them in order
    ///
    /// For an allowed downtime: the API answers nobody in between, pods keep running. Without it only
    /// what is broken is restarted.
    #[arg(long)]
    pub offline: bool,

    /// Make a new CA where a CA's key is lost on every host
    ///
    /// Everything that it signed is issued anew; what is in etcd stays. Pods trust the new CA when
    /// they have been restarted. The key of the new CA stays on the host that made it: copy it to the
    /// other control planes by a way you trust.
    #[arg(long)]
    pub new_ca: bool,

    /// Renew an expired CA with its own key (done without being asked)
    #[arg(long, hide = true)]
    pub renew_expired_ca: bool,

    /// Also renew what ends within this time
    ///
    /// A length of time such as 30d. Of certificates that live shorter, those whose last fifth has
    /// begun are renewed.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = values::duration)]
    pub within: SignedDuration,

    /// Renew everything, broken or not
    #[arg(long)]
    pub all: bool,

    /// When new certificates begin to be valid
    ///
    /// A length of time before now (-5m, the default; -365d) or a date. For hosts whose clocks or
    /// peers demand it; clocks that are measured to be slow are allowed for without being asked.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-5m",
        allow_hyphen_values = true
    )]
    pub not_before: StartRule,

    /// How long new certificates are valid
    ///
    /// A length of time (1y, 90d) or a date; never longer than their CA.
    #[arg(long, value_name = "TIME", default_value = "1y")]
    pub validity: EndRule,

    /// Write the plan to FILE instead of carrying it out
    ///
    /// `kubepki apply FILE` carries it out, as long as the hosts are as they were.
    #[arg(long, value_name = "FILE")]
    pub plan_out: Option<PathBuf>,

    /// The longest that one question to what runs may take
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = values::duration)]
    pub timeout: SignedDuration,

    /// The folder with kubeadm's certificates
    ///
    /// Used for what no flag of a component names.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,

    /// How the old files are saved.
    #[command(flatten)]
    pub backup: BackupChoice,
}
