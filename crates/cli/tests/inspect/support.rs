//! What the tests of the command line share: a folder with certificates made by OpenSSL (a second
//! opinion on everything that is read), and the real binary run on it.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The time that tests are evaluated at, unless they say otherwise.
pub const NOW: &str = "2026-06-01T00:00:00Z";

/// A folder of its own.
pub struct Workplace {
    folder: TempDir,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

/// What to issue. Times are written as OpenSSL wants them: `20260101000000Z`.
pub struct Issue<'a> {
    pub subject: &'a str,
    /// Name of the CA's files; self-signed when missing.
    pub by: Option<&'a str>,
    pub from: &'a str,
    pub until: &'a str,
    /// Hexadecimal.
    pub serial: &'a str,
    /// `rsa:2048`, `ec:P-256`, `ed25519`.
    pub key: &'a str,
    pub digest: &'a str,
    /// Lines of an OpenSSL extension section.
    pub extensions: &'a str,
}

impl Default for Issue<'_> {
    fn default() -> Self {
        Self {
            subject: "/CN=test",
            by: None,
            from: "20260101000000Z",
            until: "20270101000000Z",
            serial: "1001",
            key: "ec:P-256",
            digest: "sha256",
            extensions: "",
        }
    }
}

pub const CA_EXTENSIONS: &str = "basicConstraints=critical,CA:TRUE\n\
    keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign\n\
    subjectKeyIdentifier=hash";

pub const SERVER_EXTENSIONS: &str = "keyUsage=critical,digitalSignature,keyEncipherment\n\
    extendedKeyUsage=serverAuth\n\
    authorityKeyIdentifier=keyid\n\
    subjectAltName=DNS:kubernetes,DNS:kubernetes.default,IP:10.96.0.1,URI:spiffe://cluster/x,email:a@example.org";

const OPENSSL_CONFIGURATION: &str = "\
[ca]\ndefault_ca=here\n\
[here]\nnew_certs_dir=issued\ndatabase=issued/index\nserial=issued/serial\npolicy=any\n\
unique_subject=no\ncopy_extensions=none\n\
[any]\ncommonName=optional\norganizationName=optional\n\
[req]\ndistinguished_name=none\n[none]\n";

impl Workplace {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = Self { folder };
        here.write("issued/index", "");
        here.write("issued/openssl.cnf", OPENSSL_CONFIGURATION);
        here
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn base64(&self, name: &str) -> String {
        base64(&self.read(name))
    }

