//! Reaching another host with the user's own `ssh`: their configuration, jump hosts, keys and
//! `known_hosts`. Or with a command that runs commands there (`docker exec -i node1`), or as another
//! process of this machine.
//!
//! This program is put there once, named by its hash, and started; what it is then asked goes over its
//! standard input and output. One connection does all of it: who is there, whether the program is,
//! bringing it, running it.
//!
//! A host's key is never accepted here: what `ssh` does not know is an error that says how to look at
//! it. Nothing is asked for at a terminal. Not here: what travels, which is the fleet's business.

mod arrive;
mod child;
mod destination;
mod failure;
mod programs;
mod route;

pub use arrive::{AGENT_FOLDER, Arrival, arrive};
pub use child::{ChildGuard, Streams, start};
pub use destination::{Destination, DestinationError};
pub use failure::{ReachError, ReachErrorKind};
pub use programs::{Program, Programs};
pub use route::{BecomeRoot, Route};
