//! The adapters against real peers: TLS servers with certificates made by OpenSSL, gRPC on a Unix
//! socket, processes of this machine, a real kube-apiserver where one is given.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod certificates;
mod cluster_answers;
mod cluster_objects;
mod cluster_real;
mod cluster_servers;
mod cri_runtime;
mod etcd_real;
mod host_processes;
mod host_services;
mod http_answers;
mod join_real;
mod kube_answers;
mod kube_real;
mod rotation_real;
mod tls_attempt_answers;
mod tls_attempts;
mod tls_questions;
mod tls_served;
mod tls_server;
mod tokens_real;
