//! Which runs are taken back, in which order, and what becomes of the API.

use super::given::{at, generation, host, inventory, picture, run};
use super::*;
use crate::formats::flags::Flags;
use crate::formats::static_pod::PathMap;
use crate::model::Component;
use crate::rotation::ApiChange;
use crate::rotation::picture::Holds;
use crate::rotation::plan::HALTED;

/// An earlier rotation, then one that came as far as its leaves, on two hosts.
fn runs() -> [Vec<RotationRun>; 2] {
    let mut old = run("old", 1, Phase::RetireOld, "retire");
    old.mark.rotation = "earlier".to_owned();
    let mut settled = run("settled", 9, Phase::Settle, "settle");
    settled.written.clear();
    [
        vec![
            old,
            run("made", 2, Phase::Prepare, "prepare"),
            run("trust-1", 4, Phase::TrustBoth, "trust-hosts"),
            run("leaf-1", 6, Phase::IssueFromNew, "clients"),
            run("leaf-2", 8, Phase::IssueFromNew, "serving"),
            settled,
        ],
        vec![
            run("came", 3, Phase::Prepare, "prepare"),
            run("trust-2", 5, Phase::TrustBoth, "trust-hosts"),
            run("leaf-3", 7, Phase::IssueFromNew, "clients"),
        ],
    ]
}

fn taken_back(how_far: HowFar, picture: Option<&Picture>) -> Result<ClusterPlan, BackError> {
    let runs = runs();
    let inventories = [inventory("cp1"), inventory("cp2")];
    let hosts: Vec<HostRuns<'_>> = inventories
        .iter()
        .zip(&runs)
        .map(|(inventory, runs)| host(inventory, runs))
        .collect();
    back(&hosts, picture, how_far, at(100))
}

fn undone(plan: &ClusterPlan) -> Vec<(String, Vec<String>)> {
    let stages = plan.stages.iter();
    stages
        .map(|stage| {
            let steps = stage.steps.iter().map(|step| match step {
                Step::Carry { host, plan } => {
                    let restoration = plan.restoration.as_ref().unwrap();
                    format!("{host} {}", restoration.undoes.clone().unwrap())
                }
                other => format!("{other:?}"),
            });
            (stage.name.clone(), steps.collect())
        })
        .collect()
}

fn named(stage: &str, steps: &[&str]) -> (String, Vec<String>) {
    let steps = steps.iter().map(|step| (*step).to_owned());
    (stage.to_owned(), steps.collect())
}

#[test]
fn runs_are_taken_back_in_reverse_order_and_no_further_than_asked() {
    let serving = named("back-serving", &["cp1 leaf-2"]);
    let clients = named("back-clients", &["cp2 leaf-3", "cp1 leaf-1"]);
    let trust = named("back-trust-hosts", &["cp2 trust-2", "cp1 trust-1"]);
    let made = named("back-prepare", &["cp2 came", "cp1 made"]);
    let of = |how_far| undone(&taken_back(how_far, None).unwrap());
    assert_eq!(of(HowFar::Round), std::slice::from_ref(&serving));
    assert_eq!(of(HowFar::Phase), [serving.clone(), clients.clone()]);
    assert_eq!(of(HowFar::Everything), [serving, clients, trust, made]);
}

#[test]
fn only_the_first_step_of_a_host_knows_what_a_file_holds_now() {
    let plan = taken_back(HowFar::Everything, None).unwrap();
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let with_basis = steps.filter(|step| match step {
        Step::Carry { plan, .. } => !plan.basis.is_empty(),
        _ => false,
    });
    assert_eq!(with_basis.count(), 2);
}

#[test]
fn what_has_no_backup_or_never_was_is_not_taken_back() {
    let inventory = inventory("cp1");
    let mut runs = vec![run("x", 1, Phase::TrustBoth, "trust")];
    runs[0].archive = None;
    let of = |runs: &[RotationRun]| {
        let host = host(&inventory, runs);
        back(&[host], None, HowFar::Round, at(9))
            .unwrap_err()
            .code()
    };
    assert_eq!(of(&runs), "no-backup");
    assert_eq!(of(&[]), "nothing-to-take-back");
}

