//! Backups: everything comes back byte by byte, and what is damaged is told.

use super::scene::{self, CURRENT, Scene, run_id, runner, sealed, start};
use age::secrecy::ExposeSecret;
use kubepki_adapters::host::LocalHost;
use kubepki_engine::apply::backup::{
    self, Archive, BackupError, Difference, Kind, PathState, Protection, Request, Selection, Unlock,
};
use kubepki_engine::apply::{self, Transaction};
use kubepki_engine::ports::HostRead;
use kubepki_sealed::Sealed;
use kubepki_sealed::danger::open;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const PATHS: [&str; 4] = [
    "/etc/kubernetes",
    "/var/lib/kubelet/pki",
    "/var/lib/kubelet/pki/kubelet-client-2026.pem",
    "/etc/kubernetes/pki/extra/more/extra.crt",
];

fn assemble(host: &LocalHost, protection: &Protection) -> Sealed {
    let paths: Vec<PathBuf> = PATHS.iter().map(PathBuf::from).collect();
    assemble_paths(host, &paths, protection)
}

fn assemble_paths(host: &LocalHost, paths: &[PathBuf], protection: &Protection) -> Sealed {
    let request = Request {
        id: &run_id(1),
        verb: "backup",
        time: runner().now,
        paths,
        protection,
    };
    backup::assemble(host, &request).unwrap().1
}

fn plain(scene: &Scene) -> Sealed {
    assemble(&scene.host(), &Protection::Plain)
}

fn copy(bytes: &Sealed) -> Sealed {
    Sealed::new(open(bytes).to_vec())
}

/// Modification times of the regular files that a renewal writes.
fn times(scene: &Scene) -> Vec<(PathBuf, SystemTime)> {
    let regular = |path: &PathBuf| {
        let path = scene.root().join(path);
        path.is_file() && !path.is_symlink()
    };
    let modified = |path: PathBuf| {
        let found = std::fs::symlink_metadata(scene.root().join(&path)).unwrap();
        (path, found.modified().unwrap())
    };
    scene
        .tree()
        .into_keys()
        .filter(regular)
        .map(modified)
        .collect()
}

#[test]
fn what_a_renewal_changed_comes_back_and_the_restore_can_be_undone() {
    let scene = Scene::new();
    let host = scene.host();
    let key = scene.real("/etc/kubernetes/pki/apiserver.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    let age = SystemTime::now() - std::time::Duration::new(86_400 * 400, 123_456_789);
    std::fs::File::open(&key)
        .unwrap()
        .set_modified(age)
        .unwrap();
    let (old, old_times) = (scene.tree(), times(&scene));
    let archive = Archive::open(plain(&scene), &Unlock::Nothing).unwrap();

    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.apply(scene::changes(&host)).unwrap();
    transaction.finish("verified", runner().now).unwrap();
    let renewed = scene.tree();
    let changed = backup::diff(&archive, &host).unwrap();
    let state = |path: &str| {
        changed
            .iter()
            .find(|(entry, _)| entry == Path::new(path))
            .map(|(_, state)| state.clone())
    };
    use Difference::{Contents, LinkTarget, Mode, Modified};
    let differs = |differences: &[Difference]| Some(PathState::Changed(differences.to_vec()));
    assert_eq!(state("/etc/kubernetes/pki/ca.crt"), Some(PathState::Same));
    assert_eq!(
        state("/etc/kubernetes/pki/apiserver.key"),
        differs(&[Contents, Mode, Modified])
    );
    assert_eq!(state(CURRENT), differs(&[LinkTarget]));
    assert_eq!(
        state("/etc/kubernetes/scheduler.conf"),
        differs(&[Difference::Kind])
    );
    let gone = "/var/lib/kubelet/pki/kubelet-client-2024.pem";
    assert_eq!(state(gone), Some(PathState::Missing));
    assert_eq!(state(PATHS[2]), Some(PathState::Appeared));
    assert_eq!(
        state("/srv/etcd-pki/server.crt"),
        None,
        "a linked folder is not entered"
    );

    // What the renewal changed outside the archive is not the archive's to bring back.
    let restore = backup::restore_changes(&archive, &Selection::All).unwrap();
    let undo = assemble_paths(&host, &backup::touched_paths(&restore), &Protection::Plain);
    let undo = Archive::open(undo, &Unlock::Nothing).unwrap();
    let mut transaction = Transaction::begin(&host, start(2)).unwrap();
    transaction.apply(restore).unwrap();
    transaction.finish("restored", runner().now).unwrap();
    let mut expected = old.clone();
    for path in ["etc/kubernetes/pki/extra", "etc/kubernetes/pki/extra/more"] {
        expected.insert(path.into(), "folder".to_owned());
    }
    let etcd: PathBuf = "srv/etcd-pki/server.crt".into();
    expected.insert(etcd.clone(), renewed[&etcd].clone());
    assert_eq!(scene.tree(), expected);
    let elsewhere = |(path, _): &(PathBuf, SystemTime)| *path != etcd;
    let kept = |times: Vec<_>| times.into_iter().filter(elsewhere).collect::<Vec<_>>();
    assert_eq!(kept(times(&scene)), kept(old_times));
    let is_same = |(_, state): &(PathBuf, PathState)| *state == PathState::Same;
    assert!(backup::diff(&archive, &host).unwrap().iter().all(is_same));

    let undo = backup::restore_changes(&undo, &Selection::All).unwrap();
    let mut transaction = Transaction::begin(&host, start(3)).unwrap();
    transaction.apply(undo).unwrap();
    transaction.finish("restored", runner().now).unwrap();
    assert_eq!(scene.tree(), renewed);
    assert_eq!(apply::history(&host).unwrap().len(), 3);
}

#[test]
fn one_file_or_folder_is_restored_alone_even_when_its_folder_is_gone() {
    let scene = Scene::new();
    let host = scene.host();
    let archive = Archive::open(plain(&scene), &Unlock::Nothing).unwrap();
    std::fs::remove_dir_all(scene.real("/etc/kubernetes/pki")).unwrap();
    std::fs::write(scene.real("/etc/kubernetes/admin.conf"), "broken").unwrap();
    let selection = Selection::Paths(vec!["/etc/kubernetes/pki/apiserver.crt".into()]);
    let changes = backup::restore_changes(&archive, &selection).unwrap();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.apply(changes).unwrap();
    transaction.finish("restored", runner().now).unwrap();
    assert_eq!(
        host.list(Path::new("/etc/kubernetes/pki")).unwrap(),
        ["apiserver.crt"]
    );
    let admin = std::fs::read_to_string(scene.real("/etc/kubernetes/admin.conf")).unwrap();
    assert_eq!(admin, "broken");
    let unknown = Selection::Paths(vec!["/etc/passwd".into()]);
    let error = backup::restore_changes(&archive, &unknown)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.to_string(), "the archive has no /etc/passwd");
}

