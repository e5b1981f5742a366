//! Archives: what is in them, how they are listed and compared, and what damage does.

use crate::support::Tree;
use crate::support::ledger::Ledger;
use crate::{BACKUPS, RENEW};
use std::os::unix::fs::PermissionsExt;

const DIFF: [&str; 4] = ["backup", "diff", "-o", "json"];

#[test]
fn an_archive_is_a_plain_tar_of_everything_that_matters_and_only_its_owners() {
    let tree = Tree::kubeadm().expired(30).build();
    let words = [
        "backup",
        "create",
        "--out",
        "/root/here/saved.tar",
        "-o",
        "json",
    ];
    let created = tree.kubepki(&words).expect(0).json();
    assert_eq!(created["archive"], "/root/here/saved.tar");
    let mode = |path: &str| tree.path(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("/root/here/saved.tar"), 0o600);
    assert_eq!(mode("/root/here"), 0o700);
    let unpacked = tree.scratch().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let status = std::process::Command::new("tar")
        .args([
            "xpf",
            &tree.real("/root/here/saved.tar"),
            "-C",
            unpacked.to_str().unwrap(),
        ])
        .status()
        .unwrap();
    assert!(status.success());
    for path in [
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/pki/sa.key",
        "/etc/kubernetes/pki/etcd/peer.key",
        "/etc/kubernetes/admin.conf",
        "/etc/kubernetes/manifests/etcd.yaml",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ] {
        let saved = unpacked.join("files").join(&path[1..]);
        let saved = if saved.is_symlink() {
            let target = std::fs::read_link(&saved).unwrap();
            unpacked
                .join("files")
                .join(target.strip_prefix("/").unwrap())
        } else {
            saved
        };
        let contents = std::fs::read(&saved).unwrap_or_else(|error| panic!("{saved:?}: {error}"));
        assert_eq!(contents, tree.read(path), "{path}");
    }
}

#[test]
fn archives_are_listed_with_the_runs_that_made_them_and_compared_with_the_host() {
    let tree = Tree::kubeadm().expired(30).build();
    let none = tree.kubepki(&["backup", "list"]).expect(0);
    assert!(none.stderr.contains("no backups on this host"), "{none}");
    tree.kubepki(&["backup", "create"]).expect(0);
    tree.kubepki(&RENEW).expect(0);
    tree.kubepki(&["undo", "--yes"]).expect(0);
    let list = tree
        .kubepki(&["backup", "list", "-o", "json"])
        .expect(0)
        .json();
    let verbs: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["verb"])
        .collect();
    assert_eq!(verbs, ["backup", "renew", "undo"]);
    let same = tree.kubepki(&DIFF).expect(0).json();
    let states = |diff: &serde_json::Value, wanted: &str| {
        let items = diff["items"].as_array().unwrap().iter();
        let paths = items.filter(|item| item["state"] == wanted);
        paths
            .map(|item| item["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(states(&same, "changed").is_empty(), "{same:#}");
    let key = "/etc/kubernetes/pki/apiserver.key";
    tree.set_mode(key, 0o644);
    tree.remove("/etc/kubernetes/scheduler.conf");
    let diff = tree.kubepki(&DIFF).expect(0).json();
    assert_eq!(states(&diff, "changed"), [key], "{diff:#}");
    assert_eq!(
        states(&diff, "missing"),
        ["/etc/kubernetes/scheduler.conf"],
        "{diff:#}"
    );
}

/// What becomes of an archive's bytes.
type Damage = fn(&[u8]) -> Vec<u8>;

#[test]
fn a_damaged_archive_is_told_and_brings_nothing_back() {
    let host = Tree::kubeadm().expired(30).build();
    host.kubepki(&RENEW).expect(0);
    let archive = format!("{BACKUPS}/{}", host.list(BACKUPS)[0]);
    let whole = host.read(&archive);
    let mut ledger = Ledger::default();
    let cases: [(&str, Damage); 6] = [
        ("empty", |_| Vec::new()),
        ("not an archive", |_| b"this is a letter\n".repeat(100)),
        ("cut short", |whole| whole[..whole.len() / 2].to_vec()),
        ("its end is missing", |whole| {
            whole[..whole.len() - 2048].to_vec()
        }),
        ("a file in it was changed", |whole| {
            changed(whole, b"BEGIN EC PRIVATE KEY", 40)
        }),
        ("its manifest was changed", |whole| {
            changed(whole, b"\"mode\":", 9)
        }),
    ];
    for (case, damage) in cases {
        let tree = host.copied();
        tree.write(&archive, damage(&whole));
        let before = tree.snapshot();
        for words in [&["restore", "--yes"][..], &["undo", "--yes"]] {
            let output = tree.kubepki(words).expect(1);
            tree.assert_unchanged(&before);
            ledger.note(case, words, &output);
        }
        tree.kubepki(&["backup", "list"]).expect(0);
    }
    ledger.compare("damaged");
}

/// One byte changed, so far after the first such text.
fn changed(whole: &[u8], after: &[u8], offset: usize) -> Vec<u8> {
    let at = whole
        .windows(after.len())
        .position(|window| window == after)
        .unwrap()
        + offset;
    let mut bytes = whole.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn any_byte_of_an_archive_may_be_wrong_and_nothing_wrong_comes_back() {
    let host = Tree::kubeadm().expired(30).build();
    let old = host.snapshot();
    host.kubepki(&RENEW).expect(0);
    let archive = format!("{BACKUPS}/{}", host.list(BACKUPS)[0]);
    let whole = host.read(&archive);
    let new = host.snapshot();
    let places: Vec<usize> = (0..whole.len()).step_by(whole.len() / 60).collect();
    crate::support::points::on_every_processor(&places, |_, place| {
        let tree = host.copied();
        let mut bytes = whole.clone();
        bytes[*place] ^= 0x10;
        tree.write(&archive, bytes);
        let output = tree.kubepki(&["restore", "--yes", "--archive", &archive]);
        // A byte that means nothing (padding, a tar header that the manifest overrules) may pass.
        let expected = if output.code == 0 { &old } else { &new };
        let changed = tree.changed(expected);
        assert!(changed.is_empty(), "byte {place}: {changed:?}: {output}");
    });
}
