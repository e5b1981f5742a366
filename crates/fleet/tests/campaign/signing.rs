//! Certificates that travel: signed where the CA's key is, or handed over from host to host.

use crate::hosts::{NONE, World, carry, cluster_plan, elsewhere, given, own, run, stage};
use kubepki_core::plan::{Gate, Origin, Pace};
use kubepki_fleet::campaign::HostState;

#[test]
fn a_request_goes_to_the_host_with_the_key_and_the_certificate_comes_back() {
    let world = World::of(&["cp1", "w1"]);
    let step = carry(
        "w1",
        vec![
            elsewhere("kubelet-client", "cp1", "ca"),
            own("kubelet-server"),
        ],
    );
    let plan = cluster_plan(vec![stage(
        "workers",
        Pace::Together,
        Gate::None,
        vec![step],
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done(), "{outcome:#?}");
    let orders = world.orders.lock().unwrap();
    assert_eq!(orders.len(), 1);
    let (signer, order) = &orders[0];
    assert_eq!((signer.as_str(), order.host.as_str()), ("cp1", "w1"));
    assert_eq!(order.request_pem, "request of w1 for kubelet-client");
    let carried = world.carried.lock().unwrap();
    let brought = &carried[0].1.brought;
    assert_eq!(brought.len(), 1);
    assert_eq!(brought[0].name, "kubelet-client");
    assert_eq!(
        brought[0].chain_pem,
        "signed by cp1: request of w1 for kubelet-client"
    );
    // The keys are in that agent's memory: requests and run are one session.
    let of_w1: Vec<String> = world
        .log()
        .into_iter()
        .filter(|line| line.ends_with(" w1"))
        .collect();
    assert_eq!(of_w1, ["connect w1", "prepare w1", "carry w1"]);
}

#[test]
fn a_certificate_that_an_earlier_step_issued_is_handed_over() {
    let world = World::of(&["cp1", "cp2", "w1"]);
    let plan = cluster_plan(vec![stage(
        "authorities",
        Pace::Together,
        Gate::None,
        vec![
            carry("cp1", vec![own("ca")]),
            carry("cp2", vec![given("ca", "cp1", "ca", None)]),
            carry("w1", vec![given("ca", "cp1", "ca", None)]),
        ],
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done(), "{outcome:#?}");
    let carried = world.carried.lock().unwrap();
    assert_eq!(
        carried[0].0, "cp1",
        "whoever issues comes first, also where all go together"
    );
    for (_, request) in &carried[1..] {
        assert_eq!(request.brought[0].chain_pem, "ca issued on cp1");
    }
}

#[test]
fn what_nobody_has_seen_is_refused_before_the_host_is_changed() {
    let world = World::of(&["cp1", "cp2"]);
    let step = carry("cp2", vec![given("ca", "cp1", "ca", Some("abcd"))]);
    let plan = cluster_plan(vec![stage(
        "authorities",
        Pace::Together,
        Gate::None,
        vec![step],
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    let error = outcome.hosts[0].error.as_ref().unwrap();
    assert_eq!(error.code, "certificate-unknown");
    assert!(world.logged("carry").is_empty());
}

#[test]
fn what_is_renewed_elsewhere_has_to_be_known_here() {
    let world = World::of(&["cp1", "w1"]);
    let mut issuance = elsewhere("kubelet-client", "cp1", "ca");
    issuance.origin = Origin::Certificate {
        holder: issuance.destination.clone(),
        fingerprint_sha256: "abcd".to_owned(),
        subject: "CN=system:node:w1".to_owned(),
        not_after: crate::hosts::epoch(),
    };
    let plan = cluster_plan(vec![stage(
        "workers",
        Pace::Together,
        Gate::None,
        vec![carry("w1", vec![issuance])],
    )]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert_eq!(
        outcome.hosts[0].error.as_ref().unwrap().code,
        "certificate-unknown"
    );
    assert!(world.logged("sign").is_empty());
}

#[test]
fn a_signer_that_refuses_or_is_lost_is_named_and_nothing_is_changed() {
    for code in ["not-root", "agent-lost"] {
        let world = World::of(&["cp1", "w1"]);
        world.fail("cp1", "sign", code);
        let step = carry("w1", vec![elsewhere("kubelet-client", "cp1", "ca")]);
        let plan = cluster_plan(vec![stage(
            "workers",
            Pace::Together,
            Gate::None,
            vec![step],
        )]);
        let (outcome, _) = run(&world, &plan, NONE);
        let host = &outcome.hosts[0];
        assert_eq!(host.state, HostState::Failed);
        let error = host.error.as_ref().unwrap();
        assert_eq!(error.message, "cp1: sign refused");
        assert!(world.logged("carry").is_empty());
        assert!(world.logged("settle").is_empty(), "w1 was not lost");
    }
}

#[test]
fn requests_of_a_batch_are_signed_one_at_a_time() {
    let workers = ["w1", "w2", "w3", "w4", "w5", "w6"];
    let world = World::of(&["cp1", "w1", "w2", "w3", "w4", "w5", "w6"]);
    let steps = workers
        .iter()
        .map(|host| carry(host, vec![elsewhere("kubelet-client", "cp1", "ca")]))
        .collect();
    let plan = cluster_plan(vec![stage("workers", Pace::Together, Gate::None, steps)]);
    let (outcome, _) = run(&world, &plan, NONE);
    assert!(outcome.is_done());
    assert_eq!(
        world.logged("connect cp1").len(),
        1,
        "one session signs for all"
    );
    assert_eq!(world.orders.lock().unwrap().len(), 6);
}
