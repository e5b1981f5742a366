//! Old private keys in backups: destroyed or sealed, everything else of the archives stays, and a crash at any
//! effect leaves nothing that typing the same again does not end.

use super::crash::points;
use super::scene::{self, Scene, run_id, runner};
use age::secrecy::ExposeSecret;
use kubepki_engine::apply::backup::{
    self, Archive, BackupError, Kind, Protection, Request, Selection, Unlock,
};
use kubepki_engine::apply::{self, Change, Transaction};
use kubepki_engine::fault_injection::{FaultingHost, Faults};
use kubepki_engine::ports::{HostRead, HostWrite, Progress};
use kubepki_engine::rotation::old_keys::{OldKeys, retire};
use kubepki_keys::{KeyType, PrivateKey, public_half};
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const KEY: &str = "/etc/kubernetes/pki/ca.key";
const PREVIOUS: &str = "/etc/kubernetes/pki/ca-previous.key";
const NEXT: &str = "/etc/kubernetes/pki/ca-next.key";
const CA: &str = "/etc/kubernetes/pki/ca.crt";

struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
}

fn key() -> Sealed {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    key.to_pem(key.encoding()).unwrap()
}

fn copy(bytes: &Sealed) -> Sealed {
    Sealed::new(open(bytes).to_vec())
}

fn sha256(key: &Sealed) -> String {
    hex::encode(public_half(key).unwrap().public_key.sha256())
}

fn put(scene: &Scene, path: &str, contents: &Sealed) {
    std::fs::write(scene.real(path), open(contents)).unwrap();
}

/// A run that writes a file, with its backup.
fn run(scene: &Scene, number: u8, path: &str, contents: &Sealed, protection: &Protection) {
    let host = scene.host();
    let mut transaction = Transaction::begin(&host, scene::start(number)).unwrap();
    let id = run_id(number);
    let paths: Vec<PathBuf> = [path, CA].iter().map(PathBuf::from).collect();
    let request = Request {
        id: &id,
        verb: "rotate",
        time: runner().now,
        paths: &paths,
        protection,
    };
    let destination = backup::default_path(&id, protection);
    let written = backup::create(&host, &request, &destination).unwrap();
    transaction.record_backup(&written.path).unwrap();
    let change = Change::Write {
        path: path.into(),
        contents: copy(contents),
        attributes: scene::attributes(&host, 0o600),
    };
    transaction.apply(vec![change]).unwrap();
    transaction.finish("ok", runner().now).unwrap();
}

/// After a rotation: run 1 replaced the old key; run 2 put an old pair away; run 3 removed the successor's
/// copy of the key in use; run 4 was no part of it, and its folder holds the old key under another name.
struct Rotated {
    scene: Scene,
    old: Sealed,
    in_use: BTreeSet<String>,
}

fn rotated(protection: &Protection) -> Rotated {
    let scene = Scene::in_memory();
    let (old, new) = (key(), key());
    put(&scene, KEY, &old);
    put(&scene, NEXT, &new);
    put(&scene, "/etc/kubernetes/pki/copied.key", &old);
    run(
        &scene,
        4,
        "/etc/kubernetes/pki/copied.key",
        &scene::sealed("other\n"),
        &Protection::Plain,
    );
    run(&scene, 1, KEY, &new, protection);
    put(&scene, PREVIOUS, &old);
    run(&scene, 2, PREVIOUS, &old, protection);
    run(&scene, 3, NEXT, &new, protection);
    Rotated {
        in_use: BTreeSet::from([sha256(&new)]),
        scene,
        old,
    }
}

impl Rotated {
    fn retire(&self, host: &dyn HostWrite, seal: Option<&Protection>) -> Option<Vec<String>> {
        let paths = [PathBuf::from(KEY)];
        let order = OldKeys {
            paths: &paths,
            in_use: &self.in_use,
            seal,
        };
        retire(host, &order, runner().now, &Silent).ok()
    }

    fn archive(&self, number: u8) -> Result<Archive, BackupError> {
        let recorded = backup::default_path(&run_id(number), &Protection::Plain);
        let host = self.scene.host();
        backup::read(
            &host,
            &backup::whereabouts(&host, &recorded),
            &Unlock::Nothing,
        )
    }

    /// Whether the old key's bytes lie anywhere below `/var/lib/kubepki`, or beside the root's own.
    fn holds_old(&self) -> Vec<PathBuf> {
        let needle = open(&self.old);
        let tree = walk(&self.scene.real("/var/lib/kubepki"));
        let beside = [self.scene.real(PREVIOUS), self.scene.real(KEY)];
        let files = tree.into_iter().chain(beside);
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle)
        };
        files.filter(holds).collect()
    }

    fn is_destroyed(&self, point: &str) {
        assert_eq!(self.holds_old(), [] as [PathBuf; 0], "{point}");
        for (number, path) in [
            (1, KEY),
            (2, PREVIOUS),
            (4, "/etc/kubernetes/pki/copied.key"),
        ] {
            let archive = self.archive(number).unwrap();
            let entries = &archive.manifest().entries;
            let entry = entries
                .iter()
                .find(|it| it.path == Path::new(path))
                .unwrap();
            assert!(
                matches!(entry.kind, Kind::Destroyed { .. }),
                "{point} {number}"
            );
            let all = backup::restore_changes(&archive, &Selection::All);
            assert_eq!(all.err().unwrap().code(), "key-destroyed", "{point}");
            let rest = Selection::Paths(vec![CA.into()]);
            assert!(!backup::restore_changes(&archive, &rest).unwrap().is_empty());
            assert!(archive.contents(Path::new(CA)).is_some(), "{point}");
        }
        let third = self.archive(3).unwrap();
        assert!(third.contents(Path::new(NEXT)).is_some(), "the key in use");
        assert_eq!(hidden(&self.scene), [] as [String; 0], "{point}");
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found
}

