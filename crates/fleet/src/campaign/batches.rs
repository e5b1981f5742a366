//! A stage in the batches that its pace allows: what is done at the same time.
//!
//! Two steps on one host never are, nor is a step with one that issues what it needs: the second then
//! begins a batch of its own.

use kubepki_core::plan::{Pace, Plan, Signer, Stage, Step};

/// The steps of a stage, those together that are done together.
pub(super) fn batches(stage: &Stage) -> Vec<Vec<&Step>> {
    let size = match stage.pace {
        Pace::OneByOne => 1,
        Pace::Batches { size } => usize::try_from(size).unwrap_or(usize::MAX).max(1),
        Pace::Together => usize::MAX,
    };
    let mut batches: Vec<Vec<&Step>> = Vec::new();
    for step in &stage.steps {
        match batches.last_mut() {
            Some(batch) if batch.len() < size && !batch.iter().any(|other| apart(other, step)) => {
                batch.push(step);
            }
            _ => batches.push(vec![step]),
        }
    }
    batches
}

/// Whether `later` has to wait until `earlier` is done.
fn apart(earlier: &Step, later: &Step) -> bool {
    if earlier.host() == later.host() {
        return true;
    }
    let (Some(earlier_plan), Some(plan)) = (plan(earlier), plan(later)) else {
        return false;
    };
    let issues = |name: &str| earlier_plan.issuances.iter().any(|it| it.name == name);
    plan.issuances
        .iter()
        .any(|issuance| match &issuance.signer {
            Signer::Elsewhere { host, name, .. } => host == earlier.host() && issues(name),
            Signer::Given {
                host,
                name,
                fingerprint_sha256: None,
            } => host == earlier.host() && issues(name),
            _ => false,
        })
}

/// The plan of a step that has one.
pub(super) fn plan(step: &Step) -> Option<&Plan> {
    match step {
        Step::Carry { plan, .. } => Some(plan),
        Step::Halt { .. }
        | Step::Start { .. }
        | Step::ChangeApi { .. }
        | Step::Etcd { .. }
        | Step::RetireKeys { .. } => None,
    }
}
