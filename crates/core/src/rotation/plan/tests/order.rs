//! The order of a script: what must never come before what.

use super::builder::Cluster;
use crate::connections::Place;
use crate::model::ComponentKind::{self, Etcd, KubeApiserver, KubeControllerManager, Kubelet};
use crate::plan::Pace;
use crate::rotation::picture::Holds;
use crate::rotation::plan::{RotationRequest, whole};
use crate::rotation::{Action, Await, Phase, Root, Round, Script, Turn};

fn all_on(cluster: &Cluster) -> Script {
    let picture = cluster.picture();
    let roots: Vec<Root> = picture.roots.iter().map(|root| root.root).collect();
    whole(&picture, &RotationRequest::new(roots)).unwrap()
}

fn of(root: Root) -> Script {
    whole(
        &Cluster::kubeadm(3, 2).picture(),
        &RotationRequest::new([root]),
    )
    .unwrap()
}

fn restarts(turn: &Turn, kind: ComponentKind) -> bool {
    turn.actions.iter().any(|action| match action {
        Action::Restart { component, parks } => *component == kind || parks.contains(&kind),
        _ => false,
    })
}

fn rounds_with(script: &Script, kind: ComponentKind) -> Vec<&Round> {
    script
        .rounds
        .iter()
        .filter(|round| round.turns.iter().any(|turn| restarts(turn, kind)))
        .collect()
}

/// The numbers of all rounds with such an action.
fn positions(script: &Script, is: impl Fn(&Action) -> bool) -> Vec<usize> {
    script
        .rounds
        .iter()
        .enumerate()
        .filter(|(_, round)| round.turns.iter().flat_map(|turn| &turn.actions).any(&is))
        .map(|(number, _)| number)
        .collect()
}

fn awaited(script: &Script, is: impl Fn(&Await) -> bool) -> usize {
    script
        .rounds
        .iter()
        .position(|round| round.awaits.iter().any(&is))
        .expect("it is awaited")
}

#[test]
fn all_roots_share_three_rounds_of_api_servers() {
    let script = all_on(&Cluster::kubeadm(3, 2));
    let rounds = rounds_with(&script, KubeApiserver);
    let phases: Vec<Phase> = rounds.iter().map(|round| round.phase).collect();
    assert_eq!(phases, [Phase::TrustBoth, Phase::Settle, Phase::RetireOld]);
    assert!(rounds.iter().all(|round| round.pace == Pace::OneByOne));
    assert_eq!(rounds_with(&script, Etcd).len(), 2);
    // A kubelet's and a scheduler's second restart already forgets the old servers; the scheduler's third
    // takes the mark of the first two from its manifest.
    assert_eq!(rounds_with(&script, ComponentKind::KubeScheduler).len(), 3);
    let kubelets = rounds_with(&script, Kubelet);
    assert_eq!(kubelets.len(), 4, "twice, control planes and workers apart");
    assert_eq!(rounds_with(&script, KubeControllerManager).len(), 3);
}

#[test]
fn each_root_alone_restarts_api_servers_as_often_as_it_must() {
    let counts: Vec<usize> = Root::ALL
        .into_iter()
        .map(|root| rounds_with(&of(root), KubeApiserver).len())
        .collect();
    assert_eq!(counts, [2, 2, 0, 3]);
}

#[test]
fn readers_come_before_presenters_and_both_before_the_end() {
    for script in [all_on(&Cluster::kubeadm(3, 2)), all_on(&Cluster::by_hand())] {
        let both = positions(&script, |action| {
            matches!(
                action,
                Action::WriteTrust {
                    holds: Holds::OldNew,
                    ..
                }
            )
        });
        let issued = positions(&script, |action| matches!(action, Action::Issue { .. }));
        let installed = positions(
            &script,
            |action| matches!(action, Action::InstallSuccessor { root } if *root != Root::EtcdCa),
        );
        let files = positions(&script, |action| {
            matches!(
                action,
                Action::WriteTrust {
                    holds: Holds::New,
                    place: Place::File { .. },
                    ..
                }
            )
        });
        assert!(both.last() < issued.first());
        assert!(both.last() < installed.first());
        assert!(issued.last() < files.first());
        let accepted = awaited(&script, |it| {
            matches!(
                it,
                Await::NewClientsAccepted {
                    root: Root::KubernetesCa,
                    ..
                }
            )
        });
        assert!(both.last().unwrap() < &accepted && &accepted < issued.first().unwrap());
    }
}

