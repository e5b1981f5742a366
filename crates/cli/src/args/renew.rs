//! `kubepki renew` and `kubepki apply`: what was typed.

use super::values;
use clap::Args;
use jiff::SignedDuration;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::{EndRule, StartRule};
use kubepki_keys::KeyType;
use kubepki_x509::GeneralName;
use std::path::PathBuf;

/// Arguments of `kubepki renew`.
#[derive(Args, Debug)]
#[command(long_about = "\
Renew certificates of this host: plan, show, confirm, apply, verify

Works on expired certificates and while the API is down. What a certificate says is kept: subject, \
names, usages, every extension, the type of key, the form, mode and owner of its files. The old \
files are saved first; `kubepki undo` brings them back. Components re-read what they can by \
themselves and are restarted, one at a time, where they cannot; at the end every endpoint of the \
host is asked whether it serves the new certificate, and every kubeconfig is tried.

NAME is kubeadm's name (apiserver, etcd-server, admin.conf, ...), kubelet-client, kubelet-server, a \
path that `kubepki status` shows, or all. `all` leaves alone what was renewed just before.

Examples:
  kubepki renew all
  kubepki renew all --only-expiring 30d --yes
  kubepki renew apiserver --add-san DNS:api.example.com
  kubepki renew all --validity 10y --key-type ecdsa:p256 --plan-out renew.json")]
pub struct RenewArgs {
    /// Names or paths of certificates, or all
    ///
    /// `kubepki status` lists them.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,

    /// How long the new certificates are valid, or until when
    ///
    /// A length of time from now (1y, 10y, 90d) or a date. An end after the CA's own is
    /// moved to the CA's, with a notice.
    #[arg(long, value_name = "TIME", default_value = "365d")]
    pub validity: EndRule,

    /// From when the new certificates are valid
    ///
    /// A time before now (-5m, -365d) or a date. Five minutes by default, so that a peer whose
    /// clock is a little behind accepts them.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-5m",
        allow_hyphen_values = true
    )]
    pub not_before: StartRule,

    /// Make new keys or keep the ones that are there: new or reuse
    ///
    /// A new key never leaves this host.
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "new",
        hide_possible_values = true
    )]
    pub key: KeyWhich,

    /// The type of new keys: keep, rsa:2048, rsa:3072, rsa:4096, ecdsa:p256, ecdsa:p384, ed25519
    ///
    /// `keep` makes a key of the old one's type.
    #[arg(long, value_name = "TYPE", default_value = "keep", value_parser = key_type)]
    pub key_type: KeyTypeChoice,

    /// Add a subject alternative name
    ///
    /// DNS:name, IP:address, URI:..., email:..., or a bare name or address. May be repeated; names
    /// are edited on one certificate at a time.
    #[arg(long, value_name = "NAME", value_parser = general_name)]
    pub add_san: Vec<GeneralName>,

    /// Remove a subject alternative name
    ///
    /// Spelled as for --add-san; the certificate must hold it.
    #[arg(long, value_name = "NAME", value_parser = general_name)]
    pub remove_san: Vec<GeneralName>,

    /// Replace all subject alternative names
    ///
    /// Spelled as for --add-san; repeat it for every name.
    #[arg(long, value_name = "NAME", value_parser = general_name)]
    pub set_san: Vec<GeneralName>,

    /// Renew only what expires within this time
    ///
    /// A length of time such as 30d. What has expired and what is missing counts.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub only_expiring: Option<SignedDuration>,

    /// Also renew what needs no renewal
    ///
    /// Without it `all` leaves alone what is sound and has nine tenths of the asked time left.
    #[arg(long)]
    pub force: bool,

    /// Renew an expired CA with its own key first
    ///
    /// Same name, same key: every certificate that it signed stays valid. Copies of the CA on other
    /// hosts must be replaced too. A CA whose key is no longer secret must be replaced instead.
    #[arg(long)]
    pub renew_expired_ca: bool,

    /// Write certification requests into DIR instead of signing
    ///
    /// For a CA whose key is kept elsewhere. DIR gets NAME.csr and NAME.key (0600); nothing in use
    /// changes. Requests carry names and usages.
    #[arg(long, value_name = "DIR", conflicts_with = "install")]
    pub csr_dir: Option<PathBuf>,

    /// Take signed certificates from DIR
    ///
    /// DIR holds NAME.crt and NAME.key. Each is checked before it replaces the old one: key,
    /// subject, names, usages, and that the CA on this host signed it.
    #[arg(long, value_name = "DIR")]
    pub install: Option<PathBuf>,

    /// Make what is lost after the profiles by role in FILE, the builtin ones, or the layout
    ///
    /// For a certificate that a flag or kubeconfig names and that is not there. FILE is YAML (see
    /// docs/examples/profiles.yaml); roles that it leaves out are made after the profiles of the
    /// program, which `--profiles builtin` means. `--profiles layout` makes it after what the host's
    /// layout (--layout) says of this very file, and what that leaves out after the builtin ones.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["csr_dir", "install"])]
    pub profiles: Option<PathBuf>,

    /// Do not restart anything and do not wait for components
    ///
    /// Files change; what runs goes on with what it has loaded.
    #[arg(long)]
    pub no_restart: bool,

    /// Write the plan to FILE and do nothing
    ///
    /// The plan holds no secret; `kubepki apply FILE` carries it out while the world is the same.
    #[arg(long, value_name = "FILE")]
    pub plan_out: Option<PathBuf>,

    /// The folder with kubeadm's certificates
    ///
    /// Used for what no flag of a component names.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,

    /// How the old files are saved.
    #[command(flatten)]
    pub backup: BackupChoice,
}

/// Arguments of `kubepki apply`.
#[derive(Args, Debug)]
#[command(long_about = "\
Carry out a plan that `kubepki renew --plan-out FILE` wrote

Refused when a file that the plan was made from has changed since, when the plan is for another \
host, or when the plan itself was edited.")]
pub struct ApplyArgs {
    /// The plan
    #[arg(value_name = "FILE")]
    pub plan: PathBuf,

    /// The folder with kubeadm's certificates
    ///
    /// The one that the plan was made with.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,

    /// How the old files are saved.
    #[command(flatten)]
    pub backup: BackupChoice,
}

/// How old files are saved before a change.
#[derive(Args, Clone, Debug)]
pub struct BackupChoice {
    /// Make no backup first
    ///
    /// `kubepki undo` cannot bring the old files back then.
    #[arg(long, conflicts_with = "backup_recipient")]
    pub no_backup: bool,

    /// Encrypt the backup for this age recipient
    ///
    /// An X25519 recipient (age1...) as `age-keygen` prints it. May be repeated.
    #[arg(long, value_name = "RECIPIENT")]
    pub backup_recipient: Vec<String>,
}

/// Whether keys are made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyWhich {
    /// A new key for every certificate.
    New,
    /// The key that is there.
    Reuse,
}

/// The type of new keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTypeChoice {
    /// That of the old key.
    Keep,
    /// This one.
    Type(KeyType),
}

fn key_type(text: &str) -> Result<KeyTypeChoice, String> {
    if text == "keep" {
        return Ok(KeyTypeChoice::Keep);
    }
    text.parse()
        .map(KeyTypeChoice::Type)
        .map_err(|error: kubepki_keys::UnknownKeyType| error.to_string())
}

fn general_name(text: &str) -> Result<GeneralName, String> {
    text.parse()
        .map_err(|error: kubepki_x509::GeneralNameError| error.to_string())
}
