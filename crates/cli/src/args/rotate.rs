//! `kubepki rotate`: what was typed.
//!
//! The word for what is done comes first, then what is rotated: `kubepki rotate run kubernetes-ca`.
//! Without a root, what is already being rotated is meant.

use super::renew::BackupChoice;
use super::values;
use clap::{Args, Subcommand, ValueEnum};
use jiff::SignedDuration;
use kubepki_core::layouts::KUBEADM;
use kubepki_core::plan::EndRule;
use kubepki_core::rotation::{Phase, Root};
use kubepki_keys::KeyType;
use std::path::PathBuf;

/// Arguments of `kubepki rotate`.
#[derive(Args, Debug)]
#[command(
    subcommand_value_name = "STEP",
    subcommand_help_heading = "Steps",
    arg_required_else_help = true,
    long_about = "\
Replace a CA or the service-account key of a running cluster, step by step, without a failed request

kubepki rotate STEP [ROOT]...

A ROOT is kubernetes-ca, etcd-ca, front-proxy-ca, service-account-key, or all. A rotation has five \
phases: prepare (make the successor, save etcd), trust-both, issue-from-new, settle (close kept \
connections), retire-old. Where a rotation stands is computed from the certificates, bundles and \
processes themselves, so it can be continued by anybody from anywhere. Every plan is proved before it \
is carried out: each state that it passes through, each connection in each state.

Examples:
  kubepki rotate plan kubernetes-ca
  kubepki rotate run kubernetes-ca
  kubepki rotate run all --pause-after trust-both
  kubepki rotate status
  kubepki rotate next
  kubepki rotate back --to start
  kubepki rotate run kubernetes-ca --offline
  kubepki rotate finish kubernetes-ca --old-key destroy"
)]
pub struct RotateArgs {
    /// What is done.
    #[command(subcommand)]
    pub step: RotateStep,
}

/// What is done of a rotation.
#[derive(Debug, Subcommand)]
pub enum RotateStep {
    /// Show everything that a rotation will do, in which order and why, with the proof; change nothing
    Plan(RotatePlanArgs),
    /// Begin a rotation: save etcd, make the successor, and lay it beside the old one
    Start(RotateRunArgs),
    /// Do the next phase
    Next(RotateRunArgs),
    /// Do all phases that are left
    Run(RotateRunArgs),
    /// Show where a rotation stands: hosts and places, what comes next and why
    Status(RotateStatusArgs),
    /// Ask a `run` that goes on elsewhere to stop after its present round
    Pause(RotatePauseArgs),
    /// Take phases back: the files of before return, byte for byte
    Back(RotateBackArgs),
    /// Retire the old generation, remove what the rotation left, and say what is still to do by hand
    Finish(RotateRunArgs),
}

/// What is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RootChoice {
    /// The cluster's own CA
    KubernetesCa,
    /// etcd's CA
    EtcdCa,
    /// The front proxy's CA
    FrontProxyCa,
    /// The key that signs service-account tokens
    ServiceAccountKey,
    /// All of these, in shared rounds
    All,
}

/// The roots that were typed, each once, in their own order; none when nothing was typed.
pub fn roots(typed: &[RootChoice]) -> Vec<Root> {
    let is_meant = |root: Root| {
        typed.iter().any(|choice| match choice {
            RootChoice::KubernetesCa => root == Root::KubernetesCa,
            RootChoice::EtcdCa => root == Root::EtcdCa,
            RootChoice::FrontProxyCa => root == Root::FrontProxyCa,
            RootChoice::ServiceAccountKey => root == Root::ServiceAccountKey,
            RootChoice::All => true,
        })
    };
    Root::ALL
        .into_iter()
        .filter(|root| is_meant(*root))
        .collect()
}

/// What kind of rotation is wished for.
#[derive(Args, Clone, Debug)]
pub struct RotationWish {
    /// What is rotated; without one, what is being rotated already
    #[arg(value_name = "ROOT", value_enum)]
    pub roots: Vec<RootChoice>,

