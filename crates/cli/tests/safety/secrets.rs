//! No private key, old or new, is ever said, written down or left open.

use crate::support::{FileState, Tree};
use base64::Engine as _;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Texts by which a private key would be known: the lines of its PEM, the same encoded once more as
/// in a kubeconfig, and its bytes in hexadecimal.
#[derive(Default)]
struct Keys {
    texts: BTreeSet<String>,
}

impl Keys {
    /// Learns every key that is on the host now.
    fn learn(&mut self, tree: &Tree) {
        for state in tree.snapshot().values() {
            let FileState::File { contents, .. } = state else {
                continue;
            };
            let Ok(text) = std::str::from_utf8(contents) else {
                continue;
            };
            self.learn_pem(text);
            for line in text.lines() {
                if let Some((_, value)) = line.split_once("client-key-data: ") {
                    let pem = decoded(value).and_then(|pem| String::from_utf8(pem).ok());
                    self.learn_pem(&pem.unwrap_or_default());
                    // Whoever breaks the line would still show this much of it.
                    let encoded: Vec<char> = value.chars().collect();
                    let parts = encoded.chunks_exact(40).skip(1);
                    self.texts
                        .extend(parts.map(|part| part.iter().collect::<String>()));
                }
            }
        }
    }

    fn learn_pem(&mut self, text: &str) {
        for part in text.split("-----BEGIN ").skip(1) {
            let (label, rest) = part.split_once("-----").unwrap();
            if !label.ends_with("PRIVATE KEY") {
                continue;
            }
            let body = rest.split("-----END").next().unwrap();
            let lines = body.lines().map(str::trim).filter(|line| line.len() >= 20);
            self.texts.extend(lines.map(str::to_owned));
            let der = decoded(&body.split_whitespace().collect::<String>()).unwrap_or_default();
            let hexadecimal = der.iter().map(|byte| format!("{byte:02x}"));
            let hexadecimal: Vec<String> = hexadecimal.collect();
            // The first bytes say only what kind of key it is.
            self.texts.extend(
                hexadecimal
                    .chunks_exact(16)
                    .skip(1)
                    .take(2)
                    .map(|it| it.concat()),
            );
        }
    }

    #[track_caller]
    fn assert_not_in(&self, what: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let lower = text.to_lowercase();
        assert!(
            !text.contains("PRIVATE KEY-----"),
            "{what} holds a private key: {text}"
        );
        for known in &self.texts {
            let is_there = text.contains(known) || lower.contains(known);
            assert!(!is_there, "{what} holds a part of a private key: {known}");
        }
    }
}

/// What was damaged on purpose is no base64 any more.
fn decoded(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok()
}

/// Runs whose words are kept, on hosts whose keys are learned after each of them.
#[derive(Default)]
struct Listener {
    keys: Keys,
    said: Vec<(String, Vec<u8>)>,
}

impl Listener {
    fn run(&mut self, tree: &Tree, words: &[&str]) {
        for more in [
            &["-vv"][..],
            &["-o", "json"],
            &["-o", "yaml"],
            &["-o", "wide"],
        ] {
            let words = [words, more].concat();
            let output = tree.command(&words).output().unwrap();
            self.said
                .push((words.join(" "), [output.stdout, output.stderr].concat()));
            self.keys.learn(tree);
        }
    }
}

#[test]
fn nothing_that_is_said_or_noted_holds_a_key() {
    let tree = Tree::kubeadm().expired(30).build();
    let mut listener = Listener::default();
    listener.keys.learn(&tree);
    let before = listener.keys.texts.len();
    for words in [
        &["status"][..],
        &["inspect", "/etc/kubernetes", "/var/lib/kubelet"],
        &["renew", "all", "--force", "--yes"],
        &["renew", "all", "--force", "--plan-out", "plan.json"],
        &["apply", "plan.json", "--yes"],
        &["backup", "create"],
        &["backup", "list"],
        &["backup", "diff"],
        &["undo", "--yes"],
        &["restore", "--yes"],
        &["renew", "admin.conf", "--csr-dir", "/requests", "--yes"],
    ] {
        listener.run(&tree, words);
    }
    refusals(&tree, &mut listener);
    wrong_files(&tree, &mut listener);
    let Listener { keys, said } = listener;
    assert!(keys.texts.len() > 5 * before, "{} texts", keys.texts.len());

    for (words, bytes) in &said {
        keys.assert_not_in(words, bytes);
    }
    let state = ["/var/lib/kubepki/journal", "/var/lib/kubepki"].map(|it| tree.path(it));
    let mut noted = 0;
    for folder in state.iter().chain([&tree.scratch()]) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // OpenSSL may have left requests in the scratch folder, and no key.
            if path.is_file() {
                keys.assert_not_in(&path.display().to_string(), &fs::read(path).unwrap());
                noted += 1;
            }
        }
    }
    println!(
        "{} texts of keys; in none of {} outputs and {noted} files",
        keys.texts.len(),
        said.len()
    );
    assert!(noted > 10, "{noted} files");
}

