//! Containers of a host, as the container runtime interface (CRI, v1 or v1alpha2) tells.

use jiff::Timestamp;

/// One container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id.
    pub id: String,
    /// Name in the pod, e.g. `kube-apiserver`.
    pub name: String,
    /// `io.kubernetes.pod.name`.
    pub pod: String,
    /// `io.kubernetes.pod.namespace`.
    pub namespace: String,
    /// Whether it runs.
    pub running: bool,
    /// When it was created.
    pub created: Timestamp,
    /// How often the kubelet has restarted it.
    pub attempt: u32,
}

/// The runtime could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} at {socket}: {detail}")]
pub struct ContainerError {
    /// What was attempted.
    pub operation: &'static str,
    /// The runtime's socket.
    pub socket: String,
    /// The runtime's words.
    pub detail: String,
}

/// Asks and stops containers.
pub trait Containers: Send + Sync {
    /// Containers of this name (a pod's container name), newest first, dead ones too.
    fn find(&self, name: &str) -> Result<Vec<Container>, ContainerError>;

    /// The container's last log lines, oldest first.
    fn log(&self, id: &str, lines: usize) -> Result<Vec<String>, ContainerError>;

    /// Stops a container; the kubelet starts it anew, with its back-off.
    fn stop(&self, id: &str, grace_seconds: u32) -> Result<(), ContainerError>;
}