#[test]
fn bundles_in_the_api_come_back_from_whatever_they_may_hold() {
    let both = picture(Holds::OldNew, Some(generation("new")));
    let changes = api::bundles(&both.roots[0], &Holds::Old);
    let [ApiChange::WriteBundle { pem, expected, .. }] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(pem, "old\n");
    assert_eq!(expected, &["old\nnew\n", "new\nold\n", "new\n"]);
    assert!(api::bundles(&both.roots[0], &Holds::OldNew).is_empty());
    let retired = picture(Holds::New, Some(generation("new")));
    let changes = api::bundles(&retired.roots[0], &Holds::OldNew);
    let [ApiChange::WriteBundle { pem, expected, .. }] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(pem, "old\nnew\n");
    assert_eq!(expected, &["new\n", "new\nold\n"]);
}

#[test]
fn a_rotation_that_is_over_is_not_taken_back_behind_its_last_phase() {
    let over = picture(Holds::New, None);
    let inventory = inventory("cp1");
    let runs = vec![
        run("trust", 1, Phase::TrustBoth, "trust"),
        run("retired", 2, Phase::RetireOld, "retire"),
    ];
    let host = host(&inventory, &runs);
    let of = |how_far| back(&[host], Some(&over), how_far, at(9));
    assert_eq!(of(HowFar::Everything), Err(BackError::Over));
    assert_eq!(undone(&of(HowFar::Phase).unwrap()).len(), 1);
}

#[test]
fn what_was_only_restarted_loses_its_annotation_unless_an_older_run_brings_that_about() {
    let mut inventory = inventory("cp1");
    inventory.components.push(Component {
        kind: ComponentKind::KubeApiserver,
        runs_as: RunsAs::StaticPod {
            manifest: "/manifests/kube-apiserver.yaml".into(),
            container: "kube-apiserver".to_owned(),
        },
        flags: Flags::default(),
        mounts: PathMap::default(),
        is_marked: false,
        processes: Vec::new(),
    });
    let mut settled = run("settled", 9, Phase::Settle, "settle");
    settled.written.clear();
    settled.components = vec![ComponentKind::KubeApiserver];
    let stages = |trust: Vec<ComponentKind>| {
        let mut first = run("trust", 4, Phase::TrustBoth, "trust");
        first.components = trust;
        let runs = [
            first,
            run("leaf", 6, Phase::IssueFromNew, "clients"),
            settled.clone(),
        ];
        let host = host(&inventory, &runs);
        back(&[host], None, HowFar::Everything, at(100)).unwrap()
    };
    let plan = stages(vec![ComponentKind::Kubelet]);
    let last = named("back-manifests", &["cp1 settled"]);
    assert_eq!(undone(&plan).last(), Some(&last));
    let Some(Step::Carry { plan, .. }) = plan.stages.last().and_then(|it| it.steps.first()) else {
        panic!("{plan:?}");
    };
    let restoration = plan.restoration.as_ref().unwrap();
    assert_eq!(restoration.archive, PathBuf::from("/b/trust.tar"));
    assert!(restoration.paths.is_empty());
    assert_eq!(plan.components[0].component, ComponentKind::KubeApiserver);

    let plan = stages(vec![ComponentKind::KubeApiserver]);
    assert_eq!(undone(&plan).len(), 2);
    // one is parked while its member of etcd is restarted
    let plan = stages(vec![ComponentKind::Etcd]);
    assert_eq!(undone(&plan).len(), 2);
}

