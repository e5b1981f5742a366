//! The main job: a control plane whose certificates have all expired is whole again.

use crate::kept::assert_kept;
use crate::support::{FileState, KeyKind, LEAFS, Tree};
use jiff::{SignedDuration, Timestamp};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn an_expired_control_plane_is_whole_again() {
    let tree = Tree::kubeadm().expired(30).super_admin().build();
    tree.kubepki(&["status"]).expect(4);
    let renewed = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(renewed.stderr.contains("13 certificates"), "{renewed}");
    tree.kubepki(&["status"]).expect(0);
    tree.assert_sound();
}

#[test]
fn what_a_certificate_says_is_kept_and_the_rest_is_new() {
    let tree = Tree::kubeadm().expired(30).build();
    let store = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let mut paths: Vec<String> = LEAFS
        .iter()
        .map(|leaf| format!("{}.crt", leaf.base))
        .collect();
    paths.extend([store.to_owned(), store.replace("client", "server")]);
    let old: Vec<_> = paths.iter().map(|path| tree.certificate(path)).collect();
    let old_admin = tree.kubeconfig_certificate("/etc/kubernetes/admin.conf");
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    for (path, old) in paths.iter().zip(&old) {
        let new = tree.certificate(path);
        assert_kept(old, &new);
        assert_ne!(old.public_key(), new.public_key(), "{path}");
        assert_eq!(old.public_key().algorithm(), new.public_key().algorithm());
        assert_eq!(old.issuer().der(), new.issuer().der());
    }
    let new_admin = tree.kubeconfig_certificate("/etc/kubernetes/admin.conf");
    assert_kept(&old_admin, &new_admin);
    assert_ne!(old_admin.public_key(), new_admin.public_key());
}

#[test]
fn new_certificates_run_from_five_minutes_ago_for_a_year() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = Timestamp::now();
    tree.kubepki(&["renew", "apiserver", "--yes"]).expect(0);
    let validity = tree
        .certificate("/etc/kubernetes/pki/apiserver.crt")
        .validity();
    let close = |found: Timestamp, expected: Timestamp| {
        let difference = found.duration_since(expected).abs();
        assert!(
            difference < SignedDuration::from_secs(60),
            "{found} and {expected}"
        );
    };
    close(validity.not_before, before - SignedDuration::from_mins(5));
    close(
        validity.not_after,
        before + SignedDuration::from_hours(365 * 24),
    );
}

#[test]
fn modes_and_owners_stay_and_only_certificates_and_keys_change() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.set_mode("/etc/kubernetes/pki/apiserver.crt", 0o640);
    tree.set_mode("/etc/kubernetes/pki/apiserver.key", 0o440);
    let owned = tree.path("/etc/kubernetes/pki/etcd/server.key");
    // Only root can give a file away; anybody else tests that it stays his own.
    let _ = std::os::unix::fs::chown(&owned, Some(1234), Some(4321));
    let before = tree.snapshot();
    let old_time = std::fs::metadata(&owned).unwrap().mtime_nsec();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_ne!(std::fs::metadata(&owned).unwrap().mtime_nsec(), old_time);
    let after = tree.snapshot();
    for (path, old) in &before {
        let Some(new) = after.get(path) else {
            panic!("{} is gone", path.display());
        };
        match (old, new) {
            (
                FileState::File { mode, owner, .. },
                FileState::File {
                    mode: new_mode,
                    owner: new_owner,
                    ..
                },
            ) => {
                assert_eq!((mode, owner), (new_mode, new_owner), "{}", path.display());
            }
            (FileState::Link(_), FileState::Link(_)) => {}
            _ => panic!("{} became something else", path.display()),
        }
    }
    let mut expected: Vec<String> = Vec::new();
    for leaf in &LEAFS {
        expected.extend([format!("{}.crt", leaf.base), format!("{}.key", leaf.base)]);
    }
    for name in ["admin", "controller-manager", "scheduler"] {
        expected.push(format!("/etc/kubernetes/{name}.conf"));
    }
    for kind in ["client", "server"] {
        let link = format!("/var/lib/kubelet/pki/kubelet-{kind}-current.pem");
        expected.push(tree.link_target(&link).to_str().unwrap().to_owned());
        expected.push(link);
    }
    expected.sort();
    let changed: Vec<String> = tree
        .changed(&before)
        .iter()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(changed, expected);
}