#[test]
fn workloads_start_again_after_the_trust_is_published_and_before_a_server_presents_the_new() {
    let script = of(Root::KubernetesCa);
    let published = awaited(&script, |it| {
        matches!(
            it,
            Await::Published {
                holds: Holds::OldNew
            }
        )
    });
    let workloads = positions(&script, |it| matches!(it, Action::RestartWorkloads { .. }));
    let served = positions(
        &script,
        |action| matches!(action, Action::Issue { entry, .. } if entry == "apiserver"),
    );
    assert_eq!(workloads.len(), 1);
    assert!(published < workloads[0] && workloads[0] < served[0]);
    assert!(
        script.rounds[workloads[0]]
            .awaits
            .contains(&Await::WorkloadsRolledOut)
    );
}

#[test]
fn connections_are_closed_between_the_last_certificate_and_the_first_distrust() {
    let script = of(Root::KubernetesCa);
    let closed = script
        .rounds
        .iter()
        .position(|round| round.phase == Phase::Settle)
        .unwrap();
    let issued = positions(&script, |action| matches!(action, Action::Issue { .. }));
    let distrusted = positions(&script, |action| {
        matches!(
            action,
            Action::WriteTrust {
                holds: Holds::New,
                place: Place::File { .. },
                ..
            }
        )
    });
    assert!(issued.last().unwrap() < &closed && &closed < distrusted.first().unwrap());
}

#[test]
fn a_client_forgets_the_old_servers_only_after_all_were_seen_to_present_the_new() {
    let script = of(Root::KubernetesCa);
    let seen = awaited(
        &script,
        |it| matches!(it, Await::NewServed { components, .. } if components == &[KubeApiserver]),
    );
    let forgets = positions(&script, |action| {
        matches!(
            action,
            Action::WriteTrust {
                holds: Holds::New,
                place: Place::KubeconfigCluster { .. },
                ..
            }
        )
    });
    assert!(&seen < forgets.first().unwrap());
}

#[test]
fn the_signer_is_split_and_joined_in_the_turn_that_writes_the_bundle() {
    for cluster in [Cluster::kubeadm(3, 2), Cluster::by_hand()] {
        let script = all_on(&cluster);
        for (marker, holds) in [
            (Action::SplitSigner, Holds::OldNew),
            (Action::JoinSigner, Holds::New),
        ] {
            let turns: Vec<&Turn> = script
                .rounds
                .iter()
                .flat_map(|round| &round.turns)
                .filter(|turn| turn.actions.contains(&marker))
                .collect();
            assert_eq!(turns.len(), cluster.control_planes);
            for turn in turns {
                assert!(restarts(turn, KubeControllerManager));
                assert!(turn.actions.iter().any(|action| matches!(
                    action,
                    Action::WriteTrust { place: Place::File { path, .. }, holds: it, .. }
                        if (path.ends_with("ca.crt") || path.ends_with("ca.pem")) && *it == holds
                )));
            }
        }
    }
}

#[test]
fn leaders_come_last_and_etcds_hands_over_first() {
    let script = all_on(&Cluster::kubeadm(3, 2));
    let first_etcd = rounds_with(&script, Etcd)[0];
    let hosts: Vec<&str> = first_etcd
        .turns
        .iter()
        .map(|turn| turn.host.as_str())
        .collect();
    assert_eq!(hosts, ["cp2", "cp3", "cp1"]);
    let yields: Vec<bool> = first_etcd
        .turns
        .iter()
        .map(|turn| turn.actions.first() == Some(&Action::YieldEtcdLeadership))
        .collect();
    assert_eq!(yields, [false, false, true]);
    let controllers = rounds_with(&script, KubeControllerManager)[0];
    let hosts: Vec<&str> = controllers
        .turns
        .iter()
        .map(|turn| turn.host.as_str())
        .collect();
    // cp3 leads the scheduler, cp1 the controller manager.
    assert_eq!(hosts, ["cp2", "cp3", "cp1"]);
}

