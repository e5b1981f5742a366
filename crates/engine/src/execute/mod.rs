//! Carrying a plan out: check its basis, back up, mint, stage, swap, let components take it up, and
//! verify what came of it.
//!
//! [`mint`] makes keys and certificates in memory, [`render`] puts them into the forms of their
//! files, [`run`] holds the order of everything and [`settle`] what follows an interruption; only
//! these two write. `edit` renders what issues nothing: bundles, flags, keys that are copied or
//! brought. Where the CA's key lies on another host, [`prepare`](mod@prepare) makes keys and requests
//! before a run, and [`sign`](mod@sign) signs them on that other host.

mod authorities;
pub mod basis;
mod before;
mod brought;
mod content;
mod copies;
mod edit;
pub mod error;
mod expected;
pub mod install;
pub mod mint;
pub mod prepare;
pub mod render;
pub mod run;
pub mod settle;
pub mod sign;
mod since;
mod subject_key;

pub use copies::{CopiesUpdated, update_copies};
pub use error::ExecuteError;
pub use prepare::{Brought, BroughtKey, Prepared, prepare};
pub use run::{Execution, Outcome, execute, execute_brought};
pub use settle::{Settled, close, resume};
pub use sign::{Order, sign};