    /// One swap with a downtime: stop the control planes, write everything, start them
    ///
    /// The API answers nobody in between; pods keep running, and those that read the CA only at their
    /// start have to be restarted afterwards.
    #[arg(long)]
    pub offline: bool,

    /// Take this certificate as the new CA instead of making one
    ///
    /// PEM; an intermediate with its chain behind it. Only with one root. Without --new-ca-key the
    /// certificate of a request that was made with --new-ca-csr.
    #[arg(long, value_name = "FILE")]
    pub new_ca: Option<PathBuf>,

    /// Where the private key of --new-ca lies: HOST:PATH, or a file of this machine
    ///
    /// On a control plane it may lie at any path. A file of this machine is sealed here for the host
    /// that receives it, and leaves in no other form; it stays where it is.
    #[arg(long, value_name = "[HOST:]PATH", requires = "new_ca")]
    pub new_ca_key: Option<String>,

    /// Make a key on a control plane and write a request for the new CA here; nothing else
    ///
    /// For a CA that somebody else signs (RFC 2986). The rotation waits in its first phase until
    /// `kubepki rotate next --new-ca FILE` brings the certificate. Only with `start`, and one root.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["new_ca", "validity", "offline"])]
    pub new_ca_csr: Option<PathBuf>,

    /// Type of the new key: rsa:2048, rsa:4096, ecdsa:p256, … [default: the old one's]
    #[arg(long, value_name = "TYPE", conflicts_with = "new_ca")]
    pub key_type: Option<KeyType>,

    /// How long the new CA is valid: a length of time (10y) or a date
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10y",
        conflicts_with = "new_ca"
    )]
    pub validity: EndRule,

    /// Common name of the new CA [default: the old one's with a generation]
    ///
    /// kubernetes becomes kubernetes@20261122T114500Z: old and new must differ in their names, or
    /// clients would try the wrong one.
    #[arg(long, value_name = "CN", conflicts_with = "new_ca")]
    pub subject: Option<String>,

    /// What becomes of workloads that read the CA only at their start
    ///
    /// auto restarts their Deployments, DaemonSets and StatefulSets as `kubectl rollout restart` does;
    /// list only names them, and the rotation waits until somebody has restarted them; none leaves
    /// them alone, and they fail once the API servers present new certificates.
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto")]
    pub restart_workloads: RestartChoice,

    /// What becomes of the old private keys that backups hold, when the rotation has ended
    ///
    /// keep leaves them there, for `kubepki rotate back`; seal encrypts the backups that hold one for
    /// --old-key-recipient and destroys the clear ones; destroy takes the keys out of every backup of the
    /// control planes: nothing brings the old generation back then. Also afterwards, with `finish ROOT`.
    #[arg(long, value_name = "HOW", value_enum, default_value = "keep")]
    pub old_key: OldKeyChoice,

    /// The age recipient for whom --old-key seal encrypts
    ///
    /// An X25519 recipient (age1...) as `age-keygen` prints it. May be repeated.
    #[arg(long, value_name = "RECIPIENT")]
    pub old_key_recipient: Vec<String>,

    /// A copy of the old CA that you see to yourself; `all` for all
    ///
    /// What this program cannot change (webhooks of others, files that no component names) is named
    /// before the rotation begins, and has to be acknowledged as it is spelled there. May be repeated.
    #[arg(long, value_name = "COPY|all")]
    pub acknowledge: Vec<String>,
}

impl RotationWish {
    /// What is wished for when nothing is typed.
    pub fn default_for(roots: Vec<RootChoice>) -> Self {
        Self {
            roots,
            offline: false,
            new_ca: None,
            new_ca_key: None,
            new_ca_csr: None,
            key_type: None,
            validity: EndRule::For(SignedDuration::from_hours(87_600)),
            subject: None,
            restart_workloads: RestartChoice::Auto,
            old_key: OldKeyChoice::Keep,
            old_key_recipient: Vec::new(),
            acknowledge: Vec::new(),
        }
    }
}

/// What becomes of old private keys in backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OldKeyChoice {
    /// Leave them there
    Keep,
    /// Encrypt the backups that hold one
    Seal,
    /// Take them out of every backup
    Destroy,
}

