//! A connection that is lost while a plan is carried out: what became of it there is asked, not assumed.

use crate::hosts::{LONG, NONE, World, cluster_plan, epoch, healthy, renewals, run, stage};
use kubepki_core::model::ComponentKind::{Etcd, KubeApiserver, KubeScheduler};
use kubepki_core::plan::{ClusterPlan, EtcdAct, Gate, Pace, Step};
use kubepki_core::rotation::OldKey;
use kubepki_engine::ports::Progress;
use kubepki_fleet::campaign::{Connect, HostState, Sessions, settle, start_halted_on};
use kubepki_fleet::session::InterruptedRun;
use std::path::Path;
use std::sync::Arc;

fn plan() -> ClusterPlan {
    cluster_plan(vec![stage(
        "all",
        Pace::OneByOne,
        Gate::None,
        renewals(&["w1"]),
    )])
}

fn interrupted(goes_forward: bool) -> InterruptedRun {
    InterruptedRun {
        id: "20260101T000000Z-aaaaaaaa".to_owned(),
        verb: "renew".to_owned(),
        started_at: epoch(),
        stage: "putting files in place".to_owned(),
        goes_forward,
    }
}

#[test]
fn what_was_cut_off_is_finished_there_once_the_host_answers() {
    let world = World::of(&["w1"]);
    world.fail("w1", "carry", "agent-lost");
    world.change("w1", |state| state.interrupted = Some(interrupted(true)));
    let (outcome, told) = run(&world, &plan(), LONG);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(world.logged("carry").len(), 1);
    assert_eq!(world.logged("settle").len(), 1);
    assert_eq!(outcome.hosts[0].runs.len(), 1);
    let told = told.0.lock().unwrap().join("\n");
    assert!(told.contains("the connection was lost"), "{told}");
    assert!(
        told.contains("was interrupted while putting files in place: finishing it"),
        "{told}"
    );
}

#[test]
fn a_host_that_comes_back_later_is_waited_for() {
    let world = World::of(&["w1"]);
    world.fail("w1", "carry", "agent-lost");
    // Looks fail as long as it restarts: each is a connection that breaks again.
    for _ in 0..5 {
        world.fail("w1", "look", "agent-lost");
    }
    let (outcome, _) = run(&world, &plan(), LONG);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(
        world.logged("carry").len(),
        2,
        "nothing had been changed: once more"
    );
    assert!(world.logged("connect").len() >= 7);
}

#[test]
fn what_was_only_staged_is_taken_back_and_done_again() {
    let world = World::of(&["w1"]);
    world.fail("w1", "carry", "agent-lost");
    world.change("w1", |state| state.interrupted = Some(interrupted(false)));
    let (outcome, told) = run(&world, &plan(), LONG);
    assert!(outcome.is_done());
    assert_eq!(world.logged("carry").len(), 2);
    assert!(told.0.lock().unwrap().join("\n").contains("taking it back"));
}

#[test]
fn what_was_finished_without_us_is_not_done_twice() {
    let world = World::of(&["w1"]);
    world.fail("w1", "carry", "agent-lost");
    world.change("w1", |state| state.works_when_lost = true);
    // The run goes on there for a while after the connection broke.
    for _ in 0..3 {
        world.fail("w1", "settle", "locked");
    }
    let (outcome, _) = run(&world, &plan(), LONG);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(world.logged("carry").len(), 1);
    assert_eq!(world.logged("settle").len(), 4);
    let run = &outcome.hosts[0].runs[0];
    assert_eq!(
        (run.run.as_ref(), run.verified),
        (None, None),
        "nobody was told how it ended"
    );
}

#[test]
fn a_host_that_stays_away_is_a_failure_that_says_how_to_go_on() {
    let world = World::of(&["w1"]);
    world.fail("w1", "carry", "agent-lost");
    world.fail("w1", "look", "agent-lost");
    let (outcome, _) = run(&world, &plan(), NONE);
    let host = &outcome.hosts[0];
    assert_eq!(host.state, HostState::Failed);
    let error = host.error.as_ref().unwrap();
    assert_eq!(error.code, "agent-lost");
    assert!(
        error.hint.as_ref().unwrap().contains("run it again"),
        "{error:?}"
    );
    assert_eq!(error.details[0].0, "waited for the host");
}

#[test]
fn a_connection_that_is_lost_again_and_again_ends() {
    let world = World::of(&["w1"]);
    for _ in 0..9 {
        world.fail("w1", "carry", "agent-lost");
    }
    let (outcome, _) = run(&world, &plan(), LONG);
    assert_eq!(outcome.hosts[0].state, HostState::Failed);
    assert_eq!(world.logged("carry").len(), 3);
}

#[test]
fn a_refusal_is_no_loss() {
    let world = World::of(&["w1"]);
    world.fail("w1", "carry", "world-changed");
    let (outcome, _) = run(&world, &plan(), LONG);
    assert_eq!(
        outcome.hosts[0].error.as_ref().unwrap().code,
        "world-changed"
    );
    assert_eq!(world.logged("carry").len(), 1);
    assert!(world.logged("settle").is_empty());
}

