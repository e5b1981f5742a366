//! What must be so after a crash, and after the recovery from it.

use crate::scene::{COMBINED, LINK};
use crate::support::points::{Point, run};
use crate::support::{FileState, LEAFS, Snapshot, Tree};
use kubepki_adapters::host::LocalHost;
use kubepki_keys::public_half;
use kubepki_sealed::Sealed;
use kubepki_x509::{Certificate, pem};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const MANIFESTS: &str = "/etc/kubernetes/manifests";
const STORE: &str = "/var/lib/kubelet/pki";

/// `status` itself is run after a crash at one of so many effects.
const ASKED: usize = 3;

/// The run whose journal was begun and never finished.
pub fn interrupted_run(tree: &Tree) -> Option<String> {
    let journals = "/var/lib/kubepki/journal";
    if !tree.exists(journals) {
        return None;
    }
    let id_if_open = |name: &String| {
        let text = tree.text(format!("{journals}/{name}"));
        let (first, _) = text.split_once('\n')?;
        let first: Value = serde_json::from_str(first).unwrap();
        let last: Result<Value, _> = serde_json::from_str(text.lines().last()?);
        let is_finished = last.is_ok_and(|last| last["event"] == "finished");
        (!is_finished).then(|| first["id"].as_str().unwrap().to_owned())
    };
    let mut open = tree
        .list(journals)
        .iter()
        .filter_map(id_if_open)
        .collect::<Vec<_>>();
    assert!(open.len() < 2, "{open:?}");
    open.pop()
}

/// The run that `status` would call interrupted.
fn told(tree: &Tree) -> Option<String> {
    let host = LocalHost::at_root(&tree.root()).unwrap();
    let found = kubepki_engine::apply::interrupted(&host).unwrap();
    found.map(|found| found.record.id.to_string())
}

/// Directly after the crash: nothing secret lies open, no static pod is disturbed, and `status`
/// tells what happened. What it would tell is asked at every point; itself at those of some effects.
pub fn after_the_crash(tree: &Tree, before: &Snapshot, point: &Point) {
    for (path, state) in tree.snapshot() {
        let FileState::File { contents, mode, .. } = &state else {
            continue;
        };
        if path.starts_with(MANIFESTS) {
            assert_eq!(before.get(&path), Some(&state), "{point:?}");
        }
        // Half a key need not say what it is; the name does.
        let is_secret = String::from_utf8_lossy(contents).contains("PRIVATE KEY")
            || [".key", ".pem", ".conf.kubepki"]
                .iter()
                .any(|part| names(&path, part));
        assert!(
            !is_secret || mode & 0o077 == 0,
            "{point:?}: {path:?} is {mode:o}"
        );
    }
    let interrupted = interrupted_run(tree);
    assert_eq!(told(tree), interrupted, "{point:?}");
    if !point.number.is_multiple_of(ASKED) {
        return;
    }
    let status = run(tree, &["status"]);
    assert!([0, 3, 4].contains(&status.code), "{point:?}: {status}");
    match interrupted {
        Some(id) => {
            let told = format!("run {id} (`");
            assert!(status.stderr.contains(&told), "{point:?}: {told}: {status}");
            assert!(
                status.stderr.contains("was interrupted while"),
                "{point:?}: {status}"
            );
        }
        None => assert!(
            !status.stderr.contains("interrupted"),
            "{point:?}: {status}"
        ),
    }
}

fn names(path: &Path, part: &str) -> bool {
    path.to_string_lossy().contains(part)
}

/// After a recovery: nothing staged is left, and no run is open.
pub fn nothing_is_left(tree: &Tree, point: &Point) {
    for path in tree.snapshot().keys() {
        assert!(
            !path.to_string_lossy().contains("kubepki"),
            "{point:?} left {path:?}"
        );
    }
    for folder in ["backups", "journal"] {
        let folder = format!("/var/lib/kubepki/{folder}");
        if tree.exists(&folder) {
            let partial = tree
                .list(&folder)
                .into_iter()
                .find(|name| name.starts_with('.'));
            assert_eq!(partial, None, "{point:?} left something in {folder}");
        }
    }
    assert_eq!(interrupted_run(tree), None, "{point:?}");
    // A run that was taken back keeps no second copy of every key.
    let count = |folder: &str| match tree.exists(folder) {
        true => tree.list(folder).len(),
        false => 0,
    };
    let archives = count("/var/lib/kubepki/backups");
    assert!(
        archives <= count("/var/lib/kubepki/journal"),
        "{point:?}: {archives} archives"
    );
    assert_eq!(told(tree), None, "{point:?}");
}

/// Every file is as it was: contents, mode, owner, link, and time.
pub fn is_old(tree: &Tree, before: &Snapshot, times: &Times, point: &Point) {
    nothing_is_left(tree, point);
    let changed = tree.changed(before);
    assert!(changed.is_empty(), "{point:?}: not as before: {changed:?}");
    let now = modification_times(tree);
    let touched: Vec<_> = times
        .iter()
        .filter(|(path, at)| now.get(*path) != Some(at))
        .collect();
    assert!(touched.is_empty(), "{point:?}: times differ: {touched:?}");
}

