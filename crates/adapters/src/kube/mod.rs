//! The Kubernetes API, asked with the `kube` crate and the credentials of a kubeconfig given as
//! bytes.
//!
//! [`KubeClient`] is the engine's `KubeApi`. Each question is one connection of its own with a time
//! limit: kept connections keep the client certificate of their handshake, so an answer over one
//! would prove nothing about a certificate renewed since. Nothing is taken from the environment:
//! no `KUBECONFIG`, no in-cluster configuration, no proxy, and commands that a kubeconfig names for
//! credentials are not run.
//!
//! [`ClusterClient`] is the engine's `ClusterRead`, `ClusterWrite` and `ClusterChange`: a client like kubectl, to whom
//! the kubeconfig belongs, which runs such commands (`exec`), goes through the kubeconfig's proxy, and keeps its
//! connection.
//!
//! Not here: `auth-provider`, which Kubernetes has removed.

mod client;
mod cluster;
mod cluster_refusal;
mod cluster_write;
mod failure;
mod kubeconfig;

pub use client::KubeClient;
pub use cluster::ClusterClient;