#[test]
fn components_are_halted_again_over_a_new_connection() {
    let world = World::of(&["w1"]);
    world.fail("w1", "halt", "agent-lost");
    let halt = Step::Halt {
        host: "w1".to_owned(),
        components: Vec::new(),
    };
    let plan = cluster_plan(vec![stage("halt", Pace::Together, Gate::None, vec![halt])]);
    let (outcome, _) = run(&world, &plan, LONG);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(world.logged("halt").len(), 2);
}

#[test]
fn old_keys_are_retired_again_over_a_new_connection() {
    let world = World::of(&["cp1"]);
    world.fail("cp1", "retire-keys", "agent-lost");
    let (outcome, _) = run(
        &world,
        &asking(Step::RetireKeys {
            host: "cp1".to_owned(),
            keys: vec!["/etc/kubernetes/pki/ca.key".into()],
            how: OldKey::Destroy,
        }),
        LONG,
    );
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(world.logged("retires cp1 1 Destroy").len(), 2);
}

#[test]
fn what_one_host_had_stopped_is_started_in_its_order_whatever_one_of_it_says() {
    let world = World::of(&["cp1"]);
    world.fail("cp1", "start", "not-started");
    let wires = crate::hosts::Wires(Arc::clone(&world));
    let mut session = wires.connect("cp1").unwrap();
    let halted = [KubeScheduler, KubeApiserver, Etcd];
    let error = start_halted_on(session.as_mut(), &halted, &Silent).unwrap_err();
    assert_eq!(error.code, "not-started");
    assert_eq!(
        world.logged("starts"),
        [
            "starts cp1 etcd",
            "starts cp1 kube-apiserver",
            "starts cp1 kube-scheduler"
        ]
    );
}

struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

#[test]
fn interrupted_runs_are_settled_on_every_host_whatever_one_of_them_says() {
    let world = World::of(&["w1", "w2", "w3"]);
    for host in ["w1", "w2", "w3"] {
        world.change(host, |state| state.interrupted = Some(interrupted(true)));
    }
    world.fail("w2", "settle", "cannot-finish");
    let runs: Vec<_> = ["w1", "w2", "w3"]
        .iter()
        .map(|host| ((*host).to_owned(), interrupted(true)))
        .collect();
    let wires = crate::hosts::Wires(Arc::clone(&world));
    let told = crate::hosts::Told::default();
    let sessions = Sessions::new(&wires, 4);
    let settled = settle(&sessions, &runs, Path::new("/etc/kubernetes/pki"), 2, &told);
    let results: Vec<(&str, bool)> = settled
        .iter()
        .map(|it| (it.host.as_str(), it.result.is_ok()))
        .collect();
    assert_eq!(results, [("w1", true), ("w2", false), ("w3", true)]);
}

fn asking(step: Step) -> ClusterPlan {
    cluster_plan(vec![stage("ask", Pace::Together, Gate::None, vec![step])])
}

fn change_api() -> ClusterPlan {
    asking(Step::ChangeApi {
        host: "cp1".to_owned(),
        changes: Vec::new(),
    })
}

#[test]
fn an_api_server_that_does_not_answer_is_asked_again_when_it_is_ready() {
    for code in ["api-unreachable", "api-failed"] {
        let world = World::of(&["cp1"]);
        world.fail("cp1", "change-api", code);
        world.change("cp1", |state| {
            state.answers = vec![healthy(false), healthy(false), healthy(true)];
        });
        let (outcome, _) = run(&world, &change_api(), LONG);
        assert!(outcome.is_done(), "{outcome:#?}");
        assert_eq!(world.logged("ask-ready").len(), 3);
        assert_eq!(world.logged("change-api").len(), 2);
    }
}

#[test]
fn a_member_of_etcd_that_does_not_answer_is_asked_again_when_it_is_healthy() {
    let world = World::of(&["cp1"]);
    world.fail("cp1", "etcd", "etcd-failed");
    world.change("cp1", |state| {
        state.answers = vec![healthy(false), healthy(true)];
    });
    let plan = asking(Step::Etcd {
        host: "cp1".to_owned(),
        act: EtcdAct::Snapshot,
    });
    let (outcome, _) = run(&world, &plan, LONG);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(world.logged("ask-etcd").len(), 2);
    assert_eq!(world.logged("etcd").len(), 2);
}

#[test]
fn an_api_server_that_stays_away_or_refuses_is_an_error() {
    let world = World::of(&["cp1"]);
    world.fail("cp1", "change-api", "api-unreachable");
    world.change("cp1", |state| state.answers = vec![healthy(false)]);
    let (outcome, _) = run(&world, &change_api(), NONE);
    let error = outcome.hosts[0].error.as_ref().unwrap();
    assert_eq!(error.code, "api-unreachable");
    assert_eq!(world.logged("change-api").len(), 1);

    let world = World::of(&["cp1"]);
    for _ in 0..9 {
        world.fail("cp1", "change-api", "api-failed");
    }
    let (outcome, _) = run(&world, &change_api(), LONG);
    assert_eq!(outcome.hosts[0].state, HostState::Failed);
    assert_eq!(world.logged("change-api").len(), 3);

    let world = World::of(&["cp1"]);
    world.fail("cp1", "change-api", "api-forbidden");
    let (outcome, _) = run(&world, &change_api(), LONG);
    assert_eq!(outcome.hosts[0].state, HostState::Failed);
    assert_eq!(world.logged("change-api").len(), 1);
}
