//! Components halted and started again, whatever happens in between.

use crate::kubeadm::{manifest, manifest_path};
use crate::world::{MANIFESTS, World};
use jiff::SignedDuration;
use kubepki_core::model::{Component, ComponentKind, RunsAs};
use kubepki_engine::take_up::{HALTED, Scene, TakeUpError, halt, halted, start, unpark_leftovers};
use std::path::{Path, PathBuf};

/// As a campaign names them: pods before the kubelet.
const DOWN: [ComponentKind; 5] = [
    ComponentKind::KubeScheduler,
    ComponentKind::KubeControllerManager,
    ComponentKind::KubeApiserver,
    ComponentKind::Etcd,
    ComponentKind::Kubelet,
];

/// The kubelet before the pods, etcd before what needs it.
const UP: [ComponentKind; 5] = [
    ComponentKind::Kubelet,
    ComponentKind::Etcd,
    ComponentKind::KubeApiserver,
    ComponentKind::KubeControllerManager,
    ComponentKind::KubeScheduler,
];

type Act =
    fn(&kubepki_engine::ports::Ports<'_>, &[ComponentKind], &Scene<'_>) -> Result<(), TakeUpError>;

/// As discovery would see the host now: without the pods whose manifests are away.
fn act(world: &World, act: Act, kinds: &[ComponentKind]) -> Result<(), TakeUpError> {
    let mut components: Vec<Component> = world.components();
    components.retain(|component| match &component.runs_as {
        RunsAs::StaticPod { manifest, .. } => world.state().files.contains_key(manifest),
        _ => true,
    });
    let folders = [PathBuf::from(MANIFESTS)];
    let scene = Scene {
        components: &components,
        static_pod_folders: &folders,
        leaves_no_mark: false,
        as_before: None,
        progress: world,
    };
    act(&world.ports(), kinds, &scene)
}

fn running(world: &World) -> Vec<ComponentKind> {
    world.pass(SignedDuration::from_secs(1));
    let state = world.state();
    let mut kinds: Vec<ComponentKind> = state.processes.iter().map(|it| it.kind).collect();
    kinds.sort();
    kinds
}

fn halted_kinds(world: &World) -> Vec<ComponentKind> {
    let halted = halted(world).unwrap();
    halted.iter().map(|halted| halted.component).collect()
}

fn assert_everything_runs(world: &World, when: &str) {
    let mut all = UP.to_vec();
    all.sort();
    assert_eq!(running(world), all, "{when}");
    assert_eq!(halted_kinds(world), [], "{when}");
    assert_eq!(world.names_in(MANIFESTS).len(), 4, "{when}");
    assert_eq!(world.names_in("/etc/kubernetes"), ["admin.conf"], "{when}");
    assert!(
        !world.state().files.contains_key(Path::new(HALTED)),
        "{when}"
    );
}

#[test]
fn everything_is_stopped_in_order_and_comes_back() {
    let world = World::control_plane();
    act(&world, halt, &DOWN).unwrap();
    assert_eq!(running(&world), []);
    assert_eq!(halted_kinds(&world), DOWN);
    assert_eq!(world.names_in(MANIFESTS), [""; 0]);
    let renames: Vec<String> = world.effects();
    let parked =
        "rename /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/.etcd.yaml.kubepki-halted";
    assert!(renames.contains(&parked.to_owned()), "{renames:#?}");
    assert_eq!(renames.last().unwrap(), "stop kubelet.service");

    act(&world, start, &UP).unwrap();
    assert_everything_runs(&world, "after start");
    // The kubelet was stopped, too, and remembers nothing: no manifest needs a mark.
    let text = world.text(&manifest_path(ComponentKind::Etcd));
    assert!(!text.contains("kubepki.dev/restarted-at"), "{text}");
}

#[test]
fn a_pod_that_the_kubelet_remembers_is_another_one_when_it_comes_back() {
    let world = World::control_plane();
    act(&world, halt, &[ComponentKind::Etcd]).unwrap();
    act(&world, start, &[ComponentKind::Etcd]).unwrap();
    // A new annotation spares it the kubelet's back-off.
    let text = world.text(&manifest_path(ComponentKind::Etcd));
    assert!(text.contains("kubepki.dev/restarted-at"), "{text}");
}

#[test]
fn what_is_halted_or_started_already_stays_so() {
    let world = World::control_plane();
    act(&world, start, &UP).unwrap();
    assert_eq!(world.effects(), [""; 0]);
    act(&world, halt, &DOWN).unwrap();
    let done = world.effects().len();
    act(&world, halt, &DOWN).unwrap();
    let more = world.effects();
    assert_eq!(more.get(done..).unwrap(), ["stop kubelet.service"]);
    act(&world, start, &UP).unwrap();
    assert_everything_runs(&world, "after start");
    let pids = UP.map(|kind| world.pid(kind));
    act(&world, start, &UP).unwrap();
    assert_eq!(UP.map(|kind| world.pid(kind)), pids);
}

#[test]
fn without_a_kubelet_the_runtime_ends_the_pods() {
    let world = World::control_plane();
    world.state().kubelet_is_up = false;
    let began = world.state().now;
    act(&world, halt, &[ComponentKind::Etcd]).unwrap();
    assert!(world.effects().contains(&"stop etcd".to_owned()));
    assert!(world.elapsed_since(began) < 5.0);
    // Without one nothing starts either, but the manifest is back in its place.
    let error = act(&world, start, &[ComponentKind::Etcd]).unwrap_err();
    assert_eq!(error.code(), "kubelet-down");
    assert!(
        world
            .state()
            .files
            .contains_key(&manifest_path(ComponentKind::Etcd))
    );
    world.state().kubelet_is_up = true;
    act(&world, start, &[ComponentKind::Etcd]).unwrap();
    assert_everything_runs(&world, "with a kubelet");
}

