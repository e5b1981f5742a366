//! What cannot work is refused with its reason, and nothing is changed by it.

use super::mounts::{Immutable, Mount};
use super::scene::{self, MANIFESTS, Scene, attributes, changes, sealed, start, write};
use kubepki_adapters::host::LocalHost;
use kubepki_engine::apply::{self, ApplyError, Change, Transaction};
use kubepki_engine::ports::{HostErrorKind, HostWrite};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

const CHILD_ROOT: &str = "KUBEPKI_TEST_UNPRIVILEGED_ROOT";
const NOBODY: u32 = 65534;

/// Stages the changes of a renewal and expects a refusal that leaves the host untouched.
fn refused(scene: &Scene, changes: Vec<Change>) -> ApplyError {
    let host = scene.host();
    let before = scene.tree();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    let error = transaction.apply(changes).unwrap_err();
    drop(transaction);
    assert_eq!(scene.tree(), before, "{error}");
    assert!(apply::interrupted(&host).unwrap().is_none(), "{error}");
    assert_eq!(apply::history(&host).unwrap(), [], "{error}");
    error
}

fn kind_of(error: &ApplyError) -> HostErrorKind {
    match error {
        ApplyError::Host(error) => error.kind,
        other => panic!("{other}"),
    }
}

#[test]
fn a_folder_where_a_file_belongs() {
    let scene = Scene::new();
    let path = scene.real("/etc/kubernetes/kubelet.conf");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = refused(&scene, changes(&scene.host()));
    assert_eq!(
        error.to_string(),
        "cannot replace /etc/kubernetes/kubelet.conf: a folder is where the file belongs"
    );
    assert_eq!(error.code(), "wrong-kind-of-file");
}

#[test]
fn a_pipe_where_a_file_belongs() {
    let scene = Scene::new();
    let path = scene.real("/etc/kubernetes/kubelet.conf");
    std::fs::remove_file(&path).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let host = scene.host();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    let error = transaction.apply(changes(&host)).unwrap_err();
    assert_eq!(kind_of(&error), HostErrorKind::WrongKind, "{error}");
}

#[test]
fn a_file_where_a_folder_belongs() {
    let scene = Scene::new();
    let host = scene.host();
    let error = refused(
        &scene,
        vec![write(&host, "/etc/kubernetes/admin.conf/x", 0o600)],
    );
    assert_eq!(kind_of(&error), HostErrorKind::WrongKind, "{error}");
    let folder = Change::Directory {
        path: "/etc/kubernetes/admin.conf/x".into(),
        mode: 0o755,
    };
    let error = refused(&scene, vec![folder]);
    assert_eq!(kind_of(&error), HostErrorKind::WrongKind, "{error}");
}

#[test]
fn a_missing_folder() {
    let scene = Scene::new();
    let host = scene.host();
    let mut all = changes(&host);
    all.push(write(&host, "/etc/kubernetes/none/such.crt", 0o600));
    let error = refused(&scene, all);
    assert_eq!(
        error.to_string(),
        "cannot resolve /etc/kubernetes/none: no such file or directory"
    );
}

#[test]
fn two_changes_of_one_file() {
    let scene = Scene::new();
    let host = scene.host();
    let twice = vec![
        write(&host, "/srv/etcd-pki/server.crt", 0o600),
        write(&host, "/etc/kubernetes/pki/etcd/server.crt", 0o600),
    ];
    let error = refused(&scene, twice);
    assert_eq!(
        error.to_string(),
        "/srv/etcd-pki/server.crt and /etc/kubernetes/pki/etcd/server.crt are the same file \
         (/srv/etcd-pki/server.crt)"
    );
}

#[test]
fn a_file_that_changed_after_it_was_staged() {
    let scene = Scene::new();
    let host = scene.host();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    transaction.stage(changes(&host)).unwrap();
    std::fs::write(
        scene.real("/etc/kubernetes/kubelet.conf"),
        "the kubelet's own\n",
    )
    .unwrap();
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.code(), "changed-meanwhile");
    assert!(
        error
            .to_string()
            .starts_with("/etc/kubernetes/kubelet.conf changed after"),
        "{error}"
    );
    drop(transaction);
    let tree = scene.tree();
    assert!(scene::leftovers(&tree).is_empty());
    let admin = std::fs::read_to_string(scene.real("/etc/kubernetes/admin.conf")).unwrap();
    assert!(admin.starts_with("old"));
}

#[test]
fn a_read_only_file_system() {
    let scene = Scene::new();
    let Some(_mount) = Mount::read_only(&scene.real("/etc/kubernetes/pki")) else {
        return;
    };
    let error = refused(&scene, changes(&scene.host()));
    assert_eq!(
        error.to_string(),
        "cannot write to /etc/kubernetes/pki: read-only file system"
    );
    assert_eq!(error.code(), "read-only-file-system");
}

#[test]
fn a_read_only_state_folder() {
    let scene = Scene::new();
    let Some(_mount) = Mount::read_only(&scene.real("/var/lib")) else {
        return;
    };
    let error = scene::begin_error(&scene.host());
    assert_eq!(
        kind_of(&error),
        HostErrorKind::ReadOnlyFilesystem,
        "{error}"
    );
}

