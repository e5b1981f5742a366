//! A host below a temporary root, a renewal of it, and what its tree looks like.

use kubepki_adapters::host::LocalHost;
use kubepki_engine::apply::backup::{self, Protection, Request};
use kubepki_engine::apply::{self, ApplyError, Change, RunId, Runner, Stage, Start, Transaction};
use kubepki_engine::ports::{FileAttributes, HostWrite};
use kubepki_sealed::Sealed;
use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

pub const MANIFESTS: &str = "/etc/kubernetes/manifests";
pub const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// Regular files of the old host, with their modes.
const OLD_FILES: [(&str, u32); 11] = [
    ("etc/kubernetes/pki/ca.crt", 0o644),
    ("etc/kubernetes/pki/apiserver.crt", 0o644),
    ("etc/kubernetes/pki/apiserver.key", 0o600),
    ("srv/etcd-pki/server.crt", 0o640),
    ("etc/kubernetes/admin.conf", 0o600),
    ("etc/kubernetes/kubelet.conf", 0o600),
    ("etc/kubernetes/real-controller-manager.conf", 0o600),
    ("etc/kubernetes/elsewhere-scheduler.conf", 0o600),
    ("etc/kubernetes/manifests/kube-apiserver.yaml", 0o600),
    ("var/lib/kubelet/pki/kubelet-client-2025.pem", 0o600),
    ("var/lib/kubelet/pki/kubelet-client-2024.pem", 0o600),
];

/// A temporary folder with a host in it.
pub struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let scene = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        furnish(&scene.root());
        scene
    }

    /// In memory where there is such a place: thousands of runs sync a lot.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let scene = Self {
            folder: folder.unwrap(),
        };
        furnish(&scene.root());
        scene
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    pub fn host(&self) -> LocalHost {
        LocalHost::at_root(self.folder.path()).unwrap()
    }

    pub fn real(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub fn tree(&self) -> Tree {
        tree(self.folder.path())
    }
}