#[test]
fn a_pod_that_the_kubelet_does_not_end_is_stopped_after_its_time() {
    let world = World::control_plane();
    world.state().kubelet_ends_pods = false;
    act(&world, halt, &[ComponentKind::KubeScheduler]).unwrap();
    assert!(world.effects().contains(&"stop kube-scheduler".to_owned()));
}

#[test]
fn a_component_that_goes_on_is_told_with_its_process() {
    let world = World::control_plane();
    world.state().behaviour(ComponentKind::Etcd).ends = false;
    let error = act(&world, halt, &[ComponentKind::Etcd]).unwrap_err();
    assert_eq!(error.code(), "not-stopped");
    let pid = world.pid(ComponentKind::Etcd);
    assert!(
        error.to_string().contains(&format!("process {pid}")),
        "{error}"
    );
}

#[test]
fn settling_a_run_leaves_halted_pods_alone() {
    let world = World::control_plane();
    act(&world, halt, &[ComponentKind::Etcd]).unwrap();
    unpark_leftovers(&world, &[PathBuf::from(MANIFESTS)]).unwrap();
    assert!(
        !world
            .state()
            .files
            .contains_key(&manifest_path(ComponentKind::Etcd))
    );
    assert_eq!(halted_kinds(&world), [ComponentKind::Etcd]);
}

#[test]
fn a_new_manifest_is_not_overwritten_by_the_one_that_was_parked() {
    let world = World::control_plane();
    act(&world, halt, &[ComponentKind::Etcd]).unwrap();
    let new = format!("{}# new\n", manifest(ComponentKind::Etcd));
    world
        .state()
        .write(&manifest_path(ComponentKind::Etcd), new.as_bytes());
    act(&world, start, &[ComponentKind::Etcd]).unwrap();
    assert_eq!(world.text(&manifest_path(ComponentKind::Etcd)), new);
    assert_eq!(halted_kinds(&world), []);
}

#[test]
fn on_a_file_system_of_its_own_a_manifest_is_parked_in_its_folder() {
    let world = World::control_plane();
    world.state().own_devices.insert(MANIFESTS.into());
    act(&world, halt, &[ComponentKind::Etcd]).unwrap();
    let parked = ".etcd.yaml.kubepki-halted".to_owned();
    assert!(world.names_in(MANIFESTS).contains(&parked));
    act(&world, start, &[ComponentKind::Etcd]).unwrap();
    assert_everything_runs(&world, "after start");
}

#[test]
fn a_docker_container_is_stopped_and_started_by_docker() {
    let world = World::control_plane();
    let docker = Component {
        runs_as: RunsAs::DockerContainer {
            container: "kube-scheduler".to_owned(),
        },
        ..world.component(ComponentKind::KubeScheduler)
    };
    let scene = Scene {
        components: std::slice::from_ref(&docker),
        static_pod_folders: &[],
        leaves_no_mark: false,
        as_before: None,
        progress: &world,
    };
    let kinds = [ComponentKind::KubeScheduler];
    halt(&world.ports(), &kinds, &scene).unwrap();
    assert_eq!(
        world.effects().last().unwrap(),
        "docker stop kube-scheduler"
    );
    // Its flags went with its process: what was written down is enough.
    let scene = Scene {
        components: &[],
        ..scene
    };
    start(&world.ports(), &kinds, &scene).unwrap();
    assert!(
        world
            .effects()
            .contains(&"docker start kube-scheduler".to_owned())
    );
    assert_eq!(halted_kinds(&world), []);
}

#[test]
fn what_nothing_known_has_started_is_left_to_its_owner() {
    let world = World::control_plane();
    let process = Component {
        runs_as: RunsAs::Process,
        ..world.component(ComponentKind::KubeScheduler)
    };
    let scene = Scene {
        components: &[process],
        static_pod_folders: &[],
        leaves_no_mark: false,
        as_before: None,
        progress: &world,
    };
    let error = halt(&world.ports(), &[ComponentKind::KubeScheduler], &scene).unwrap_err();
    assert_eq!(error.code(), "stop-by-hand");
    assert_eq!(world.effects(), [""; 0]);
}

#[test]
fn whenever_the_program_dies_start_brings_everything_back() {
    let points = {
        let world = World::control_plane();
        act(&world, halt, &DOWN).unwrap();
        let halted = world.effects().len();
        act(&world, start, &UP).unwrap();
        (halted, world.effects().len())
    };
    assert!(points.0 >= 10 && points.1 > points.0 + 10, "{points:?}");
    for point in 0..points.1 {
        let world = World::control_plane();
        world.state().dies_after = Some(point);
        let died = act(&world, halt, &DOWN).and_then(|()| act(&world, start, &UP));
        // What is refused for an annotation is passed over; everything else stops.
        let is_over = died.is_ok();
        world.state().dies_after = None;
        act(&world, start, &UP).unwrap();
        assert_everything_runs(&world, &format!("point {point} (ended well: {is_over})"));
    }
}

#[test]
fn a_line_that_a_crash_cut_does_not_hide_the_next() {
    let world = World::control_plane();
    world
        .state()
        .write(Path::new(HALTED), b"\n{\"halted\":{\"compo");
    act(&world, halt, &[ComponentKind::Etcd]).unwrap();
    assert_eq!(halted_kinds(&world), [ComponentKind::Etcd]);
    act(&world, start, &[ComponentKind::Etcd]).unwrap();
    assert_everything_runs(&world, "after a cut line");
}
