//! Rotation: a new certification authority, or a new service-account key, for a cluster that runs.
//!
//! Data flows one way here too: [`picture`] says of every place whether it holds the old, both or the
//! new; [`script`] is what remains to be done, as rounds of actions; the checker walks every state that
//! the rounds pass through and verifies every connection in each; lowering makes plans of hosts of them.
//! Where a rotation stands is never written down: it is what the picture shows.
//!
//! <https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/>

pub mod api_change;
pub mod back;
pub mod check;
mod generations;
pub mod lower;
pub mod observe;
pub mod old_key;
pub mod phase;
pub mod picture;
pub mod plan;
pub mod proof;
pub mod root;
pub mod script;
pub mod successor;
pub mod workload;

pub use api_change::{ApiChange, StaleTokens};
pub use back::{ArchivedKeys, BackError, HostRuns, HowFar, RotationRun, TakenBackRun, back};
pub use old_key::OldKey;
pub use phase::{Phase, Position};
pub use picture::{
    Generation, Holds, HostFacts, Keeper, Leaders, PendingRequest, Picture, PlaceState, Purpose,
    Reader, RootPicture, Stranger,
};
pub use plan::{GivenAuthority, GivenKey, RestartWorkloads, RotationRequest};
pub use proof::{ProbeTarget, Proof, TargetKind};
pub use root::Root;
pub use script::{Action, Await, Round, Script, Turn};
pub use workload::{FreshTrust, Restart, StaleWorkload};
