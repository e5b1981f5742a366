//! Carrying a plan out: check its basis, back up, mint, stage, swap, let components take it up, and
//! verify what came of it.
//!
//! [`mint`] makes keys and certificates in memory, [`render`] puts them into the forms of their
//! files, [`run`] holds the order of everything and [`settle`] what follows an interruption; only
//! these two write.

mod authorities;
pub mod basis;
pub mod error;
pub mod install;
pub mod mint;
pub mod render;
pub mod run;
pub mod settle;
mod subject_key;

pub use error::ExecuteError;
pub use run::{Execution, Outcome, execute};
pub use settle::{Settled, close, resume};
