//! The agent's protocol, both ends in one process: frames, messages, and what becomes of a connection
//! that says something else, hangs, or is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod canned;
mod frames;
mod messages;
mod rotation;
mod serving;
