//! Examining a host of this test's own making: files in memory, a wire that answers as it is told and
//! keeps what it was asked. What real servers answer is tested in the adapters; the whole against a
//! real etcd and kube-apiserver in `real`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

mod addresses;
mod attempts;
mod control_plane;
mod endpoints;
mod metrics;
mod pki;
mod real;
mod scene;
mod serving;
