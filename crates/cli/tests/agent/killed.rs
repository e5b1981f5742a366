//! The agent is killed while it carries out a plan: the client is told, and the next session settles
//! what was begun and carries on to the end.

use crate::client::{Agent, renewal};
use crate::support::Tree;
use crate::support::points::on_every_processor;
use std::collections::BTreeSet;
use std::fs;

/// Of the effects of a run, one in so many.
const EVERY: usize = 4;

/// Every effect of a run as it is counted when nothing goes wrong.
fn effects(tree: &Tree) -> Vec<String> {
    let count = tree.scratch().join("effects");
    let mut agent = Agent::faulty(tree, &[("KUBEPKI_FAULT_COUNT", count.to_str().unwrap())]);
    let plan = renewal(&agent.look(), tree, &[]);
    agent.carry(&plan).unwrap();
    assert!(agent.end().success());
    let counted = fs::read_to_string(count).unwrap();
    counted.lines().map(str::to_owned).collect()
}

#[test]
fn a_killed_agent_leaves_a_host_that_the_next_session_carries_on_with() {
    let old = Tree::kubeadm().expired(30).build();
    let before = old.snapshot();
    let all = effects(&old.copied());
    let points: Vec<(usize, &str)> = (1..=all.len())
        .step_by(EVERY)
        .zip(["before", "after", "torn"].into_iter().cycle())
        .chain([(all.len(), "after")])
        .collect();
    let ways = std::sync::Mutex::new(BTreeSet::new());
    on_every_processor(&points, |_, (at, mode)| {
        let case = format!("{mode} {}", all[at - 1]);
        let tree = old.copied();
        let at = at.to_string();
        let mut agent = Agent::faulty(
            &tree,
            &[("KUBEPKI_FAULT_AT", &at), ("KUBEPKI_FAULT_MODE", mode)],
        );
        let plan = renewal(&agent.look(), &tree, &[]);
        let lost = agent.carry(&plan).unwrap_err();
        assert_eq!(lost.code, "agent-lost", "{case}: {lost}");
        assert!(lost.hint.unwrap().contains("run it again"), "{case}");
        assert!(!agent.end().success(), "{case}");

        let mut next = Agent::on(&tree);
        let interrupted = next.look().interrupted;
        let settled = next.settle().unwrap();
        assert_eq!(interrupted.is_some(), settled.is_some(), "{case}");
        assert_eq!(next.look().interrupted, None, "{case}");
        let way = match interrupted {
            None => "nothing open",
            Some(run) if run.goes_forward => "finished",
            Some(_) => "taken back",
        };
        ways.lock().unwrap().insert(way);
        if way == "taken back" {
            let report = settled.unwrap();
            assert_eq!(report.left_alone.len(), 1, "{case}: {report:?}");
            tree.assert_unchanged(&before);
        }
        let plan = renewal(&next.look(), &tree, &[]);
        // After a run that was finished nothing is left to do.
        assert!(plan.is_empty() || way != "finished", "{case}");
        if !plan.is_empty() {
            next.carry(&plan).unwrap();
        }
        assert!(next.end().success(), "{case}");
        tree.assert_sound();
        let left = tree.snapshot().into_keys();
        let left: Vec<_> = left
            .filter(|path| path.to_string_lossy().contains("kubepki"))
            .collect();
        assert!(left.is_empty(), "{case}: {left:?}");
    });
    println!("{} effects, killed at {}", all.len(), points.len());
    let ways = ways.into_inner().unwrap();
    assert!(ways.len() >= 2 && ways.contains("finished"), "{ways:?}");
    assert!(points.len() > 12);
}
