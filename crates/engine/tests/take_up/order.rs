//! Who leads comes last.

use crate::world::{World, beginning};
use kubepki_core::model::ComponentKind::{self, Etcd, KubeControllerManager, KubeScheduler};
use kubepki_core::plan::TakeUp;
use kubepki_engine::take_up::in_order;

fn order(world: &World) -> Vec<ComponentKind> {
    let actions = [Etcd, KubeScheduler, KubeControllerManager]
        .map(|kind| world.action(kind, TakeUp::Restart));
    let ordered = world.with_setting(beginning(), |ports, setting| {
        in_order(ports, &actions, setting)
    });
    ordered.iter().map(|action| action.component).collect()
}

fn lead(world: &World, kind: ComponentKind, host: &str) {
    let holder = format!("{host}_0975fb77-ae53-43e4-b426-d0e44dac0f4f");
    world
        .state()
        .leases
        .insert(kind.executable().to_owned(), holder);
}

#[test]
fn the_holder_of_a_lease_comes_last() {
    let world = World::control_plane();
    lead(&world, KubeScheduler, "cp1");
    lead(&world, KubeControllerManager, "cp2");
    assert_eq!(order(&world), [Etcd, KubeControllerManager, KubeScheduler]);
}

#[test]
fn another_host_whose_name_begins_alike_is_another_host() {
    let world = World::control_plane();
    lead(&world, KubeScheduler, "cp10");
    assert_eq!(order(&world), [Etcd, KubeScheduler, KubeControllerManager]);
}

#[test]
fn the_plans_order_stays_where_both_lead_or_nobody_can_tell() {
    let world = World::control_plane();
    lead(&world, KubeScheduler, "cp1");
    lead(&world, KubeControllerManager, "cp1");
    assert_eq!(order(&world), [Etcd, KubeScheduler, KubeControllerManager]);

    let world = World::control_plane();
    lead(&world, KubeScheduler, "cp1");
    world.state().api_status = None;
    assert_eq!(order(&world), [Etcd, KubeScheduler, KubeControllerManager]);
}
