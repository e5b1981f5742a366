//! Since when the files lie on a host that a plan's components are to use.
//!
//! A plan for many hosts writes all files first and makes components take them up later, by a plan of
//! its own that changes nothing. What has been started in between, e.g. by a kubelet that came back,
//! uses the new files already and is not restarted once more.

use crate::apply::{Record, history};
use crate::ports::HostRead;
use jiff::Timestamp;
use kubepki_core::plan::Plan;

/// When a run of the same making was through with files, if this plan changes none and one was.
pub fn files_since(host: &dyn HostRead, plan: &Plan) -> Option<Timestamp> {
    // A journal that cannot be read is told elsewhere; here it costs a restart.
    last_with_files(&history(host).ok()?, &plan.verb, plan.created_at)
}

/// When the last of these runs ended that changed files by a plan of this verb and time.
fn last_with_files(runs: &[Record], verb: &str, made_at: Timestamp) -> Option<Timestamp> {
    let made_at = serde_json::to_value(made_at).ok()?;
    let last = runs.iter().rev().find(|run| {
        run.verb == verb
            && run.plan.get("createdAt") == Some(&made_at)
            && run.batches.iter().any(|(batch, _)| !batch.steps.is_empty())
    })?;
    last.finished.as_ref().map(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Batch, BatchState, Presence, RunId, Step};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A run of a plan made at `made`, through at `finished`, that changed so many files.
    fn run(verb: &str, made: i64, finished: Option<i64>, files: usize) -> Record {
        let step = Step {
            path: "/a".into(),
            target: "/a".into(),
            staged: None,
            before: Presence::Absent,
            after: Presence::Absent,
        };
        let batch = Batch {
            batch: 1,
            reverts: None,
            directories: Vec::new(),
            steps: vec![step; files],
        };
        Record {
            id: RunId::new(at(made), [0; 4]),
            verb: verb.to_owned(),
            started_at: at(made),
            holder: String::new(),
            plan: serde_json::json!({ "createdAt": at(made) }),
            backup: None,
            batches: vec![(batch, BatchState::Committed)],
            steps_intended: Vec::new(),
            steps_done: Vec::new(),
            finished: finished.map(|second| (at(second), "ok".to_owned())),
        }
    }

    #[test]
    fn files_count_from_the_end_of_the_run_of_the_same_making_that_wrote_them() {
        let wrote = run("rescue", 100, Some(150), 2);
        let restarted = run("rescue", 100, Some(170), 0);
        let other = run("renew", 100, Some(180), 1);
        let later = run("rescue", 160, Some(190), 1);
        let runs = [wrote, restarted, other, later];
        assert_eq!(last_with_files(&runs, "rescue", at(100)), Some(at(150)));
        assert_eq!(last_with_files(&runs, "rescue", at(160)), Some(at(190)));
        assert_eq!(last_with_files(&runs, "rescue", at(101)), None);
        assert_eq!(last_with_files(&runs[1..2], "rescue", at(100)), None);
    }

    #[test]
    fn a_run_that_did_not_end_tells_no_time() {
        let runs = [
            run("rescue", 100, Some(150), 1),
            run("rescue", 100, None, 1),
        ];
        assert_eq!(last_with_files(&runs, "rescue", at(100)), None);
    }
}
