//! A kubeconfig on a host, as a client of the API server uses it: whom it calls, what it trusts, with
//! which certificate. What its file looks like is `formats::kubeconfig`.
//! <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>

use super::entry::{Entry, UsedBy};
use super::role::Role;
use kubepki_x509::Certificate;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;

/// One kubeconfig, seen through its current context.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KubeconfigUse {
    /// The file.
    pub path: PathBuf,
    /// What it is for.
    pub role: Role,
    /// Who names it, by which flag; empty where nobody does.
    pub used_by: Vec<UsedBy>,
    /// The cluster of its current context.
    pub cluster: Option<KubeconfigTarget>,
    /// The user's certificate; `None` where it authenticates with something else, or with nothing.
    pub credential: Option<Entry>,
    /// What else its user authenticates with (`token`, `tokenFile`, `exec`); never the contents.
    pub other_credentials: Vec<Cow<'static, str>>,
    /// Why it could not be read, when it could not.
    pub problem: Option<String>,
}

/// The cluster that a kubeconfig leads to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KubeconfigTarget {
    /// Its name in the kubeconfig.
    pub name: String,
    /// `server`
    pub server: Option<String>,
    /// `tls-server-name`
    pub tls_server_name: Option<String>,
    /// `insecure-skip-tls-verify`
    pub unverified: bool,
    /// What is trusted.
    pub trust: KubeconfigTrust,
}

/// What a kubeconfig trusts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum KubeconfigTrust {
    /// `certificate-authority-data`
    Embedded(Result<Vec<Certificate>, String>),
    /// `certificate-authority`
    File(TrustFile),
    /// Nothing is said: the system's authorities are trusted.
    System,
}

/// A file with CA certificates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrustFile {
    /// The file.
    pub path: PathBuf,
    /// Its certificates; empty when it does not exist or cannot be read.
    pub certificates: Vec<Certificate>,
    /// Why it could not be read, when it could not; `None` with no certificates where it is missing.
    pub problem: Option<String>,
}

/// A client of etcd that no flag of a component names: Prometheus, Calico, Cilium, a backup's job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EtcdClientFiles {
    /// Its certificate, signed by etcd's authority.
    pub credential: Entry,
    /// The CA certificates beside it.
    pub trust: Option<TrustFile>,
}
