//! The folder that stands for a host, and the binary run on it.

use super::copy::temporary_folder;
use super::issue::openssl;
use super::kubeadm::Builder;
use base64::Engine as _;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A host in a temporary folder, removed with it.
pub struct Tree {
    pub(super) folder: TempDir,
    /// The time that its certificates were made around.
    pub now: Timestamp,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Output {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Asserts an exit code, showing everything when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exit {}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Tree {
    /// A control plane as kubeadm v1.20 makes it, expired 30 days ago unless told otherwise.
    pub fn kubeadm() -> Builder {
        Builder::default()
    }

    /// A host with a name and nothing else.
    pub fn empty() -> Self {
        let tree = Self {
            folder: temporary_folder(),
            now: Timestamp::from_second(Timestamp::now().as_second()).unwrap(),
        };
        fs::create_dir_all(tree.scratch()).unwrap();
        tree.write("/etc/hostname", "cp1\n");
        tree
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("host")
    }

    /// A folder beside the host, for OpenSSL and for files of the user.
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// A path of the host, as the test sees it.
    pub fn path(&self, host_path: impl AsRef<Path>) -> PathBuf {
        let host_path = host_path.as_ref();
        self.root()
            .join(host_path.strip_prefix("/").unwrap_or(host_path))
    }

    /// Writes a file, folders made as needed; the mode of what is there stays.
    pub fn write(&self, host_path: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
        let path = self.path(host_path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Writes a file with a mode.
    pub fn write_with_mode(
        &self,
        host_path: impl AsRef<Path>,
        contents: impl AsRef<[u8]>,
        mode: u32,
    ) {
        self.write(&host_path, contents);
        self.set_mode(host_path, mode);
    }

    pub fn set_mode(&self, host_path: impl AsRef<Path>, mode: u32) {
        fs::set_permissions(self.path(host_path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn read(&self, host_path: impl AsRef<Path>) -> Vec<u8> {
        let path = self.real_path(host_path.as_ref());
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Reads a file of the test's own, such as one in the scratch folder.
    pub fn read_outside(&self, path: &str) -> Vec<u8> {
        fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn text(&self, host_path: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(host_path)).unwrap()
    }

    /// Changes the text of a file: every `from` becomes `to`, and there must be one.
    pub fn replace(&self, host_path: impl AsRef<Path>, from: &str, to: &str) {
        let text = self.text(&host_path);
        assert!(
            text.contains(from),
            "{} lacks {from}",
            host_path.as_ref().display()
        );
        self.write(host_path, text.replace(from, to));
    }

    pub fn remove(&self, host_path: impl AsRef<Path>) {
        let path = self.path(host_path);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.path(from), to).unwrap();
    }

    pub fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(self.real_path(from.as_ref()), to).unwrap();
    }

    /// Makes a link whose target is written as the host sees it.
    pub fn symlink(&self, host_path: impl AsRef<Path>, target: impl AsRef<Path>) {
        let path = self.path(host_path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    }

    pub fn exists(&self, host_path: impl AsRef<Path>) -> bool {
        fs::symlink_metadata(self.path(host_path)).is_ok()
    }

    /// What the link at this path points at.
    pub fn link_target(&self, host_path: impl AsRef<Path>) -> PathBuf {
        fs::read_link(self.path(host_path)).unwrap()
    }

    /// Names in a folder of the host, sorted.
    pub fn list(&self, host_path: impl AsRef<Path>) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(host_path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Where a path of the host leads, links followed as the host would follow them.
    pub fn real_path(&self, host_path: &Path) -> PathBuf {
        let mut host_path = host_path.to_owned();
        for _ in 0..8 {
            match fs::read_link(self.path(&host_path)) {
                Ok(target) => host_path = host_path.parent().unwrap().join(target),
                Err(_) => break,
            }
        }
        self.path(host_path)
    }

    /// Runs the binary on this host in a session without a terminal: nothing may ask anything.
    pub fn kubepki(&self, words: &[&str]) -> Output {
        self.kubepki_with(words, &[])
    }

    /// The same with variables in its environment.
    pub fn kubepki_with(&self, words: &[&str], environment: &[(&str, &str)]) -> Output {
        let output = self
            .command(words)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// The command that [`Self::kubepki`] runs, to be started otherwise.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_kubepki"))
            .arg("--root")
            .arg(self.root())
            .args(words)
            .current_dir(self.scratch())
            .env_remove("KUBEPKI_ROOT")
            .env_remove("KUBECONFIG")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    /// `kubepki status -o json`, whatever its exit code.
    pub fn status(&self) -> Value {
        self.kubepki(&["status", "-o", "json"]).json()
    }

    /// The row of `kubepki status` with this name.
    #[track_caller]
    pub fn row(&self, name: &str) -> Value {
        let status = self.status();
        let rows = ["certificates", "certificateAuthorities"]
            .iter()
            .flat_map(|list| status[list].as_array().unwrap());
        rows.into_iter()
            .find(|row| row["name"] == name)
            .unwrap_or_else(|| panic!("no row {name} in {status:#}"))
            .clone()
    }

    /// Runs OpenSSL in the scratch folder and returns its output.
    pub fn openssl(&self, words: &[&str]) -> String {
        let output = openssl(&self.scratch(), words);
        String::from_utf8(output).unwrap()
    }
}

/// A time as OpenSSL takes it: `20260601000000Z`.
pub fn at(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub fn unbase64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .unwrap()
}
