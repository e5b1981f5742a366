//! Taking up: how the components of a host come to use files that have changed.
//!
//! A plan says for each component whether it re-reads its files by itself or must be restarted;
//! here that is done, one component at a time, and made sure of: what reloads is asked until it
//! serves the new certificate, what is restarted must show a new process, started after the files
//! changed, with the flags of its manifest, and healthy.
//!
//! - [`take_up`] one component, [`in_order`] the order of several
//! - `reload`, `restart` the two ways; `static_pod` and `parking` what is done to manifests
//! - `sure` new process and health; `health` one question; `processes` whose process is whose
//! - [`take_up_around`] one component while others are stopped
//! - [`halt`] and [`start`] what must not run while everything is changed
//! - `lingering` old containers that the kubelet does not end
//! - `log_tail` a component's last words, for errors
//!
//! Not here: which component must take up what, and how (`kubepki_core::plan`).

mod component;
mod error;
mod halt;
mod halted;
mod halted_manifest;
pub(crate) mod health;
mod lingering;
mod log_tail;
mod order;
mod parked;
mod parking;
mod processes;
mod reload;
mod restart;
mod setting;
mod static_pod;
mod sure;
pub(crate) mod wait;

pub use component::take_up;
pub use error::TakeUpError;
pub use halt::{Scene, halt, start};
pub use halted::{HALTED, Halted, halted};
pub use health::{NotHealthy, ask as ask_health, own_api_server};
pub use order::in_order;
pub use parked::{start_parked, take_up_around};
pub use parking::{Leftovers, unpark_leftovers};
pub use setting::{How, Manifests, Setting, TakenUp};
