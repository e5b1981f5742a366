//! How many connections are verified per second on one core, both directions each, with and without
//! remembered signatures: `cargo run --release -p kubepki-core --example connections_per_second`.
//!
//! The clusters are those of the tests: kubeadm's shape, a control plane alone, and three of them with
//! five workers. Each row is the median of five rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not a part of the crate: it needs a clock, keys and an output"
)]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/connections/authority.rs"]
mod authority;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/connections/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/connections/world.rs"]
mod world;

use kubepki_core::connections::{SlotId, derive, verify, verify_all};
use kubepki_core::diagnose::Evidence;
use kubepki_x509::path::{SignatureCheck, SignatureMemo, Uncached};
use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a round takes.
const ROUND: Duration = Duration::from_millis(400);

/// What is done per second, the median of five rounds.
fn rate(at_once: usize, mut act: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut done = 0_usize;
            while start.elapsed() < ROUND {
                act();
                done += at_once;
            }
            done as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(2).copied().unwrap_or_default()
}

fn main() {
    println!("connections per second, one core, both directions of each\n");
    println!(
        "{:<11} {:<22} {:>6} {:>11} {:>12} {:>12} {:>12} {:>12}",
        "keys", "hosts", "slots", "connections", "verified", "remembered", "states/s", "derived/s"
    );
    for (keys, rsa) in [("ECDSA P-256", false), ("RSA-2048", true)] {
        authority::RSA.store(rsa, Ordering::Relaxed);
        for (hosts, control_planes, workers) in
            [("1 control plane", 1, 0), ("3 and 5 workers", 3, 5)]
        {
            let world = world::World::new(world::Shape {
                control_planes,
                workers,
                balanced: true,
                ..world::Shape::default()
            });
            let evidence = world.evidence();
            let evidence = Evidence {
                hosts: &evidence,
                cluster: None,
            };
            let (graph, material) = derive(&evidence);
            let all = graph.connections.len();
            let memo = SignatureMemo::new();
            let measured = |signatures: &dyn SignatureCheck| {
                let verdicts = verify_all(&graph, &material, authority::NOW, signatures);
                assert!(verdicts.iter().all(|verdict| verdict.holds()));
                rate(all, || {
                    let verdicts = verify_all(&graph, &material, authority::NOW, signatures);
                    drop(black_box(verdicts));
                })
            };
            let (verified, remembered) = (measured(&Uncached), measured(&memo));
            // A planner's step: another state, and only what the change can have touched.
            let mut slot = 0;
            let states = rate(1, || {
                slot = (slot + 1) % graph.slots.len();
                let id = SlotId(slot);
                let state = material.clone().with(id, material.held(id).clone());
                for connection in graph.connections_of(id) {
                    let verdict = verify(&graph, &state, connection, authority::NOW, &memo);
                    drop(black_box(verdict));
                }
            });
            let derived = rate(1, || drop(black_box(derive(&evidence))));
            println!(
                "{keys:<11} {hosts:<22} {:>6} {all:>11} {verified:>12.0} {remembered:>12.0} {states:>12.0} {derived:>12.0}",
                graph.slots.len()
            );
        }
    }
}
