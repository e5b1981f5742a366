//! The engine's ports, served for the machine that this program runs on: files, processes and
//! services, TLS endpoints, the Kubernetes API, etcd and the container runtime. And the way to
//! other hosts.
//!
//! Each room holds one port and knows nothing of the others. What is read and changed, and why, is
//! decided in `kubepki-core` and `kubepki-engine`.

pub mod clock;
pub mod cri;
pub mod etcd;
pub mod host;
pub mod kube;
pub mod ssh;
pub mod tls;
