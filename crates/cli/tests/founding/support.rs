//! A folder of its own, the real binary run in it, and OpenSSL as a second opinion.

use base64::Engine as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What every run here is told, so that it asks nothing and nobody.
pub const HOST: &[&str] = &["--node-name", "cp1", "--advertise-address", "10.0.0.5"];

/// A folder.
pub struct Workplace {
    folder: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Workplace {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Permission bits.
    pub fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// Every file below `folder`, by its name from there, with its contents.
    pub fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let root = self.path(folder);
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().display().to_string();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// Runs the binary here, without a terminal: nothing may ask anything.
    pub fn kubepki(&self, words: &[&str]) -> Outcome {
        let output = Command::new("setsid")
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_kubepki"))
            .args(words)
            .current_dir(self.folder.path())
            .env_remove("KUBEPKI_ROOT")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }

    /// `kubepki init --yes` into `pki`, kubeconfigs beside it, for the host of [`HOST`].
    pub fn init(&self, words: &[&str]) -> Outcome {
        self.kubepki(&[&["init", "--yes", "--cert-dir", "pki"], HOST, words].concat())
    }

    /// The same, which must succeed.
    pub fn made(&self, words: &[&str]) -> Outcome {
        let outcome = self.init(words);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome
    }

    /// The same with `-o json`; the result is checked against the shipped schema.
    pub fn made_json(&self, words: &[&str]) -> Value {
        let outcome = self.made(&[words, &["-o", "json"]].concat());
        let result = serde_json::from_str(&outcome.stdout).unwrap();
        assert_valid("founding-result.json", &result);
        result
    }

    /// Runs OpenSSL here, which must succeed.
    pub fn openssl(&self, words: &[&str]) -> String {
        let output = self.try_openssl(words);
        assert_eq!(output.code, 0, "openssl {words:?}: {}", output.stderr);
        output.stdout
    }

    pub fn try_openssl(&self, words: &[&str]) -> Outcome {
        let output = Command::new("openssl")
            .args(words)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        Outcome {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap(),
        }
    }

    /// Whether OpenSSL takes `certificate` for `purpose` with this CA, strictly by RFC 5280.
    pub fn verify(&self, ca: &str, certificate: &str, purpose: &str) {
        let words = [
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            ca,
            certificate,
        ];
        self.openssl(&words);
    }

    /// What OpenSSL shows of one field of a certificate, in one line.
    pub fn shown(&self, certificate: &str, field: &[&str]) -> String {
        let head = ["x509", "-noout", "-nameopt", "RFC2253", "-in", certificate];
        let text = self.openssl(&[&head, field].concat());
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.ends_with("extensions in certificate"));
        lines.collect::<Vec<_>>().join(" ")
    }

    /// Takes the client certificate and key out of a kubeconfig, into `NAME.crt` and `NAME.key`; the
    /// CA data into `NAME.ca`.
    pub fn take_out(&self, kubeconfig: &str, name: &str) {
        let text = self.text(kubeconfig);
        for (field, ending) in [
            ("client-certificate-data", "crt"),
            ("client-key-data", "key"),
            ("certificate-authority-data", "ca"),
        ] {
            let value = field_of(&text, field);
            let decoded = base64::engine::general_purpose::STANDARD
                .decode(value)
                .unwrap();
            self.write(&format!("{name}.{ending}"), decoded);
        }
    }

    /// A CA made by OpenSSL: `NAME.crt` and `NAME.key`, signed by `by` or by itself.
    pub fn ca(&self, name: &str, by: Option<&str>, days: &str) {
        let (key, csr, crt) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.crt"),
        );
        let subject = format!("/O=Corp/CN={name}");
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &csr,
            "-subj",
            &subject,
        ]);
        self.write(
            "ca.extensions",
            "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
             subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
        );
        let mut words = vec![
            "x509",
            "-req",
            "-in",
            &csr,
            "-days",
            days,
            "-out",
            &crt,
            "-extfile",
            "ca.extensions",
        ];
        let (by_crt, by_key);
        match by {
            Some(by) => {
                (by_crt, by_key) = (format!("{by}.crt"), format!("{by}.key"));
                words.extend(["-CA", &by_crt, "-CAkey", &by_key]);
            }
            None => words.extend(["-signkey", &key]),
        }
        self.openssl(&words);
    }

    /// Signs `requests/NAME.csr` as it asks to be, by `ca`, beside it.
    pub fn sign(&self, name: &str, ca: &str) {
        let (csr, crt) = (
            format!("requests/{name}.csr"),
            format!("requests/{name}.crt"),
        );
        let (ca_crt, ca_key) = (format!("{ca}.crt"), format!("{ca}.key"));
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &csr,
            "-copy_extensions",
            "copyall",
            "-days",
            "300",
            "-CA",
            &ca_crt,
            "-CAkey",
            &ca_key,
            "-out",
            &crt,
        ]);
    }
}

/// The value of a field that is there once, spelled on one line.
pub fn field_of<'t>(text: &'t str, field: &str) -> &'t str {
    let lines = text.lines().map(str::trim);
    let found = lines.filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
    let values: Vec<&str> = found.collect();
    assert_eq!(values.len(), 1, "{field} is there {} times", values.len());
    values[0].trim_matches('"')
}

/// Checks a value against one of the shipped schemas.
pub fn assert_valid(schema: &str, value: &Value) {
    let errors = violations(schema, value);
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

/// What a shipped schema has against a value.
pub fn violations(schema: &str, value: &Value) -> Vec<String> {
    let path = documents().join("schema").join(schema);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect()
}

/// The repository's `docs`.
pub fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}
