//! Which generation is which, where a rotation was left in the middle, and what is nobody's generation.

use crate::authority::{Authority, NOW};
use crate::carry::Reach;
use crate::field::{Field, shape};
use jiff::Timestamp;
use kubepki_core::diagnose::Evidence;
use kubepki_core::model::ComponentKind::KubeApiserver;
use kubepki_core::model::cluster::Node;
use kubepki_core::plan::{FileEdit, Gate, HostView, RotationMark, Step};
use kubepki_core::rotation::lower::lower;
use kubepki_core::rotation::observe::picture;
use kubepki_core::rotation::plan::script_for;
use kubepki_core::rotation::{
    ApiChange, ArchivedKeys, Holds, HostRuns, HowFar, Leaders, Phase, Position, Proof, Root,
    RotationRequest, RotationRun, back,
};
use kubepki_x509::pem;

fn carried(field: &mut Field, request: &RotationRequest, phases: &[Phase]) {
    for phase in phases {
        // Workloads show once their trust is published.
        for _ in 0..2 {
            let (_, _, picture) = field.seen();
            let script = script_for(&picture, request, *phase).unwrap();
            field.carry(&script, usize::MAX, Reach::All);
        }
    }
}

fn kubernetes() -> RotationRequest {
    RotationRequest::new([Root::KubernetesCa])
}

#[test]
fn a_removal_that_was_left_halfway_is_still_told() {
    let mut field = Field::new(shape(3, 2));
    let phases = [Phase::Prepare, Phase::TrustBoth, Phase::IssueFromNew];
    carried(&mut field, &kubernetes(), &phases);
    let (_, _, before) = field.seen();
    let new = before.root(Root::KubernetesCa).unwrap().new.clone();
    assert!(new.is_some());
    // One host has lost its copy, then all have: who signs is the new one.
    for hosts in [&["cp1"][..], &["cp1", "cp2", "cp3"]] {
        for host in hosts {
            let extra = field.extra.get_mut(*host).unwrap();
            extra.next.clear();
        }
        let (_, _, picture) = field.seen();
        let root = picture.root(Root::KubernetesCa).unwrap();
        assert_eq!(root.new, new);
        assert_eq!(root.old.len(), 1);
        assert!(matches!(
            root.position,
            Position::In {
                phase: Phase::Settle,
                ..
            }
        ));
    }
}

#[test]
fn an_api_server_is_settled_that_started_after_the_last_certificate() {
    let mut field = Field::new(shape(2, 1));
    let phases = [Phase::Prepare, Phase::TrustBoth, Phase::IssueFromNew];
    carried(&mut field, &kubernetes(), &phases);
    let settled = |field: &Field| {
        let (_, _, picture) = field.seen();
        picture.root(Root::KubernetesCa).unwrap().settled.clone()
    };
    assert!(settled(&field).is_empty());
    let clock = field.clock + 5;
    let extra = field.extra.get_mut("cp2").unwrap();
    extra.started.insert(KubeApiserver, clock);
    assert_eq!(settled(&field), ["cp2"]);
}

#[test]
fn what_is_trusted_beside_stays() {
    let mut field = Field::new(shape(1, 1));
    carried(&mut field, &kubernetes(), &[Phase::Prepare]);
    let other = Authority::root("corp users").anchor;
    let file = field.ca_file(Root::KubernetesCa);
    for machine in &mut field.world.machines {
        machine.bundles.get_mut(&file).unwrap().push(other.clone());
    }
    let (_, _, picture) = field.seen();
    let root = picture.root(Root::KubernetesCa).unwrap();
    assert_eq!(root.old.len(), 1);
    assert!(root.places.iter().all(|place| place.holds
        != Holds::Unknown {
            reason: String::new()
        }));
    let script = script_for(&picture, &kubernetes(), Phase::TrustBoth).unwrap();
    let evidence = field.evidence();
    let cluster = field.observation(&evidence);
    let hosts: Vec<HostView<'_>> = evidence
        .iter()
        .map(|host| HostView {
            name: &host.inventory.host,
            inventory: &host.inventory,
        })
        .collect();
    let request = kubernetes();
    let plan = lower(&script, &picture, &hosts, Some(&cluster), &request, NOW).unwrap();
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let plans = steps.filter_map(|step| match step {
        Step::Carry { plan, .. } => Some(plan),
        _ => None,
    });
    let mut written = 0;
    for edit in plans.flat_map(|plan| &plan.file_edits) {
        if let FileEdit::Bundle { path, pem, .. } = edit
            && *path == file
        {
            let certificates = pem::certificates(pem.as_bytes()).unwrap();
            assert_eq!(certificates.len(), 3);
            assert_eq!(certificates[2], other);
            written += 1;
        }
    }
    assert_eq!(written, 2);
}

