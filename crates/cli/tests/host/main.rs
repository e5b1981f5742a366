//! `status`, `renew`, `apply` and what belongs to them, tested from outside: the real binary on a
//! host in a folder whose certificates OpenSSL made.

#[path = "../support/mod.rs"]
mod support;

mod kept;
mod renew_all;
mod renew_expired_ca;
mod renew_external_ca;
mod renew_formats;
mod renew_kubeconfigs;
mod renew_kubelet;
mod renew_names;
mod renew_options;
mod renew_plans;
