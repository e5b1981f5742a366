//! What the planner scripts is proved, for every root, alone and together, from rest and from wherever an
//! interruption left the cluster; and carried out to its end it leaves nothing behind.

use crate::authority::Authority;
use crate::carry::Reach;
use crate::field::{Field, shape};
use crate::walk::{cut_short, is_over, next, rest_passes, roots, shapes, to_the_end, told, turns};
use crate::world::Shape;
use kubepki_core::connections::Place;
use kubepki_core::model::ObjectReference;
use kubepki_core::rotation::check::check;
use kubepki_core::rotation::plan::{next_phase, script_for};
use kubepki_core::rotation::{
    Action, GivenAuthority, GivenKey, Holds, Keeper, OldKey, Phase, PlaceState, Purpose, Root,
    RotationRequest,
};
use kubepki_x509::Certificate;
use proptest::prelude::*;

fn request(roots: &[Root]) -> RotationRequest {
    RotationRequest {
        batch: 2,
        ..RotationRequest::new(roots.iter().copied())
    }
}

fn whole_passes(shape: Shape, roots: &[Root]) {
    rest_passes(&Field::new(shape), &request(roots));
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
            if !cut_short(&mut field, &request, at, is_half) { break; }
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

/// The old keys go when nobody trusts or signs with the old ones, and before what shows that the rotation is
/// not over: what is cut short there is gone on with.
#[test]
fn old_keys_go_after_everything_else_and_before_the_rotation_is_over() {
    for roots in [&Root::ALL[..], &[Root::FrontProxyCa]] {
        let request = RotationRequest {
            old_key: OldKey::Destroy,
            ..request(roots)
        };
        let mut field = Field::new(shape(3, 2));
        rest_passes(&field, &request);
        while let Some(phase) = next_phase(&field.seen().2, &request) {
            let script = next(&field, &request).unwrap();
            if phase == Phase::RetireOld {
                let names: Vec<&str> = script.rounds.iter().map(|it| it.name.as_str()).collect();
                let end = ["retire-old-old-keys", "retire-old-leftovers"];
                assert!(names.ends_with(&end), "{names:?}");
                let last = script.rounds.last().unwrap();
                let before = turns(&script) - last.turns.len();
                field.carry(&script, before, Reach::All);
                assert!(!is_over(&field), "it can still be gone on with");
                let script = next(&field, &request).unwrap();
                let again = script.rounds.iter().any(|it| it.name == end[0]);
                assert!(again, "what was done may have been cut short");
                break;
            }
            field.carry(&script, turns(&script), Reach::All);
        }
        to_the_end(&mut field, &request);
    }
}

#[test]
fn an_old_key_does_not_go_while_somebody_lives_by_it() {
    let root = Root::KubernetesCa;
    let request = request(&[root]);
    let mut field = Field::new(shape(3, 1));
    let (mut early, mut late) = (0, 0);
    while let Some(phase) = next_phase(&field.seen().2, &request) {
        let (graph, material, picture) = field.seen();
        let script = script_for(&picture, &request, phase).unwrap();
        let how = OldKey::Destroy;
        let mut begun = script.clone();
        if let Some(turn) = begun.rounds.iter_mut().find_map(|it| it.turns.first_mut()) {
            turn.actions.push(Action::RetireKey { root, how });
            let verdict = check(&graph, &material, &picture, &begun);
            let is_noticed = told(&verdict).contains("its old private key goes while");
            match phase {
                Phase::Prepare => {}
                Phase::TrustBoth | Phase::IssueFromNew | Phase::Settle => {
                    assert!(is_noticed, "{phase}");
                    early += 1;
                }
                Phase::RetireOld => late += 1,
            }
        }
        field.carry(&script, turns(&script), Reach::All);
        if late > 0 {
            break;
        }
    }
    assert!(early > 1 && late > 0, "{early} {late}");
}
