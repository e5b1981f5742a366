//! The scan of a cluster's API against one in memory: what is found in which value, and what
//! becomes of servers that are old, strict, slow or hostile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod api;
mod contents;
mod refusals;
mod support;