#[test]
fn an_immutable_file() {
    let scene = Scene::new();
    let Some(_attribute) = Immutable::new(&scene.real("/etc/kubernetes/kubelet.conf")) else {
        return;
    };
    let error = refused(&scene, changes(&scene.host()));
    assert_eq!(
        error.to_string(),
        "cannot replace /etc/kubernetes/kubelet.conf: the file is immutable (chattr -i takes it \
         off)"
    );
}

#[test]
fn a_file_that_is_bind_mounted() {
    let scene = Scene::new();
    let path = scene.real("/etc/kubernetes/kubelet.conf");
    let other = scene.real("/etc/kubernetes/admin.conf");
    let Some(_mount) = Mount::new(&["--bind".as_ref(), other.as_os_str()], &path) else {
        return;
    };
    let error = refused(&scene, changes(&scene.host()));
    assert_eq!(
        error.to_string(),
        "cannot replace /etc/kubernetes/kubelet.conf: it is a mount point (a bind-mounted file)"
    );
}

#[test]
fn a_manifests_folder_on_a_file_system_of_its_own() {
    let scene = Scene::new();
    let Some(_mount) = Mount::tmpfs("1m", &scene.real(MANIFESTS)) else {
        return;
    };
    let manifest = scene.real("/etc/kubernetes/manifests/kube-apiserver.yaml");
    std::fs::write(manifest, "kind: Pod\n").unwrap();
    let error = refused(&scene, changes(&scene.host()));
    assert_eq!(kind_of(&error), HostErrorKind::CrossesDevices, "{error}");
    assert_eq!(error.code(), "crosses-file-systems");
}

#[test]
fn a_full_disk() {
    let scene = Scene::new();
    let Some(_mount) = Mount::tmpfs("256k", &scene.root()) else {
        return;
    };
    scene::furnish(&scene.root());
    let host = scene.host();
    let mut all = changes(&host);
    all.push(Change::Write {
        path: "/etc/kubernetes/pki/large.crt".into(),
        contents: sealed(&"x".repeat(300_000)),
        attributes: attributes(&host, 0o600),
    });
    let error = refused(&scene, all);
    assert_eq!(error.code(), "no-space");
    assert!(
        error.to_string().ends_with(": no space left on device"),
        "{error}"
    );
}

#[test]
fn a_disk_that_fills_up_at_any_moment() {
    let scene = Scene::new();
    let expected = super::crash::expected();
    let (mut failed, mut done) = (0, 0);
    for kilobytes in (44..200).step_by(4) {
        let Some(_mount) = Mount::tmpfs(&format!("{kilobytes}k"), &scene.root()) else {
            return;
        };
        if std::panic::catch_unwind(|| scene::furnish(&scene.root())).is_err() {
            continue;
        }
        let host = scene.host();
        let run = scene::renew(&host);
        let interrupted = apply::interrupted(&host).unwrap();
        let tree = scene.tree();
        match run {
            Ok(()) => done += 1,
            Err(error) => {
                failed += 1;
                assert!(
                    error.to_string().contains("no space left"),
                    "{kilobytes}k: {error}"
                );
            }
        }
        if interrupted.is_none() {
            assert!(
                tree == expected.old || tree == expected.new,
                "{kilobytes}k: {tree:#?}"
            );
        } else {
            // The operator makes room, then runs it again.
            std::fs::remove_dir_all(scene.real("/var/lib/kubepki/backups")).unwrap();
            scene::recover(&host).unwrap();
            assert_eq!(scene.tree(), expected.new, "{kilobytes}k");
        }
    }
    println!("{failed} sizes failed, {done} sufficed");
    assert!(failed > 5 && done > 5);
}

#[test]
fn a_folder_that_one_may_not_write_to() {
    if !scene::is_root() {
        println!("skipped: needs root to make files that are someone else's");
        return;
    }
    let scene = Scene::new();
    let open = |path: &str, mode| {
        std::fs::set_permissions(scene.real(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    open("/", 0o755);
    open("/etc/kubernetes/pki/apiserver.key", 0o644);
    chown(scene.real("/var/lib"), Some(NOBODY), Some(NOBODY)).unwrap();
    // The test program itself may lie where only root can reach.
    let program = scene.real("test-program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new(&program)
        .args([
            "--exact",
            "refusals::child_without_privileges",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_ROOT, scene.root())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    std::fs::remove_file(program).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("refused: cannot write to /etc/kubernetes/pki: permission denied"),
        "{said}"
    );
    assert!(scene::leftovers(&scene.tree()).is_empty());
}

#[test]
#[ignore = "started by a_folder_that_one_may_not_write_to"]
fn child_without_privileges() {
    let Ok(root) = std::env::var(CHILD_ROOT) else {
        return;
    };
    let host = LocalHost::at_root(root.as_ref()).unwrap();
    let mut transaction = Transaction::begin(&host, start(1)).unwrap();
    let host: &dyn HostWrite = &host;
    let error = transaction
        .apply(vec![write(
            host,
            "/etc/kubernetes/pki/apiserver.crt",
            0o644,
        )])
        .unwrap_err();
    println!("refused: {error}");
}
