//! Full and read-only file systems: mounted in a namespace of their own, for root only.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use std::fs;
use std::process::Command;

/// What every script begins with: variables, and what a host is compared by.
const BEGINNING: &str = r#"
cd "$SCRATCH"
fingerprint() {
    ( cd "$ROOT"
      find . -path ./var/lib/kubepki -prune -o -type f -printf '%p %m %U %G %T@\n' \
          -o -printf '%p %m %U %G %l\n' | sort
      find . -path ./var/lib/kubepki -prune -o -type f -print0 | sort -z | xargs -0 sha256sum )
}
attempt() {
    fingerprint > before
    code=0
    "$KUBEPKI" --root "$ROOT" "$@" > out 2> err < /dev/null || code=$?
    fingerprint > after
}
must_be_unchanged() {
    [ "$code" = 1 ] || { echo "exit code $code"; cat err; exit 1; }
    cmp before after || { cat err; diff before after; exit 1; }
}
# a file system with room for what is in the folder and as many KiB more
small() {
    mkdir -p "$1"; rm -rf saved; cp -a "$1" saved
    mount -t tmpfs -o mode=0755 tmpfs "$1"; cp -a saved/. "$1/"
    used=$(df -k --output=used "$1" | tail -1)
    mount -o "remount,size=$((used + $2))k" "$1"
}
"#;

/// Runs a script in a mount namespace; `None`, said aloud, where that is not allowed.
fn script(tree: &Tree, script: &str) -> Option<String> {
    let probe = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting file systems needs root");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-m", "bash", "-euc", &format!("{BEGINNING}\n{script}")])
        .env("ROOT", tree.root())
        .env("SCRATCH", tree.scratch())
        .env("KUBEPKI", env!("CARGO_BIN_EXE_kubepki"))
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{words}");
    Some(words)
}

fn note(ledger: &mut Ledger, tree: &Tree, case: &str, words: &[&str]) {
    let said = fs::read_to_string(tree.scratch().join("err")).unwrap();
    ledger.note_text(case, words, &said, 1);
}

const ALL: [&str; 3] = ["renew", "all", "--yes"];

#[test]
fn a_full_disk_under_the_certificates_changes_nothing_however_full_it_is() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = script(
        &tree,
        r#"
        refused=0
        for free in $(seq 0 4 120); do
            small "$ROOT/etc/kubernetes" "$free"
            attempt renew all --yes
            [ "$code" != 0 ] || break
            must_be_unchanged
            grep -q 'no space left on device' err
            refused=$((refused + 1)); cp err first
            [ -z "$(ls "$ROOT/var/lib/kubepki/journal" "$ROOT/var/lib/kubepki/backups" \
                | grep '^2')" ]
            umount "$ROOT/etc/kubernetes"
        done
        [ "$code" = 0 ]
        cp first err
        echo "$refused"
        "#,
    );
    let Some(text) = text else { return };
    let refused: usize = text.trim().parse().unwrap();
    println!("refused on {refused} sizes of disk");
    assert!(refused > 5);
    let mut ledger = Ledger::default();
    note(
        &mut ledger,
        &tree,
        "the disk of the certificates is full",
        &ALL,
    );
    ledger.compare("full_certificates");
}

#[test]
fn a_full_disk_under_the_state_folder_changes_nothing_or_is_carried_on_from() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = script(
        &tree,
        r#"
        refused=0; stopped=0
        cp -a "$ROOT" pristine
        for free in $(seq 4 4 400); do
            small "$ROOT/var/lib/kubepki" "$free"
            attempt renew all --yes
            [ "$code" != 0 ] || break
            grep -q 'no space left on device' err
            if cmp -s before after; then
                refused=$((refused + 1)); [ -e first ] || cp err first
            else
                # the journal could not take the line after the last rename
                stopped=$((stopped + 1))
            fi
            mount -o remount,size=10m "$ROOT/var/lib/kubepki"
            attempt renew all --yes
            [ "$code" = 0 ] || { cat err; exit 1; }
            attempt undo --yes
            [ "$code" = 0 ] || { cat err; exit 1; }
            umount "$ROOT/var/lib/kubepki"
            rm -rf "$ROOT"; cp -a pristine "$ROOT"
        done
        [ "$code" = 0 ]
        cp first err
        echo "$refused $stopped"
        "#,
    );
    let Some(text) = text else { return };
    println!("refused, stopped after the change: {text}");
    let mut ledger = Ledger::default();
    note(
        &mut ledger,
        &tree,
        "the disk of the state folder is full",
        &ALL,
    );
    ledger.compare("full_state");
}

#[test]
fn read_only_file_systems() {
    let host = Tree::kubeadm().expired(30).build();
    let mut ledger = Ledger::default();
    for (case, folder) in [
        (
            "the certificates are on a read-only file system",
            "etc/kubernetes/pki",
        ),
        (
            "the kubelet's folder is on a read-only file system",
            "var/lib/kubelet",
        ),
        ("everything is on a read-only file system", ""),
        (
            "the state folder is on a read-only file system",
            "var/lib/kubepki",
        ),
    ] {
        let tree = host.copied();
        let text = script(
            &tree,
            &format!(
                r#"
                folder="$ROOT/{folder}"; mkdir -p "$folder"
                mount --bind "$folder" "$folder"; mount -o remount,bind,ro "$folder"
                attempt renew all --yes
                must_be_unchanged
                "#
            ),
        );
        if text.is_none() {
            return;
        }
        note(&mut ledger, &tree, case, &ALL);
    }
    ledger.compare("read_only");
}

/// A single file that is a mount of its own, as in a container, cannot be replaced by a rename.
#[test]
fn a_file_that_is_a_mount_point() {
    let tree = Tree::kubeadm().expired(30).build();
    let text = script(
        &tree,
        r#"
        file="$ROOT/etc/kubernetes/pki/etcd/server.crt"
        mount --bind "$file" "$file"
        attempt renew all --yes
        must_be_unchanged
        "#,
    );
    if text.is_none() {
        return;
    }
    let mut ledger = Ledger::default();
    note(&mut ledger, &tree, "a certificate is a mount point", &ALL);
    ledger.compare("mount_point");
}
