//! The scan of a cluster's API: every kind of object that holds certificates, page by page.
//!
//! What an object means is said in `kubepki_core::cluster`; here is what is asked for, in which
//! order, and what becomes of a refusal. Reading only.

mod keys;
mod known;
mod nodes;
pub(crate) mod pages;
mod resources;
mod scan;

pub use known::known_keys;
pub use nodes::nodes;
pub use scan::{ScanOptions, scan};