#[test]
fn an_archive_is_private_listed_and_readable_by_tar() {
    let scene = Scene::new();
    let host = scene.host();
    let id = run_id(1);
    let paths: Vec<PathBuf> = PATHS.iter().map(PathBuf::from).collect();
    let protection = Protection::Plain;
    let request = Request {
        id: &id,
        verb: "renew",
        time: runner().now,
        paths: &paths,
        protection: &protection,
    };
    let destination = backup::default_path(&id, &protection);
    let written = backup::create(&host, &request, &destination).unwrap();
    let real = scene.real(destination.to_str().unwrap());
    assert_eq!(std::fs::metadata(&real).unwrap().mode() & 0o7777, 0o600);
    let again = backup::create(&host, &request, &destination).unwrap_err();
    assert!(again.to_string().ends_with("it exists already"), "{again}");
    std::fs::write(real.with_file_name("broken.tar"), "nonsense").unwrap();
    let listed = backup::list(&host).unwrap();
    let [good, broken] = listed.as_slice() else {
        panic!("{listed:?}")
    };
    let manifest = good.manifest.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(*manifest, written.manifest);
    assert_eq!(
        (manifest.verb.as_str(), manifest.id.as_str()),
        ("renew", id.as_str())
    );
    assert_eq!(broken.manifest.as_ref().unwrap_err().code(), "not-a-backup");
    let absent = manifest
        .entries
        .iter()
        .filter(|entry| entry.kind == Kind::Absent)
        .count();
    assert_eq!(absent, 2);
    let output = std::process::Command::new("tar")
        .args(["-xOf"])
        .arg(&real)
        .arg("files/etc/kubernetes/admin.conf")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "old etc/kubernetes/admin.conf\n"
    );
}

#[test]
fn an_archive_cut_short_or_damaged_anywhere_is_refused() {
    let scene = Scene::new();
    let bytes = plain(&scene);
    let whole = Archive::open(copy(&bytes), &Unlock::Nothing).unwrap();
    let bytes = open(&bytes);
    // Tar ends with two blocks of zeros that say nothing.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut cuts = 0;
    for cut in (0..end).step_by(101) {
        let result = Archive::open(Sealed::new(bytes[..cut].to_vec()), &Unlock::Nothing);
        let error = result.map(drop).unwrap_err();
        assert!(
            ["backup-damaged", "not-a-backup"].contains(&error.code()),
            "{cut}: {error}"
        );
        cuts += 1;
    }
    let (mut refused, mut harmless) = (0, 0);
    for position in (0..bytes.len()).step_by(37) {
        let mut damaged = bytes.to_vec();
        damaged[position] ^= 0x20;
        match Archive::open(Sealed::new(damaged), &Unlock::Nothing) {
            Err(_) => refused += 1,
            Ok(archive) => {
                // Padding, or an owner in a header, which nobody here reads.
                assert_eq!(archive.manifest(), whole.manifest());
                harmless += 1;
            }
        }
    }
    println!("{cuts} cuts refused; {refused} flipped bytes refused, {harmless} harmless");
    assert!(refused > 100);
}

