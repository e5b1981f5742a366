//! The engine: asks hosts what is there, runs plans, and verifies what came of them.
//!
//! Effects happen only through the traits in [`ports`]; reading and writing are different traits,
//! so that everything up to the plan cannot write even by mistake. What to do is decided in
//! `kubepki-core`; how a port is served is the business of `kubepki-adapters`.

pub mod apply;
pub mod cluster;
pub mod discover;
pub mod examine;
pub mod execute;
#[cfg(feature = "fault-injection")]
pub mod fault_injection;
pub mod founding;
pub mod ports;
pub mod rotation;
pub mod take_up;
pub mod transit;
pub mod verify;
