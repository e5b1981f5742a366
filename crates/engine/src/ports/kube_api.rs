//! The Kubernetes API, as far as a host's verification asks it.

use kubepki_sealed::Sealed;

/// A kubeconfig worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The server that answered, from the kubeconfig or its override.
    pub server: String,
    /// HTTP status of an authenticated request; 403 still proves who was asked and who asked.
    pub status: u16,
    /// The server's version, e.g. `v1.20.2`.
    pub version: Option<String>,
}

/// The API did not answer as asked.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {detail}")]
pub struct KubeApiError {
    /// The server's URL.
    pub server: String,
    /// Whether credentials were refused (HTTP 401 or a TLS alert about the certificate).
    pub unauthorized: bool,
    /// What happened.
    pub detail: String,
}

/// Asks an API server with the credentials of a kubeconfig. `server` replaces the kubeconfig's
/// server by a named good one (never a load balancer that may hand out a broken one); names are
/// then still checked against the kubeconfig's.
pub trait KubeApi: Send + Sync {
    /// Makes one authenticated call.
    fn reach(&self, kubeconfig: &Sealed, server: Option<&str>) -> Result<Reached, KubeApiError>;

    /// `holderIdentity` of a Lease, e.g. `kube-system`/`kube-scheduler`.
    fn lease_holder(
        &self,
        kubeconfig: &Sealed,
        server: Option<&str>,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, KubeApiError>;

    /// Whether the Node's condition `Ready` is `True`; `None` when there is no such Node.
    fn node_ready(
        &self,
        kubeconfig: &Sealed,
        server: Option<&str>,
        node: &str,
    ) -> Result<Option<bool>, KubeApiError>;
}