/// A key where another file was asked for: people press Tab.
fn wrong_files(tree: &Tree, listener: &mut Listener) {
    let tree = tree.copied();
    for key in ["/etc/kubernetes/pki/ca.key", "/etc/kubernetes/admin.conf"] {
        let real = tree.real(key);
        tree.copy(key, "/signed/apiserver.crt");
        tree.copy(key, "/signed/apiserver.key");
        tree.copy(
            key,
            "/var/lib/kubepki/backups/99990101T000000Z-00000000.tar",
        );
        for words in [
            &["restore", "--yes", "--archive", key][..],
            &["backup", "diff", key],
            &["backup", "list"],
            &["undo", "--yes", "--identity", &real],
            &["apply", &real, "--yes"],
            &["init", "--layout", &real, "--yes"],
            &["renew", "apiserver", "--install", "/signed", "--yes"],
            &["renew", "all", "--ca-dir", key, "--yes"],
            &["renew", "all", "--plan-out", &real],
            &["ca-hash", key],
            &["status", "--ca-dir", key],
        ] {
            listener.run(&tree, words);
        }
        tree.copy(key, "/etc/kubernetes/manifests/kube-apiserver.yaml");
        tree.copy(key, "/var/lib/kubelet/config.yaml");
        tree.copy(key, "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf");
        tree.copy(
            key,
            "/var/lib/kubepki/journal/99990101T000000Z-00000000.jsonl",
        );
        listener.run(&tree, &["status"]);
        listener.run(&tree, &["renew", "all", "--yes"]);
    }
}

/// Errors about a key must not quote it.
fn refusals(tree: &Tree, listener: &mut Listener) {
    let damaged = tree.copied();
    for path in [
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/pki/apiserver.key",
    ] {
        let pem = damaged.text(path);
        // Still most of it, and no key any more.
        damaged.write(path, pem.replace("-----END", "----END"));
        listener.run(&damaged, &["renew", "all", "--yes"]);
        listener.run(&damaged, &["renew", "apiserver", "--key", "reuse", "--yes"]);
        listener.run(&damaged, &["inspect", path]);
        listener.run(&damaged, &["status"]);
        damaged.write(path, pem.replacen('\n', "\n\u{e9}", 1));
        listener.run(&damaged, &["renew", "apiserver", "--key", "reuse", "--yes"]);
        listener.run(&damaged, &["inspect", path]);
    }
    let path = "/etc/kubernetes/admin.conf";
    let text = damaged.text(path);
    for (from, to) in [
        ("users:", "users: ["),
        ("client-key-data: ", "client-key-data: !"),
        ("- name:", "- nome:"),
    ] {
        damaged.write(path, text.replacen(from, to, 1));
        listener.run(&damaged, &["renew", "admin.conf", "--yes"]);
        listener.run(&damaged, &["inspect", path]);
        listener.run(&damaged, &["status"]);
    }
}

#[test]
fn neither_the_arguments_nor_the_environment_of_a_run_hold_a_key() {
    let tree = Tree::kubeadm().expired(30).rsa().build();
    let mut keys = Keys::default();
    keys.learn(&tree);
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubepki"))
        .arg("--root")
        .arg(tree.root())
        .args(["renew", "all", "--yes"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = BTreeSet::new();
    while child.try_wait().unwrap().is_none() {
        for file in ["cmdline", "environ", "comm"] {
            let path = format!("/proc/{}/{file}", child.id());
            seen.extend(fs::read(path).ok());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success());
    keys.learn(&tree);
    assert!(seen.len() >= 3);
    for bytes in seen {
        keys.assert_not_in("a run", &bytes);
    }
}

/// With the most generous umask, and watched while it happens.
#[test]
fn what_is_staged_and_kept_is_never_open_to_others() {
    let tree = Tree::kubeadm().expired(30).build();
    let is_over = AtomicBool::new(false);
    let count = AtomicUsize::new(0);
    let folders = [
        "/etc/kubernetes",
        "/etc/kubernetes/pki",
        "/var/lib/kubelet/pki",
    ];
    let folders: Vec<PathBuf> = folders.iter().map(|folder| tree.path(folder)).collect();
    let seen = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&folders, &is_over, &count));
        // A staged file lives for milliseconds, and on a busy machine whoever watches may sleep
        // through many.
        for run in 0..1000 {
            if run >= 10 && count.load(Ordering::Relaxed) > 10 {
                break;
            }
            let script = r#"umask 0; exec "$@""#;
            let status = Command::new("sh")
                .args(["-c", script, "sh", env!("CARGO_BIN_EXE_kubepki"), "--root"])
                .arg(tree.root())
                .args(["renew", "all", "--force", "--yes"])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(
                status.status.success(),
                "{}",
                String::from_utf8_lossy(&status.stderr)
            );
        }
        is_over.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    println!("{} staged files were seen", seen.len());
    assert!(seen.len() > 10);
    for (path, mode) in seen {
        let is_certificate = path.to_string_lossy().contains(".crt.");
        assert!(is_certificate || mode & 0o077 == 0, "{path:?} was {mode:o}");
    }
    kept(&tree.path("/var/lib/kubepki"));
}

fn watch(
    folders: &[PathBuf],
    is_over: &AtomicBool,
    count: &AtomicUsize,
) -> BTreeSet<(PathBuf, u32)> {
    let mut seen = BTreeSet::new();
    while !is_over.load(Ordering::Relaxed) {
        for entry in folders
            .iter()
            .filter_map(|it| fs::read_dir(it).ok())
            .flatten()
            .flatten()
        {
            if !entry.file_name().to_string_lossy().contains(".kubepki-") {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_file() {
                seen.insert((entry.path(), metadata.permissions().mode() & 0o7777));
            }
        }
        count.store(seen.len(), Ordering::Relaxed);
    }
    seen
}

/// The state folder and what is in it belong to their owner alone.
fn kept(folder: &Path) {
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(folder), 0o700, "{folder:?}");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kept(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{path:?}");
        }
    }
}
