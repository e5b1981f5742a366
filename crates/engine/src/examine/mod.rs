//! Examining: what the running processes of a host answer, asked over the wire.
//!
//! [`examine`] asks every serving endpoint of the host for its certificate, tries each connection
//! that starts here as its own client would, reads the metrics that speak of certificates, and
//! compares clocks. It judges nothing and changes nothing: only handshakes and `GET`s of health,
//! version and metrics pages are sent, never a token, and a client's key is read for the length of
//! one question.
//!
//! - `questions` what is to be asked of which address; `serving`, `attempts`, `metrics` three parts
//!   of that
//! - `credentials` what a client presents and trusts, read from its place
//! - `ask` one address, question after question; `parallel` many addresses at once
//!
//! Not here: what the answers mean (`kubepki_core::diagnose`).

mod ask;
mod attempts;
mod clocks;
mod credentials;
mod metrics;
mod options;
pub(crate) mod parallel;
mod questions;
mod serving;

pub use options::{ControlPlanePorts, EndpointError, ExamineOptions, ExaminePorts, NamedEndpoint};

use crate::ports::Progress;
use ask::Asker;
use kubepki_core::connections::Graph;
use kubepki_core::model::{Inventory, LiveObservation};

/// Asks the running processes of a host. What is asked of one address is asked in turn, and no more
/// once it does not answer; addresses are asked side by side. The order of what is found does not
/// depend on who answers first.
///
/// Of files that are not a running host's (`--root`) only the endpoints that were named are asked.
pub fn examine(
    ports: &ExaminePorts<'_>,
    inventory: &Inventory,
    graph: &Graph,
    options: &ExamineOptions,
    progress: &dyn Progress,
) -> LiveObservation {
    let rounds = questions::rounds(ports, inventory, graph, options);
    let asker = Asker::new(ports, graph, options, progress);
    let answers = parallel::each(&rounds, options.parallel, |round| asker.ask(round));
    let mut live = LiveObservation::default();
    for answer in answers {
        live.served.extend(answer.served);
        live.attempts.extend(answer.attempts);
        live.metrics.extend(answer.metrics);
        live.clocks.extend(answer.clocks);
    }
    live
}
