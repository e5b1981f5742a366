//! How long it takes to plan a rotation of everything and to prove the plan, by the number of nodes:
//! `cargo run --release -p kubepki-core --example rotation_proof`.
//!
//! The clusters are those of the checker's tests: three control planes and workers,
//! behind one address. Each figure is the median of five (of three from 1,000
//! nodes on). Looking at the hosts is no part of it.

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
#[path = "../tests/rotation_check/field.rs"]
mod field;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/connections/machine.rs"]
mod machine;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/connections/world.rs"]
mod world;

use field::{Field, shape};
use kubepki_core::rotation::check::check;
use kubepki_core::rotation::plan::whole;
use kubepki_core::rotation::{Root, RotationRequest};
use std::hint::black_box;
use std::time::Instant;

/// The median of so many runs, in seconds.
fn median<T>(runs: usize, mut act: impl FnMut() -> T) -> f64 {
    let mut all: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            drop(black_box(act()));
            start.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all.get(runs / 2).copied().unwrap_or_default()
}

fn main() {
    println!("| nodes | connections | rounds | states | combinations | seen | planned | proved |");
    println!("|---|---|---|---|---|---|---|---|");
    for nodes in [5_usize, 50, 500, 5_000] {
        let control_planes = 3.min(nodes);
        let runs = if nodes < 1_000 { 5 } else { 3 };
        let field = Field::new(shape(control_planes, nodes - control_planes));
        let start = Instant::now();
        let (graph, material, picture) = field.seen();
        let seen = start.elapsed().as_secs_f64();
        let request = RotationRequest {
            batch: 50,
            ..RotationRequest::new(Root::ALL)
        };
        let script = whole(&picture, &request).unwrap();
        let planned = median(runs, || whole(&picture, &request).unwrap());
        let verdict = check(&graph, &material, &picture, &script);
        assert!(verdict.holds(), "{:#?}", verdict.violations.first());
        let proved = median(runs, || check(&graph, &material, &picture, &script));
        println!(
            "| {nodes} | {} | {} | {} | {} | {:.3} s | {:.3} s | {:.3} s |",
            verdict.connections,
            script.rounds.len(),
            verdict.states,
            verdict.combinations,
            seen,
            planned,
            proved
        );
    }
}
