//! `status`, `renew`, `apply` and what belongs to them, tested from outside: the real binary on a
//! host in a folder whose certificates OpenSSL made.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and its shared functions are no tests themselves"
)]

#[path = "../support/mod.rs"]
mod support;

mod by_hand;
mod kept;
mod kubeadm_real;
mod moved;
mod renew_all;
mod renew_alternative_names;
mod renew_expired_ca;
mod renew_external_ca;
mod renew_formats;
mod renew_installed;
mod renew_kubeconfigs;
mod renew_kubelet;
mod renew_names;
mod renew_options;
mod renew_plans;
mod renew_property;
mod status_findings;
mod status_human;
mod status_json;
