//! A member on a restored snapshot, to see that it can be started and what it holds.
//!
//! It runs below one folder of mode 0700: its files, its log and the socket on which it listens, so
//! that nobody else can ask it. Restored is with etcd's own tool where there is one. Without, the
//! database is put where a member of a new cluster looks for it (`member/snap/db`): what was applied
//! before is not applied again, and reading is all that is asked of it.

use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kubepki_engine::ports::{EtcdError, EtcdErrorKind, EtcdMember, EtcdPrograms, ScratchMember};

use super::connect::Way;
use super::member::GrpcMember;
use super::save::{TRAILER, failed};

/// For restoring and for starting; a database may have gigabytes.
const PATIENCE: Duration = Duration::from_secs(300);
/// Before a question is repeated.
const PAUSE: Duration = Duration::from_millis(100);
/// How much of a log is shown.
const SHOWN: usize = 600;

/// Names of etcd inside the folder. What is before the colon is no host: the whole is the name of the
/// socket's file.
const CLIENT: &str = "scratch:1";
const PEER: &str = "scratch:2";
const NAME: &str = "scratch";

/// A folder that goes when it is no longer needed.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

/// A child that does not outlive its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A member that was started from a snapshot. Dropped in this order: client, process, files.
pub(super) struct Scratch {
    member: GrpcMember,
    _process: Running,
    _folder: Folder,
    by_tool: bool,
}

impl ScratchMember for Scratch {
    fn member(&self) -> &dyn EtcdMember {
        &self.member
    }

    fn restored_by_tool(&self) -> bool {
        self.by_tool
    }
}

impl Scratch {
    pub(super) fn start(
        snapshot: &Path,
        folder: &Path,
        programs: &EtcdPrograms,
    ) -> Result<Self, EtcdError> {
        DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed(folder, &error))?;
        let folder = Folder(folder.to_owned());
        let files = folder.0.join("member.etcd");
        let restored = programs
            .restore
            .as_ref()
            .map(|tool| restore(tool, snapshot, &folder.0, &files));
        // A tool that cannot be run (another machine's libraries) is as good as none.
        let by_tool = matches!(restored, Some(Ok(true)));
        match restored {
            Some(Err(error)) => return Err(error),
            Some(Ok(true)) => {}
            Some(Ok(false)) | None => place(snapshot, &files)?,
        }
        let log = File::create(folder.0.join("log")).map_err(|error| failed(&folder.0, &error))?;
        let mut command = Command::new(&programs.etcd);
        command
            .args(arguments())
            .arg("--data-dir=member.etcd")
            .args([
                format!("--listen-client-urls=unix://{CLIENT}"),
                format!("--advertise-client-urls=unix://{CLIENT}"),
                format!("--listen-peer-urls=unix://{PEER}"),
            ]);
        let process = command
            .current_dir(&folder.0)
            .env_clear()
            // etcd 3.4 starts elsewhere than on amd64 only when it is told so.
            .env("ETCD_UNSUPPORTED_ARCH", architecture())
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(|error| failed(&folder.0, &error))?)
            .stdout(log)
            .spawn()
            .map_err(|error| failed(&programs.etcd, &error).of_kind(EtcdErrorKind::NotRunnable))?;
        let mut process = Running(process);
        let member = answering(&folder.0, &mut process)?;
        Ok(Self {
            member,
            _process: process,
            _folder: folder,
            by_tool,
        })
    }
}

/// This machine's architecture as Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

/// What the tool and the member must be told alike.
fn arguments() -> [String; 3] {
    [
        format!("--name={NAME}"),
        format!("--initial-cluster={NAME}=unix://{PEER}"),
        format!("--initial-advertise-peer-urls=unix://{PEER}"),
    ]
}

/// Whether etcd's tool restored it; false when the tool cannot be run at all.
fn restore(tool: &Path, snapshot: &Path, folder: &Path, files: &Path) -> Result<bool, EtcdError> {
    let mut command = Command::new(tool);
    command
        .args(["snapshot", "restore"])
        .arg(snapshot)
        .arg(format!("--data-dir={}", files.display()))
        .args(arguments())
        .current_dir(folder)
        .env_clear()
        .env("ETCDCTL_API", "3")
        .stdin(Stdio::null());
    let Ok(output) = command.output() else {
        return Ok(false);
    };
    if output.status.success() {
        return Ok(true);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default().to_owned();
    Err(EtcdError::new(
        snapshot.display().to_string(),
        format_args!("it cannot be restored: {}: {last}", output.status),
    ))
}

/// The database without the hash behind it, where a member looks for it.
fn place(snapshot: &Path, files: &Path) -> Result<(), EtcdError> {
    let at = files.join("member/snap");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&at)
        .map_err(|error| failed(&at, &error))?;
    let copied = || -> std::io::Result<()> {
        let source = File::open(snapshot)?;
        let length = source.metadata()?.len().saturating_sub(TRAILER);
        let mut target = File::create(at.join("db"))?;
        std::io::copy(&mut source.take(length), &mut target)?;
        target.flush()
    };
    copied().map_err(|error| failed(&at, &error))
}

/// Waits until it answers and leads its cluster of one.
fn answering(folder: &Path, process: &mut Running) -> Result<GrpcMember, EtcdError> {
    let until = Instant::now() + PATIENCE;
    let name = "the scratch member";
    loop {
        let ended = process.0.try_wait().ok().flatten();
        let connected = GrpcMember::connect(name.to_owned(), Way::Socket(folder.join(CLIENT)));
        let found = connected.and_then(|member| {
            let status = member.status()?;
            match status.leader {
                0 => Err(EtcdError::new(name, "it has no leader yet")),
                _ => Ok(member),
            }
        });
        let error = match found {
            Ok(member) => return Ok(member),
            Err(error) => error,
        };
        if let Some(status) = ended {
            return Err(EtcdError::new(
                name,
                format_args!("it ended with {status}: {}", last_words(folder)),
            ));
        }
        if Instant::now() >= until {
            return Err(EtcdError::new(
                name,
                format_args!("{} after {PATIENCE:?}", error.detail),
            ));
        }
        sleep(PAUSE);
    }
}

/// The end of its log, which holds no keys and no values.
fn last_words(folder: &Path) -> String {
    let log = fs_err::read(folder.join("log")).unwrap_or_default();
    let from = log.len().saturating_sub(SHOWN);
    let text = String::from_utf8_lossy(log.get(from..).unwrap_or_default()).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
