//! Certificates made by the `openssl` command, a second opinion by birth.

use std::path::{Path, PathBuf};
use std::process::Command;

use kubepki_engine::ports::ClientIdentity;
use kubepki_sealed::Sealed;
use kubepki_x509::{Certificate, pem};
use tempfile::TempDir;

/// A folder of keys and certificates.
pub struct Workshop {
    folder: TempDir,
}

/// A certificate and its key as files.
#[derive(Clone)]
pub struct Made {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a certificate is to say.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    pub subject: &'a str,
    pub not_before: &'a str,
    pub not_after: &'a str,
    pub extensions: &'a str,
    pub key: Key,
}

#[derive(Clone, Copy)]
pub enum Key {
    Pkcs1,
    Pkcs8,
    /// With the `EC PARAMETERS` block before it that OpenSSL writes.
    Sec1,
}

pub const PAST: &str = "20200101000000Z";
pub const RECENT: &str = "20240101000000Z";
pub const FUTURE: &str = "20980101000000Z";
pub const FAR: &str = "20990101000000Z";

pub const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign";
pub const SERVER: &str =
    "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,DNS:kubernetes,IP:127.0.0.1,IP:::1";
pub const CLIENT: &str = "extendedKeyUsage=clientAuth";

/// Valid now, P-256.
pub fn wish<'a>(subject: &'a str, extensions: &'a str) -> Wish<'a> {
    Wish {
        subject,
        not_before: PAST,
        not_after: FAR,
        extensions,
        key: Key::Pkcs8,
    }
}

impl Workshop {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = "[ca]\ndefault_ca=ca\n[ca]\ndatabase=index.txt\nnew_certs_dir=.\n\
            default_md=sha256\npolicy=any\nrand_serial=yes\nunique_subject=no\n\
            [any]\ncommonName=optional\norganizationName=optional\n\
            [req]\ndistinguished_name=dn\n[dn]\n";
        fs_err::write(folder.path().join("openssl.cnf"), configuration).unwrap();
        fs_err::write(folder.path().join("index.txt"), "").unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate of its own issuer.
    pub fn authority(&self, name: &str, wish: Wish<'_>) -> Made {
        self.make(name, wish, None)
    }

    /// As [`Self::authority`], with its name in PrintableString, as Go writes it; OpenSSL writes
    /// UTF8String.
    pub fn printable_authority(&self, name: &str, wish: Wish<'_>) -> Made {
        let configuration = self.path().join("openssl.cnf");
        let before = fs_err::read_to_string(&configuration).unwrap();
        fs_err::write(
            &configuration,
            before.replace("[req]\n", "[req]\nstring_mask=pkix\n"),
        )
        .unwrap();
        let made = self.make(name, wish, None);
        fs_err::write(&configuration, before).unwrap();
        made
    }

    /// A certificate issued by `authority`.
    pub fn issue(&self, name: &str, authority: &Made, wish: Wish<'_>) -> Made {
        self.make(name, wish, Some(authority))
    }

    fn make(&self, name: &str, wish: Wish<'_>, authority: Option<&Made>) -> Made {
        let file = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        let made = Made {
            certificate: file("crt"),
            key: file("key"),
        };
        let key = made.key.to_str().unwrap();
        match wish.key {
            Key::Pkcs1 => self.openssl(&["genrsa", "-traditional", "-out", key, "2048"]),
            Key::Pkcs8 => self.openssl(&[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-out",
                key,
            ]),
            Key::Sec1 => {
                self.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-out", key]);
            }
        }
        let (request, extensions) = (file("csr"), file("ext"));
        fs_err::write(&extensions, wish.extensions).unwrap();
        let request = request.to_str().unwrap();
        self.openssl(&[
            "req",
            "-new",
            "-config",
            "openssl.cnf",
            "-key",
            key,
            "-subj",
            wish.subject,
            "-out",
            request,
        ]);
        let issuer = authority.unwrap_or(&made);
        let mut arguments = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            "openssl.cnf",
            "-preserveDN",
            "-in",
            request,
            "-out",
            made.certificate.to_str().unwrap(),
            "-startdate",
            wish.not_before,
            "-enddate",
            wish.not_after,
            "-extfile",
            extensions.to_str().unwrap(),
            "-keyfile",
            issuer.key.to_str().unwrap(),
        ];
        match authority {
            Some(authority) => {
                arguments.extend(["-cert", authority.certificate.to_str().unwrap()]);
            }
            None => arguments.push("-selfsign"),
        }
        self.openssl(&arguments);
        made
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.path())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {complaint}"
        );
    }
}

impl Made {
    pub fn read(&self) -> Certificate {
        self.chain().remove(0)
    }

    pub fn chain(&self) -> Vec<Certificate> {
        pem::certificates(&fs_err::read(&self.certificate).unwrap()).unwrap()
    }

    pub fn identity(&self) -> ClientIdentity {
        ClientIdentity {
            chain: self.chain(),
            key_pem: Sealed::new(fs_err::read(&self.key).unwrap()),
        }
    }
}
