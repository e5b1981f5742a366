//! Level-driven: whatever was done, what remains leads to the end.

use super::builder::Cluster;
use super::words::words;
use crate::rotation::picture::{Holds, Keeper, Picture};
use crate::rotation::plan::{
    RotationRequest, next_phase, picture_after, place_positions, script_for, whole,
};
use crate::rotation::{Action, Await, Phase, Position, Root, Round, Script};

fn requests() -> Vec<RotationRequest> {
    let mut requests: Vec<RotationRequest> = Root::ALL
        .into_iter()
        .map(|root| RotationRequest::new([root]))
        .collect();
    requests.push(RotationRequest::new(Root::ALL));
    let mut offline = RotationRequest::new(Root::ALL);
    offline.offline = true;
    requests.push(offline);
    requests
}

fn clusters() -> Vec<Cluster> {
    let mut apart = Cluster::kubeadm(2, 1);
    apart.etcd_hosts = 3;
    vec![
        Cluster::kubeadm(3, 2),
        Cluster::kubeadm(1, 0),
        Cluster::kubeadm(2, 25),
        apart,
        Cluster::by_hand(),
    ]
}

/// The request as this cluster can be asked for it.
fn fitting(request: &RotationRequest, picture: &Picture) -> Option<RotationRequest> {
    let mut request = request.clone();
    request.roots.retain(|root| picture.root(*root).is_some());
    (!request.roots.is_empty()).then_some(request)
}

/// Everything at rest: one generation, which is not the one of before.
pub(super) fn is_finished(picture: &Picture, request: &RotationRequest) -> bool {
    request.roots.iter().all(|root| {
        let root = picture.root(*root).unwrap();
        root.position == Position::AtRest
            && root.new.is_none()
            && root.leftovers.is_empty()
            && root.successor_keys.is_empty()
            && root.old.len() == 1
            && root.old[0].fingerprint_sha256 != "aa"
            && root.places.iter().all(|place| place.holds == Holds::Old)
            && root
                .places
                .iter()
                .flat_map(|place| &place.readers)
                .all(|reader| reader.loaded != Some(false))
    })
}

/// Goes on from phase to phase, as `next` does, until all is at rest.
pub(super) fn go_on(mut picture: Picture, request: &RotationRequest) -> Picture {
    for _ in 0..12 {
        if is_finished(&picture, request) {
            return picture;
        }
        let phase = next_phase(&picture, request).expect("something is left to do");
        let script = script_for(&picture, request, phase).expect("no refusal");
        assert!(!script.rounds.is_empty());
        let after = picture_after(&picture, &script);
        if !is_finished(&after, request) {
            let left = script_for(&after, request, phase).expect("no refusal");
            assert!(
                left.rounds.is_empty(),
                "{phase} is not finished by its script:\n{}\nleft:\n{}",
                words(&script),
                words(&left)
            );
        }
        picture = after;
    }
    panic!("does not come to an end: {:#?}", picture.roots);
}

/// The script with only so many of its turns; what a round waits for is only so when all were done.
pub(super) fn prefix(script: &Script, turns: usize) -> Script {
    let mut left = turns;
    let mut cut = Script::default();
    for round in &script.rounds {
        if left == 0 {
            break;
        }
        let mut round: Round = round.clone();
        if round.turns.len() > left {
            round.turns.truncate(left);
            round.awaits.clear();
        }
        // A round that only asks counts as one.
        left -= round.turns.len().max(1);
        cut.rounds.push(round);
    }
    cut
}

pub(super) fn steps(script: &Script) -> usize {
    script
        .rounds
        .iter()
        .map(|round| round.turns.len().max(1))
        .sum()
}

#[test]
fn phase_by_phase_everything_comes_to_rest() {
    for cluster in clusters() {
        for request in requests() {
            let picture = cluster.picture();
            let Some(request) = fitting(&request, &picture) else {
                continue;
            };
            let end = go_on(picture, &request);
            assert!(is_finished(&end, &request));
        }
    }
}

#[test]
fn the_whole_is_every_phase_after_the_other() {
    for cluster in clusters() {
        for request in requests() {
            let picture = cluster.picture();
            let Some(request) = fitting(&request, &picture) else {
                continue;
            };
            let script = whole(&picture, &request).unwrap();
            let end = picture_after(&picture, &script);
            assert!(is_finished(&end, &request), "{}", words(&script));
            let phases: Vec<Phase> = script.rounds.iter().map(|round| round.phase).collect();
            assert!(phases.is_sorted());
            let mut names: Vec<&str> = script
                .rounds
                .iter()
                .map(|round| round.name.as_str())
                .collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        }
    }
}

#[test]
fn interrupted_after_any_turn_what_remains_leads_to_the_end() {
    for cluster in clusters() {
        for request in requests() {
            let picture = cluster.picture();
            let Some(request) = fitting(&request, &picture) else {
                continue;
            };
            let script = whole(&picture, &request).unwrap();
            for turns in 1..=steps(&script) {
                let cut = picture_after(&picture, &prefix(&script, turns));
                let end = go_on(cut, &request);
                assert!(is_finished(&end, &request));
            }
        }
    }
}

#[test]
fn a_phase_that_is_done_has_an_empty_script() {
    let request = RotationRequest::new(Root::ALL);
    let mut picture = Cluster::kubeadm(3, 2).picture();
    for phase in Phase::ALL {
        let script = script_for(&picture, &request, phase).unwrap();
        picture = picture_after(&picture, &script);
        if phase < Phase::RetireOld {
            assert_eq!(
                script_for(&picture, &request, phase).unwrap().rounds,
                vec![]
            );
        }
    }
    assert!(is_finished(&picture, &request));
}

