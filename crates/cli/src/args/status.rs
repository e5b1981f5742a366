//! `kubepki status`: what was typed.

use super::api::ApiChoice;
use super::values;
use clap::Args;
use jiff::SignedDuration;
use kubepki_core::layouts::KUBEADM;
use std::path::PathBuf;

/// Arguments of `kubepki status`.
#[derive(Args, Debug)]
#[command(long_about = "\
Show every certificate, kubeconfig, CA and service-account key of this host

Found by what components really read: static-pod manifests, systemd units, running processes, and \
the kubeconfigs that those name; then by kubeadm's table for what no flag names. What could not be \
read is shown too. `-o json` is a superset of `kubeadm certs check-expiration -o json`.

With --api, what lives in the cluster is shown too: certificates in Secrets and ConfigMaps, bundles, \
signing requests, bootstrap tokens.

Examples:
  kubepki status
  kubepki status -o wide --warn 90d
  kubepki status --api
  kubepki status --root /mnt/disk -o json")]
pub struct StatusArgs {
    /// How the cluster is asked.
    #[command(flatten)]
    pub api: ApiChoice,

    /// Warn about what expires within this time
    ///
    /// A length of time such as 30d, 12h or 1y. Makes the exit code 3.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = values::duration)]
    pub warn: SignedDuration,

    /// Call critical what expires within this time
    ///
    /// A length of time such as 7d. Makes the exit code 4, as what has expired does.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = values::duration)]
    pub critical: SignedDuration,

    /// The folder with kubeadm's certificates
    ///
    /// Used for what no flag of a component names.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,
}
