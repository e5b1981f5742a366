//! `status`, `renew`, `apply` and what belongs to them, tested from outside: the real binary on a
//! host in a folder whose certificates OpenSSL made.

#[path = "../support/mod.rs"]
mod support;

mod renew_all;
