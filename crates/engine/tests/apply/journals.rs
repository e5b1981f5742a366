//! Journals on disk: torn, from the future, damaged, and free of secrets.

use super::scene::{self, Scene, run_id, runner, start};
use kubepki_engine::apply::{self, ApplyError, JOURNALS, Record, Stage, Transaction};
use kubepki_engine::fault_injection::{FaultingHost, Faults, Mode};
use std::path::PathBuf;

fn journal(scene: &Scene) -> PathBuf {
    scene.real(JOURNALS).join("20261118T221100Z-00000001.jsonl")
}

/// The journal of a whole renewal.
fn whole() -> Vec<u8> {
    let scene = Scene::new();
    scene::renew(&scene.host()).unwrap();
    std::fs::read(journal(&scene)).unwrap()
}

#[test]
fn a_journal_cut_at_any_byte_still_reads() {
    let whole = whole();
    let mut stages = Vec::new();
    for end in 0..=whole.len() {
        let record = Record::replay(&whole[..end]).unwrap_or_else(|error| panic!("{end}: {error}"));
        let stage = record.map(|record| record.stage());
        if stages.last() != Some(&stage) {
            stages.push(stage);
        }
    }
    let of = |stage| Some(stage);
    assert_eq!(
        stages,
        [
            None,
            of(Stage::Staging),
            of(Stage::Committing),
            of(Stage::Committed),
            // The second batch: the manifest's annotation.
            of(Stage::Committing),
            of(Stage::Committed)
        ]
    );
}

#[test]
fn a_journal_holds_no_contents() {
    let text = String::from_utf8(whole()).unwrap();
    assert!(!text.contains("longer than the old one"), "{text}");
    assert!(!text.contains("a file where a link was"), "{text}");
}

#[test]
fn a_journal_from_the_future_stops_everything_that_would_write() {
    let scene = Scene::new();
    let host = scene.host();
    drop(Transaction::begin(&host, start(1)).unwrap());
    let line = r#"{"event":"reticulated","version":2,"splines":true}"#;
    std::fs::write(journal(&scene), format!("{line}\n")).unwrap();
    for error in [
        scene::begin_error(&host),
        apply::interrupted(&host).unwrap_err(),
    ] {
        assert_eq!(error.code(), "journal-too-new");
        assert_eq!(
            error.to_string(),
            "journal /var/lib/kubepki/journal/20261118T221100Z-00000001.jsonl: format version 2, \
             written by a newer kubepki; this one reads up to 1"
        );
    }
}

#[test]
fn a_journal_damaged_in_the_middle_is_no_crash_and_is_refused() {
    let scene = Scene::new();
    let host = scene.host();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.apply(scene::annotation(&host)).unwrap();
    drop(transaction);
    let mut bytes = std::fs::read(journal(&scene)).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[second] = b'#';
    std::fs::write(journal(&scene), bytes).unwrap();
    let error = apply::interrupted(&host).unwrap_err();
    assert_eq!(error.code(), "journal-damaged");
    assert!(error.to_string().contains(".jsonl: line 2: "), "{error}");
}

#[test]
fn a_journal_whose_first_line_is_torn_is_a_run_that_never_began() {
    let scene = Scene::new();
    let host = scene.host();
    drop(Transaction::begin(&host, start(1)).unwrap());
    for torn in ["", r#"{"event":"begun","version":1,"id":"2026"#] {
        std::fs::write(journal(&scene), torn).unwrap();
        assert!(apply::interrupted(&host).unwrap().is_none());
        drop(Transaction::begin(&host, start(2)).unwrap());
        assert!(!journal(&scene).exists());
    }
}

#[test]
fn a_run_dropped_before_its_commit_leaves_nothing() {
    let scene = Scene::new();
    let host = scene.host();
    let before = scene.tree();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.stage(scene::changes(&host)).unwrap();
    assert!(!scene::leftovers(&scene.tree()).is_empty());
    drop(transaction);
    assert_eq!(scene.tree(), before);
    assert!(!journal(&scene).exists());
}

