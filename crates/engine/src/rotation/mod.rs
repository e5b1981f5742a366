//! What a rotation does and proves beyond the files of a host: on the wire, in the Kubernetes API and
//! in etcd.
//!
//! - [`prove`] whom servers accept and what they serve; [`published`] what the API publishes;
//!   [`rollout`] whether restarted workloads have come up
//! - [`leaders`] who leads; [`lease`] one operator at a time
//! - [`change`] objects of the API; [`tokens`] token Secrets
//! - [`workloads`] whose containers read their trust too early
//! - [`etcd`] a member asked, leadership given away, a snapshot taken and proved
//!
//! What is to be done, and in which order, is decided in `kubepki_core::rotation`.

pub mod prove;