/// Every certificate is fresh, belongs to its key and chains to its CA; everything else is as it
/// was; and a second renewal finds nothing to do.
pub fn is_new(tree: &Tree, before: &Snapshot, point: &Point) {
    nothing_is_left(tree, point);
    pairs_match(tree, Some(tree.day(300)), point);
    let renewed = tree.changed(before);
    for path in &renewed {
        assert!(is_renewable(path), "{point:?}: {path:?} changed");
        let text = String::from_utf8(tree.read(path)).unwrap();
        if text.contains("PRIVATE KEY") && tree.path(path).is_file() {
            let old = before.get(path);
            let is_other = |state: &FileState| !matches!(state, FileState::File { contents, .. } if *contents == text.as_bytes());
            assert!(
                old.is_none_or(is_other),
                "{point:?}: {path:?} has its old key"
            );
        }
    }
    // One file more in each of the kubelet's two stores.
    let names = |of: &Snapshot| of.keys().filter(|path| path.starts_with(STORE)).count();
    assert_eq!(names(&tree.snapshot()), names(before) + 2, "{point:?}");
    let renewed = tree.snapshot();
    let second = run(tree, &["renew", "all", "--yes"]);
    assert_eq!(second.code, 0, "{point:?}: {second}");
    assert!(
        second.stderr.contains("nothing to renew"),
        "{point:?}: {second}"
    );
    let changed = tree.changed(&renewed);
    assert!(
        changed.is_empty(),
        "{point:?}: a second renewal changed {changed:?}"
    );
}

fn is_renewable(path: &Path) -> bool {
    let is_authority = path.ends_with("ca.crt") || path.ends_with("ca.key");
    let folders = ["/etc/kubernetes/pki", "/srv/pki", STORE];
    let is_kubeconfig = path.parent() == Some(Path::new("/etc/kubernetes"));
    !is_authority && (is_kubeconfig || folders.iter().any(|folder| path.starts_with(folder)))
}

/// Every certificate on disk belongs to the key beside it, and its CA has signed it.
pub fn pairs_match(tree: &Tree, until: Option<jiff::Timestamp>, point: &Point) {
    let ca = |base: &str| authority(tree, base);
    for leaf in &LEAFS {
        let (certificate, key) = match leaf.name {
            "apiserver-etcd-client" => (COMBINED.to_owned(), COMBINED.to_owned()),
            _ => (format!("{}.crt", leaf.base), format!("{}.key", leaf.base)),
        };
        let (certificate, key) = (tree.read(certificate), tree.read(key));
        pair(
            certificate,
            key,
            &ca(leaf.authority),
            until,
            point,
            leaf.name,
        );
    }
    let cluster = ca("/etc/kubernetes/pki/ca");
    for name in ["admin.conf", "controller-manager.conf", "scheduler.conf"] {
        let path = format!("/etc/kubernetes/{name}");
        let value = |field| tree.kubeconfig_value(&path, field);
        let (certificate, key) = (value("client-certificate-data"), value("client-key-data"));
        pair(certificate, key, &cluster, until, point, name);
    }
    for kind in ["client", "server"] {
        let link = format!("{STORE}/kubelet-{kind}-current.pem");
        pair(
            tree.read(&link),
            tree.read(&link),
            &cluster,
            until,
            point,
            &link,
        );
    }
    assert!(tree.path(LINK).is_symlink(), "{point:?}");
}

fn authority(tree: &Tree, base: &str) -> Certificate {
    tree.certificates(&format!("{base}.crt")).swap_remove(0)
}

fn pair(
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: &Certificate,
    until: Option<jiff::Timestamp>,
    point: &Point,
    name: &str,
) {
    let certificate = pem::certificates(&certificate).unwrap().swap_remove(0);
    let half = public_half(&Sealed::new(key)).unwrap_or_else(|e| panic!("{point:?}: {name}: {e}"));
    assert_eq!(
        half.public_key,
        *certificate.public_key(),
        "{point:?}: the key of {name}"
    );
    let signed = certificate.verify_issued_by(authority);
    assert!(signed.is_ok(), "{point:?}: {name}: {signed:?}");
    if let Some(until) = until {
        let end = certificate.validity().not_after;
        assert!(end > until, "{point:?}: {name} ends {end}");
    }
}

/// When each regular file was written.
pub type Times = BTreeMap<PathBuf, SystemTime>;

pub fn modification_times(tree: &Tree) -> Times {
    let files = tree
        .snapshot()
        .into_iter()
        .filter_map(|(path, state)| match state {
            FileState::File { .. } => {
                let modified = fs::metadata(tree.path(&path)).unwrap().modified().unwrap();
                Some((path, modified))
            }
            FileState::Link(_) => None,
        });
    files.collect()
}