#[test]
fn rsa_control_planes_stay_rsa() {
    let tree = Tree::kubeadm().expired(30).rsa().build();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    tree.assert_sound();
    let key = tree.text("/etc/kubernetes/pki/apiserver.key");
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let key = tree.kubeconfig_value("/etc/kubernetes/admin.conf", "client-key-data");
    assert!(key.starts_with(b"-----BEGIN RSA PRIVATE KEY-----"));
    let text = tree.x509("/etc/kubernetes/pki/apiserver.crt", &["-text"]);
    assert!(text.contains("Public-Key: (2048 bit)"), "{text}");
    assert!(text.contains("sha256WithRSAEncryption"), "{text}");
}

#[test]
fn other_kinds_of_keys_stay_what_they_are() {
    for kind in [KeyKind::EcP384, KeyKind::Ed25519, KeyKind::EcPkcs8] {
        let tree = Tree::kubeadm().expired(30).keys(kind).build();
        let old = tree.certificate("/etc/kubernetes/pki/apiserver.crt");
        let old_key = tree.text("/etc/kubernetes/pki/apiserver.key");
        tree.kubepki(&["renew", "all", "--yes"]).expect(0);
        tree.assert_sound();
        let new = tree.certificate("/etc/kubernetes/pki/apiserver.crt");
        assert_eq!(old.public_key().algorithm(), new.public_key().algorithm());
        let new_key = tree.text("/etc/kubernetes/pki/apiserver.key");
        assert_eq!(old_key.lines().next(), new_key.lines().next(), "{kind:?}");
    }
}

#[test]
fn a_second_run_changes_no_byte() {
    let tree = Tree::kubeadm().expired(30).self_signed_kubelet().build();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let before = tree.snapshot();
    let again = tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert!(again.stderr.contains("nothing to renew"), "{again}");
    tree.assert_unchanged(&before);
}

#[test]
fn nothing_is_changed_without_a_yes() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.snapshot();
    let refused = tree.kubepki(&["renew", "all"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("--yes"), "{refused}");
    tree.assert_unchanged(&before);
    assert!(
        !tree.exists("/var/lib/kubepki/backups"),
        "a backup was made"
    );
}

#[test]
fn undo_brings_every_byte_back_and_can_be_undone() {
    let tree = Tree::kubeadm().expired(30).build();
    let expired = tree.snapshot();
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    let renewed = tree.snapshot();
    tree.kubepki(&["undo", "--yes"]).expect(0);
    tree.assert_unchanged(&expired);
    let last = tree.kubepki(&["backup", "list", "-o", "json"]).json();
    let undo = last["items"].as_array().unwrap().last().unwrap();
    assert_eq!(undo["verb"], "undo", "{last:#}");
    let run = undo["run"].as_str().unwrap();
    tree.kubepki(&["undo", run, "--yes"]).expect(0);
    tree.assert_unchanged(&renewed);
    tree.assert_sound();
}

#[test]
fn a_host_without_certificates_is_told_so() {
    let tree = Tree::empty();
    let renewed = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(
        renewed
            .stderr
            .contains("no certificate of a Kubernetes cluster"),
        "{renewed}"
    );
    assert!(!tree.path("/var").exists(), "something was written");
}

#[test]
fn an_unreadable_certificate_is_not_passed_over_in_silence() {
    let tree = Tree::kubeadm().expired(30).build();
    tree.write("/etc/kubernetes/pki/apiserver.crt", "not a certificate\n");
    tree.remove("/etc/kubernetes/pki/front-proxy-client.crt");
    let renewed = tree.kubepki(&["renew", "all", "--yes"]).expect(1);
    assert!(
        renewed.stdout.contains("apiserver: not renewed"),
        "{renewed}"
    );
    assert!(
        renewed.stdout.contains("front-proxy-client: not renewed"),
        "{renewed}"
    );
    assert_eq!(
        tree.text("/etc/kubernetes/pki/apiserver.crt"),
        "not a certificate\n"
    );
    tree.assert_pair(
        "/etc/kubernetes/pki/etcd/server.crt",
        "/etc/kubernetes/pki/etcd/server.key",
    );
    tree.kubepki(&["status"]).expect(4);
}

#[test]
fn temporary_files_and_backups_stay_out_of_the_manifests_folder() {
    let tree = Tree::kubeadm().expired(30).build();
    let before = tree.list("/etc/kubernetes/manifests");
    tree.kubepki(&["renew", "all", "--yes"]).expect(0);
    assert_eq!(tree.list("/etc/kubernetes/manifests"), before);
    let leftovers: Vec<_> = tree
        .snapshot()
        .into_keys()
        .filter(|path| is_hidden(path))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
}
