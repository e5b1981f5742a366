//! Walking through a rotation of the cluster of values: looked at, planned, proved, carried out as far as
//! wanted, to its end.

use crate::authority::NOW;
use crate::carry::Reach;
use crate::field::Field;
use crate::world::Shape;
use kubepki_core::connections::verify_all;
use kubepki_core::rotation::check::{Verdict, check};
use kubepki_core::rotation::plan::{next_phase, script_for, whole};
use kubepki_core::rotation::{Position, Root, RotationRequest, Script};
use kubepki_x509::path::SignatureMemo;
use proptest::prelude::*;

pub fn told(verdict: &Verdict) -> String {
    let all = verdict.violations.iter().map(ToString::to_string);
    let left = verdict.left_behind.iter();
    let left = left.map(|it| format!("left behind: {} {}", it.place, it.found));
    all.chain(left).collect::<Vec<_>>().join("\n")
}

pub fn in_words(script: &Script) -> String {
    let mut text = String::new();
    for round in &script.rounds {
        text.push_str(&format!("{} ({:?})\n", round.name, round.pace));
        for turn in &round.turns {
            text.push_str(&format!("  {}: {:?}\n", turn.host, turn.actions));
        }
        text.push_str(&format!(
            "  between {:?} awaits {:?}\n",
            round.between, round.awaits
        ));
    }
    text
}

/// Looks, plans the first phase that is not over, and proves it.
pub fn next(field: &Field, request: &RotationRequest) -> Option<Script> {
    let (graph, material, picture) = field.seen();
    let phase = next_phase(&picture, request)?;
    let script = script_for(&picture, request, phase).unwrap();
    let verdict = check(&graph, &material, &picture, &script);
    assert!(
        verdict.violations.is_empty(),
        "{phase}:\n{}\n{}",
        told(&verdict),
        in_words(&script)
    );
    (!script.rounds.is_empty()).then_some(script)
}

pub fn turns(script: &Script) -> usize {
    script.rounds.iter().map(|it| it.turns.len()).sum()
}

pub fn is_over(field: &Field) -> bool {
    let (_, _, picture) = field.seen();
    let mut roots = picture.roots.iter();
    (field.sa_new.is_some() || !field.next.is_empty())
        && roots.all(|it| it.position == Position::AtRest)
}

/// Everything that is left, phase by phase; every connection holds in the end.
pub fn to_the_end(field: &mut Field, request: &RotationRequest) {
    for _ in 0..20 {
        if is_over(field) {
            break;
        }
        let Some(script) = next(field, request) else {
            break;
        };
        field.carry(&script, turns(&script), Reach::All);
    }
    let (graph, material, picture) = field.seen();
    for root in &picture.roots {
        assert_eq!(root.position, Position::AtRest, "{root:#?}");
    }
    let memo = SignatureMemo::new();
    let verdicts = verify_all(&graph, &material, NOW, &memo);
    for (connection, verdict) in graph.connections.iter().zip(&verdicts) {
        assert!(verdict.holds(), "{}: {verdict:?}", connection.id);
    }
}

/// All that is left, as it is shown and asked for before any of it is done.
pub fn rest_passes(field: &Field, request: &RotationRequest) {
    let (graph, material, picture) = field.seen();
    let script = whole(&picture, request).unwrap();
    let verdict = check(&graph, &material, &picture, &script);
    assert!(
        verdict.violations.is_empty() && verdict.left_behind.is_empty(),
        "{:?}:\n{}\n{}",
        request.roots,
        told(&verdict),
        in_words(&script)
    );
}

/// Carries out what comes next as far as a point, and there only half of it if wanted; false when nothing is
/// left to do.
pub fn cut_short(
    field: &mut Field,
    request: &RotationRequest,
    at: proptest::sample::Index,
    is_half: bool,
) -> bool {
    if is_over(field) {
        return false;
    }
    let Some(script) = next(field, request) else {
        return false;
    };
    let count = turns(&script);
    if count > 0 {
        let reach = if is_half { Reach::Files } else { Reach::All };
        field.carry(&script, at.index(count) + 1, reach);
    }
    true
}

pub fn shapes() -> impl Strategy<Value = Shape> {
    let folders = prop_oneof![
        Just("/etc/kubernetes/pki".to_owned()),
        Just("/etc/kubernetes/ssl".to_owned()),
    ];
    (
        (1_usize..=3, 0_usize..=3),
        folders,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |((control_planes, workers), folder, verifies_kubelets, balanced)| Shape {
                control_planes,
                workers,
                folder,
                verifies_kubelets,
                balanced,
                ..Shape::default()
            },
        )
}

pub fn roots() -> impl Strategy<Value = Vec<Root>> {
    proptest::sample::subsequence(Root::ALL.to_vec(), 1..=4)
}
