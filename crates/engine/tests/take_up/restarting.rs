//! Components that are restarted, by whatever started them.

use crate::kubeadm::{manifest, manifest_path};
use crate::world::{MANIFESTS, World};
use jiff::SignedDuration;
use kubepki_core::model::{ComponentKind, RunsAs};
use kubepki_core::plan::{ComponentAction, TakeUp};
use kubepki_engine::take_up::{How, TakeUpError};
use std::path::{Path, PathBuf};

const SCHEDULER: ComponentKind = ComponentKind::KubeScheduler;
const STAGED: &str = "/etc/kubernetes/.kube-scheduler.yaml.kubepki-staged";

fn restart(
    world: &World,
    kind: ComponentKind,
) -> Result<kubepki_engine::take_up::TakenUp, TakeUpError> {
    world.take_up(&world.action(kind, TakeUp::Restart))
}

fn lines(count: usize) -> Vec<String> {
    (1..=count).map(|line| format!("line {line}")).collect()
}

#[test]
fn a_static_pod_is_restarted_by_an_annotation_staged_above_its_folder() {
    let world = World::control_plane();
    let old_pid = world.pid(SCHEDULER);
    let path = manifest_path(SCHEDULER);

    let taken = restart(&world, SCHEDULER).unwrap();

    let new_pid = world.pid(SCHEDULER);
    assert_ne!(old_pid, new_pid);
    assert_eq!(
        taken.how,
        How::Restarted {
            old_pid: Some(old_pid),
            new_pid
        }
    );
    assert!((2.0..5.0).contains(&taken.seconds), "{}", taken.seconds);
    assert_eq!(
        world.effects(),
        [
            format!("create {STAGED}"),
            format!("rename {STAGED} {}", path.display())
        ]
    );
    let text = world.text(&path);
    let kept: String = text
        .lines()
        .filter(|line| !line.contains("annotations:") && !line.contains("kubepki.dev/restarted-at"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(kept, manifest(SCHEDULER));
    assert!(text.contains("kubepki.dev/restarted-at"), "{text}");
    let state = world.state();
    let attributes = &state.files[&path].attributes;
    assert_eq!(
        (attributes.mode, attributes.uid, attributes.gid),
        (0o600, 7, 8)
    );
}

#[test]
fn a_process_that_started_since_is_not_restarted_again() {
    let world = World::control_plane();
    let changed = world.state().now;
    world.pass(SignedDuration::from_secs(1));
    let action = world.action(SCHEDULER, TakeUp::Restart);
    world.take_up_since(&action, changed).unwrap();
    let (pid, effects) = (world.pid(SCHEDULER), world.effects());

    let again = world.take_up_since(&action, changed).unwrap();

    assert_eq!(again.how, How::AlreadyRestarted { pid });
    assert_eq!(world.effects(), effects);
    // Files that change once more need one more restart, and the annotation another value.
    let first = world.text(&manifest_path(SCHEDULER));
    restart(&world, SCHEDULER).unwrap();
    assert_ne!(world.pid(SCHEDULER), pid);
    assert_ne!(world.text(&manifest_path(SCHEDULER)), first);
}

#[test]
fn a_process_that_never_comes_back_is_named_with_its_last_words() {
    let world = World::control_plane();
    world.state().behaviour(SCHEDULER).starts = false;
    let logs = [("kube-scheduler".to_owned(), lines(30))].into();
    world.state().container_logs = Some(logs);
    let began = world.state().now;

    let error = restart(&world, SCHEDULER).unwrap_err();

    assert!(world.elapsed_since(began) < 95.0);
    assert_eq!(error.code(), "no-new-process");
    assert_eq!(error.component(), SCHEDULER);
    assert_eq!(error.log(), &lines(30)[20..]);
    assert_eq!(
        error.to_string(),
        "kube-scheduler: no new process within 90 s after its manifest was annotated: no process"
    );
}

#[test]
fn without_a_runtime_the_last_words_come_from_the_pods_log_files() {
    let world = World::control_plane();
    world.state().behaviour(SCHEDULER).starts = false;
    world.state().container_logs = None;
    let pod = "/var/log/pods/kube-system_kube-scheduler-cp1_69cd/kube-scheduler";
    let text: String = lines(12)
        .iter()
        .map(|line| format!("2026-11-22T00:40:30Z stderr F {line}\n"))
        .collect();
    world.state().write(
        Path::new(&format!("{pod}/0.log")),
        b"2026-11-21T00:00:00Z stderr F older\n",
    );
    world.pass(SignedDuration::from_secs(1));
    world
        .state()
        .write(Path::new(&format!("{pod}/1.log")), text.as_bytes());

    let error = restart(&world, SCHEDULER).unwrap_err();

    assert_eq!(error.log(), &lines(12)[2..]);
}

#[test]
fn a_process_that_is_not_healthy_in_time_is_an_error() {
    let world = World::control_plane();
    world
        .state()
        .behaviour(ComponentKind::KubeApiserver)
        .healthy_after = SignedDuration::from_hours(1);
    let began = world.state().now;

    let error = restart(&world, ComponentKind::KubeApiserver).unwrap_err();

    assert!((120.0..125.0).contains(&world.elapsed_since(began)));
    let pid = world.pid(ComponentKind::KubeApiserver);
    assert_eq!(
        error.to_string(),
        format!(
            "kube-apiserver: process {pid} is not healthy 120 s after its manifest was annotated: \
             https://127.0.0.1:6443/readyz answers 500 (failed: etcd)"
        )
    );
}

#[test]
fn the_old_api_server_may_drain_beside_the_new_one() {
    let world = World::control_plane();
    let taken = restart(&world, ComponentKind::KubeApiserver).unwrap();
    assert!(taken.seconds < 15.0, "{}", taken.seconds);
    let of_kind = |running: &&crate::world::Running| running.kind == ComponentKind::KubeApiserver;
    assert_eq!(world.state().processes.iter().filter(of_kind).count(), 2);
}

#[test]
fn any_other_old_process_must_have_ended_as_it_would_answer_for_the_new_one() {
    let world = World::control_plane();
    let old_pid = world.pid(SCHEDULER);
    world.state().behaviour(SCHEDULER).drains = SignedDuration::from_secs(6);
    let taken = restart(&world, SCHEDULER).unwrap();
    assert!((6.0..8.0).contains(&taken.seconds), "{}", taken.seconds);
    let pids = |running: &crate::world::Running| running.process.pid;
    assert!(
        !world
            .state()
            .processes
            .iter()
            .map(pids)
            .any(|pid| pid == old_pid)
    );
}

#[test]
fn an_old_container_that_the_kubelet_does_not_end_is_stopped() {
    let world = World::control_plane();
    world.state().kubelet_ends_pods = false;
    let old_pid = world.pid(SCHEDULER);

    let taken = restart(&world, SCHEDULER).unwrap();

    assert!((10.0..15.0).contains(&taken.seconds), "{}", taken.seconds);
    assert_ne!(world.pid(SCHEDULER), old_pid);
    let stops = |effect: &&String| effect.starts_with("stop ");
    assert_eq!(world.effects().iter().filter(stops).count(), 1);
}

#[test]
fn nothing_is_touched_while_the_kubelet_is_down() {
    let world = World::control_plane();
    world.state().kubelet_is_up = false;
    world.state().unit_log = lines(3);

    let error = restart(&world, SCHEDULER).unwrap_err();

    assert_eq!(error.code(), "kubelet-down");
    assert_eq!(error.log(), lines(3));
    assert!(
        error
            .to_string()
            .contains("http://127.0.0.1:10248/healthz: connection refused"),
        "{error}"
    );
    assert_eq!(world.effects(), [""; 0]);
}

#[test]
fn a_manifest_that_cannot_be_changed_has_its_container_stopped_and_the_back_off_waited_for() {
    let world = World::control_plane();
    world.state().read_only.insert(MANIFESTS.into());
    world.state().behaviour(SCHEDULER).back_off = SignedDuration::from_secs(160);

    let taken = restart(&world, SCHEDULER).unwrap();

    assert!(matches!(taken.how, How::Restarted { .. }));
    assert!((160.0..170.0).contains(&taken.seconds), "{}", taken.seconds);
    let effects = world.effects();
    assert_eq!(effects.last().unwrap(), "stop kube-scheduler");
    assert_eq!(world.text(&manifest_path(SCHEDULER)), manifest(SCHEDULER));
    assert!(!world.state().files.contains_key(Path::new(STAGED)));
    let said = world.state().said.join("\n");
    assert!(
        said.contains("its manifest cannot be changed (cannot rename"),
        "{said}"
    );
}

#[test]
fn with_neither_manifest_nor_runtime_both_reasons_are_told() {
    let world = World::control_plane();
    world.state().read_only.insert("/etc/kubernetes".into());
    world.state().container_logs = None;

    let error = restart(&world, SCHEDULER).unwrap_err();

    assert_eq!(error.code(), "no-way-to-restart");
    let text = error.to_string();
    assert!(
        text.contains(STAGED) && text.contains("containerd.sock"),
        "{text}"
    );
}

#[test]
fn a_manifests_folder_on_its_own_file_system_has_the_manifest_staged_as_a_dot_file_in_it() {
    let world = World::control_plane();
    world.state().own_devices.insert(MANIFESTS.into());

    restart(&world, SCHEDULER).unwrap();

    let beside = format!("{MANIFESTS}/.kube-scheduler.yaml.kubepki-staged");
    let path = manifest_path(SCHEDULER);
    assert_eq!(
        world.effects()[1..],
        [
            format!("remove {STAGED}"),
            format!("create {beside}"),
            format!("rename {beside} {}", path.display())
        ]
    );
    assert_eq!(world.names_in(MANIFESTS).len(), 4);
}

#[test]
fn a_missing_manifest_is_named() {
    let world = World::control_plane();
    let action = world.action(SCHEDULER, TakeUp::Restart);
    world.state().files.remove(&manifest_path(SCHEDULER));
    let error = world.take_up(&action).unwrap_err();
    assert_eq!(error.code(), "manifest-unusable");
    assert!(
        error
            .to_string()
            .contains("/etc/kubernetes/manifests/kube-scheduler.yaml"),
        "{error}"
    );
}

#[test]
fn a_unit_is_restarted_and_its_journal_is_the_evidence() {
    let world = World::control_plane();
    let old_pid = world.pid(ComponentKind::Kubelet);
    let taken = restart(&world, ComponentKind::Kubelet).unwrap();
    let new_pid = world.pid(ComponentKind::Kubelet);
    assert_eq!(
        taken.how,
        How::Restarted {
            old_pid: Some(old_pid),
            new_pid
        }
    );
    assert_eq!(world.effects(), ["restart kubelet.service"]);

    world.state().behaviour(ComponentKind::Kubelet).starts = false;
    world.state().unit_log = lines(2);
    let error = restart(&world, ComponentKind::Kubelet).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kubelet: no new process within 90 s after systemctl restart kubelet.service: \
         kubelet.service is activating"
    );
    assert_eq!(error.log(), lines(2));
}

#[test]
fn a_docker_container_is_restarted_by_docker() {
    let world = World::control_plane();
    let action = ComponentAction {
        runs_as: RunsAs::DockerContainer {
            container: "kube-scheduler".to_owned(),
        },
        ..world.action(SCHEDULER, TakeUp::Restart)
    };
    let taken = world.take_up(&action).unwrap();
    assert!(matches!(taken.how, How::Restarted { .. }));
    assert_eq!(world.effects(), ["docker restart kube-scheduler"]);
}

#[test]
fn what_nothing_known_has_started_is_left_to_the_user() {
    let world = World::control_plane();
    let action = ComponentAction {
        runs_as: RunsAs::Process,
        ..world.action(SCHEDULER, TakeUp::Restart)
    };
    let error = world.take_up(&action).unwrap_err();
    assert_eq!(error.code(), "restart-by-hand");
    assert!(error.hint().is_some());

    world
        .state()
        .processes
        .retain(|running| running.kind != SCHEDULER);
    assert_eq!(world.take_up(&action).unwrap().how, How::NotRunning);
}

#[test]
fn nothing_is_restarted_on_a_mounted_disk() {
    let world = World::control_plane();
    world.state().is_live = false;
    assert_eq!(restart(&world, SCHEDULER).unwrap().how, How::NotRunning);
    assert_eq!(world.effects(), [""; 0]);
}

#[test]
fn a_member_that_only_lacks_its_peers_is_not_blamed() {
    let world = World::control_plane();
    {
        let mut state = world.state();
        for kind in [ComponentKind::Etcd, ComponentKind::KubeApiserver] {
            state.behaviour(kind).healthy_after = SignedDuration::from_hours(1);
        }
        let line = "rafthttp: health check for peer 8e9e could not connect".to_owned();
        state.container_logs = Some([("etcd".to_owned(), vec![line])].into());
    }
    let taken = restart(&world, ComponentKind::Etcd).unwrap();
    assert!(
        taken.notes[0].contains("waits for the cluster's other members"),
        "{:?}",
        taken.notes
    );
    let taken = restart(&world, ComponentKind::KubeApiserver).unwrap();
    assert!(taken.notes[0].contains("etcd waits"), "{:?}", taken.notes);

    // A member without peers has no such excuse.
    world.state().container_logs = Some(Default::default());
    let error = restart(&world, ComponentKind::Etcd).unwrap_err();
    assert_eq!(
        (error.code(), error.component()),
        ("not-healthy", ComponentKind::Etcd)
    );
    let parked: PathBuf = manifest_path(ComponentKind::KubeApiserver);
    assert!(world.state().files.contains_key(&parked));
}
