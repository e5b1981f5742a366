//! The `openssl` command as a second opinion, each with a temporary folder of its own.

#![allow(dead_code, reason = "every test file uses its own part of this module")]
#![expect(clippy::expect_used, reason = "a broken test environment may panic")]

use std::path::PathBuf;
use std::process::{Command, Output};

use kubepki_sealed::{Sealed, danger};
use tempfile::TempDir;

/// A folder of files for and from the `openssl` command.
pub struct OpenSsl {
    folder: TempDir,
}

impl OpenSsl {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("the temporary folder is writable");
    }

    pub fn write_key(&self, name: &str, key: &Sealed) {
        self.write(name, danger::open(key));
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("openssl wrote the file")
    }

    pub fn read_key(&self, name: &str) -> Sealed {
        Sealed::new(self.read(name))
    }

    /// Runs `openssl ARGUMENTS` in the folder. Arguments are parted by spaces.
    pub fn output(&self, arguments: &str) -> Output {
        Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .expect("the openssl command is installed")
    }

    /// Runs `openssl ARGUMENTS`, which must succeed, and gives its standard output.
    #[track_caller]
    pub fn run(&self, arguments: &str) -> Vec<u8> {
        let output = self.output(arguments);
        assert!(
            output.status.success(),
            "openssl {arguments}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// The same as text.
    #[track_caller]
    pub fn text(&self, arguments: &str) -> String {
        String::from_utf8(self.run(arguments)).expect("openssl prints text")
    }
}
