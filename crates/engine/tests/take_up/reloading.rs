//! Components that re-read their files: awaited, proved, and restarted when they do not.

use crate::world::World;
use jiff::SignedDuration;
use kubepki_core::model::ComponentKind::{Etcd, KubeApiserver, KubeControllerManager};
use kubepki_core::plan::{ComponentAction, TakeUp};
use kubepki_engine::take_up::How;

const POLLED: TakeUp = TakeUp::Reload { within_seconds: 70 };
const CERTIFICATE: &str = "/etc/kubernetes/pki/apiserver.crt";

fn reload(world: &World, reason: &str) -> ComponentAction {
    ComponentAction {
        reasons: vec![reason.to_owned()],
        ..world.action(KubeApiserver, POLLED)
    }
}

#[test]
fn the_endpoint_is_asked_until_it_serves_the_new_certificate() {
    let world = World::control_plane();
    let pid = world.pid(KubeApiserver);
    let new = world.new_certificate(CERTIFICATE);
    let at = world.state().now + SignedDuration::from_secs(42);
    world.state().behaviour(KubeApiserver).reloads_at = Some(at);

    let taken = world
        .take_up(&reload(&world, "apiserver (--tls-cert-file)"))
        .unwrap();

    assert_eq!(taken.how, How::Reloaded);
    assert_eq!(taken.notes, [""; 0]);
    assert!((40.0..43.0).contains(&taken.seconds), "{}", taken.seconds);
    assert_eq!(world.state().served[&6443].loaded, new);
    assert_eq!(world.pid(KubeApiserver), pid);
    assert_eq!(world.effects(), [""; 0]);
    let said = world.state().said.join("\n");
    assert!(
        said.contains("127.0.0.1:6443 still serves serial"),
        "{said}"
    );
}

#[test]
fn one_that_does_not_reload_in_time_is_restarted() {
    let world = World::control_plane();
    let new = world.new_certificate(CERTIFICATE);
    let taken = world
        .take_up(&reload(&world, "apiserver (--tls-cert-file)"))
        .unwrap();
    assert!(matches!(taken.how, How::Restarted { .. }));
    assert!((100.0..125.0).contains(&taken.seconds), "{}", taken.seconds);
    assert_eq!(world.state().served[&6443].loaded, new);
}

#[test]
fn one_that_is_not_healthy_is_restarted_at_once() {
    let world = World::control_plane();
    world.new_certificate(CERTIFICATE);
    for running in &mut world.state().processes {
        if running.kind == KubeApiserver {
            running.healthy_at += SignedDuration::from_hours(1);
        }
    }
    let taken = world
        .take_up(&reload(&world, "apiserver (--tls-cert-file)"))
        .unwrap();
    assert!(matches!(taken.how, How::Restarted { .. }));
    assert!(taken.seconds < 40.0, "{}", taken.seconds);
    let said = world.state().said.join("\n");
    assert!(
        said.contains("not healthy (https://127.0.0.1:6443/readyz answers 500"),
        "{said}"
    );
}

#[test]
fn one_that_does_not_run_is_started() {
    let world = World::control_plane();
    world
        .state()
        .processes
        .retain(|running| running.kind != KubeApiserver);
    let taken = world
        .take_up(&reload(&world, "apiserver (--tls-cert-file)"))
        .unwrap();
    assert_eq!(
        taken.how,
        How::Restarted {
            old_pid: None,
            new_pid: world.pid(KubeApiserver)
        }
    );
}

#[test]
fn what_no_endpoint_tells_is_given_the_time_that_it_takes() {
    let world = World::control_plane();
    let taken = world
        .take_up(&reload(&world, "ca (--client-ca-file)"))
        .unwrap();
    assert_eq!(taken.how, How::Reloaded);
    assert!((70.0..75.0).contains(&taken.seconds), "{}", taken.seconds);
    assert!(
        taken.notes[0].starts_with("--client-ca-file re-read within 70 s"),
        "{:?}",
        taken.notes
    );

    let action = ComponentAction {
        reasons: vec!["ca (--cluster-signing-cert-file)".to_owned()],
        ..world.action(KubeControllerManager, POLLED)
    };
    let taken = world.take_up(&action).unwrap();
    assert!((70.0..75.0).contains(&taken.seconds), "{}", taken.seconds);
}

#[test]
fn etcd_reads_at_each_handshake() {
    let world = World::control_plane();
    let at = world.state().now;
    world.state().behaviour(Etcd).reloads_at = Some(at);
    world.new_certificate("/etc/kubernetes/pki/etcd/server.crt");
    world.new_certificate("/etc/kubernetes/pki/etcd/peer.crt");
    let action = ComponentAction {
        reasons: vec![
            "etcd-server (--cert-file)".to_owned(),
            "etcd-peer (--peer-cert-file)".to_owned(),
        ],
        ..world.action(Etcd, TakeUp::Reload { within_seconds: 5 })
    };
    let taken = world.take_up(&action).unwrap();
    assert_eq!(taken.how, How::Reloaded);
    assert!(taken.seconds < 1.0, "{}", taken.seconds);
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let world = World::control_plane();
    world.state().write(CERTIFICATE.as_ref(), b"nothing");
    let error = world
        .take_up(&reload(&world, "apiserver (--tls-cert-file)"))
        .unwrap_err();
    assert_eq!(error.code(), "take-up-certificate-unreadable");
    assert!(error.to_string().contains(CERTIFICATE), "{error}");
}
