//! Hosts that looked at themselves, one by one, and are judged as one cluster.

use crate::world::{Shape, World};
use kubepki_core::connections::derive;
use kubepki_core::diagnose::{Evidence, HostEvidence, together};
use kubepki_core::model::LiveObservation;
use kubepki_core::model::live::{AttemptFact, AttemptOutcome};
use std::collections::BTreeSet;

/// Every host of a cluster with an attempt for each connection that it knows of, alone as it is.
fn looked_at(world: &World, outcome: &AttemptOutcome) -> Vec<(String, HostEvidence)> {
    let hosts = world.evidence().into_iter();
    let tried = hosts.map(|mut host| {
        let (graph, _) = derive(&Evidence {
            hosts: std::slice::from_ref(&host),
            cluster: None,
        });
        let own = graph
            .connections
            .iter()
            .filter(|it| it.client.host.as_deref() == Some(host.inventory.host.as_str()));
        let attempts = own.map(|connection| AttemptFact {
            connection: connection.id.clone(),
            address: "somewhere".to_owned(),
            outcome: outcome.clone(),
        });
        host.live = Some(LiveObservation {
            attempts: attempts.collect(),
            ..LiveObservation::default()
        });
        (format!("host-{}", host.inventory.host), host)
    });
    tried.collect()
}

fn three_and_two(balanced: bool) -> World {
    World::new(Shape {
        control_planes: 3,
        workers: 2,
        balanced,
        ..Shape::default()
    })
}

const ACCEPTED: AttemptOutcome = AttemptOutcome::Accepted { status: None };

#[test]
fn what_a_host_tried_alone_is_told_of_the_connection_with_both_ends() {
    let world = three_and_two(false);
    let hosts = together(looked_at(&world, &ACCEPTED), None);
    let (graph, _) = derive(&Evidence {
        hosts: &hosts,
        cluster: None,
    });
    let mut seen = BTreeSet::new();
    for host in &hosts {
        for attempt in &host.live.as_ref().unwrap().attempts {
            let connection = graph.connection(&attempt.connection);
            let connection =
                connection.unwrap_or_else(|| panic!("{} is of one host", attempt.connection));
            assert_eq!(
                connection.client.host.as_deref(),
                Some(host.inventory.host.as_str())
            );
            assert!(
                seen.insert(connection.id.clone()),
                "{} is told twice",
                connection.id
            );
        }
    }
    for id in [
        "kube-apiserver@host-cp2->etcd@host-cp2",
        "etcd@host-cp3->etcd@host-cp1",
        "kubelet@host-w4->kube-apiserver@host-cp1",
    ] {
        assert!(seen.contains(id), "{id} is not among {seen:#?}");
    }
}

#[test]
fn whom_a_load_balancer_chose_is_not_guessed() {
    let world = three_and_two(true);
    let of_kubelet = |outcome: &AttemptOutcome| -> Vec<String> {
        let hosts = together(looked_at(&world, outcome), None);
        let live = hosts.last().unwrap().live.clone().unwrap();
        live.attempts
            .into_iter()
            .map(|attempt| attempt.connection)
            .filter(|id| id.starts_with("kubelet@host-w5->kube-apiserver@"))
            .collect()
    };
    assert_eq!(of_kubelet(&ACCEPTED), Vec::<String>::new());
    let refused = AttemptOutcome::ServerRefused {
        reason: "expired".to_owned(),
    };
    assert_eq!(of_kubelet(&refused).len(), 1);
}

#[test]
fn hosts_of_one_name_are_told_apart() {
    let world = three_and_two(false);
    let mut hosts = looked_at(&world, &ACCEPTED);
    for (_, host) in &mut hosts {
        host.live = None;
        host.inventory.host = "localhost".to_owned();
    }
    let hosts = together(hosts, None);
    let names: BTreeSet<&str> = hosts
        .iter()
        .map(|host| host.inventory.host.as_str())
        .collect();
    assert_eq!(names.len(), 5);
}
