//! How a cluster's API is asked: flags that `status` and `doctor` share.

use clap::Args;
use std::path::PathBuf;

/// Whether the Kubernetes API is asked, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "The cluster")]
pub struct ApiChoice {
    /// Also look at what lives in the Kubernetes API
    ///
    /// Secrets, ConfigMaps, webhooks, APIServices, CRDs, signing requests, bootstrap tokens. Only
    /// read; what the user may not see is told as not seen, and so is an API that does not answer.
    #[arg(long)]
    pub api: bool,

    /// Ask the API with this kubeconfig
    ///
    /// By default the file in KUBECONFIG, else /etc/kubernetes/admin.conf, super-admin.conf, then
    /// ~/.kube/config. A file of this machine, also with --root.
    #[arg(long, value_name = "FILE", requires = "api")]
    pub kubeconfig: Option<PathBuf>,

    /// Ask this API server instead of the kubeconfig's
    ///
    /// A URL or HOST:PORT. By default a host with an API server of its own asks that one when the
    /// kubeconfig is kubeadm's, so that no load balancer chooses another.
    #[arg(long, value_name = "URL", requires = "api")]
    pub server: Option<String>,

    /// Look only into these namespaces
    ///
    /// Separated by commas, or repeated. For users who may not read all of them.
    #[arg(
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        requires = "api"
    )]
    pub namespace: Vec<String>,
}
