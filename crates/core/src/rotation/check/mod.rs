//! The proof: every state that a script passes through, and every connection in each.
//!
//! What a state may be is not listed but bounded: for each slot the set of generations that it may hold
//! on disk, that its process may go by, and that may be presented on connections kept from before, at
//! each moment. A connection holds at that moment when every combination of the sets of its slots does.
//! That is more than can happen, never less, and costs as much as there are connections, not as many as
//! there are orders.
//!
//! | who reads | when it goes by a change | sure of it |
//! |---|---|---|
//! | `Live` | from the write on, some day | a proof, or its restart |
//! | `NextHandshake`, `NextConnection` | with the next connection; kept ones go on as they began | restart of either end |
//! | `Restart` | from the write on (it may start anew by itself) | its restart |
//! | pods | when they start | their rollout |
//! | kubectl, etcdctl, joining nodes | every time | at once |
//!
//! A server judges its client with every request (API servers, kubelets) or once (etcd). A controller
//! manager publishes what it goes by, API servers only add to what aggregated servers believe, signers
//! feed whatever is signed by them. A process that is proved to go by one change goes by all that were
//! made before it, since it reads all its files with one tick.
//!
//! Where everything is stopped on purpose (`--offline`) no connection is judged until everything runs again;
//! what is proved instead is said in `outage`.
//!
//! It starts from what really lies in the slots, verified as a server would: what fails already is told
//! apart. Not here: how long anything takes, and whether hosts do what they are told.

mod available;
mod begin;
mod build;
mod content;
mod effects;
mod goal;
mod model;
mod outage;
mod proofs;
mod signing;
mod verdict;
mod walk;

pub use verdict::{Broken, LeftBehind, Rule, Verdict, Violation};

use super::{Picture, Script};
use crate::connections::{Graph, Material};
use available::Available;
use content::Contents;
use model::Start;
use outage::Outage;
use signing::Signing;
use walk::Walk;

/// Walks through every state that `script` passes through from this graph, what lies in it and what the
/// picture tells of it, and verifies every connection in each.
pub fn check(graph: &Graph, material: &Material, picture: &Picture, script: &Script) -> Verdict {
    let mut verdict = Verdict::default();
    let mut contents = Contents::new(picture, graph, material);
    let now = picture.observed_at;
    let mut model = build::build(graph, material, now, &mut contents, &mut verdict);
    begin::complete(&mut model, picture, &mut contents, &mut verdict);
    verdict.connections = model.links.len();
    let directions = model
        .links
        .iter()
        .flat_map(|it| [it.server_start, it.client_start]);
    verdict.undecided = directions.filter(|it| *it == Start::Unknown).count();
    let (signing, available) = (Signing::new(picture), Available::new(picture));
    let mut walk = Walk::new(model, contents, signing, available, verdict);
    walk.outage = Outage::new(picture);
    walk.has_second_tokens = begin::has_second_tokens(picture);
    walk.script(script);
    walk.left_behind(script);
    let mut verdict = walk.verdict;
    verdict.notices.extend(walk.available.notices);
    verdict
}
