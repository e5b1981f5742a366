//! Runs the `openssl` command line in a temporary folder: the second opinion on every encoding.

use std::process::Output;

use kubepki_x509::{Certificate, pem};
use tempfile::TempDir;

/// A temporary folder in which `openssl` runs.
pub struct Openssl {
    folder: TempDir,
}

impl Openssl {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs_err::write(self.folder.path().join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs_err::read(self.folder.path().join(name)).unwrap()
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        pem::certificates(&self.read(name)).unwrap().remove(0)
    }

    /// Runs `openssl` with arguments split at white space and returns what it printed; fails the
    /// test if it fails.
    pub fn run(&self, arguments: &str) -> String {
        let output = self.output(&arguments.split_whitespace().collect::<Vec<_>>());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "openssl {arguments}: {said}{printed}"
        );
        printed
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test may ask OpenSSL; the crate may not"
    )]
    pub fn output(&self, arguments: &[&str]) -> Output {
        std::process::Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }
}