/// A control plane and a worker, swapped with everything down.
#[test]
fn a_swap_is_taken_back_with_everything_down() {
    let component = |kind| Component {
        kind,
        runs_as: RunsAs::Process,
        flags: Flags::default(),
        mounts: PathMap::default(),
        processes: Vec::new(),
        is_marked: false,
    };
    let mut inventories = [inventory("cp1"), inventory("cp2"), inventory("w1")];
    for control_plane in inventories.iter_mut().take(2) {
        control_plane.components = HALTED.into_iter().skip(1).map(component).collect();
        control_plane
            .components
            .push(component(ComponentKind::Kubelet));
    }
    inventories[2].components = vec![component(ComponentKind::Kubelet)];
    let swap = |id: &str, minute| run(id, minute, Phase::IssueFromNew, "issue-from-new-swap");
    let runs = [
        vec![swap("one", 3), run("made", 1, Phase::Prepare, "prepare")],
        // It was cut short here: nothing of this one is swapped.
        Vec::new(),
        vec![run(
            "three",
            4,
            Phase::IssueFromNew,
            "issue-from-new-workers",
        )],
    ];
    let hosts: Vec<HostRuns<'_>> = inventories
        .iter()
        .zip(&runs)
        .map(|(inventory, runs)| host(inventory, runs))
        .collect();
    let picture = picture(Holds::New, Some(generation("new")));
    let plan = back(&hosts, Some(&picture), HowFar::Phase, at(9)).unwrap();
    let names: Vec<&str> = plan.stages.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "back-halt",
            "back-swap",
            "back-start-etcd",
            "back-start-api-servers",
            "back-start-controllers",
            "back-workers",
            "back-swap-objects",
            "back-swap-published",
            "back-swap-workloads",
        ]
    );
    let hosts_of = |name: &str| -> Vec<&str> {
        let stage = plan.stages.iter().find(|it| it.name == name).unwrap();
        stage.steps.iter().map(Step::host).collect()
    };
    assert_eq!(hosts_of("back-halt"), ["cp1", "cp2"]);
    assert_eq!(hosts_of("back-swap"), ["cp1"]);
    assert_eq!(hosts_of("back-start-etcd"), ["cp1", "cp2"]);
    assert_eq!(hosts_of("back-workers"), ["w1"]);
    let carried = plan.stages.iter().flat_map(|it| &it.steps);
    for step in carried {
        if let Step::Carry { plan, .. } = step {
            let kinds: Vec<ComponentKind> = plan.components.iter().map(|it| it.component).collect();
            assert_eq!(kinds, [ComponentKind::Kubelet]);
        }
    }
}

#[test]
fn a_manifest_that_a_restart_changes_is_not_expected_to_stay() {
    let manifest = PathBuf::from("/manifests/kube-controller-manager.yaml");
    let mut inventory = inventory("cp1");
    inventory.components.push(Component {
        kind: ComponentKind::KubeControllerManager,
        runs_as: RunsAs::StaticPod {
            manifest: manifest.clone(),
            container: "kube-controller-manager".to_owned(),
        },
        flags: Flags::default(),
        mounts: PathMap::default(),
        is_marked: false,
        processes: Vec::new(),
    });
    inventory
        .files
        .insert(manifest.clone(), Some("bb".to_owned()));
    let mut split = run("split", 4, Phase::TrustBoth, "trust");
    split.written = vec![manifest.clone()];
    split.components = vec![ComponentKind::KubeControllerManager];
    let mut restarted = run("leaf", 6, Phase::IssueFromNew, "clients");
    restarted.components = vec![ComponentKind::KubeControllerManager];
    let runs = [split, restarted];
    let host = host(&inventory, &runs);
    let plan = back(&[host], None, HowFar::Everything, at(100)).unwrap();
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let expected = steps.flat_map(|step| match step {
        Step::Carry { plan, .. } => plan.basis.clone(),
        _ => Vec::new(),
    });
    assert!(expected.into_iter().all(|it| it.path != manifest));
}

#[test]
fn what_was_destroyed_or_sealed_does_not_come_back() {
    let inventories = [inventory("cp1"), inventory("w1")];
    let [mut first, mut second] = runs();
    let with = |opens_archives, first: &[RotationRun], second: &[RotationRun]| {
        let hosts = [host(&inventories[0], first), host(&inventories[1], second)];
        let hosts = hosts.map(|it| HostRuns {
            opens_archives,
            ..it
        });
        back(&hosts, None, HowFar::Phase, at(100))
    };
    let hosts = |first: &[RotationRun], second: &[RotationRun]| with(false, first, second);
    assert!(hosts(&first, &second).is_ok());
    // Even where only a later phase is to be taken back: its beginning leads nowhere any more.
    let early = second.iter_mut().min_by_key(|it| it.started_at).unwrap();
    early.mark.rotation = "abc".to_owned();
    early.keys = ArchivedKeys::Destroyed;
    let run = early.id.clone();
    let error = hosts(&first, &second).unwrap_err();
    assert_eq!(error.code(), "key-destroyed");
    assert!(
        error.to_string().contains(&format!("run {run} on w1")),
        "{error}"
    );
    second.clear();
    for run in &mut first {
        run.keys = ArchivedKeys::Sealed;
    }
    assert_eq!(
        hosts(&first, &second).unwrap_err().code(),
        "backup-encrypted"
    );
    assert!(with(true, &first, &second).is_ok());
}
