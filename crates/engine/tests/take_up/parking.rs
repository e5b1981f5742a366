//! The API server parked while etcd is restarted under it; put back on every path.

use crate::kubeadm::{manifest, manifest_path};
use crate::world::{MANIFESTS, World};
use jiff::SignedDuration;
use kubepki_core::model::ComponentKind;
use kubepki_core::plan::TakeUp;
use kubepki_engine::take_up::{How, unpark_leftovers};
use std::path::{Path, PathBuf};

const ETCD: ComponentKind = ComponentKind::Etcd;
const API_SERVER: ComponentKind = ComponentKind::KubeApiserver;
const PARKED: &str = "/etc/kubernetes/.kube-apiserver.yaml.kubepki-parked";
const ETCD_STAGED: &str = "/etc/kubernetes/.etcd.yaml.kubepki-staged";

fn folders() -> [PathBuf; 1] {
    [MANIFESTS.into()]
}

#[test]
fn the_api_server_is_gone_before_etcd_is_restarted_and_healthy_after() {
    let world = World::control_plane();
    let old = (world.pid(ETCD), world.pid(API_SERVER));

    let taken = world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();

    assert_eq!(
        taken.how,
        How::Restarted {
            old_pid: Some(old.0),
            new_pid: world.pid(ETCD)
        }
    );
    let manifests = |kind| manifest_path(kind).display().to_string();
    assert_eq!(
        world.effects(),
        [
            format!("rename {} {PARKED}", manifests(API_SERVER)),
            format!("create {ETCD_STAGED}"),
            format!("rename {ETCD_STAGED} {}", manifests(ETCD)),
            format!("rename {PARKED} {}", manifests(API_SERVER)),
        ]
    );
    // It was healthy, so nothing but its place has changed.
    assert_eq!(world.text(&manifest_path(API_SERVER)), manifest(API_SERVER));
    assert_ne!(world.pid(API_SERVER), old.1);
    let state = world.state();
    let started = |kind| {
        state
            .processes
            .iter()
            .rfind(|running| running.kind == kind)
            .unwrap()
            .process
            .started
    };
    assert!(started(API_SERVER) > started(ETCD));
    assert!(
        taken.seconds > 40.0,
        "drained 30 s and was ready 10 s after: {}",
        taken.seconds
    );
}

#[test]
fn the_api_servers_own_restart_after_it_is_done_already() {
    let world = World::control_plane();
    let changed = world.state().now;
    world.pass(SignedDuration::from_secs(1));
    world
        .take_up_since(&world.action(ETCD, TakeUp::Restart), changed)
        .unwrap();
    let pid = world.pid(API_SERVER);
    let taken = world
        .take_up_since(&world.action(API_SERVER, TakeUp::Restart), changed)
        .unwrap();
    assert_eq!(taken.how, How::AlreadyRestarted { pid });
}

#[test]
fn it_is_put_back_when_etcd_does_not_come_back() {
    let world = World::control_plane();
    world.state().behaviour(ETCD).starts = false;
    let error = world
        .take_up(&world.action(ETCD, TakeUp::Restart))
        .unwrap_err();
    assert_eq!((error.code(), error.component()), ("no-new-process", ETCD));
    assert_eq!(world.text(&manifest_path(API_SERVER)), manifest(API_SERVER));
}

#[test]
fn an_api_server_that_does_not_end_stops_everything_before_etcd_is_touched() {
    let world = World::control_plane();
    world.state().behaviour(API_SERVER).ends = false;
    let pid = world.pid(ETCD);
    let began = world.state().now;

    let error = world
        .take_up(&world.action(ETCD, TakeUp::Restart))
        .unwrap_err();

    assert_eq!(error.code(), "still-running");
    assert!((120.0..125.0).contains(&world.elapsed_since(began)));
    assert_eq!(world.pid(ETCD), pid);
    assert_eq!(world.text(&manifest_path(ETCD)), manifest(ETCD));
    assert!(world.state().files.contains_key(&manifest_path(API_SERVER)));
    assert_eq!(world.names_in("/etc/kubernetes"), ["admin.conf"]);
}

