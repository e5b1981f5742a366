//! Progress: what a person is told while something takes longer than a moment.

/// Told what is being done or waited for.
pub trait Progress: Send + Sync {
    /// One lower-case sentence without a period, e.g. `kube-apiserver: waiting for a new process`.
    fn say(&self, text: &str);
}
