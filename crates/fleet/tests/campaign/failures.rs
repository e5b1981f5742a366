//! The first failure: what goes on is finished, nothing new begins, and all of it is told.

use crate::hosts::{NONE, World, cluster_plan, renewals, run, stage};
use kubepki_core::plan::{Gate, Pace};
use kubepki_fleet::campaign::HostState;

#[test]
fn nothing_new_begins_after_the_first_failure() {
    let world = World::of(&["w1", "w2", "w3", "w4", "z1"]);
    world.fail("w2", "carry", "no-space");
    let plan = cluster_plan(vec![
        stage(
            "workers",
            Pace::Batches { size: 2 },
            Gate::None,
            renewals(&["w1", "w2", "w3", "w4"]),
        ),
        stage("later", Pace::Together, Gate::None, renewals(&["z1"])),
    ]);
    let (outcome, told) = run(&world, &plan, NONE);
    let states: Vec<(&str, HostState)> = outcome
        .hosts
        .iter()
        .map(|host| (host.host.as_str(), host.state))
        .collect();
    use HostState::{Done, Failed, NotBegun};
    assert_eq!(
        states,
        [
            ("w1", Done),
            ("w2", Failed),
            ("w3", NotBegun),
            ("w4", NotBegun),
            ("z1", NotBegun)
        ]
    );
    let stopped = outcome.stopped.clone().unwrap();
    assert_eq!(
        (stopped.stage.as_str(), stopped.code),
        ("workers", "host-failed")
    );
    assert_eq!(stopped.reason, "w2: carry refused");
    assert_eq!(outcome.hosts[1].error.as_ref().unwrap().code, "no-space");
    assert!(world.logged("carry w3").is_empty() && world.logged("connect z1").is_empty());
    assert!(
        told.0
            .lock()
            .unwrap()
            .contains(&"w2: carry refused".to_owned())
    );
}

#[test]
fn a_host_that_is_half_way_is_neither_done_nor_untouched() {
    let world = World::of(&["cp1", "cp2"]);
    world.fail("cp2", "carry", "locked-file");
    let plan = cluster_plan(vec![
        stage(
            "files",
            Pace::OneByOne,
            Gate::None,
            renewals(&["cp1", "cp2"]),
        ),
        stage(
            "etcd",
            Pace::OneByOne,
            Gate::None,
            renewals(&["cp1", "cp2"]),
        ),
    ]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert_eq!(outcome.hosts[0].state, HostState::Partly);
    assert_eq!(
        (outcome.hosts[0].steps_done, outcome.hosts[0].steps),
        (1, 2)
    );
    assert_eq!(outcome.hosts[1].state, HostState::Failed);
}

#[test]
fn a_host_that_does_not_use_what_was_written_has_failed_with_its_run() {
    let world = World::of(&["cp1", "cp2"]);
    world.change("cp1", |state| {
        state.failed = vec!["kube-apiserver: expected the new one, found the old one".to_owned()];
    });
    let plan = cluster_plan(vec![stage(
        "all",
        Pace::OneByOne,
        Gate::None,
        renewals(&["cp1", "cp2"]),
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    let host = &outcome.hosts[0];
    assert_eq!(host.state, HostState::Failed);
    assert_eq!(host.error.as_ref().unwrap().code, "not-verified");
    // What was done there can be undone, so its run is told all the same.
    assert_eq!(host.runs[0].run.as_deref(), Some("run of cp1"));
    assert_eq!(host.runs[0].verified, Some(false));
    assert_eq!(outcome.hosts[1].state, HostState::NotBegun);
}

#[test]
fn a_host_that_does_not_answer_at_the_start_is_no_run_to_wait_for() {
    let world = World::of(&["cp1"]);
    world.fail("cp1", "connect", "host-unreachable");
    let plan = cluster_plan(vec![stage(
        "all",
        Pace::OneByOne,
        Gate::None,
        renewals(&["cp1"]),
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert_eq!(
        outcome.hosts[0].error.as_ref().unwrap().code,
        "host-unreachable"
    );
    assert_eq!(world.logged("connect").len(), 1);
}
