//! A renewal is killed at every effect; the next renewal finishes it, the next undo takes it back.

use crate::judge;
use crate::scene;
use crate::support::points::{Point, kill, on_every_processor, points, run};
use std::collections::BTreeSet;

const RENEW: [&str; 3] = ["renew", "all", "--yes"];

#[test]
fn after_a_crash_of_renew_the_next_renew_makes_everything_new_and_undo_makes_everything_old() {
    let old = scene::expired();
    let before = old.snapshot();
    let times = judge::modification_times(&old);
    let all = points(&old.copied(), &RENEW);
    covers_every_kind_of_effect(&all);
    on_every_processor(&all, |index, point| {
        let crashed = old.copied();
        kill(&crashed, &RENEW, point);
        judge::after_the_crash(&crashed, &before, point);

        let tree = crashed.copied();
        let output = run(&tree, &RENEW);
        assert_eq!(output.code, 0, "{point:?}: {output}");
        judge::is_new(&tree, &before, point);
        if index % 20 == 0 {
            let back = run(&tree, &["undo", "--yes"]);
            assert_eq!(back.code, 0, "{point:?}: {back}");
            judge::is_old(&tree, &before, &times, point);
        }

        let tree = crashed;
        let is_over = judge::interrupted_run(&tree).is_none();
        let output = run(&tree, &["undo", "--yes"]);
        // Before its journal was begun there is no run, and nothing to undo.
        let nothing = is_over && output.stderr.contains("no run is left to undo");
        assert!(output.code == 0 || nothing, "{point:?}: {output}");
        judge::is_old(&tree, &before, &times, point);
        judge::pairs_match(&tree, None, point);
        if index % 20 == 1 {
            let again = run(&tree, &RENEW);
            assert_eq!(again.code, 0, "{point:?}: {again}");
            judge::is_new(&tree, &before, point);
        }
    });
    println!(
        "renew: {} effects, {} points, each finished by renew and taken back by undo",
        all.last().unwrap().number,
        all.len()
    );
    assert!(all.len() > 100);
}

fn covers_every_kind_of_effect(all: &[Point]) {
    let kinds: BTreeSet<&str> = all
        .iter()
        .map(|point| point.effect.split_once(' ').unwrap().0)
        .collect();
    let expected = [
        "append",
        "create",
        "create-directory",
        "lock",
        "remove",
        "rename",
        "symlink",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}