/// What a crash leaves on the shelf.
fn hidden(scene: &Scene) -> Vec<String> {
    let names = scene.host().list(Path::new(apply::BACKUPS)).unwrap();
    names
        .into_iter()
        .filter(|name| name.starts_with('.'))
        .collect()
}

#[test]
fn old_keys_go_from_every_archive_and_nothing_else_does() {
    let rotated = rotated(&Protection::Plain);
    let host = rotated.scene.host();
    assert_eq!(rotated.holds_old().len(), 4);
    let told = rotated.retire(&host, None).unwrap();
    assert_eq!(told.len(), 4, "{told:#?}");
    rotated.is_destroyed("undisturbed");
    let before = rotated.scene.tree();
    assert_eq!(rotated.retire(&host, None), Some(Vec::new()));
    assert_eq!(rotated.scene.tree(), before, "done twice");
}

#[test]
fn whatever_ends_it_in_the_middle_the_same_again_ends_it() {
    let counted = rotated(&Protection::Plain);
    let faults = Faults::counting();
    let host = FaultingHost::new(counted.scene.host(), faults.clone());
    counted.retire(&host, None).unwrap();
    let effects = faults.effects();
    assert!(effects.len() > 15, "{effects:?}");
    for (at, mode) in points(&effects) {
        let point = format!("{mode:?} {at} {:?}", effects[at - 1]);
        let rotated = rotated(&Protection::Plain);
        let faults = Faults::in_process(at, mode);
        let dying = FaultingHost::new(rotated.scene.host(), faults.clone());
        assert_eq!(rotated.retire(&dying, None), None, "{point}");
        // No archive is lost on the way, whatever runs before it is typed again.
        rotated.retire(&rotated.scene.host(), None).unwrap();
        rotated.is_destroyed(&point);
    }
}

#[test]
fn sealed_archives_open_for_whom_they_are_sealed_alone() {
    let identity = age::x25519::Identity::generate();
    let seal = Protection::Recipients(vec![identity.to_public().to_string()]);
    let opens = |rotated: &Rotated, point: &str| {
        assert_eq!(rotated.holds_old(), [] as [PathBuf; 0], "{point}");
        assert_eq!(hidden(&rotated.scene), [] as [String; 0], "{point}");
        let host = rotated.scene.host();
        for (number, path) in [(1, KEY), (2, PREVIOUS)] {
            let recorded = backup::default_path(&run_id(number), &Protection::Plain);
            let path_now = backup::whereabouts(&host, &recorded);
            assert!(path_now.to_string_lossy().ends_with(".tar.age"), "{point}");
            let secret = identity.to_string();
            let keys = Sealed::new(secret.expose_secret().as_bytes().to_vec());
            let archive = backup::read(&host, &path_now, &Unlock::Identities(keys)).unwrap();
            let held = archive.contents(Path::new(path)).unwrap();
            assert_eq!(open(held), open(&rotated.old), "{point}");
        }
        assert!(rotated.archive(3).is_ok(), "the key in use is none of it");
    };
    let counted = rotated(&Protection::Plain);
    let faults = Faults::counting();
    let host = FaultingHost::new(counted.scene.host(), faults.clone());
    counted.retire(&host, Some(&seal)).unwrap();
    opens(&counted, "undisturbed");
    let effects = faults.effects();
    for (at, mode) in points(&effects) {
        let point = format!("{mode:?} {at} {:?}", effects[at - 1]);
        let rotated = rotated(&Protection::Plain);
        let faults = Faults::in_process(at, mode);
        let dying = FaultingHost::new(rotated.scene.host(), faults.clone());
        assert_eq!(rotated.retire(&dying, Some(&seal)), None, "{point}");
        rotated.retire(&rotated.scene.host(), Some(&seal)).unwrap();
        opens(&rotated, &point);
    }
}

#[test]
fn an_encrypted_archive_of_a_run_that_replaced_the_key_goes_as_a_whole() {
    let identity = age::x25519::Identity::generate();
    let seal = Protection::Recipients(vec![identity.to_public().to_string()]);
    let rotated = rotated(&seal);
    let host = rotated.scene.host();
    // Sealed already: nothing to do but for what is clear, and the pair that was put away.
    let told = rotated.retire(&host, Some(&seal)).unwrap();
    assert!(
        told.iter().any(|line| line.contains("encrypted already")),
        "{told:#?}"
    );
    assert_eq!(rotated.archive(1).unwrap_err().code(), "backup-encrypted");
    let told = rotated.retire(&host, None).unwrap();
    let whole = told.iter().filter(|line| line.contains("as a whole"));
    assert_eq!(whole.count(), 2, "{told:#?}");
    for number in [1, 2] {
        let archive = rotated.archive(number).unwrap();
        let all = backup::restore_changes(&archive, &Selection::All);
        assert_eq!(all.err().unwrap().code(), "key-destroyed");
    }
    assert_eq!(rotated.archive(3).unwrap_err().code(), "backup-encrypted");
    // One that was sealed after the rotation is known by its run as well.
    let fourth = rotated.archive(4).unwrap_err();
    assert_eq!(
        fourth.code(),
        "backup-encrypted",
        "no key of a root's lay there"
    );
}
