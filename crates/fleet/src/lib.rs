//! Many hosts: what is asked of each ([`session`]), how it travels, how many at once, and how a
//! cluster plan is carried out on all of them.
//!
//! What is done on a host is done by the engine *on that host*, atomic and journaled there; here is
//! only who is asked what, and when. How a host is reached (SSH) is an adapter's business: a session
//! needs no more than two streams of bytes.

pub mod campaign;
pub mod frames;
pub mod local;
pub mod parallel;
pub mod protocol;
pub mod remote;
mod scanned;
pub mod serve;
pub mod session;