/// What becomes of workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RestartChoice {
    /// Restart them
    Auto,
    /// Name them
    List,
    /// Leave them alone
    None,
}

/// How hosts are looked at and changed.
#[derive(Args, Clone, Debug)]
pub struct RotationMeans {
    /// The longest that one question to what runs may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::duration)]
    pub timeout: SignedDuration,

    /// The folder with kubeadm's certificates
    ///
    /// Used for what no flag of a component names.
    #[arg(long, value_name = "DIR", default_value = KUBEADM.pki_folder)]
    pub ca_dir: PathBuf,
}

/// Arguments of `kubepki rotate plan`.
#[derive(Args, Debug)]
pub struct RotatePlanArgs {
    /// What is wished for.
    #[command(flatten)]
    pub wish: RotationWish,
    /// How.
    #[command(flatten)]
    pub means: RotationMeans,
}

/// Arguments of `kubepki rotate start`, `next`, `run` and `finish`.
#[derive(Args, Debug)]
pub struct RotateRunArgs {
    /// What is wished for.
    #[command(flatten)]
    pub wish: RotationWish,

    /// Stop before this phase
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    pub until: Option<Phase>,

    /// Stop after this phase
    #[arg(long, value_name = "PHASE", value_parser = phase, conflicts_with = "until")]
    pub pause_after: Option<Phase>,

    /// How.
    #[command(flatten)]
    pub means: RotationMeans,

    /// How the old files are saved; `back` needs them.
    #[command(flatten)]
    pub backup: BackupChoice,
}

/// Arguments of `kubepki rotate status`.
#[derive(Args, Debug)]
pub struct RotateStatusArgs {
    /// What is shown; without one, everything
    #[arg(value_name = "ROOT", value_enum)]
    pub roots: Vec<RootChoice>,
    /// How.
    #[command(flatten)]
    pub means: RotationMeans,
}

/// Arguments of `kubepki rotate pause`.
#[derive(Args, Debug)]
pub struct RotatePauseArgs {
    /// How.
    #[command(flatten)]
    pub means: RotationMeans,
}

/// Arguments of `kubepki rotate back`.
#[derive(Args, Debug)]
pub struct RotateBackArgs {
    /// Back to the beginning of this phase, or `start` for all [default: one phase]
    #[arg(long, value_name = "PHASE", value_parser = back_to)]
    pub to: Option<Phase>,

    /// How.
    #[command(flatten)]
    pub means: RotationMeans,

    /// The age identity file that opens encrypted backups (--backup-recipient) of the hosts
    ///
    /// It is sealed here for each host, and opened in its memory. The files that are taken back are saved
    /// encrypted for it, unless --backup-recipient names another.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,

    /// How the files are saved that are taken back.
    #[command(flatten)]
    pub backup: BackupChoice,
}

fn phase(text: &str) -> Result<Phase, String> {
    Phase::ALL
        .into_iter()
        .find(|phase| phase.as_str() == text)
        .ok_or_else(|| {
            let known: Vec<&str> = Phase::ALL.into_iter().map(Phase::as_str).collect();
            format!("expected a phase: {}", known.join(", "))
        })
}

fn back_to(text: &str) -> Result<Phase, String> {
    match text {
        "start" => Ok(Phase::Prepare),
        _ => phase(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_every_root_once() {
        assert_eq!(roots(&[RootChoice::EtcdCa, RootChoice::All]), Root::ALL);
        assert_eq!(
            roots(&[RootChoice::EtcdCa, RootChoice::KubernetesCa]),
            [Root::KubernetesCa, Root::EtcdCa]
        );
        assert!(roots(&[]).is_empty());
    }

    #[test]
    fn the_start_is_the_beginning_of_the_first_phase() {
        assert_eq!(back_to("start"), Ok(Phase::Prepare));
        assert_eq!(back_to("settle"), Ok(Phase::Settle));
        assert!(phase("start").is_err());
        assert!(phase("trust").unwrap_err().contains("trust-both"));
    }
}
