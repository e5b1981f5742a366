//! TLS and plain HTTP endpoints, asked with rustls (TLS 1.2 and 1.3, aws-lc-rs) over blocking
//! sockets.
//!
//! [`RustlsProbe`] is the engine's `TlsProbe`. It has three kinds of eyes: one that looks at whatever
//! a server presents and judges nothing, one that verifies as a client with a CA bundle does and
//! says which check failed, and one that judges as the cluster's own clients do, with Go's path
//! validation. All record the handshake, so that a server which refuses the client is still
//! reported with what it served.
//!
//! Not here: the Kubernetes API (`kube`), TLS below 1.2, and any trust in the system's roots.

mod attempt;
mod body;
mod client;
mod connect;
mod explain;
mod http;
mod identity;
mod observer;
mod path_judge;
mod probe;
mod trust;

pub(crate) use client::JudgedClient;
pub(crate) use explain::{alert_about_client_certificate, alert_name};
pub use probe::RustlsProbe;
pub(crate) use trust::current_authorities;