#[test]
fn etcd_is_restarted_with_the_api_server_of_its_host_standing_still() {
    for script in [of(Root::EtcdCa), all_on(&Cluster::kubeadm(3, 2))] {
        for round in rounds_with(&script, Etcd) {
            assert_eq!(round.pace, Pace::OneByOne);
            assert!(matches!(round.between[0], Await::EtcdHealthy { .. }));
            for turn in &round.turns {
                assert!(turn.actions.contains(&Action::Restart {
                    component: Etcd,
                    parks: vec![KubeApiserver],
                }));
            }
        }
    }
    let mut apart = Cluster::kubeadm(2, 0);
    apart.etcd_hosts = 3;
    let script = whole(&apart.picture(), &RotationRequest::new([Root::EtcdCa])).unwrap();
    for turn in rounds_with(&script, Etcd)
        .iter()
        .flat_map(|round| &round.turns)
    {
        assert!(turn.host.starts_with("etcd") && !restarts(turn, KubeApiserver));
    }
    assert_eq!(rounds_with(&script, KubeApiserver).len(), 2);
}

#[test]
fn kubelets_of_control_planes_go_one_by_one_and_workers_in_batches() {
    let mut request = RotationRequest::new([Root::KubernetesCa]);
    request.batch = 7;
    let script = whole(&Cluster::kubeadm(3, 20).picture(), &request).unwrap();
    for round in rounds_with(&script, Kubelet) {
        let is_worker = round.turns[0].host.starts_with('w');
        let pace = match is_worker {
            true => Pace::Batches { size: 7 },
            false => Pace::OneByOne,
        };
        assert_eq!(round.pace, pace);
        assert_eq!(round.turns.len(), if is_worker { 20 } else { 3 });
        assert!(
            round
                .between
                .iter()
                .any(|it| matches!(it, Await::NodesReady { .. }))
        );
    }
}

#[test]
fn old_token_secrets_go_after_workloads_started_with_the_second_ones() {
    let script = of(Root::ServiceAccountKey);
    let at = |is: &dyn Fn(&Action) -> bool| positions(&script, is)[0];
    let signs = at(&|it| matches!(it, Action::InstallSuccessor { .. }));
    let adds = at(&|it| matches!(it, Action::AddTokenSecrets));
    let restarts = at(&|it| matches!(it, Action::RestartWorkloads { .. }));
    let drops = at(&|it| matches!(it, Action::DropTokenSecrets));
    let settles = script
        .rounds
        .iter()
        .position(|round| round.name == "settle-api-servers")
        .unwrap();
    assert!(signs < settles && settles < adds && adds < restarts && restarts < drops);
}

#[test]
fn what_only_grows_is_made_anew_after_every_old_client_is_refused() {
    let script = all_on(&Cluster::kubeadm(3, 2));
    let refused = awaited(&script, |it| matches!(it, Await::OldClientsRefused { .. }));
    let anew = positions(&script, |it| matches!(it, Action::Recreate { .. }));
    assert_eq!(anew.len(), 1);
    assert!(refused < anew[0]);
    let objects = &script.rounds[anew[0]].turns[0].actions;
    let times = objects
        .iter()
        .filter(|it| matches!(it, Action::Recreate { .. }))
        .count();
    assert_eq!(times, 1, "one object, though two roots are in it");
}

#[test]
fn changes_of_the_api_share_no_turn_with_changes_of_files() {
    for cluster in [Cluster::kubeadm(3, 2), Cluster::by_hand()] {
        for turn in all_on(&cluster)
            .rounds
            .iter()
            .flat_map(|round| &round.turns)
        {
            let files = turn.actions.iter().filter(|it| it.changes_files()).count();
            let others = turn
                .actions
                .iter()
                .filter(|it| {
                    !it.changes_files()
                        && !matches!(it, Action::Restart { .. } | Action::YieldEtcdLeadership)
                })
                .count();
            assert!(files == 0 || others == 0, "{turn:?}");
        }
    }
}
