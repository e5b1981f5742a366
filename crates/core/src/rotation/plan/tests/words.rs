//! A script in words, for snapshots and for messages of failed tests.

use super::builder::Cluster;
use crate::rotation::plan::{RotationRequest, whole};
use crate::rotation::{Action, Root, Script};
use std::fmt::Write;

pub(super) fn words(script: &Script) -> String {
    let mut out = String::new();
    for round in &script.rounds {
        writeln!(
            out,
            "## {} [{:?}, {} s]\n   {}",
            round.name, round.pace, round.estimate_seconds, round.reason
        )
        .unwrap();
        for turn in &round.turns {
            let actions: Vec<String> = turn.actions.iter().map(action).collect();
            writeln!(out, "   {}: {}", turn.host, actions.join("; ")).unwrap();
        }
        if !round.between.is_empty() && round.between != round.awaits {
            writeln!(out, "   between: {:?}", round.between).unwrap();
        }
        for awaited in &round.awaits {
            writeln!(out, "   awaits {awaited:?}").unwrap();
        }
    }
    for notice in &script.notices {
        writeln!(
            out,
            "!! {} {}: {}",
            notice.code, notice.object, notice.message
        )
        .unwrap();
    }
    let total: u32 = script
        .rounds
        .iter()
        .map(|round| round.estimate_seconds)
        .sum();
    writeln!(out, "about {total} s").unwrap();
    out
}

fn action(action: &Action) -> String {
    match action {
        Action::WriteTrust { root, place, holds } => format!("{root}: {place} = {holds:?}"),
        Action::Issue { root, entry } => format!("issue {entry} from {root}"),
        Action::Restart { component, parks } if parks.is_empty() => format!("restart {component}"),
        Action::Restart { component, parks } => format!(
            "restart {component} with {} parked",
            parks
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        other => format!("{other:?}"),
    }
}

#[test]
fn all_roots_on_three_control_planes_and_two_workers() {
    let picture = Cluster::kubeadm(3, 2).picture();
    let script = whole(&picture, &RotationRequest::new(Root::ALL)).unwrap();
    insta::assert_snapshot!(words(&script));
}

#[test]
fn offline_on_one_control_plane_and_one_worker() {
    let picture = Cluster::kubeadm(1, 1).picture();
    let mut request = RotationRequest::new(Root::ALL);
    request.offline = true;
    insta::assert_snapshot!(words(&whole(&picture, &request).unwrap()));
}
