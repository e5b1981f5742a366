//! The doctor's judgement: evidence in, findings out. Pure: the time is an argument.
//!
//! Every connection is verified three times, on disk, as its processes have loaded it, and as the wire
//! tells; what fails is traced to the one object that is wrong, and consequences are folded into it.
//! What takes part in no connection is checked by itself. Every finding's code is in `findings`.

mod evidence;
mod report;

pub use evidence::{Evidence, HostEvidence};
pub use report::{ConnectionReport, Diagnosis, DiagnosisFinding, IgnoredFinding, State, Where};
