//! Points of a run where it can be killed, and the killing.

use super::tree::{Output, Tree};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One effect of a run, and how it is cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Counted from 1.
    pub number: usize,
    /// `before`, `after` or `torn`.
    pub mode: &'static str,
    /// e.g. `rename /etc/kubernetes/admin.conf`.
    pub effect: String,
}

/// The binary on this host, in a session of the test's own: standard input answers nothing.
fn command(tree: &Tree, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubepki-faulty"));
    command
        .arg("--root")
        .arg(tree.root())
        .args(words)
        .current_dir(tree.scratch())
        .env_remove("KUBEPKI_ROOT")
        .stdin(Stdio::null());
    command
}

/// Runs the binary undisturbed.
pub fn run(tree: &Tree, words: &[&str]) -> Output {
    let output = command(tree, words).output().unwrap();
    Output {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Every point of an undisturbed run, which must end well.
pub fn points(tree: &Tree, words: &[&str]) -> Vec<Point> {
    let count: PathBuf = tree.scratch().join("effects");
    let _ = fs::remove_file(&count);
    let output = command(tree, words)
        .env("KUBEPKI_FAULT_COUNT", &count)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {stderr}");
    // A run that changes nothing has no effects.
    let effects = fs::read_to_string(count).unwrap_or_default();
    let mut points = Vec::new();
    for line in effects.lines() {
        let (number, effect) = line.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        // Only contents have a half.
        let has_half = effect.starts_with("create /") || effect.starts_with("append ");
        for mode in ["before", "after", "torn"] {
            if mode != "torn" || has_half {
                let effect = effect.to_owned();
                points.push(Point {
                    number,
                    mode,
                    effect,
                });
            }
        }
    }
    points
}

/// Runs the binary and kills it at a point.
pub fn kill(tree: &Tree, words: &[&str], point: &Point) {
    let output = command(tree, words)
        .env("KUBEPKI_FAULT_AT", point.number.to_string())
        .env("KUBEPKI_FAULT_MODE", point.mode)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.signal().is_some(),
        "{point:?} was not reached: {} {stderr}",
        output.status
    );
}

/// Does something for each of many, on every processor; every failure is heard before the test ends.
pub fn on_every_processor<T: Sync>(of: &[T], each: impl Fn(usize, &T) + Sync) {
    let next = AtomicUsize::new(0);
    let failures = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = of.get(index) else { return };
                    let done = catch_unwind(AssertUnwindSafe(|| each(index, item)));
                    failures.fetch_add(usize::from(done.is_err()), Ordering::Relaxed);
                }
            });
        }
    });
    let failures = failures.into_inner();
    assert_eq!(failures, 0, "{failures} of {} failed, see above", of.len());
}
