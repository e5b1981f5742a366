//! Any cluster of any shape: a healthy one verifies completely, and one thing done to one slot fails
//! exactly the connections that use it.

use crate::authority::NOW;
use crate::kubeadm::derived;
use crate::mutations::Mutation;
use crate::world::{Shape, World};
use kubepki_core::connections::{Held, Judgement, Place, SlotId, verify, verify_all};
use kubepki_x509::path::{SignatureMemo, Uncached};
use proptest::prelude::*;

fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (1_usize..=3, 0_usize..=2);
    let folders = prop_oneof![
        Just("/etc/kubernetes/pki".to_owned()),
        Just("/etc/kubernetes/ssl".to_owned()),
        "/[a-z]{1,8}/[a-z]{1,8}",
    ];
    let booleans = proptest::array::uniform4(any::<bool>());
    (sizes, 1_usize..=3, folders, booleans).prop_map(
        |(
            (control_planes, workers),
            authorities,
            folder,
            [intermediates, older, verifies_kubelets, balanced],
        )| {
            Shape {
                control_planes,
                workers,
                authorities,
                intermediates,
                older,
                folder,
                verifies_kubelets,
                balanced,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_healthy_cluster_verifies_completely(shape in shapes()) {
        let world = World::new(shape);
        let (graph, material) = derived(&world);
        prop_assert_eq!(graph.slots.len(), material.held.len());
        let memo = SignatureMemo::new();
        let verdicts = verify_all(&graph, &material, NOW, &memo);
        for (connection, verdict) in graph.connections.iter().zip(&verdicts) {
            for judgement in [&verdict.server, &verdict.client] {
                let fine = matches!(judgement, Judgement::Verified | Judgement::NotApplicable);
                prop_assert!(fine, "{}: {judgement:?}", connection.id);
            }
            // The memory changes nothing, nor does asking again.
            let again = verify(&graph, &material, connection, NOW, &Uncached);
            prop_assert_eq!(&again, verdict);
        }
        let mut ids: Vec<&str> = graph.connections.iter().map(|found| found.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), graph.connections.len());
    }

    #[test]
    fn one_change_fails_exactly_the_connections_that_use_it(
        shape in shapes(),
        chosen in any::<proptest::sample::Index>(),
        how in any::<proptest::sample::Index>(),
    ) {
        let world = World::new(shape);
        let (graph, material) = derived(&world);
        let known: Vec<SlotId> = (0..graph.slots.len())
            .map(SlotId)
            .filter(|slot| !matches!(material.held(*slot), Held::Unknown(_)))
            .collect();
        let slot = *chosen.get(&known);
        let mutation = *how.get(Mutation::of(&graph, slot));
        let changed = mutation.applied(&world, material.held(slot));
        let after = material.clone().with(slot, changed);
        let memo = SignatureMemo::new();
        for connection in &graph.connections {
            let verdict = verify(&graph, &after, connection, NOW, &memo);
            let expected = mutation.breaks(&material, connection, slot);
            prop_assert_eq!(
                !verdict.holds(), expected,
                "{:?} of {} in {}: {:?}", mutation, graph.slot(slot).unwrap().place, connection.id, verdict
            );
            for failure in verdict.failures() {
                prop_assert!([failure.presented, failure.trusted_by].contains(&Some(slot)));
            }
        }
    }
}

#[test]
fn every_slot_takes_part_in_a_connection() {
    let world = World::new(Shape {
        control_planes: 3,
        workers: 1,
        verifies_kubelets: true,
        ..Shape::default()
    });
    let (graph, material) = derived(&world);
    for index in 0..graph.slots.len() {
        let slot = SlotId(index);
        let place = &graph.slot(slot).unwrap().place;
        let used = graph.connections_of(slot).count();
        assert!(used > 0, "{place} is used by nobody");
        let is_memory = matches!(place, Place::Memory { .. });
        assert_eq!(
            is_memory,
            matches!(material.held(slot), Held::Unknown(_)),
            "{place}"
        );
    }
}
