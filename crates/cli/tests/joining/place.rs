//! A folder of one test, and the program run in it with nothing of the environment that matters.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub struct Place {
    folder: TempDir,
}

/// What a run said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With a control plane's files below `root`.
    pub fn founded() -> Self {
        let place = Self::new();
        place.write("root/etc/hostname", "cp1\n");
        place.rooted(&[
            "init",
            "--advertise-address",
            "10.0.0.1",
            "--key-type",
            "ecdsa:p256",
        ]);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs it in the folder.
    pub fn run(&self, words: &[&str]) -> Said {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_kubepki"))
            .args(words)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("KUBEPKI_ROOT")
            .env_remove("KUBEPKI_CLUSTER")
            .env_remove("KUBEPKI_SSH_COMMAND")
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it on the host below `root`; it must succeed.
    pub fn rooted(&self, words: &[&str]) -> Said {
        let said = self.run(&[&["--root", "root", "--yes"], words].concat());
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
        said
    }

    /// The object that it writes on the host below `root`, held against its schema.
    pub fn object(&self, words: &[&str]) -> Value {
        let said = self.rooted(&[&["-o", "json"], words].concat());
        let value: Value = serde_json::from_str(&said.out).unwrap();
        self.assert_valid(&value);
        value
    }

    pub fn assert_valid(&self, value: &Value) {
        let errors = self.errors(value);
        assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
        let mut crippled = value.clone();
        crippled.as_object_mut().unwrap().remove("apiVersion");
        assert!(!self.errors(&crippled).is_empty(), "takes anything");
    }

    /// What the schema of its kind finds wrong.
    pub fn errors(&self, value: &Value) -> Vec<String> {
        let schema = self.run(&["schema", value["kind"].as_str().unwrap()]);
        let schema: Value = serde_json::from_str(&schema.out).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }
}

/// Permission bits.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
