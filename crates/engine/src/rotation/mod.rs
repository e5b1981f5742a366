//! What a rotation does and proves beyond the files of a host: on the wire, in the Kubernetes API and
//! in etcd.
//!
//! - [`prove`] whom servers accept and what they serve; [`published`] what the API publishes;
//!   [`rollout`] whether restarted workloads have come up
//! - [`leaders`] who leads; [`lease`] one operator at a time
//! - [`change()`] objects of the API: `bundles`, `tokens`
//! - [`workloads`] whose containers read their trust too early
//! - [`old_keys`] destroyed in the backups of this host, or sealed there
//! - [`etcd`] this host's member asked, and leadership given away; [`snapshot`] one taken and proved
//!
//! What is to be done, and in which order, is decided in `kubepki_core::rotation`.

mod bundles;
mod change;
pub mod etcd;
pub mod leaders;
pub mod lease;
mod objects;
pub mod old_keys;
mod pods;
pub mod prove;
pub mod published;
pub mod rollout;
pub mod snapshot;
mod token_list;
mod tokens;
pub mod workloads;

pub use change::{ChangePorts, change};
pub use objects::ChangeError;
pub use tokens::MADE_FOR;
