//! Stages, paces and batches: what comes after what, and how much at once.

use crate::hosts::{NONE, World, carry, cluster_plan, own, renewals, run, stage};
use kubepki_core::model::ComponentKind::{Etcd, Kubelet};
use kubepki_core::plan::{Gate, Pace, Step};
use kubepki_fleet::campaign::HostState;

#[test]
fn stages_come_one_after_another_and_hosts_as_the_pace_has_it() {
    let world = World::of(&["cp1", "cp2", "w1", "w2", "w3", "w4", "w5"]);
    let plan = cluster_plan(vec![
        stage(
            "control-planes",
            Pace::OneByOne,
            Gate::None,
            renewals(&["cp2", "cp1"]),
        ),
        stage(
            "workers",
            Pace::Batches { size: 2 },
            Gate::None,
            renewals(&["w1", "w2", "w3", "w4", "w5"]),
        ),
    ]);
    let (outcome, told) = run(&world, &plan, NONE);
    assert!(outcome.is_done(), "{outcome:#?}");
    let carried = world.logged("carry ");
    assert_eq!(carried[..2], ["carry cp2", "carry cp1"]);
    let mut batches: Vec<Vec<&str>> = carried[2..]
        .chunks(2)
        .map(|batch| batch.iter().map(String::as_str).collect())
        .collect();
    batches.iter_mut().for_each(|batch| batch.sort_unstable());
    assert_eq!(
        batches,
        [
            vec!["carry w1", "carry w2"],
            vec!["carry w3", "carry w4"],
            vec!["carry w5"]
        ]
    );
    assert!(world.busy.lock().unwrap().1 <= 2);
    let told = told.0.lock().unwrap().clone();
    assert_eq!(told[0], "stage 1/2 control-planes");
    assert!(told.contains(&"w4: working".to_owned()));
    let host = &outcome.hosts[0];
    assert_eq!((host.host.as_str(), host.state), ("cp2", HostState::Done));
    assert_eq!(host.runs[0].run.as_deref(), Some("run of cp2"));
    assert_eq!(host.runs[0].stage, "control-planes");
    assert_eq!(outcome.how_to_go_on(), Vec::<String>::new());
}

#[test]
fn two_steps_of_one_host_are_never_done_at_once() {
    let world = World::of(&["cp1", "cp2"]);
    let mut steps = renewals(&["cp1", "cp2"]);
    steps.push(Step::Halt {
        host: "cp1".to_owned(),
        components: vec![Kubelet],
    });
    steps.push(Step::Start {
        host: "cp2".to_owned(),
        components: vec![Etcd],
    });
    let plan = cluster_plan(vec![stage("all", Pace::Together, Gate::None, steps)]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done());
    let log: Vec<String> = world
        .log()
        .into_iter()
        .filter(|line| !line.starts_with("connect"))
        .collect();
    let at = |call: &str| log.iter().position(|line| line == call).unwrap();
    assert!(
        at("carry cp1") < at("halt cp1") && at("carry cp2") < at("start cp2"),
        "{log:?}"
    );
    assert_eq!(outcome.hosts[0].steps_done, 2);
}

#[test]
fn a_host_is_connected_to_once() {
    let world = World::of(&["cp1"]);
    let steps = |name: &str| vec![carry("cp1", vec![own(name)])];
    let plan = cluster_plan(vec![
        stage("files", Pace::Together, Gate::None, steps("a")),
        stage(
            "etcd",
            Pace::Together,
            Gate::EtcdHealthy {
                hosts: vec!["cp1".to_owned()],
            },
            steps("b"),
        ),
    ]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done());
    assert_eq!(world.logged("connect"), ["connect cp1"]);
    assert_eq!(outcome.hosts[0].runs.len(), 2);
}
