//! Static pods whose manifest the run itself has changed, and restarts that leave no mark.

use crate::kubeadm::{manifest, manifest_path};
use crate::world::{MANIFESTS, World};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::formats::static_pod::{RESTARTED_AT, StaticPod};
use kubepki_core::model::{Component, ComponentKind, RunsAs};
use kubepki_core::plan::{ComponentAction, TakeUp};
use kubepki_engine::take_up::{
    How, Manifests, Setting, TakeUpError, TakenUp, halted, start_parked, take_up, take_up_around,
};
use kubepki_sealed::{Sealed, danger};
use std::path::PathBuf;

const ETCD: ComponentKind = ComponentKind::Etcd;
const API_SERVER: ComponentKind = ComponentKind::KubeApiserver;
const SIGNER: ComponentKind = ComponentKind::KubeControllerManager;

/// As discovery would see the host now: without the pods whose manifests are away.
fn seen(world: &World) -> Vec<Component> {
    let mut components = world.components();
    components.retain(|component| match &component.runs_as {
        RunsAs::StaticPod { manifest, .. } => world.state().files.contains_key(manifest),
        _ => true,
    });
    components
}

fn with<T>(
    world: &World,
    changed: Timestamp,
    written: &[PathBuf],
    leaves_no_mark: bool,
    ask: impl FnOnce(&Setting<'_>) -> T,
) -> T {
    let components = seen(world);
    world.with_setting(changed, |_, setting| {
        ask(&Setting {
            components: &components,
            admin_kubeconfig: setting.admin_kubeconfig.clone(),
            written,
            leaves_no_mark,
            ..*setting
        })
    })
}

fn restart(
    world: &World,
    kind: ComponentKind,
    written: &[PathBuf],
    leaves_no_mark: bool,
) -> Result<TakenUp, TakeUpError> {
    let changed = world.state().now;
    world.pass(SignedDuration::from_secs(1));
    let component = world.component(kind);
    let action = world.action(kind, TakeUp::Restart);
    with(world, changed, written, leaves_no_mark, |setting| {
        take_up(&world.ports(), &component, &action, setting)
    })
}

fn around(world: &World, changed: Timestamp, leaves_no_mark: bool) -> Result<TakenUp, TakeUpError> {
    let component = world.component(ETCD);
    let action = ComponentAction {
        parks: vec![API_SERVER],
        ..world.action(ETCD, TakeUp::Restart)
    };
    with(world, changed, &[], leaves_no_mark, |setting| {
        take_up_around(&world.ports(), &component, &action, setting, || {
            Ok(seen(world))
        })
    })
}

#[test]
fn a_pod_whose_manifest_was_changed_is_awaited_and_not_restarted_once_more() {
    let world = World::control_plane();
    let old = world.pid(SIGNER);
    let path = manifest_path(SIGNER);
    let edited = StaticPod::with_flags(
        manifest(SIGNER).as_bytes(),
        SIGNER.executable(),
        &[("v", Some("4"))],
    )
    .unwrap();
    world.state().write(&path, &edited);

    let taken = restart(&world, SIGNER, std::slice::from_ref(&path), false).unwrap();

    let new_pid = world.pid(SIGNER);
    assert_ne!(new_pid, old);
    let is_new = match taken.how {
        How::Restarted {
            old_pid,
            new_pid: pid,
        } => old_pid.is_none_or(|it| it == old) && pid == new_pid,
        How::AlreadyRestarted { pid } => pid == new_pid,
        _ => false,
    };
    assert!(is_new, "{:?}", taken.how);
    assert_eq!(world.effects(), Vec::<String>::new());
    assert_eq!(world.text(&path).into_bytes(), edited);
}

#[test]
fn a_manifest_that_means_the_same_to_the_kubelet_is_annotated_after_a_while() {
    let world = World::control_plane();
    let old = world.pid(SIGNER);
    let path = manifest_path(SIGNER);
    // Written, and nothing of it is new to the kubelet.
    world.state().write(&path, manifest(SIGNER).as_bytes());
    let taken = restart(&world, SIGNER, std::slice::from_ref(&path), false).unwrap();
    assert_ne!(world.pid(SIGNER), old);
    assert!(taken.seconds > 45.0, "{}", taken.seconds);
    assert!(world.text(&path).contains(RESTARTED_AT));
}

#[test]
fn the_last_restart_of_a_rotation_takes_the_annotation_away() {
    let world = World::control_plane();
    let path = manifest_path(SIGNER);
    restart(&world, SIGNER, &[], false).unwrap();
    assert!(world.text(&path).contains(RESTARTED_AT));
    let old = world.pid(SIGNER);
    restart(&world, SIGNER, &[], true).unwrap();
    assert_ne!(world.pid(SIGNER), old);
    assert_eq!(world.text(&path), manifest(SIGNER));

    // Where there is none to take away, the manifest goes and comes back.
    let old = world.pid(SIGNER);
    restart(&world, SIGNER, &[], true).unwrap();
    assert_ne!(world.pid(SIGNER), old);
    assert_eq!(world.text(&path), manifest(SIGNER));
    assert_eq!(world.names_in(MANIFESTS).len(), 4);
    assert_eq!(world.names_in("/etc/kubernetes"), ["admin.conf"]);
}

#[test]
fn what_an_action_parks_is_down_meanwhile_and_healthy_afterwards() {
    let world = World::control_plane();
    let old = (world.pid(ETCD), world.pid(API_SERVER));
    let changed = world.state().now;
    world.pass(SignedDuration::from_secs(1));

    let began = world.state().now;
    let around = around(&world, changed, false).unwrap();

    assert_ne!((world.pid(ETCD), world.pid(API_SERVER)), old);
    // All of the time in which the API server was missed, and not that of the member alone.
    let passed = world.state().now.duration_since(began).as_secs_f64();
    assert!(
        passed > 0.0 && (around.seconds - passed).abs() < 1.0,
        "{around:?} of {passed} s"
    );
    let started = |kind| {
        let state = world.state();
        let of_kind = state.processes.iter().rfind(|running| running.kind == kind);
        of_kind.unwrap().process.started
    };
    assert!(started(API_SERVER) > started(ETCD));
    assert!(halted(&world).unwrap().is_empty());
    assert_eq!(world.names_in(MANIFESTS).len(), 4);
    // It has read the new files by then.
    let pid = world.pid(API_SERVER);
    let action = world.action(API_SERVER, TakeUp::Restart);
    let taken = world.take_up_since(&action, changed).unwrap();
    assert_eq!(taken.how, How::AlreadyRestarted { pid });
}

#[test]
fn the_last_time_that_one_is_parked_its_manifest_is_as_it_was() {
    let world = World::control_plane();
    let path = manifest_path(API_SERVER);
    for leaves_no_mark in [false, true, true] {
        let changed = world.state().now;
        world.pass(SignedDuration::from_secs(1));
        around(&world, changed, leaves_no_mark).unwrap();
        let text = world.text(&path);
        assert_eq!(text == manifest(API_SERVER), leaves_no_mark);
    }
    restart(&world, ETCD, &[], true).unwrap();
    assert_eq!(world.text(&manifest_path(ETCD)), manifest(ETCD));
}

#[test]
fn what_is_taken_back_leaves_manifests_as_they_were_before() {
    let world = World::control_plane();
    let before: Manifests = [ETCD, API_SERVER, SIGNER]
        .into_iter()
        .map(|kind| {
            // an annotation of an earlier time is a byte of before as any other
            let mut text = manifest(kind);
            if kind == SIGNER {
                let then = "2026-01-01T00:00:00Z".parse().unwrap();
                let marked = StaticPod::with_restart(text.as_bytes(), then).unwrap();
                text = String::from_utf8(marked).unwrap();
            }
            (manifest_path(kind), Sealed::new(text.into_bytes()))
        })
        .collect();
    let now = world.state().now;
    world.pass(SignedDuration::from_secs(1));
    around(&world, now, false).unwrap();
    restart(&world, SIGNER, &[], false).unwrap();
    for kind in [ETCD, API_SERVER, SIGNER] {
        assert!(world.text(&manifest_path(kind)).contains(RESTARTED_AT));
    }

    // the second time nothing is left to change, and they are restarted all the same
    for _ in 0..2 {
        let old = [ETCD, API_SERVER, SIGNER].map(|kind| world.pid(kind));
        let changed = world.state().now;
        world.pass(SignedDuration::from_secs(1));
        with(&world, changed, &[], false, |setting| {
            let setting = Setting {
                admin_kubeconfig: setting.admin_kubeconfig.clone(),
                as_before: Some(&before),
                ..*setting
            };
            let ports = world.ports();
            let action = ComponentAction {
                parks: vec![API_SERVER],
                ..world.action(ETCD, TakeUp::Restart)
            };
            let etcd = world.component(ETCD);
            take_up_around(&ports, &etcd, &action, &setting, || Ok(seen(&world))).unwrap();
            let action = world.action(SIGNER, TakeUp::Restart);
            take_up(&ports, &world.component(SIGNER), &action, &setting).unwrap();
        });
        for (path, contents) in &before {
            let expected = String::from_utf8_lossy(danger::open(contents));
            assert_eq!(world.text(path), expected);
        }
        let new = [ETCD, API_SERVER, SIGNER].map(|kind| world.pid(kind));
        assert!(old.iter().zip(new).all(|(old, new)| *old != new));
    }
}

#[test]
fn what_is_parked_comes_back_from_a_crash_at_every_point() {
    let undisturbed = World::control_plane();
    let changed = undisturbed.state().now;
    undisturbed.pass(SignedDuration::from_secs(1));
    around(&undisturbed, changed, false).unwrap();
    let points = undisturbed.effects().len();
    assert!(points > 6, "{points}");
    for point in 0..points {
        for carried_on in [true, false] {
            let world = World::control_plane();
            let changed = world.state().now;
            world.pass(SignedDuration::from_secs(1));
            world.state().dies_after = Some(point);
            let died = around(&world, changed, false);
            world.state().dies_after = None;
            if carried_on {
                let changed = world.state().now;
                around(&world, changed, false).unwrap_or_else(|error| panic!("{point}: {error}"));
            } else if died.is_err() {
                let changed = world.state().now;
                with(&world, changed, &[], false, |setting| {
                    start_parked(&world.ports(), &[API_SERVER], setting)
                })
                .unwrap_or_else(|error| panic!("{point}: {error}"));
            }
            assert!(halted(&world).unwrap().is_empty(), "point {point}");
            assert!(world.state().files.contains_key(&manifest_path(API_SERVER)));
            world.pass(SignedDuration::from_secs(60));
            world.pid(API_SERVER);
            world.pid(ETCD);
        }
    }
}

#[test]
fn what_is_parked_is_started_again_when_the_restart_fails() {
    let world = World::control_plane();
    world.state().behaviour(ETCD).starts = false;
    let changed = world.state().now;
    world.pass(SignedDuration::from_secs(1));
    let error = around(&world, changed, false).unwrap_err();
    assert_eq!((error.code(), error.component()), ("no-new-process", ETCD));
    assert!(halted(&world).unwrap().is_empty());
    world.pass(SignedDuration::from_secs(20));
    world.pid(API_SERVER);
}
