//! File systems that a test mounts inside its own folder, and files it makes immutable.
//!
//! Both need root. Without it a test says so and does nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted when dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// `mount ARGUMENTS TARGET`; `None` with the reason printed when that is not allowed here.
    pub fn new<A: AsRef<OsStr>>(arguments: &[A], target: &Path) -> Option<Self> {
        run(Command::new("mount").args(arguments).arg(target)).then(|| Self(target.to_path_buf()))
    }

    pub fn tmpfs(size: &str, target: &Path) -> Option<Self> {
        let options = format!("size={size},mode=0755");
        Self::new(&["-t", "tmpfs", "-o", &options, "kubepki-test"], target)
    }

    /// Makes a folder read-only for everyone, root included.
    pub fn read_only(target: &Path) -> Option<Self> {
        let bind = Self::new(&[OsStr::new("--bind"), target.as_os_str()], target)?;
        let remounted = run(Command::new("mount")
            .args(["-o", "remount,bind,ro"])
            .arg(target));
        remounted.then_some(bind)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.0));
    }
}

/// `chattr +i`, taken off when dropped.
pub struct Immutable(PathBuf);

impl Immutable {
    pub fn new(path: &Path) -> Option<Self> {
        run(Command::new("chattr").arg("+i").arg(path)).then(|| Self(path.to_path_buf()))
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        run(Command::new("chattr").arg("-i").arg(&self.0));
    }
}

fn run(command: &mut Command) -> bool {
    match command.output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!(
                "skipped: {command:?}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
            false
        }
        Err(error) => {
            println!("skipped: {command:?}: {error}");
            false
        }
    }
}
