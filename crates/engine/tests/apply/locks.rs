//! Two runs on one host: the second is turned away with the name of the first.

use super::scene::{self, Scene, start};
use kubepki_engine::apply::{self, ApplyError, Transaction};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn the_second_run_is_refused_and_told_who_the_first_is() {
    let scene = Scene::new();
    let host = scene.host();
    let first = Transaction::begin(&host, start(1)).unwrap();
    let error = scene::begin_error(&host);
    let process = std::process::id();
    let holder = format!("process {process}, `renew`, since 2026-11-18T22:11:00Z");
    assert_eq!(
        error.to_string(),
        format!("another run is going on: {holder}")
    );
    assert_eq!(error.code(), "locked");
    assert_eq!(apply::running(&host).unwrap(), Some(holder));
    // What is going on is not interrupted.
    assert!(apply::interrupted(&host).unwrap().is_none());
    drop(first);
    assert_eq!(apply::running(&host).unwrap(), None);
    Transaction::begin(&host, start(2)).unwrap();
}

#[test]
fn runs_that_race_never_overlap() {
    let scene = Scene::new();
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let busy = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (scene, done, refused, busy) = (&scene, &done, &refused, &busy);
            scope.spawn(move || {
                let host = scene.host();
                for round in 0..10 {
                    match Transaction::begin(&host, start(number * 10 + round)) {
                        Ok(mut transaction) => {
                            assert!(!busy.swap(true, Ordering::SeqCst), "two runs at once");
                            transaction.apply(scene::changes(&host)).unwrap();
                            busy.store(false, Ordering::SeqCst);
                            transaction.finish("applied", scene::runner().now).unwrap();
                            done.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(ApplyError::Locked { .. }) => {
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let (done, refused) = (done.into_inner(), refused.into_inner());
    println!("{done} runs, {refused} refused");
    assert!(done >= 1);
    assert_eq!(done + refused, 80);
    assert_eq!(apply::history(&scene.host()).unwrap().len(), done);
    assert!(scene::leftovers(&scene.tree()).is_empty());
}

#[test]
fn an_unfinished_run_is_refused_with_its_name() {
    let scene = Scene::new();
    let host = scene.host();
    let mut first = Transaction::begin(&host, start(1)).unwrap();
    first.apply(scene::annotation(&host)).unwrap();
    drop(first);
    let error = scene::begin_error(&host);
    assert_eq!(
        error.to_string(),
        "run 20261118T221100Z-00000001 (`renew`, begun 2026-11-18T22:11:00Z) was interrupted while \
         carrying on after its files were changed"
    );
    assert_eq!(error.code(), "unfinished-run");
    let interrupted = apply::interrupted(&host).unwrap().unwrap();
    assert_eq!(
        interrupted.record.plan,
        serde_json::json!({"renew": ["apiserver"]})
    );
}
