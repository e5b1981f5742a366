//! The recovery from a crash is killed too, and the one after it must still get there.

use crate::judge;
use crate::scene;
use crate::support::points::{Point, kill, on_every_processor, points, run};
use std::sync::atomic::{AtomicUsize, Ordering};

const RENEW: [&str; 3] = ["renew", "all", "--yes"];
const UNDO: [&str; 2] = ["undo", "--yes"];

/// Some points of a run, of every mode in turn: a prime and the modes share no divisor.
fn every<const NTH: usize>(all: Vec<Point>, first: usize) -> Vec<Point> {
    all.into_iter().skip(first % NTH).step_by(NTH).collect()
}

#[test]
fn a_crash_of_the_recovery_by_renew_is_recovered_from() {
    let old = scene::expired();
    let before = old.snapshot();
    let first = every::<7>(points(&old.copied(), &RENEW), 3);
    let pairs = AtomicUsize::new(0);
    on_every_processor(&first, |index, first| {
        let crashed = old.copied();
        kill(&crashed, &RENEW, first);
        for second in every::<11>(points(&crashed.copied(), &RENEW), index) {
            let tree = crashed.copied();
            kill(&tree, &RENEW, &second);
            judge::after_the_crash(&tree, &before, &second);
            let output = run(&tree, &RENEW);
            assert_eq!(output.code, 0, "{first:?}, {second:?}: {output}");
            judge::is_new(&tree, &before, &second);
            pairs.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{} pairs of crashes, finished by renew", pairs.into_inner());
}

#[test]
fn a_crash_of_the_recovery_by_undo_is_recovered_from() {
    let old = scene::expired();
    let before = old.snapshot();
    let times = judge::modification_times(&old);
    let first = every::<7>(points(&old.copied(), &RENEW), 5);
    let pairs = AtomicUsize::new(0);
    on_every_processor(&first, |index, first| {
        let crashed = old.copied();
        kill(&crashed, &RENEW, first);
        if judge::interrupted_run(&crashed).is_none() {
            return;
        }
        for second in every::<11>(points(&crashed.copied(), &UNDO), index) {
            let tree = crashed.copied();
            kill(&tree, &UNDO, &second);
            judge::after_the_crash(&tree, &before, &second);
            let output = run(&tree, &UNDO);
            let is_done = output.stderr.contains("no run is left to undo");
            assert!(
                output.code == 0 || is_done,
                "{first:?}, {second:?}: {output}"
            );
            judge::is_old(&tree, &before, &times, &second);
            pairs.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!(
        "{} pairs of crashes, taken back by undo",
        pairs.into_inner()
    );
}