#[test]
fn an_archive_from_the_future_or_with_paths_that_escape_is_refused() {
    let make = |manifest: &str| {
        let mut tar = tar::Builder::new(Vec::new());
        let digest = sha256(manifest.as_bytes());
        for (name, contents) in [
            ("manifest.json", manifest),
            ("manifest.json.sha256", &digest),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            tar.append_data(&mut header, name, contents.as_bytes())
                .unwrap();
        }
        let bytes = Sealed::new(tar.into_inner().unwrap());
        Archive::open(bytes, &Unlock::Nothing)
            .map(drop)
            .unwrap_err()
    };
    let error = make(r#"{"kubepkiBackup":3,"unheardOf":[]}"#);
    assert_eq!(error.code(), "backup-too-new");
    let escaping = r#"{"kubepkiBackup":1,"host":"h","time":"2026-01-01T00:00:00Z","id":"x",
        "verb":"backup","entries":[{"path":"/etc/../../x","kind":"absent"}]}"#;
    let error = make(escaping);
    assert!(
        error
            .to_string()
            .contains("is not an absolute path without `..`"),
        "{error}"
    );
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn a_passphrase_opens_what_it_closed_and_no_other_does() {
    let scene = Scene::new();
    let protection = Protection::Passphrase(sealed("correct horse"));
    let bytes = assemble(&scene.host(), &protection);
    assert!(open(&bytes).starts_with(b"age-encryption.org/v1"));
    let text = String::from_utf8_lossy(open(&bytes));
    assert!(!text.contains("apiserver"), "paths are secret too");
    let unlock = |unlock| Archive::open(copy(&bytes), &unlock).map(drop);
    unlock(Unlock::Passphrase(sealed("correct horse"))).unwrap();
    let wrong = unlock(Unlock::Passphrase(sealed("battery staple"))).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "the passphrase does not open the archive"
    );
    assert_eq!(wrong.code(), "backup-wrong-key");
    let none = unlock(Unlock::Nothing).unwrap_err();
    assert_eq!(
        none.to_string(),
        "the archive is encrypted with age; a passphrase is needed"
    );
    let mut torn = open(&bytes).to_vec();
    torn.truncate(torn.len() - 40);
    let unlock = Unlock::Passphrase(sealed("correct horse"));
    let error = Archive::open(Sealed::new(torn), &unlock)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.code(), "backup-damaged", "{error}");
}

#[test]
fn an_identity_opens_what_was_encrypted_to_it() {
    let scene = Scene::new();
    let identity = age::x25519::Identity::generate();
    let other = age::x25519::Identity::generate();
    let recipients = vec![identity.to_public().to_string()];
    let bytes = assemble(&scene.host(), &Protection::Recipients(recipients));
    let key_file = |identity: &age::x25519::Identity| {
        let secret = identity.to_string();
        sealed(&format!("# created: today\n{}\n", secret.expose_secret()))
    };
    let unlock = |identity| Archive::open(copy(&bytes), &Unlock::Identities(key_file(identity)));
    unlock(&identity).unwrap();
    let error = unlock(&other).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the identity does not open the archive");
    let bad = Protection::Recipients(vec!["age1nonsense".to_owned()]);
    let paths = [PathBuf::from("/etc/kubernetes")];
    let id = run_id(2);
    let request = Request {
        id: &id,
        verb: "backup",
        time: runner().now,
        paths: &paths,
        protection: &bad,
    };
    let error = backup::assemble(&scene.host(), &request)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, BackupError::InvalidKey { .. }), "{error}");
}

#[test]
fn links_that_lead_in_circles_or_to_the_whole_disk_are_kept_as_links() {
    let scene = Scene::new();
    symlink("/", scene.real("/etc/kubernetes/pki/everything")).unwrap();
    symlink("self", scene.real("/etc/kubernetes/pki/loop-to")).unwrap();
    symlink("..", scene.real("/etc/kubernetes/pki/up")).unwrap();
    let archive = Archive::open(plain(&scene), &Unlock::Nothing).unwrap();
    let entries = &archive.manifest().entries;
    let kind = |path: &str| {
        let entry = entries.iter().find(|entry| entry.path == Path::new(path));
        entry.map(|entry| entry.kind.clone())
    };
    let link = |target: &str| {
        Some(Kind::Symlink {
            target: target.into(),
        })
    };
    assert_eq!(kind("/etc/kubernetes/pki/everything"), link("/"));
    assert_eq!(kind("/etc/kubernetes/pki/up"), link(".."));
    assert!(kind("/srv").is_none());
}
