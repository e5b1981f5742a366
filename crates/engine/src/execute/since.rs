//! Since when the files lie on a host that a plan's components are to use.
//!
//! A plan for many hosts writes all files first and makes components take them up later, by a plan of
//! its own that changes nothing. What has been started in between, e.g. by a kubelet that came back,
//! uses the new files already and is not restarted once more.

use crate::apply::history;
use crate::ports::HostRead;
use jiff::Timestamp;
use kubepki_core::plan::Plan;

/// When a run of the same making was through with files, if this plan changes none and one was.
pub fn files_since(host: &dyn HostRead, plan: &Plan) -> Option<Timestamp> {
    let made = serde_json::to_value(plan.created_at).ok()?;
    // A journal that cannot be read is told elsewhere; here it costs a restart.
    let runs = history(host).ok()?;
    let last = runs.into_iter().rev().find(|run| {
        run.verb == plan.verb
            && run.plan.get("createdAt") == Some(&made)
            && run.batches.iter().any(|(batch, _)| !batch.steps.is_empty())
    })?;
    last.finished.map(|(at, _)| at)
}
