//! Verifying: whether the host really uses what is on its disk, asked of the host itself.
//!
//! Nothing here writes. [`verify`] asks, in this order: what every endpoint of this host serves,
//! whether the API takes each renewed kubeconfig, and whether the node is ready.
//!
//! - `verdict` the answer, as a value; `served`, `kubeconfigs`, `node` the three questions
//!
//! Not here: what to do about a verdict that is not good (undo is offered by the caller).

mod check_all;
mod kubeconfigs;
mod node;
mod served;
mod verdict;

pub use check_all::{Circumstances, verify};
pub use node::node_is_ready;
pub use verdict::{Check, Verdict};
