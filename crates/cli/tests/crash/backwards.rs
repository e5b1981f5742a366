//! `undo` and `restore` are killed at every effect: the host is then old or new, never between.

use crate::judge::{self, Times};
use crate::scene;
use crate::support::points::{Point, kill, on_every_processor, points, run};
use crate::support::{Output, Snapshot, Tree};

const RENEW: [&str; 3] = ["renew", "all", "--yes"];
const UNDO: [&str; 2] = ["undo", "--yes"];
const RESTORE: [&str; 2] = ["restore", "--yes"];

/// A host before and after its renewal.
struct Renewed {
    tree: Tree,
    old: Snapshot,
    old_times: Times,
    new: Snapshot,
    new_times: Times,
}

impl Renewed {
    fn make() -> Self {
        let tree = scene::expired().copied();
        let (old, old_times) = (tree.snapshot(), judge::modification_times(&tree));
        let renewed = run(&tree, &RENEW);
        assert_eq!(renewed.code, 0, "{renewed}");
        let (new, new_times) = (tree.snapshot(), judge::modification_times(&tree));
        Self {
            tree,
            old,
            old_times,
            new,
            new_times,
        }
    }

    fn is_old(&self, tree: &Tree, point: &Point) {
        judge::is_old(tree, &self.old, &self.old_times, point);
        judge::pairs_match(tree, None, point);
    }

    fn is_as_renewed(&self, tree: &Tree, point: &Point) {
        judge::is_old(tree, &self.new, &self.new_times, point);
        judge::pairs_match(tree, None, point);
    }
}

#[test]
fn after_a_crash_of_undo_the_next_undo_makes_everything_old_and_renew_makes_everything_new() {
    let host = Renewed::make();
    let all = points(&host.tree.copied(), &UNDO);
    on_every_processor(&all, |_, point| {
        let crashed = host.tree.copied();
        kill(&crashed, &UNDO, point);
        judge::after_the_crash(&crashed, &host.new, point);

        let tree = crashed.copied();
        let output = run(&tree, &UNDO);
        let is_done = says_nothing_is_left(&output);
        assert!(output.code == 0 || is_done, "{point:?}: {output}");
        host.is_old(&tree, point);

        let tree = crashed;
        let output = run(&tree, &RENEW);
        assert_eq!(output.code, 0, "{point:?}: {output}");
        judge::is_new(&tree, &host.old, point);
    });
    tell("undo", &all);
}

#[test]
fn after_a_crash_of_restore_the_next_restore_finishes_it_and_undo_takes_it_back() {
    let host = Renewed::make();
    let all = points(&host.tree.copied(), &RESTORE);
    on_every_processor(&all, |_, point| {
        let crashed = host.tree.copied();
        kill(&crashed, &RESTORE, point);
        judge::after_the_crash(&crashed, &host.new, point);
        let is_begun = began(&crashed);

        let tree = crashed.copied();
        let output = run(&tree, &RESTORE);
        assert_eq!(output.code, 0, "{point:?}: {output}");
        host.is_old(&tree, point);

        let tree = crashed;
        let output = run(&tree, &UNDO);
        assert_eq!(output.code, 0, "{point:?}: {output}");
        if is_begun {
            host.is_as_renewed(&tree, point);
        } else {
            host.is_old(&tree, point);
        }
    });
    tell("restore", &all);
}

fn says_nothing_is_left(output: &Output) -> bool {
    output.stderr.contains("no run is left to undo")
}

/// Whether the journal of the restoration has its first line.
fn began(tree: &Tree) -> bool {
    let journals = "/var/lib/kubepki/journal";
    tree.list(journals).iter().any(|name| {
        let text = tree.text(format!("{journals}/{name}"));
        text.contains('\n') && text.contains(r#""verb":"restore""#)
    })
}

fn tell(verb: &str, all: &[Point]) {
    println!(
        "{verb}: {} effects, {} points, each recovered in two ways",
        all.last().unwrap().number,
        all.len()
    );
    assert!(all.len() > 80);
}
