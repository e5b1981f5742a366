//! Hosts of clusters that kubeadm did not make, each as its maker leaves it: the status names every
//! certificate with what it is for, one command renews them, and what a distribution sees to itself is
//! left alone.
//!
//! Paths and flags are those of the makers' own templates: kubespray (roles/etcd, kubeadm's
//! `certificatesDir`), kubeasz (roles/kube-master, roles/etcd), RKE 1 (packages `pki` and `cluster`),
//! k3s (`pkg/daemons/control/deps`), k0s (`pkg/component/controller/certificates.go`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and its shared functions are no tests themselves"
)]

#[path = "../support/mod.rs"]
mod support;

mod declared;
mod kubeasz;
mod kubespray;
mod lost;
mod maker;
mod rke;
mod vendors;