#[test]
fn rolling_the_wrong_way_is_refused() {
    let scene = Scene::new();
    let host = scene.host();
    let missing = apply::roll_back(&host, &run_id(7), runner()).unwrap_err();
    assert_eq!(missing.code(), "not-interrupted");
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.apply(scene::annotation(&host)).unwrap();
    drop(transaction);
    let error = apply::roll_back(&host, &run_id(1), runner()).unwrap_err();
    assert!(matches!(error, ApplyError::WrongStage { .. }), "{error}");
    assert_eq!(
        apply::interrupted(&host).unwrap().unwrap().stage,
        Stage::Committed
    );
}

#[test]
fn a_run_that_cannot_be_finished_says_so_and_can_be_abandoned() {
    let scene = Scene::new();
    let expected = super::crash::expected();
    // The first rename is the last effect; then someone deletes what was staged.
    let first = expected.effects.iter().position(|effect| {
        effect.operation == "rename" && effect.on == "/etc/kubernetes/pki/apiserver.crt"
    });
    let at = first.unwrap() + 1;
    let faulting = FaultingHost::new(scene.host(), Faults::in_process(at, Mode::After));
    scene::renew(&faulting).unwrap_err();
    let host = scene.host();
    assert_eq!(
        apply::interrupted(&host).unwrap().unwrap().stage,
        Stage::Committing
    );
    let key = scene.real("/etc/kubernetes/pki");
    let staged = std::fs::read_dir(&key)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(".apiserver.key.kubepki-")
        });
    std::fs::remove_file(staged.unwrap()).unwrap();
    let error = apply::roll_forward(&host, &run_id(1), runner()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "run 20261118T221100Z-00000001 cannot be finished: /etc/kubernetes/pki/apiserver.key is \
         old and its staged file is gone; the old files are in \
         /var/lib/kubepki/backups/20261118T221100Z-00000001.tar"
    );
    apply::abandon(&host, &run_id(1), runner()).unwrap();
    assert!(scene::leftovers(&scene.tree()).is_empty());
    assert!(apply::interrupted(&host).unwrap().is_none());
    Transaction::begin(&host, start(2)).unwrap();
}

#[test]
fn a_file_that_someone_else_changed_after_the_crash_is_left_alone() {
    let scene = Scene::new();
    let host = scene.host();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.stage(scene::changes(&host)).unwrap();
    // A commit that got as far as its first rename: journaled by hand, renamed by hand.
    let mut bytes = std::fs::read(journal(&scene)).unwrap();
    std::mem::forget(transaction);
    bytes.extend_from_slice(b"{\"event\":\"committing\",\"batch\":1}\n");
    std::fs::write(journal(&scene), bytes).unwrap();
    let pki = scene.real("/etc/kubernetes/pki");
    let staged = pki.join(".apiserver.crt.kubepki-20261118T221100Z-00000001");
    std::fs::remove_file(staged).unwrap();
    std::fs::write(pki.join("apiserver.crt"), "renewed by someone else\n").unwrap();
    // The forgotten transaction holds the lock in this process for good; another root does not.
    let moved = Scene::new();
    let copied = std::process::Command::new("cp")
        .args(["-a", "--remove-destination"])
        .arg(scene.root().join("."))
        .arg(moved.root())
        .status();
    assert!(copied.unwrap().success());
    let host = moved.host();
    let resumed = apply::roll_forward(&host, &run_id(1), runner())
        .unwrap()
        .unwrap();
    assert_eq!(
        resumed.overtaken,
        [PathBuf::from("/etc/kubernetes/pki/apiserver.crt")]
    );
    let kept = std::fs::read_to_string(moved.real("/etc/kubernetes/pki/apiserver.crt")).unwrap();
    assert_eq!(kept, "renewed by someone else\n");
    let key = std::fs::read_to_string(moved.real("/etc/kubernetes/pki/apiserver.key")).unwrap();
    assert!(key.starts_with("new"));
}
