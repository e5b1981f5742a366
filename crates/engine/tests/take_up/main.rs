//! Order and timing of restarts and reloads, on a host of this test's own making: files, a kubelet
//! that runs what lies in its manifests folder, and a clock that only moves when somebody waits.
//! What the real ones do is tested in the lab.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

mod acting;
mod edited;
mod halting;
mod host;
mod kubeadm;
mod order;
mod parking;
mod ports;
mod reloading;
mod restarting;
mod verifying;
mod world;