#[test]
fn who_belongs_to_the_cluster_and_was_not_looked_at_is_a_stranger() {
    let mut field = Field::new(shape(2, 1));
    for machine in &mut field.world.machines {
        if machine.argv.contains_key(&KubeApiserver) {
            let flags = "https://127.0.0.1:2379,https://10.9.9.9:2379";
            machine.set(KubeApiserver, "etcd-servers", Some(flags));
        }
    }
    let hosts = field.evidence();
    let mut cluster = field.observation(&hosts);
    cluster.nodes = ["cp1", "CP2", "w3", "w4"]
        .map(|name| Node {
            name: name.to_owned(),
            addresses: Vec::new(),
            ip_addresses: Vec::new(),
            kubelet_port: 10250,
            kubelet_version: None,
            ready: Some(true),
            control_plane: name.to_lowercase().starts_with("cp"),
        })
        .to_vec();
    let strangers = |seen: usize| {
        let evidence = Evidence {
            hosts: &hosts[..seen],
            cluster: Some(&cluster),
        };
        let picture = picture(&evidence, &Leaders::default());
        let strangers = picture.strangers.into_iter();
        strangers
            .map(|it| (it.named, it.roots.len()))
            .collect::<Vec<_>>()
    };
    let named = |all: &[(&str, usize)]| {
        let all = all.iter();
        all.map(|(named, roots)| ((*named).to_owned(), *roots))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        strangers(3),
        named(&[("Node w4", 1), ("etcd at 10.9.9.9", 1)])
    );
    assert_eq!(
        strangers(1),
        named(&[
            ("Node CP2", 4),
            ("Node w3", 1),
            ("Node w4", 1),
            ("etcd at 10.9.9.9", 1)
        ])
    );
}

/// API servers only ever add to `extension-apiserver-authentication`: what is taken back would stay
/// trusted there.
#[test]
fn what_api_servers_only_add_to_is_made_anew_once_nobody_accepts_the_new_one() {
    let mut field = Field::new(shape(3, 1));
    carried(
        &mut field,
        &RotationRequest::new([Root::KubernetesCa, Root::FrontProxyCa, Root::EtcdCa]),
        &[Phase::Prepare, Phase::TrustBoth],
    );
    let (_, _, picture) = field.seen();
    let seen = field.evidence();
    let run = |phase, id: &str, second: i64| RotationRun {
        id: id.to_owned(),
        started_at: Timestamp::from_second(NOW.as_second() + second).unwrap(),
        mark: RotationMark {
            rotation: "r".to_owned(),
            phase,
            round: format!("{phase}-files"),
        },
        archive: Some("/archive".into()),
        keys: ArchivedKeys::default(),
        written: vec!["/etc/kubernetes/pki/ca.crt".into()],
        components: Vec::new(),
    };
    let runs = [
        run(Phase::Prepare, "made", 1),
        run(Phase::TrustBoth, "trusted", 2),
    ];
    let hosts: Vec<HostRuns<'_>> = seen
        .iter()
        .map(|host| HostRuns {
            name: &host.inventory.host,
            inventory: &host.inventory,
            runs: match host.inventory.host.as_str() {
                "cp1" => &runs,
                _ => &[],
            },
            taken_back: &[],
            opens_archives: false,
        })
        .collect();
    let stages = |how_far| {
        let plan = back(&hosts, Some(&picture), how_far, NOW).unwrap();
        plan.stages
    };
    let all = stages(HowFar::Everything);
    let names: Vec<&str> = all.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "back-trust-both-bundles",
            "back-trust-both-files",
            "back-trust-both-refused",
            "back-trust-both-objects",
            "back-prepare-files"
        ]
    );
    let refused: Vec<(bool, Root)> = all[2]
        .gate
        .parts()
        .iter()
        .flat_map(|gate| match gate {
            Gate::Proved {
                proof: Proof::Client {
                    accepted, targets, ..
                },
                ..
            } => targets.iter().map(|it| (*accepted, it.root)).collect(),
            _ => Vec::new(),
        })
        .collect();
    // Of this root the scene's object is; each API server is asked as a front proxy would.
    assert_eq!(refused, [(false, Root::FrontProxyCa); 3]);
    let [Step::ChangeApi { changes, .. }] = &all[3].steps[..] else {
        panic!("{:?}", all[3].steps);
    };
    let [ApiChange::Recreate { object }] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!(object.name, "extension-apiserver-authentication");
    assert!(object.field.is_none());
    // A round alone comes and goes with its own proof.
    assert_eq!(stages(HowFar::Round).len(), 1);
}
