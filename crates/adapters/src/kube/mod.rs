//! The Kubernetes API, asked with the `kube` crate and the credentials of a kubeconfig given as
//! bytes.
//!
//! [`KubeClient`] is the engine's `KubeApi`. Each question is one connection of its own with a time
//! limit: kept connections keep the client certificate of their handshake, so an answer over one
//! would prove nothing about a certificate renewed since. Nothing is taken from the environment:
//! no `KUBECONFIG`, no in-cluster configuration, no proxy.
//!
//! Not here: commands that a kubeconfig names for credentials (`exec`, `auth-provider`) are not
//! run.

mod client;
mod failure;
mod kubeconfig;

pub use client::KubeClient;
