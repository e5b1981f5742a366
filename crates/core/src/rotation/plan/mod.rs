//! The planner: what remains to be done, as a script. Pure, and level-driven: it asks of every place what
//! it should hold when a phase is over, and scripts what does not; so what was interrupted anywhere is
//! gone on with, and what is done is not done again.
//!
//! What it relies on in a [`super::Picture`]:
//! * The root's own file (`ca.crt`, `etcd/ca.crt`, `sa.pub`) is a `Trust` place of each host, with all its
//!   readers. Where kube-controller-manager has `--cluster-signing-cert-file`, the file that it names is
//!   a `Sign` place with that flag as its reader (the same file as the `Trust` place until it is split
//!   off). `ca.key` and `sa.key` are `Sign` places of the hosts in `signing_keys`.
//! * Every cluster of a kubeconfig is a `Trust` place, every user's certificate a `Present` place.
//! * What only workloads hold in memory is a place too: see [`super::picture::Keeper::Workload`].
//!   For the Kubernetes CA its purpose is `Trust`, for the service-account key `Present`.
//! * For the service-account key every ServiceAccount with token Secrets is a `Present` place of kind
//!   `ServiceAccount`, kept by the controller manager: `Old` while only the old key signed them, `NewOld`
//!   when a second one is there, `New` when only that is.
//!
//! Roots that are rotated together share their rounds: the API servers are restarted three times for all
//! four (for etcd's authority and both service-account keys; to close kept connections and to sign with
//! the new key; to forget the old ones).

mod after;
mod checks;
mod estimate;
mod given;
mod issue;
mod marks;
mod notices;
mod offline;
mod places;
mod position;
mod prepare;
mod refusal;
mod request;
mod retire;
mod rounds;
mod scene;
mod settle;
mod trust_both;
mod work;

#[cfg(test)]
mod tests;

pub use after::picture_after;
pub(in crate::rotation) use given::sent_along;
pub use offline::{HALTED, is_swap};
pub use position::{place as place_positions, position};
pub use refusal::Refusal;
pub use request::{GivenAuthority, GivenKey, RestartWorkloads, RotationRequest};

use super::phase::Phase;
use super::picture::Picture;

use super::script::{Round, Script};
use crate::plan::Notice;
use scene::Scene;

/// What remains of one phase; empty when nothing does. All phases before it have to be finished.
pub fn script_for(
    picture: &Picture,
    request: &RotationRequest,
    phase: Phase,
) -> Result<Script, Refusal> {
    let rounds = rounds(picture, request, phase, false)?;
    let notices = notices::notices(&Scene::new(picture, request), &rounds);
    Ok(Script { rounds, notices })
}

/// What remains of all phases, each planned on the picture as the one before leaves it. What cannot be
/// seen yet refuses nothing here: it has to be seen when the old generation is to be retired.
pub fn whole(picture: &Picture, request: &RotationRequest) -> Result<Script, Refusal> {
    let mut all: Vec<Round> = Vec::new();
    let mut now = picture.clone();
    now.gaps.clear();
    for root in &mut now.roots {
        // Whoever starts until everything is down starts with what the old one signed, or trusts it alone.
        let signs_old = root.signing_keys.clone();
        let signs_old = signs_old.iter().any(|host| root.signs_with_old(host));
        if request.offline && root.new.is_some() && signs_old {
            root.expect_workloads();
        }
    }
    let mut is_proved = false;
    let mut is_first = true;
    for phase in Phase::ALL {
        let next = Script {
            rounds: rounds(&now, request, phase, is_proved)?,
            notices: Vec::new(),
        };
        // Of a phase that somebody else began only the rest is planned, which may prove nothing of what
        // was done before.
        let is_rest = is_first && phase != Phase::Prepare;
        is_proved = !next.rounds.is_empty() && !is_rest;
        is_first &= next.rounds.is_empty();
        now = picture_after(&now, &next);
        all.extend(next.rounds);
    }
    let mut notices = notices::notices(&Scene::new(picture, request), &all);
    if let Err(refusal) = checks::gaps(picture) {
        notices.push(Notice {
            code: refusal.code().to_owned(),
            object: Phase::RetireOld.to_string(),
            message: refusal.to_string(),
        });
    }
    Ok(Script {
        rounds: all,
        notices,
    })
}

/// What is to be done with the old private keys of roots that were rotated before, and are at rest now;
/// empty where they are kept.
pub fn for_old_keys(picture: &Picture, request: &RotationRequest) -> Script {
    let scene = Scene::new(picture, request);
    let roots = scene.roots.iter().copied();
    let rounds: Vec<Round> = retire::old_keys(&scene, roots).into_iter().collect();
    let notices = notices::notices(&scene, &rounds);
    Script { rounds, notices }
}

/// The first phase that has something left to do for the roots of the request; `None` when nothing has.
/// Roots that are all at rest begin with [`Phase::Prepare`].
pub fn next_phase(picture: &Picture, request: &RotationRequest) -> Option<Phase> {
    let scene = Scene::new(picture, request);
    Phase::ALL
        .into_iter()
        .find(|phase| !planned(&scene, *phase).is_empty())
}

/// The rounds of a phase, with what the phase before waited for unless that was proved just now.
fn rounds(
    picture: &Picture,
    request: &RotationRequest,
    phase: Phase,
    is_proved: bool,
) -> Result<Vec<Round>, Refusal> {
    let scene = Scene::new(picture, request);
    checks::check(picture, request, &scene, phase)?;
    for earlier in Phase::ALL.into_iter().filter(|earlier| *earlier < phase) {
        if let Some(first) = planned(&scene, earlier).first() {
            return Err(Refusal::EarlierPhase {
                phase,
                unfinished: earlier,
                first: first.name.clone(),
            });
        }
    }
    let mut rounds = planned(&scene, phase);
    if !rounds.is_empty() && !is_proved && !request.offline {
        let asked = match phase {
            Phase::Prepare | Phase::TrustBoth => None,
            Phase::IssueFromNew => issue::asked_before(&scene),
            Phase::Settle | Phase::RetireOld => settle::asked_before(&scene, phase),
        };
        rounds.splice(0..0, asked);
    }
    estimate::settle_polls(&mut rounds);
    Ok(rounds)
}

/// The rounds of a phase, without what is asked before it.
fn planned(scene: &Scene<'_>, phase: Phase) -> Vec<Round> {
    match (phase, scene.request.offline) {
        (Phase::Prepare, _) => prepare::prepare(scene),
        (Phase::TrustBoth, false) => trust_both::trust_both(scene),
        (Phase::TrustBoth, true) => Vec::new(),
        (Phase::IssueFromNew, false) => issue::issue(scene),
        (Phase::IssueFromNew, true) => offline::swap(scene),
        (Phase::Settle, _) => settle::settle(scene),
        (Phase::RetireOld, _) => retire::retire(scene),
    }
}
