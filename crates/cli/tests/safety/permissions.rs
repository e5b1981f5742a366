//! Without the right to read or to write: as `nobody`, so for root only.

use crate::support::ledger::Ledger;
use crate::support::{Output, Tree};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

const NOBODY: u32 = 65534;
const ALL: [&str; 3] = ["renew", "all", "--yes"];

fn is_root(tree: &Tree) -> bool {
    let is_root = chown(tree.scratch(), Some(NOBODY), Some(NOBODY)).is_ok();
    if !is_root {
        println!("skipped: becoming nobody needs root");
    }
    is_root
}

/// The binary as `nobody`.
fn as_nobody(tree: &Tree, words: &[&str]) -> Output {
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    open(tree.root().parent().unwrap());
    let id = NOBODY.to_string();
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            &id,
            "--regid",
            &id,
            "--clear-groups",
            "--no-new-privs",
        ])
        .arg(env!("CARGO_BIN_EXE_kubepki"))
        .arg("--root")
        .arg(tree.root())
        .args(words)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    Output {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

fn give(tree: &Tree, folder: &str) {
    let id = format!("{NOBODY}:{NOBODY}");
    let status = Command::new("chown")
        .args(["-Rh", &id])
        .arg(tree.path(folder))
        .status();
    assert!(status.unwrap().success());
}

/// What is wrong with a host.
type Damage = fn(&Tree);

#[test]
fn without_the_right_to_read_or_write() {
    let host = Tree::kubeadm().expired(30).build();
    if !is_root(&host) {
        return;
    }
    let mut ledger = Ledger::default();
    let cases: [(&str, i32, Damage); 4] = [
        ("nobody may read no key", 1, |_| {}),
        ("nobody may read all and write nothing", 1, |tree| {
            for file in tree.snapshot().keys() {
                if tree.path(file).is_file() && !tree.path(file).is_symlink() {
                    tree.set_mode(file, 0o644);
                }
            }
        }),
        ("nobody may write all but the certificates", 1, |tree| {
            give(tree, "/");
            let status = Command::new("chown")
                .args(["-R", "0:0"])
                .arg(tree.path("/etc/kubernetes/pki/etcd"))
                .status();
            assert!(status.unwrap().success());
            for name in tree.list("/etc/kubernetes/pki/etcd") {
                tree.set_mode(format!("/etc/kubernetes/pki/etcd/{name}"), 0o644);
            }
        }),
        ("the state folder is root's", 1, |tree| {
            give(tree, "/");
            tree.write("/var/lib/kubepki/journal/.keep", "");
            for folder in ["/var/lib/kubepki/journal", "/var/lib/kubepki"] {
                chown(tree.path(folder), Some(0), Some(0)).unwrap();
                tree.set_mode(folder, 0o700);
            }
        }),
    ];
    for (case, code, prepare) in cases {
        let tree = host.copied();
        prepare(&tree);
        let before = tree.snapshot();
        let output = as_nobody(&tree, &ALL);
        assert_eq!(output.code, code, "{case}: {output}");
        tree.assert_unchanged(&before);
        ledger.note(case, &ALL, &output);
    }
    ledger.compare("permissions");
}

#[test]
fn whoever_owns_the_files_needs_not_be_root() {
    let tree = Tree::kubeadm().expired(30).build();
    if !is_root(&tree) {
        return;
    }
    give(&tree, "/");
    let output = as_nobody(&tree, &ALL);
    assert_eq!(output.code, 0, "{output}");
    tree.assert_sound();
}
