//! A swap with everything down: what the planner scripts is proved, whatever is left out of it is noticed,
//! and wherever it is cut short what is left is proved again and leads to the end.

use crate::carry::Reach;
use crate::field::{Field, shape};
use crate::mutants::{Mutant, mutants};
use crate::walk::{cut_short, rest_passes, roots, shapes, to_the_end, told, turns};
use crate::world::Shape;
use kubepki_core::rotation::check::check;
use kubepki_core::rotation::plan::script_for;
use kubepki_core::rotation::{Action, Phase, Root, RotationRequest, Script};
use proptest::prelude::*;

fn request(roots: &[Root]) -> RotationRequest {
    RotationRequest {
        offline: true,
        batch: 2,
        ..RotationRequest::new(roots.iter().copied())
    }
}

fn field(shape: Shape) -> Field {
    Field {
        swaps: true,
        ..Field::new(shape)
    }
}

/// A cluster whose successors are made.
fn prepared(shape: Shape, request: &RotationRequest) -> Field {
    let mut field = field(shape);
    let (_, _, picture) = field.seen();
    let script = script_for(&picture, request, Phase::Prepare).unwrap();
    field.carry(&script, turns(&script), Reach::All);
    field.stale.extend(
        request
            .roots
            .iter()
            .filter(|root| matches!(root, Root::KubernetesCa | Root::ServiceAccountKey)),
    );
    field
}

fn whole_passes(shape: Shape, roots: &[Root]) {
    rest_passes(&field(shape), &request(roots));
}

#[test]
fn the_whole_of_a_swap_is_proved() {
    for roots in Root::ALL
        .iter()
        .map(std::slice::from_ref)
        .chain([&Root::ALL[..]])
    {
        for (control_planes, workers) in [(3, 2), (1, 1), (1, 0), (2, 3)] {
            whole_passes(shape(control_planes, workers), roots);
        }
    }
}

#[test]
fn phase_by_phase_a_swap_comes_to_rest() {
    for roots in [&Root::ALL[..], &Root::ALL[..1], &Root::ALL[3..]] {
        let request = request(roots);
        let mut field = prepared(shape(3, 2), &request);
        to_the_end(&mut field, &request);
        assert!(field.halted.is_empty());
        for extra in field.extra.values() {
            assert!(extra.next.is_empty() && extra.previous.is_empty());
        }
    }
}

/// Why it does no harm that this is left out or exchanged.
const HARMLESS: &[(&str, &str, &str)] = &[
    (
        "action left out",
        "Restart { component: KubeProxy",
        "the cluster of values has none",
    ),
    (
        "wait left out",
        "NodesReady",
        "nothing that follows relies on kubelets",
    ),
    (
        "wait left out",
        "-workloads ",
        "told: pods lose the API server until they are restarted",
    ),
    (
        "",
        "-workloads",
        "told: pods lose the API server until they are restarted",
    ),
    (
        "rounds exchanged",
        "issue-from-new-start-controllers and issue-from-new-workers",
        "both need the API alone",
    ),
    (
        "rounds exchanged",
        "issue-from-new-workers and issue-from-new-objects",
        "both need the API alone",
    ),
    (
        "rounds exchanged",
        "issue-from-new-objects and issue-from-new-published",
        "both need the API alone",
    ),
    (
        "rounds exchanged",
        "issue-from-new-published and issue-from-new-token-secrets",
        "both need the API alone",
    ),
    (
        "rounds exchanged",
        "issue-from-new-objects and issue-from-new-token-secrets",
        "both need the API alone",
    ),
    (
        "",
        "issue-from-new-token-secrets",
        "told as unfinished by the next look, which makes them then",
    ),
    (
        "round left out",
        "issue-from-new-swap",
        "nothing is changed then, and the next look finds everything to do",
    ),
];

fn is_harmless(mutant: &Mutant) -> bool {
    HARMLESS
        .iter()
        .any(|(kind, what, _)| mutant.kind.starts_with(kind) && mutant.what.contains(what))
}

#[test]
fn whatever_is_left_out_of_a_swap_is_noticed() {
    let mut survivors = Vec::new();
    let (mut caught, mut all) = (0, 0);
    for roots in [&Root::ALL[..], &[Root::KubernetesCa], &[Root::EtcdCa]] {
        let request = request(roots);
        let field = prepared(shape(3, 2), &request);
        let (graph, material, picture) = field.seen();
        let script = script_for(&picture, &request, Phase::IssueFromNew).unwrap();
        let is_caught = |script: &Script| {
            let verdict = check(&graph, &material, &picture, script);
            !verdict.holds() || !verdict.left_behind.is_empty()
        };
        for mutant in mutants(&script) {
            all += 1;
            if is_caught(&mutant.script) {
                caught += 1;
            } else if !is_harmless(&mutant) {
                survivors.push(format!("{roots:?} {}: {}", mutant.kind, mutant.what));
            }
        }
    }
    println!("{caught} of {all} mutants are caught");
    assert!(caught * 2 > all);
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

#[test]
fn nothing_of_the_successors_is_removed_while_hosts_are_left() {
    let request = request(&[Root::KubernetesCa]);
    let field = prepared(shape(3, 0), &request);
    let (graph, material, picture) = field.seen();
    let mut script = script_for(&picture, &request, Phase::IssueFromNew).unwrap();
    let swap = script
        .rounds
        .iter_mut()
        .find(|round| round.name.ends_with("-swap"))
        .unwrap();
    let root = Root::KubernetesCa;
    swap.turns[2]
        .actions
        .push(Action::RemoveSuccessorFiles { root });
    let verdict = check(&graph, &material, &picture, &script);
    assert!(told(&verdict).contains("successor is removed while"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_cluster_and_any_roots_can_be_swapped(shape in shapes(), roots in roots()) {
        whole_passes(shape, &roots);
    }

    /// Cut short anywhere, twice; what was stopped is started, what is left is proved, and leads to the end.
    #[test]
    fn wherever_a_swap_is_cut_short_the_rest_is_proved(
        shape in shapes(),
        roots in roots(),
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 2),
    ) {
        let request = request(&roots);
        let mut field = prepared(shape, &request);
        for (at, is_half) in cuts {
            if !cut_short(&mut field, &request, at, is_half) { break; }
            field.bring_up();
        }
        to_the_end(&mut field, &request);
    }
}
