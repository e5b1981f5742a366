//! Plans: what is to be done, as data that can be shown, reviewed, saved and carried out later.
//!
//! A plan holds no secret and no decision for later: which authority signs what, with which dates,
//! names and kind of key, into which files, and which components must take it up. Carrying it out
//! (`kubepki-engine`) refuses when the files of its basis are no longer those it was made for.

pub mod cluster_plan;
pub mod cluster_renewal;
pub mod components;
pub mod document;
pub mod endpoints;
pub mod file_edit;
pub mod lifetime;
pub mod names;
mod plan_file;
pub mod renew;
pub mod restore;

pub use cluster_plan::{ClusterPlan, Downtime, EtcdAct, Gate, Pace, Stage, Step};
pub use cluster_renewal::{ClusterOptions, HostView, plan_cluster_renewal};
pub use document::{
    BasisFile, ComponentAction, Issuance, KeyChoice, Notice, Origin, Plan, PlanFileError,
    Restoration, Signer, TakeUp, TrustUpdate,
};
pub use file_edit::{FileEdit, FlagSetting, OPERATOR, RotationMark};
pub use lifetime::{EndRule, StartRule, length_of_time};
pub use names::NameEdits;
pub use renew::{Refusal, RenewRequest, Selection, plan_renewal};
pub use restore::plan_restoration;
