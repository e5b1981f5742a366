//! Certificates made by OpenSSL, with times, subjects and extensions to choose.

use super::tree::{Tree, at};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A kind of key, in the encoding that kubeadm writes (PKCS#1 or SEC1), or PKCS#8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    EcP256,
    EcP384,
    Rsa(u32),
    Ed25519,
    /// PKCS#8 of P-256.
    EcPkcs8,
    /// PKCS#8 of RSA.
    RsaPkcs8(u32),
}

/// What to issue. Days are counted from the tree's `now`; negative ones lie before it.
pub struct Issue<'a> {
    /// As OpenSSL writes it: `/O=system:masters/CN=kubernetes-admin`.
    pub subject: &'a str,
    /// Host path of the CA without ending: `/etc/kubernetes/pki/ca`; self-signed when missing.
    pub by: Option<&'a str>,
    pub from_days: i64,
    pub until_days: i64,
    pub key: KeyKind,
    /// Lines of an OpenSSL extension section.
    pub extensions: &'a str,
    /// Hexadecimal; random when missing.
    pub serial: Option<&'a str>,
    /// Whether the extensions that a request asks for are granted.
    pub as_requested: bool,
}

impl Default for Issue<'_> {
    fn default() -> Self {
        Self {
            subject: "/CN=test",
            by: None,
            from_days: -395,
            until_days: -30,
            key: KeyKind::EcP256,
            extensions: "",
            serial: None,
            as_requested: false,
        }
    }
}

const CONFIGURATION: &str = "\
[ca]\ndefault_ca=here\n\
[here]\nnew_certs_dir=.\ndatabase=index\nserial=serial\npolicy=any\nunique_subject=no\n\
copy_extensions=none\nrand_serial=yes\ndefault_md=sha256\n\
[any]\ncommonName=optional\norganizationName=optional\norganizationalUnitName=optional\n\
[req]\ndistinguished_name=none\nstring_mask=utf8only\n[none]\n";

impl Tree {
    /// Makes `BASE.crt` (0644) and `BASE.key` (0600) on the host.
    pub fn issue(&self, base: &str, issue: &Issue<'_>) {
        self.issue_into(&format!("{base}.crt"), &format!("{base}.key"), issue);
    }

    /// Makes a certificate and its key on the host; a key that is there is used.
    pub fn issue_into(&self, certificate: &str, key: &str, issue: &Issue<'_>) {
        if !self.exists(key) {
            self.write_with_mode(key, self.key_pem(issue.key), 0o600);
        }
        let key_path = self.real_path(Path::new(key));
        let request = self.scratch().join("request.csr");
        self.openssl(&[
            "req",
            "-new",
            "-utf8",
            "-config",
            &self.openssl_configuration(),
            "-key",
            key_path.to_str().unwrap(),
            "-subj",
            issue.subject,
            "-out",
            request.to_str().unwrap(),
        ]);
        let pem = self.sign(request.to_str().unwrap(), Some(key), issue);
        self.write_with_mode(certificate, pem, 0o644);
    }

    /// Signs a request with a CA of the host (or `own_key`): the certificate's PEM, nothing else.
    pub fn sign(&self, request: &str, own_key: Option<&str>, issue: &Issue<'_>) -> Vec<u8> {
        let scratch = self.scratch();
        // An empty database each time: subjects and serial numbers may repeat.
        fs::write(scratch.join("index"), "").unwrap();
        fs::write(
            scratch.join("extensions"),
            format!("{}\n", issue.extensions),
        )
        .unwrap();
        let day = |days: i64| at(self.now + SignedDuration::from_hours(24 * days));
        let (from, until) = (day(issue.from_days), day(issue.until_days));
        let configuration = self.openssl_configuration();
        let mut words = vec![
            "ca",
            "-batch",
            "-notext",
            "-preserveDN",
            "-utf8",
            "-config",
            &configuration,
            "-in",
            request,
            "-out",
            "signed.crt",
            "-startdate",
            &from,
            "-enddate",
            &until,
            "-extfile",
            "extensions",
        ];
        let mut text = CONFIGURATION.to_owned();
        if let Some(serial) = issue.serial {
            fs::write(scratch.join("serial"), format!("{serial}\n")).unwrap();
            text = text.replace("rand_serial=yes\n", "");
        }
        if issue.as_requested {
            text = text.replace("copy_extensions=none", "copy_extensions=copy");
        }
        fs::write(scratch.join("openssl.cnf"), text).unwrap();
        let (ca, ca_key, own);
        match issue.by {
            Some(base) => {
                ca = self.real_path(Path::new(&format!("{base}.crt")));
                ca_key = self.real_path(Path::new(&format!("{base}.key")));
                words.extend([
                    "-cert",
                    ca.to_str().unwrap(),
                    "-keyfile",
                    ca_key.to_str().unwrap(),
                ]);
            }
            None => {
                own = self.real_path(Path::new(own_key.expect("self-signed needs its key")));
                words.extend(["-selfsign", "-keyfile", own.to_str().unwrap()]);
            }
        }
        if issue.key == KeyKind::Ed25519 && issue.by.is_none() {
            words.extend(["-md", "null"]);
        }
        self.openssl(&words);
        fs::read(scratch.join("signed.crt")).unwrap()
    }

    /// A new key.
    pub fn key_pem(&self, kind: KeyKind) -> Vec<u8> {
        let bits;
        let words: Vec<&str> = match kind {
            KeyKind::EcP256 => vec!["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
            KeyKind::EcP384 => vec!["ecparam", "-name", "secp384r1", "-genkey", "-noout"],
            KeyKind::Ed25519 => vec!["genpkey", "-algorithm", "ED25519"],
            KeyKind::EcPkcs8 => {
                vec![
                    "genpkey",
                    "-algorithm",
                    "EC",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                ]
            }
            KeyKind::Rsa(size) => {
                bits = size.to_string();
                vec!["genrsa", "-traditional", &bits]
            }
            KeyKind::RsaPkcs8(size) => {
                bits = size.to_string();
                vec!["genrsa", &bits]
            }
        };
        openssl(&self.scratch(), &words)
    }

    fn openssl_configuration(&self) -> String {
        let path = self.scratch().join("openssl.cnf");
        fs::write(&path, CONFIGURATION).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The time that many days from the tree's `now`.
    pub fn day(&self, days: i64) -> Timestamp {
        self.now + SignedDuration::from_hours(24 * days)
    }
}

/// Runs OpenSSL in a folder.
pub fn openssl(folder: &Path, words: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words:?}: {stderr}");
    output.stdout
}
