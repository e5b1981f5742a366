//! Gates: asked of named hosts until they stand open, or patience ends.

use crate::hosts::{
    LONG, NONE, World, cluster_plan, healthy, nodes, renewals, run, run_with, stage,
};
use kubepki_core::plan::{Gate, Pace};
use kubepki_fleet::campaign::{HostState, KnownCertificates};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_next_stage_waits_until_every_host_is_well() {
    let world = World::of(&["cp1", "cp2", "w1"]);
    world.change("cp2", |state| {
        state.answers = vec![healthy(false), healthy(false), healthy(true)];
    });
    let gate = Gate::EtcdHealthy {
        hosts: names(&["cp1", "cp2"]),
    };
    let plan = cluster_plan(vec![
        stage("etcd", Pace::Together, gate, renewals(&["cp1", "cp2"])),
        stage("workers", Pace::Together, Gate::None, renewals(&["w1"])),
    ]);
    let (outcome, told) = run(&world, &plan, LONG);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(world.logged("ask-etcd cp2").len(), 3);
    let log = world.log();
    let last_asked = log.iter().rposition(|line| line == "ask-etcd cp2").unwrap();
    let begun = log.iter().position(|line| line == "carry w1").unwrap();
    assert!(last_asked < begun);
    let told = told.0.lock().unwrap().clone();
    let closed: Vec<&String> = told
        .iter()
        .filter(|line| line.starts_with("gate false"))
        .collect();
    assert_eq!(
        closed,
        ["gate false cp2: no leader"],
        "said once, however often it is asked"
    );
}

#[test]
fn a_gate_that_stays_closed_stops_the_campaign() {
    let world = World::of(&["cp1", "w1"]);
    world.change("cp1", |state| state.answers = vec![healthy(false)]);
    let gate = Gate::ApiServersReady {
        hosts: names(&["cp1"]),
    };
    let plan = cluster_plan(vec![
        stage("api-servers", Pace::OneByOne, gate, renewals(&["cp1"])),
        stage("workers", Pace::Together, Gate::None, renewals(&["w1"])),
    ]);
    let (outcome, _) = run(&world, &plan, NONE);
    let stopped = outcome.stopped.clone().unwrap();
    assert_eq!(
        (stopped.stage.as_str(), stopped.code),
        ("api-servers", "gate-closed")
    );
    assert!(
        stopped.reason.contains("cp1: no leader"),
        "{}",
        stopped.reason
    );
    assert_eq!(outcome.hosts[0].state, HostState::Done);
    assert_eq!(outcome.hosts[1].state, HostState::NotBegun);
    let ways = outcome.how_to_go_on().join("\n");
    assert!(ways.contains("run the same command again"), "{ways}");
    assert!(ways.contains("kubepki undo --hosts cp1"), "{ways}");
}

#[test]
fn between_batches_only_hosts_that_were_worked_on_are_asked() {
    // The second is down, which is why it is about to be worked on.
    let world = World::of(&["cp1", "cp2"]);
    let gate = Gate::all([
        Gate::EtcdHealthy {
            hosts: names(&["cp1", "cp2"]),
        },
        Gate::NodesReady {
            nodes: names(&["cp1", "cp2"]),
        },
    ]);
    world.change("cp1", |state| {
        state.answers = vec![
            healthy(true),
            nodes(&[("cp1", true), ("cp2", false)]),
            healthy(true),
            nodes(&[("cp1", true), ("cp2", true)]),
        ];
    });
    let plan = cluster_plan(vec![stage(
        "all",
        Pace::OneByOne,
        gate,
        renewals(&["cp1", "cp2"]),
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done(), "{outcome:#?}\n{:?}", world.log());
    let log = world.log();
    let asked = log.iter().position(|line| line == "ask-etcd cp2").unwrap();
    let worked = log.iter().position(|line| line == "carry cp2").unwrap();
    assert!(worked < asked, "{log:?}");
}

#[test]
fn nodes_are_asked_of_the_first_api_server_that_answers() {
    let world = World::of(&["cp1", "cp2", "w1"]);
    world.fail("cp1", "ask-nodes", "unreachable");
    world.change("cp2", |state| state.answers = vec![nodes(&[("w1", true)])]);
    let gate = Gate::NodesReady {
        nodes: names(&["w1"]),
    };
    let plan = cluster_plan(vec![stage(
        "workers",
        Pace::Together,
        gate,
        renewals(&["w1"]),
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done(), "{outcome:#?}");
    assert_eq!(
        world.logged("ask-nodes"),
        ["ask-nodes cp1", "ask-nodes cp2"]
    );
    assert!(
        world.logged("ask-nodes w1").is_empty(),
        "a worker has no API server"
    );
}

#[test]
fn a_node_that_is_not_ready_or_unknown_is_named() {
    let world = World::of(&["cp1"]);
    world.change("cp1", |state| state.answers = vec![nodes(&[("w1", false)])]);
    let gate = Gate::NodesReady {
        nodes: names(&["w1", "w2"]),
    };
    let plan = cluster_plan(vec![stage(
        "workers",
        Pace::Together,
        gate,
        renewals(&["cp1"]),
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    let reason = outcome.stopped.unwrap().reason;
    assert!(
        reason.contains("w1 is not Ready; the API knows no node w2"),
        "{reason}"
    );
}

#[test]
fn of_folders_nothing_is_asked() {
    let world = World::of(&["cp1"]);
    let gate = Gate::all([
        Gate::EtcdHealthy {
            hosts: names(&["cp1"]),
        },
        Gate::NodesReady {
            nodes: names(&["cp1"]),
        },
    ]);
    let plan = cluster_plan(vec![stage("all", Pace::OneByOne, gate, renewals(&["cp1"]))]);
    let (outcome, told) = run_with(&world, &plan, NONE, &KnownCertificates::default(), false);
    assert!(outcome.is_done());
    assert!(world.logged("ask").is_empty());
    assert!(
        !told
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.starts_with("gate"))
    );
}
