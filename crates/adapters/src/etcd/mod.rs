//! etcd's API v3 over gRPC, and snapshots on this machine's disk.
//!
//! [`LocalEtcd`] is the engine's `EtcdAccess`. A member's certificate is judged by Go's path
//! validation, as the API server judges it. A snapshot is proved by a member of its own that listens
//! on a socket inside a folder of mode 0700 and nowhere else: what it serves is every secret of the
//! cluster, and it asks nobody for a certificate.
//!
//! Not here: etcd's health endpoint, which speaks plain HTTP (`tls`).

mod access;
mod connect;
mod member;
mod save;
mod scratch;

pub use access::LocalEtcd;