    /// Runs OpenSSL here; the words are split at blanks.
    pub fn openssl(&self, words: &str) -> Vec<u8> {
        self.openssl_with(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub fn openssl_with(&self, words: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl")
            .args(words)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {words:?}: {stderr}");
        output.stdout
    }

    /// Makes `NAME.key`.
    pub fn key(&self, name: &str, kind: &str) {
        let out = format!("{name}.key");
        fs::create_dir_all(self.path(&out).parent().unwrap()).unwrap();
        match kind.split_once(':') {
            Some(("rsa", bits)) => self.openssl_with(&["genrsa", "-out", &out, bits]),
            Some(("ec", curve)) => {
                let curve = format!("ec_paramgen_curve:{curve}");
                self.openssl_with(&[
                    "genpkey",
                    "-algorithm",
                    "EC",
                    "-pkeyopt",
                    &curve,
                    "-out",
                    &out,
                ])
            }
            _ => self.openssl_with(&["genpkey", "-algorithm", kind, "-out", &out]),
        };
    }

    /// Makes `NAME.key`, `NAME.csr` and `NAME.crt`.
    pub fn issue(&self, name: &str, issue: &Issue<'_>) {
        self.key(name, issue.key);
        let (key, csr, crt) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.crt"),
        );
        let configuration = "issued/openssl.cnf";
        self.openssl_with(&[
            "req",
            "-new",
            "-config",
            configuration,
            "-key",
            &key,
            "-subj",
            issue.subject,
            "-out",
            &csr,
        ]);
        // an empty database each time: serial numbers may repeat
        self.write("issued/index", "");
        self.write("issued/serial", format!("{}\n", issue.serial));
        self.write("issued/extensions", format!("{}\n", issue.extensions));
        let mut words = vec![
            "ca",
            "-batch",
            "-notext",
            "-preserveDN",
            "-config",
            configuration,
            "-in",
            &csr,
            "-out",
            &crt,
            "-startdate",
            issue.from,
            "-enddate",
            issue.until,
            "-md",
            issue.digest,
            "-extfile",
            "issued/extensions",
        ];
        let (by_crt, by_key);
        match issue.by {
            Some(by) => {
                (by_crt, by_key) = (format!("{by}.crt"), format!("{by}.key"));
                words.extend(["-cert", &by_crt, "-keyfile", &by_key]);
            }
            None => words.extend(["-selfsign", "-keyfile", &key]),
        }
        // Ed25519 has its digest built in
        if issue.key == "ed25519" {
            words.retain(|word| !["-md", issue.digest].contains(word));
            words.extend(["-md", "null"]);
        }
        self.openssl_with(&words);
    }

    /// A CA in `NAME.crt`, valid for ten years, serial number 0 as kubeadm gave it.
    pub fn ca(&self, name: &str, subject: &str) {
        self.issue(
            name,
            &Issue {
                subject,
                until: "20360101000000Z",
                serial: "00",
                extensions: CA_EXTENSIONS,
                ..Issue::default()
            },
        );
    }

    /// A server certificate by a CA.
    pub fn server(&self, name: &str, by: &str) {
        self.issue(
            name,
            &Issue {
                subject: "/CN=kube-apiserver",
                by: Some(by),
                extensions: SERVER_EXTENSIONS,
                ..Issue::default()
            },
        );
    }

    /// Runs `kubepki inspect` here, as of [`NOW`] or of the time in `words`.
    pub fn inspect(&self, words: &[&str]) -> Outcome {
        let now: &[&str] = if words.contains(&"--now") {
            &[]
        } else {
            &["--now", NOW]
        };
        self.kubepki(&[&["inspect"], now, words].concat(), b"")
    }

    /// Runs `kubepki inspect -o json` here; the result is checked against the shipped schema.
    pub fn json(&self, words: &[&str]) -> (Value, Outcome) {
        let outcome = self.inspect(&[&["-o", "json"], words].concat());
        let value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
        assert_valid("inspection.json", &value);
        (value, outcome)
    }

    /// The items of `kubepki inspect -o json`.
    pub fn items(&self, words: &[&str]) -> Vec<Value> {
        let (value, _) = self.json(words);
        value["items"].as_array().unwrap().clone()
    }

    /// Runs the binary here, in a session without a terminal: nothing may ask anything.
    pub fn kubepki(&self, words: &[&str], stdin: &[u8]) -> Outcome {
        let mut command = Command::new("setsid");
        command
            .arg("--wait")
            .arg(env!("CARGO_BIN_EXE_kubepki"))
            .args(words);
        self.run(command, stdin)
    }

    pub fn run(&self, mut command: Command, stdin: &[u8]) -> Outcome {
        let mut child = command
            .current_dir(self.folder.path())
            .env_remove("KUBEPKI_ROOT")
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // who reads no standard input closes it, and that is fine
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        Outcome {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }
}

/// Checks a value against one of the shipped schemas.
pub fn assert_valid(schema: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/schema")
        .join(schema);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
}

/// Codes of an item's findings.
pub fn codes(item: &Value) -> Vec<&str> {
    let findings = item["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

/// The `kind` of each item.
pub fn kinds(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect()
}

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Replaces what differs from run to run, keeping the layout.
pub fn redacted() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\b[0-9a-f]{64}\b", "<64 hexadecimal digits>");
    settings.add_filter(r"\b[0-9a-f]{40}\b", "<40 hexadecimal digits>");
    settings.set_prepend_module_to_snapshot(false);
    settings
}