#[test]
fn the_position_is_the_first_phase_with_something_left() {
    let request = RotationRequest::new([Root::KubernetesCa]);
    let mut picture = Cluster::kubeadm(3, 2).picture();
    place_positions(&mut picture);
    let mut seen = Vec::new();
    for phase in Phase::ALL {
        seen.push(picture.root(Root::KubernetesCa).unwrap().position);
        let script = script_for(&picture, &request, phase).unwrap();
        picture = picture_after(&picture, &script);
    }
    // Kubeconfigs that forget the old servers with a restart are no retirement yet.
    let at = |phase| Position::In {
        phase,
        begun: false,
    };
    assert_eq!(
        seen,
        [
            Position::AtRest,
            at(Phase::TrustBoth),
            at(Phase::IssueFromNew),
            at(Phase::Settle),
            at(Phase::RetireOld),
        ]
    );
    assert_eq!(
        picture.root(Root::KubernetesCa).unwrap().position,
        Position::AtRest
    );
}

#[test]
fn a_finished_root_is_not_begun_again_beside_one_that_is_further() {
    let picture = Cluster::kubeadm(3, 1).picture();
    let etcd = RotationRequest::new([Root::EtcdCa]);
    let begun = picture_after(&picture, &prefix(&whole(&picture, &etcd).unwrap(), 8));
    let all = RotationRequest::new(Root::ALL);
    let script = whole(&begun, &all).unwrap();
    assert!(
        script
            .notices
            .iter()
            .any(|notice| notice.code == "left-at-rest")
    );
    let end = picture_after(&begun, &script);
    assert!(is_finished(&end, &etcd));
    assert_eq!(end.root(Root::KubernetesCa), begun.root(Root::KubernetesCa));
}

#[test]
fn a_process_that_is_older_than_its_file_is_restarted_and_nothing_else() {
    let request = RotationRequest::new([Root::EtcdCa]);
    let mut picture = Cluster::kubeadm(3, 0).picture();
    for phase in [Phase::Prepare, Phase::TrustBoth] {
        let script = script_for(&picture, &request, phase).unwrap();
        picture = picture_after(&picture, &script);
    }
    for reader in picture.roots[1]
        .places
        .iter_mut()
        .flat_map(|place| &mut place.readers)
    {
        if reader.host == "cp2" && reader.flag == "etcd-cafile" {
            reader.loaded = Some(false);
        }
    }
    let script = script_for(&picture, &request, Phase::TrustBoth).unwrap();
    let turns: Vec<_> = script
        .rounds
        .iter()
        .flat_map(|round| &round.turns)
        .collect();
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0].host, "cp2");
    assert_eq!(turns[0].actions.len(), 1);
}

/// Which workloads started too early is told only when there is something new to read: of a rotation that
/// is begun anew before that none is known, and the round that restarts them is planned all the same.
#[test]
fn workloads_are_restarted_though_none_is_known_to_be_stale_yet() {
    for root in [Root::KubernetesCa, Root::ServiceAccountKey] {
        let request = RotationRequest::new([root]);
        let picture = Cluster::kubeadm(3, 2).picture();
        let script = whole(&picture, &request).unwrap();
        let is_restart = |round: &Round| {
            let mut actions = round.turns.iter().flat_map(|turn| &turn.actions);
            actions.any(|action| matches!(action, Action::RestartWorkloads { .. }))
        };
        let restart = script.rounds.iter().position(is_restart).unwrap();
        // What is published, or signed with, last.
        let is_new = |round: &Round| match root {
            Root::KubernetesCa => round
                .awaits
                .iter()
                .any(|it| matches!(it, Await::Published { .. })),
            _ => round.phase == Phase::Settle && round.name.ends_with("api-servers"),
        };
        let new = script.rounds.iter().position(is_new).unwrap();
        assert!(new < restart);
        let turns = |rounds: &[Round]| -> usize {
            rounds.iter().map(|round| round.turns.len().max(1)).sum()
        };
        for done in 1..=turns(&script.rounds[..new]) {
            let mut cut = picture_after(&picture, &prefix(&script, done));
            for root in &mut cut.roots {
                root.places
                    .retain(|place| place.kept_by != Keeper::Workload);
            }
            place_positions(&mut cut);
            let rest = whole(&cut, &request).unwrap();
            assert!(
                rest.rounds.iter().any(is_restart),
                "{root} after {done} turns:\n{}",
                words(&rest)
            );
            assert!(is_finished(&go_on(cut, &request), &request));
        }
    }
}

#[test]
fn a_host_that_joined_in_the_middle_is_brought_along() {
    let request = RotationRequest::new(Root::ALL);
    let small = Cluster::kubeadm(3, 1).picture();
    let script = whole(&small, &request).unwrap();
    let large = Cluster::kubeadm(3, 2).picture();
    for turns in 1..steps(&script) {
        let mut cut = picture_after(&small, &prefix(&script, turns));
        if is_finished(&cut, &request) {
            continue;
        }
        cut.hosts.clone_from(&large.hosts);
        for root in &mut cut.roots {
            if root.new.is_none() {
                continue;
            }
            let joined = large.root(root.root).unwrap().places.iter();
            root.places.extend(
                joined
                    .filter(|place| place.place.host() == Some("w2"))
                    .cloned(),
            );
        }
        let request = RotationRequest::new(
            cut.roots
                .iter()
                .filter(|root| root.new.is_some())
                .map(|root| root.root),
        );
        if !request.roots.is_empty() {
            go_on(cut, &request);
        }
    }
}

#[test]
fn thousands_of_nodes_are_planned_and_foreseen() {
    let mut picture = Cluster::kubeadm(3, 5000).picture();
    let request = RotationRequest::new(Root::ALL);
    let script = whole(&picture, &request).unwrap();
    picture = picture_after(&picture, &script);
    assert!(is_finished(&picture, &request));
}
