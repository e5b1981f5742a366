//! Symbolic links: what is followed, what is replaced, and that no link leads out of a root.

use super::scene::{self, CURRENT, Scene, attributes, sealed, start, write};
use kubepki_engine::apply::{Change, Transaction};
use kubepki_engine::ports::{HostRead, HostWrite};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn apply(host: &dyn HostWrite, changes: Vec<Change>) {
    let mut transaction = Transaction::begin(host, start(1)).unwrap();
    transaction.apply(changes).unwrap();
    transaction.finish("applied", scene::runner().now).unwrap();
}

#[test]
fn a_write_through_links_keeps_every_link() {
    let scene = Scene::new();
    let host = scene.host();
    symlink(
        "/etc/kubernetes/controller-manager.conf",
        scene.real("/etc/chain.conf"),
    )
    .unwrap();
    apply(&host, vec![write(&host, "/etc/chain.conf", 0o600)]);
    let link = |path: &str| std::fs::read_link(scene.real(path)).unwrap();
    assert_eq!(
        link("/etc/chain.conf"),
        Path::new("/etc/kubernetes/controller-manager.conf")
    );
    let second = link("/etc/kubernetes/controller-manager.conf");
    assert_eq!(second, Path::new("real-controller-manager.conf"));
    let real = scene.real("/etc/kubernetes/real-controller-manager.conf");
    assert!(
        std::fs::read_to_string(real)
            .unwrap()
            .starts_with("new /etc/chain.conf")
    );
}

#[test]
fn a_write_through_a_dangling_link_makes_the_file_behind_it() {
    let scene = Scene::new();
    let host = scene.host();
    symlink("/srv/etcd-pki/peer.crt", scene.real("/etc/peer.crt")).unwrap();
    apply(&host, vec![write(&host, "/etc/peer.crt", 0o644)]);
    assert!(scene.real("/srv/etcd-pki/peer.crt").is_file());
    assert!(scene.real("/etc/peer.crt").is_symlink());
}

#[test]
fn a_regular_file_where_the_link_belongs_becomes_the_link() {
    let scene = Scene::new();
    let host = scene.host();
    let current = scene.real(CURRENT);
    std::fs::remove_file(&current).unwrap();
    std::fs::write(&current, "a copy that someone made\n").unwrap();
    let target = Path::new("kubelet-client-2025.pem").to_path_buf();
    apply(
        &host,
        vec![Change::Symlink {
            path: CURRENT.into(),
            target: target.clone(),
        }],
    );
    assert_eq!(std::fs::read_link(current).unwrap(), target);
}

#[test]
fn absolute_links_and_parents_stay_below_the_root() {
    let scene = Scene::new();
    let host = scene.host();
    // A name that the real machine does not have, so that leaving the root would fail or show.
    symlink("/srv/../../../srv/etcd-pki", scene.real("/etc/up")).unwrap();
    apply(&host, vec![write(&host, "/etc/up/server.crt", 0o600)]);
    let inside = std::fs::read_to_string(scene.real("/srv/etcd-pki/server.crt")).unwrap();
    assert!(inside.starts_with("new /etc/up/server.crt"));
    let found = host.canonicalize(Path::new("/etc/up/server.crt")).unwrap();
    assert_eq!(found, Path::new("/srv/etcd-pki/server.crt"));
}

#[test]
fn a_loop_of_links_is_an_error() {
    let scene = Scene::new();
    let host = scene.host();
    symlink("b", scene.real("/etc/a")).unwrap();
    symlink("a", scene.real("/etc/b")).unwrap();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    let error = transaction
        .apply(vec![write(&host, "/etc/a", 0o600)])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("too many levels of symbolic links"),
        "{error}"
    );
}

#[test]
fn removing_a_link_leaves_what_it_points_to() {
    let scene = Scene::new();
    let host = scene.host();
    apply(
        &host,
        vec![Change::Remove {
            path: CURRENT.into(),
        }],
    );
    assert!(!scene.real(CURRENT).is_symlink());
    assert!(
        scene
            .real("/var/lib/kubelet/pki/kubelet-client-2025.pem")
            .is_file()
    );
}

#[test]
fn a_linked_manifests_folder_gets_no_staged_files_either() {
    let scene = Scene::new();
    let host = scene.host();
    std::fs::rename(
        scene.real("/etc/kubernetes/manifests"),
        scene.real("/srv/pods"),
    )
    .unwrap();
    symlink("/srv/pods", scene.real("/etc/kubernetes/manifests")).unwrap();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    let manifest = write(
        &host,
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        0o600,
    );
    transaction.stage(vec![manifest]).unwrap();
    assert_eq!(
        host.list(Path::new("/srv/pods")).unwrap(),
        ["kube-apiserver.yaml"]
    );
    let staged = host.list(Path::new("/srv")).unwrap();
    assert!(
        staged
            .iter()
            .any(|name| name.starts_with(".kube-apiserver.yaml.kubepki-"))
    );
    transaction.commit().unwrap();
    transaction.finish("applied", scene::runner().now).unwrap();
    assert_eq!(host.list(Path::new("/srv")).unwrap(), ["etcd-pki", "pods"]);
}

#[test]
fn owner_mode_and_attributes_are_what_was_asked_for() {
    let scene = Scene::new();
    let host = scene.host();
    let path = Path::new("/etc/kubernetes/pki/apiserver.key");
    let real = scene.real("/etc/kubernetes/pki/apiserver.key");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o640)).unwrap();
    if scene::is_root() {
        std::os::unix::fs::chown(&real, Some(12), Some(34)).unwrap();
    }
    let note = rustix::fs::setxattr(&real, "user.note", b"kept", rustix::fs::XattrFlags::empty());
    if let Err(error) = note {
        println!("skipped the extended attribute: {error}");
    }
    let before = host.metadata(path).unwrap().attributes;
    let change = Change::Write {
        path: path.into(),
        contents: sealed("new key\n"),
        attributes: before.clone(),
    };
    apply(&host, vec![change]);
    assert_eq!(host.metadata(path).unwrap().attributes, before);
    assert_eq!(before.mode, 0o640);
    assert_eq!(std::fs::read_to_string(real).unwrap(), "new key\n");
}

#[test]
fn a_name_as_long_as_the_file_system_allows_can_be_replaced() {
    let scene = Scene::new();
    let host = scene.host();
    let path = format!("/etc/{}", "n".repeat(255));
    std::fs::write(scene.real(&path), "old").unwrap();
    let change = Change::Write {
        path: (&path).into(),
        contents: sealed("new"),
        attributes: attributes(&host, 0o600),
    };
    apply(&host, vec![change]);
    assert_eq!(std::fs::read_to_string(scene.real(&path)).unwrap(), "new");
}