#[test]
fn one_that_the_kubelet_does_not_end_is_stopped_and_comes_back_with_a_new_annotation() {
    let world = World::control_plane();
    let old = world.pid(API_SERVER);
    world.state().kubelet_ends_pods = false;
    let began = world.state().now;

    world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();

    let elapsed = world.elapsed_since(began);
    assert!(elapsed < 40.0, "{elapsed}");
    assert_ne!(world.pid(API_SERVER), old);
    assert!(world.effects().contains(&"stop kube-apiserver".to_owned()));
    let text = world.text(&manifest_path(API_SERVER));
    assert!(text.contains("kubepki.dev/restarted-at"), "{text}");
}

#[test]
fn one_that_was_not_healthy_comes_back_with_a_new_annotation() {
    let world = World::control_plane();
    for running in &mut world.state().processes {
        if running.kind == API_SERVER {
            running.healthy_at += SignedDuration::from_hours(1);
        }
    }
    world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();
    let text = world.text(&manifest_path(API_SERVER));
    assert!(text.contains("kubepki.dev/restarted-at"), "{text}");
    assert_eq!(world.names_in("/etc/kubernetes"), ["admin.conf"]);
}

#[test]
fn one_that_does_not_run_is_left_alone() {
    let world = World::control_plane();
    world
        .state()
        .processes
        .retain(|running| running.kind != API_SERVER);
    world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();
    assert!(
        !world
            .effects()
            .iter()
            .any(|effect| effect.contains("apiserver"))
    );
}

#[test]
fn a_manifest_that_cannot_be_moved_is_not_parked_and_that_is_told() {
    let world = World::control_plane();
    world.state().read_only.insert(MANIFESTS.into());
    let taken = world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();
    assert_eq!(world.effects().last().unwrap(), "stop etcd");
    assert!(
        taken.notes[0].contains("under the running API server"),
        "{:?}",
        taken.notes
    );
}

#[test]
fn whenever_the_program_dies_the_api_server_comes_back() {
    let points = {
        let world = World::control_plane();
        world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();
        world.effects().len()
    };
    assert_eq!(points, 4);
    for point in 0..points {
        let world = World::control_plane();
        world.state().dies_after = Some(point);
        world
            .take_up(&world.action(ETCD, TakeUp::Restart))
            .unwrap_err();
        world.state().dies_after = None;

        unpark_leftovers(&world, &folders()).unwrap();

        assert_eq!(
            world.text(&manifest_path(API_SERVER)),
            manifest(API_SERVER),
            "point {point}"
        );
        assert_eq!(world.names_in(MANIFESTS).len(), 4, "point {point}");
        assert_eq!(
            world.names_in("/etc/kubernetes"),
            ["admin.conf"],
            "point {point}"
        );
        // And the next run finishes.
        world.take_up(&world.action(ETCD, TakeUp::Restart)).unwrap();
    }
}

#[test]
fn leftovers_are_put_back_from_either_place_but_never_over_a_newer_manifest() {
    let world = World::control_plane();
    let beside = format!("{MANIFESTS}/.kube-scheduler.yaml.kubepki-parked");
    {
        let mut state = world.state();
        let file = state
            .files
            .remove(&manifest_path(ComponentKind::KubeScheduler))
            .unwrap();
        state.files.insert(PathBuf::from(&beside), file);
        state.write(Path::new(PARKED), b"older");
        state.write(Path::new("/etc/kubernetes/.unrelated"), b"");
    }
    let leftovers = unpark_leftovers(&world, &folders()).unwrap();
    assert_eq!(
        leftovers.put_back,
        [manifest_path(ComponentKind::KubeScheduler)]
    );
    assert_eq!(leftovers.superseded, [PathBuf::from(PARKED)]);
    assert_eq!(world.text(&manifest_path(API_SERVER)), manifest(API_SERVER));
    assert_eq!(world.effects().len(), 1);
    let none = unpark_leftovers(&world, &["/nowhere".into()]).unwrap();
    assert_eq!(none, Default::default());
}
