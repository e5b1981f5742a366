//! What is well is left alone.

use crate::folders::{Folders, mends};
use crate::pki;
use crate::world::{World, standing};
use kubepki_core::rescue::{Area, RescueRequest, Standing};

#[test]
fn a_rescue_of_a_healthy_cluster_plans_nothing() {
    let world = World::healthy();
    let found = world.rescue();
    assert!(found.plan.is_empty(), "{:#?}", found.plan);
    assert!(found.left.is_empty(), "{:#?}", found.left);
    assert_eq!(
        found.situation.worst(),
        Standing::Works,
        "{:#?}",
        found.situation
    );
    assert_eq!(found.situation.api_is_up, Some(true));
    assert!(mends(&world, &RescueRequest::default()).is_empty());
}

#[test]
fn one_control_plane_alone_is_a_cluster_of_one() {
    for (count, days) in [(1, 0), (2, 100), (1, 200)] {
        let mut world = World::healthy().later(days);
        world.cluster.machines.truncate(count);
        world.cluster.live.truncate(count);
        let found = world.rescue();
        assert!(found.plan.is_empty(), "{:#?}", found.plan);
    }
}

/// kubeadm's external CA mode: the keys are somewhere else on purpose.
#[test]
fn keys_that_are_kept_elsewhere_are_not_lost() {
    let mut world = World::healthy();
    for host in ["cp1", "cp2", "cp3"] {
        for base in ["ca", "etcd/ca", "front-proxy-ca"] {
            world
                .machine(host)
                .remove(&format!("/etc/kubernetes/pki/{base}.key"));
        }
    }
    let found = world.rescue();
    assert!(
        found.plan.stages.iter().all(|stage| stage.name != "files"),
        "{:#?}",
        found.plan
    );
    assert!(found.left.is_empty(), "{:#?}", found.left);
}

#[test]
fn a_slow_clock_is_said_first_and_allowed_for() {
    let mut world = World::healthy().later(630).down();
    world.cluster = world.cluster.files_only();
    let (hosts, mut states) = world.evidence();
    states[3].clock_ahead_seconds = Some(-3600);
    let evidence = kubepki_core::rescue::RescueEvidence {
        hosts: &hosts,
        states: &states,
        unreachable: &[],
        nodes: None,
        cluster: None,
    };
    let now = world.cluster.now;
    let found = kubepki_core::rescue::rescue(&evidence, &RescueRequest::default(), now).unwrap();
    assert_eq!(found.situation.concerns[0].area, Area::Clocks);
    assert_eq!(standing(&found, Area::Clocks), Standing::Degraded);
    assert!(found.situation.concerns[0].summary.contains("w1"));
    let issuance = crate::world::issuance(&found, "cp1", "apiserver");
    assert!(now.duration_since(issuance.not_before).as_secs() >= 3600 + 300);
    assert!(
        found
            .plan
            .notices
            .iter()
            .any(|notice| notice.code == "dated-back")
    );
}

#[test]
fn everything_is_renewed_when_that_is_asked_for() {
    let world = World::healthy();
    let request = RescueRequest {
        all: true,
        ..RescueRequest::default()
    };
    let changed = mends(&world, &request);
    assert!(changed.len() > 60, "{changed:#?}");
    assert!(
        !changed
            .iter()
            .any(|name| name.ends_with("/ca.crt") || name.ends_with("sa.key"))
    );
    assert!(pki::now() == world.cluster.now);
}

#[test]
fn a_host_that_cannot_be_looked_at_is_told() {
    let world = World::healthy();
    let (hosts, states) = world.evidence();
    let gaps = [kubepki_core::model::Gap::new("w3", "no route to host")];
    let evidence = kubepki_core::rescue::RescueEvidence {
        hosts: &hosts,
        states: &states,
        unreachable: &gaps,
        nodes: None,
        cluster: None,
    };
    let now = world.cluster.now;
    let found = kubepki_core::rescue::rescue(&evidence, &RescueRequest::default(), now).unwrap();
    assert!(found.plan.is_empty());
    assert_eq!(found.left[0].object, "w3");
    assert_eq!(found.situation.concerns[0].area, Area::Hosts);
    drop(Folders::of(&world));
}
