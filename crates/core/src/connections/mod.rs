//! The connections of a cluster: who calls whom, what each side presents, what each side trusts.
//!
//! A [`Graph`] says which slots there are and which connections run between them; a [`Material`] says
//! what lies in each slot at one moment: on disk, in the memory of the running processes, or in a
//! state that a plan would pass through. Verifying is a function of both and of the time, so the same
//! verifier serves the doctor, who judges what is, and the planner, who proves what will be.
//!
//! Nothing here knows how to mend anything, and nothing is said here about objects that take part in
//! no connection: that is `diagnose`.
//! <https://kubernetes.io/docs/setup/best-practices/certificates/>

mod derive;
mod graph;
mod material;
mod place;
mod verdict;
mod verify;

pub use derive::derive;
pub use graph::{AskedName, Connection, ConnectionKind, Graph, Identity, Party, Slot, SlotId, Use};
pub use material::{Credential, Held, KeyMatch, Material, TrustBundle};
pub use place::Place;
pub use verdict::{Failure, FailureReason, Judgement, Side, Verdict};
pub use verify::{verify, verify_all};
