//! What the planner scripts is proved, for every root, alone and together, from rest and from wherever an
//! interruption left the cluster; and carried out to its end it leaves nothing behind.

use crate::authority::{Authority, NOW};
use crate::carry::Reach;
use crate::field::{Field, shape};
use crate::world::Shape;
use kubepki_core::connections::{Place, verify_all};
use kubepki_core::model::ObjectReference;
use kubepki_core::rotation::check::{Verdict, check};
use kubepki_core::rotation::plan::{next_phase, script_for, whole};
use kubepki_core::rotation::{
    GivenAuthority, GivenKey, Holds, Keeper, Phase, PlaceState, Position, Purpose, Root,
    RotationRequest, Script,
};
use kubepki_x509::Certificate;
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

fn request(roots: &[Root]) -> RotationRequest {
    RotationRequest {
        batch: 2,
        ..RotationRequest::new(roots.iter().copied())
    }
}

fn whole_passes(shape: Shape, roots: &[Root]) {
    rest_passes(&Field::new(shape), &request(roots));
}

/// All that is left, as it is shown and asked for before any of it is done.
fn rest_passes(field: &Field, request: &RotationRequest) {
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

#[test]
fn whole_scripts_of_each_root_are_proved() {
    for root in Root::ALL {
        whole_passes(shape(3, 2), &[root]);
        whole_passes(shape(1, 1), &[root]);
    }
}

#[test]
fn the_whole_script_of_all_roots_is_proved() {
    whole_passes(shape(3, 2), &Root::ALL);
    whole_passes(shape(1, 0), &Root::ALL);
    whole_passes(shape(2, 3), &Root::ALL);
}

#[test]
fn phase_by_phase_everything_is_proved_and_nothing_is_left() {
    for roots in [
        &Root::ALL[..],
        &Root::ALL[..1],
        &Root::ALL[1..2],
        &Root::ALL[2..3],
    ] {
        let mut field = Field::new(shape(3, 2));
        to_the_end(&mut field, &request(roots));
    }
}

/// Before both are published nobody can tell which workloads started too early.
#[test]
fn the_rest_is_proved_before_a_stale_workload_is_known() {
    let request = request(&[Root::KubernetesCa]);
    let mut field = Field::new(shape(3, 2));
    for _ in 0..2 {
        let script = next(&field, &request).unwrap();
        let is_prepared = script.rounds.iter().any(|it| it.phase == Phase::TrustBoth);
        let done = if is_prepared { 1 } else { turns(&script) };
        field.carry(&script, done, Reach::All);
    }
    let (_, _, picture) = field.seen();
    let mut places = picture.roots.iter().flat_map(|it| &it.places);
    assert!(places.all(|it| it.kept_by != Keeper::Workload));
    rest_passes(&field, &request);
    to_the_end(&mut field, &request);
}

#[test]
fn an_intermediate_is_trusted_by_itself_and_everything_is_proved() {
    let root = Root::KubernetesCa;
    let mut field = Field::new(shape(3, 1));
    let given = Authority::intermediate_alone("company-kubernetes");
    let chain: String = [&given.anchor]
        .into_iter()
        .chain(&given.above)
        .map(Certificate::to_pem)
        .collect();
    let anchor = given.anchor.clone();
    let above = given.above[0].clone();
    field.given = Some(given);
    let request = RotationRequest {
        given: Some(GivenAuthority {
            root,
            certificate_pem: chain,
            key: GivenKey::OnHost {
                host: "cp1".to_owned(),
                path: "/root/new.key".into(),
            },
        }),
        ..request(&[root])
    };
    to_the_end(&mut field, &request);
    // The root above it is trusted nowhere: it would let in whatever else it signs.
    for machine in &field.world.machines {
        for (path, bundle) in &machine.bundles {
            assert!(!bundle.contains(&above), "{}", path.display());
        }
        assert_eq!(
            machine.bundles[&field.ca_file(root)],
            std::slice::from_ref(&anchor),
            "{}",
            machine.name
        );
    }
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_cluster_and_any_roots(shape in shapes(), roots in roots()) {
        whole_passes(shape, &roots);
    }

    /// Stopped anywhere, twice; then to the end.
    #[test]
    fn wherever_it_is_interrupted_the_rest_is_proved(
        shape in shapes(),
        roots in roots(),
        cuts in proptest::collection::vec((0_usize..6, any::<proptest::sample::Index>(), any::<bool>()), 2),
    ) {
        let mut field = Field::new(shape);
        let request = request(&roots);
        for (phases, at, is_half) in cuts {
            for _ in 0..phases {
                if is_over(&field) { break; }
                let Some(script) = next(&field, &request) else { break };
                field.carry(&script, turns(&script), Reach::All);
            }
            if is_over(&field) { break; }
            let Some(script) = next(&field, &request) else { break };
            let count = turns(&script);
            if count > 0 {
                let reach = if is_half { Reach::Files } else { Reach::All };
                field.carry(&script, at.index(count) + 1, reach);
            }
            if !is_over(&field) {
                rest_passes(&field, &request);
            }
        }
        to_the_end(&mut field, &request);
    }
}

#[test]
fn what_was_acknowledged_keeps_nothing_from_being_retired() {
    let mut field = Field::new(shape(1, 1));
    let mut request = request(&[Root::ServiceAccountKey]);
    request.acknowledged = vec!["*".to_owned()];
    while let Some(phase) = next_phase(&field.seen().2, &request) {
        if phase == Phase::RetireOld {
            break;
        }
        let script = next(&field, &request).unwrap();
        field.carry(&script, turns(&script), Reach::All);
    }
    let (graph, material, mut picture) = field.seen();
    let root = picture.roots.iter_mut();
    let root = root.filter(|it| it.root == Root::ServiceAccountKey);
    for root in root {
        root.places.push(PlaceState {
            place: Place::Api(ObjectReference::namespaced("Pod", "shop", "till")),
            purpose: Purpose::Present,
            kept_by: Keeper::Outside,
            holds: Holds::Old,
            readers: Vec::new(),
            renewable_as: None,
        });
    }
    let script = script_for(&picture, &request, Phase::RetireOld).unwrap();
    assert!(!script.rounds.is_empty());
    let verdict = check(&graph, &material, &picture, &script);
    assert!(verdict.violations.is_empty(), "{}", told(&verdict));
}