/// Makes the old host.
pub fn furnish(root: &Path) {
    for (path, mode) in OLD_FILES {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("old {path}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::create_dir_all(root.join("var/lib")).unwrap();
    symlink("/srv/etcd-pki", root.join("etc/kubernetes/pki/etcd")).unwrap();
    let kubernetes = root.join("etc/kubernetes");
    symlink(
        "real-controller-manager.conf",
        kubernetes.join("controller-manager.conf"),
    )
    .unwrap();
    symlink(
        "elsewhere-scheduler.conf",
        kubernetes.join("scheduler.conf"),
    )
    .unwrap();
    symlink(
        "/var/lib/kubelet/pki/kubelet-client-2025.pem",
        root.join("var/lib/kubelet/pki/kubelet-client-current.pem"),
    )
    .unwrap();
}

pub fn sealed(text: &str) -> Sealed {
    Sealed::new(text.as_bytes().to_vec())
}

pub fn attributes(host: &dyn HostWrite, mode: u32) -> FileAttributes {
    let (uid, gid) = host.identity();
    FileAttributes {
        mode,
        uid,
        gid,
        xattrs: Vec::new(),
    }
}

pub fn write(host: &dyn HostWrite, path: &str, mode: u32) -> Change {
    let contents = sealed(&format!("new {path}, longer than the old one\n"));
    Change::Write {
        path: path.into(),
        contents,
        attributes: attributes(host, mode),
    }
}

/// Twelve changes of every kind, and a folder.
pub fn changes(host: &dyn HostWrite) -> Vec<Change> {
    vec![
        write(host, "/etc/kubernetes/pki/apiserver.crt", 0o644),
        write(host, "/etc/kubernetes/pki/apiserver.key", 0o600),
        write(host, "/etc/kubernetes/pki/etcd/server.crt", 0o640),
        write(host, "/etc/kubernetes/admin.conf", 0o600),
        write(host, "/etc/kubernetes/kubelet.conf", 0o600),
        write(host, "/var/lib/kubelet/pki/kubelet-client-2026.pem", 0o600),
        Change::Symlink {
            path: CURRENT.into(),
            target: "/var/lib/kubelet/pki/kubelet-client-2026.pem".into(),
        },
        write(host, "/etc/kubernetes/controller-manager.conf", 0o600),
        Change::Remove {
            path: "/var/lib/kubelet/pki/kubelet-client-2024.pem".into(),
        },
        Change::Directory {
            path: "/etc/kubernetes/pki/extra/more".into(),
            mode: 0o755,
        },
        write(host, "/etc/kubernetes/pki/extra/more/extra.crt", 0o644),
        Change::Replace {
            path: "/etc/kubernetes/scheduler.conf".into(),
            contents: sealed("a file where a link was\n"),
            attributes: attributes(host, 0o600),
            modified: "2026-01-02T03:04:05Z".parse().unwrap(),
        },
        write(host, "/etc/kubernetes/manifests/kube-apiserver.yaml", 0o600),
    ]
}

/// What comes after the files: an edit of the manifest that restarts its pod.
pub fn annotation(host: &dyn HostWrite) -> Vec<Change> {
    vec![Change::Write {
        path: "/etc/kubernetes/manifests/kube-apiserver.yaml".into(),
        contents: sealed("new manifest with an annotation\n"),
        attributes: attributes(host, 0o600),
    }]
}

pub fn runner() -> Runner {
    Runner {
        now: "2026-11-18T22:11:00Z".parse().unwrap(),
        process: std::process::id(),
        static_pod_folders: vec![MANIFESTS.into()],
    }
}

pub fn run_id(number: u8) -> RunId {
    RunId::new("2026-11-18T22:11:00Z".parse().unwrap(), [0, 0, 0, number])
}

pub fn start(number: u8) -> Start {
    Start {
        id: run_id(number),
        verb: "renew".to_owned(),
        plan: serde_json::json!({"renew": ["apiserver"]}),
        runner: runner(),
    }
}

/// A whole renewal: backup, files, a step, another batch.
pub fn renew(host: &dyn HostWrite) -> Result<(), Box<dyn Error>> {
    let mut transaction = Transaction::begin(host, start(1))?;
    let id = run_id(1);
    let paths: Vec<PathBuf> = ["/etc/kubernetes", "/var/lib/kubelet/pki"]
        .iter()
        .map(PathBuf::from)
        .collect();
    let request = Request {
        id: &id,
        verb: "renew",
        time: runner().now,
        paths: &paths,
        protection: &Protection::Plain,
    };
    let destination = backup::default_path(&id, &Protection::Plain);
    let written = backup::create(host, &request, &destination)?;
    transaction.record_backup(&written.path)?;
    transaction.apply(changes(host))?;
    carry_on(transaction, host)
}

fn carry_on(mut transaction: Transaction<'_>, host: &dyn HostWrite) -> Result<(), Box<dyn Error>> {
    if !transaction.is_done("restart kube-apiserver") {
        transaction.step_intent("restart kube-apiserver")?;
        transaction.apply(annotation(host))?;
        transaction.step_done("restart kube-apiserver")?;
    }
    Ok(transaction.finish("verified", runner().now)?)
}

/// What the next run does about an interrupted one. Returns the stage it was found in.
pub fn recover(host: &dyn HostWrite) -> Result<Option<Stage>, Box<dyn Error>> {
    let Some(interrupted) = apply::interrupted(host)? else {
        return Ok(None);
    };
    let id = &interrupted.record.id;
    if interrupted.stage == Stage::Staging {
        apply::roll_back(host, id, runner())?;
    } else if let Some(resumed) = apply::roll_forward(host, id, runner())? {
        assert!(resumed.overtaken.is_empty(), "{:?}", resumed.overtaken);
        carry_on(resumed.transaction, host)?;
    }
    Ok(Some(interrupted.stage))
}

/// Everything below a root but the program's own state: what it is, its mode, owner, bytes.
pub type Tree = BTreeMap<PathBuf, String>;

pub fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(root).unwrap().to_path_buf();
            if below == Path::new("var/lib/kubepki") || below == Path::new("lost+found") {
                continue;
            }
            let found = std::fs::symlink_metadata(&path).unwrap();
            let what = if found.is_symlink() {
                format!("link to {}", std::fs::read_link(&path).unwrap().display())
            } else if found.is_dir() {
                folders.push(path);
                "folder".to_owned()
            } else {
                let contents = std::fs::read_to_string(&path).unwrap();
                format!(
                    "{:o} {}:{} {contents}",
                    found.mode() & 0o7777,
                    found.uid(),
                    found.gid()
                )
            };
            tree.insert(below, what);
        }
    }
    tree
}

/// Files that begin with a dot where the host had none.
pub fn leftovers(tree: &Tree) -> Vec<&PathBuf> {
    let is_hidden = |path: &&PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'))
    };
    tree.keys().filter(is_hidden).collect()
}

pub fn begin_error(host: &dyn HostWrite) -> ApplyError {
    Transaction::begin(host, start(9)).map(drop).unwrap_err()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
