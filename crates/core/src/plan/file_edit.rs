//! Changes of files that issue no certificate: bundles, CA data of kubeconfigs, flags of components,
//! keys that are copied, made or brought, and files that go.

use crate::model::{ComponentKind, RunsAs};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who brings a key that lies on no host of the cluster, but where the operator's program runs. No host
/// can be called so.
pub const OPERATOR: &str = "the operator's machine";

/// One change. What is not named stays byte for byte; owner and mode of what exists stay too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum FileEdit {
    /// A file comes to hold exactly these PEM blocks: CA certificates, or public keys. Made with the
    /// owner and mode of `like` when it does not exist.
    Bundle {
        /// The file.
        path: PathBuf,
        /// `CERTIFICATE` or `PUBLIC KEY` blocks.
        pem: String,
        /// A file whose owner and mode a new one gets.
        like: Option<PathBuf>,
    },
    /// The CA data of a kubeconfig's cluster becomes this.
    KubeconfigTrust {
        /// The kubeconfig.
        path: PathBuf,
        /// The cluster in it.
        cluster: String,
        /// `CERTIFICATE` blocks.
        pem: String,
    },
    /// Flags of a component's manifest or unit file are set.
    Flags {
        /// The component.
        component: ComponentKind,
        /// How it runs, hence which file holds its flags.
        runs_as: RunsAs,
        /// Which.
        set: Vec<FlagSetting>,
    },
    /// A private key is copied on its host, 0600.
    CopyKey {
        /// From here.
        from: PathBuf,
        /// To here.
        to: PathBuf,
    },
    /// A new key pair that no certificate belongs to: service-account keys.
    MakeKey {
        /// The private key's file, 0600.
        path: PathBuf,
        /// The public key's file.
        public: PathBuf,
        /// Spelled as on the command line, e.g. `rsa:2048`.
        key_type: String,
    },
    /// A private key that another host made comes along, sealed for this host alone on its way.
    BringKey {
        /// To here, 0600.
        path: PathBuf,
        /// The host that has it, or [`OPERATOR`].
        host: String,
        /// Where it lies there.
        from: PathBuf,
        /// SHA-256 of its public half, hexadecimal; `null` when an earlier step makes it.
        public_key_sha256: Option<String>,
    },
    /// A private key that somebody put on this host becomes a successor's, 0600. It may lie at any path:
    /// it is taken only when it is the key of the certificate that the same plan puts beside `to`.
    AdoptKey {
        /// From here; it stays there.
        from: PathBuf,
        /// To here: the place of a successor's key.
        to: PathBuf,
        /// SHA-256 of its public half, hexadecimal.
        public_key_sha256: String,
    },
    /// A key for a successor that somebody else certifies, and the request for that (RFC 2986).
    MakeRequest {
        /// The private key's file, 0600.
        key: PathBuf,
        /// The request's file.
        request: PathBuf,
        /// Spelled as on the command line, e.g. `rsa:2048`.
        key_type: String,
        /// The CA certificate that it succeeds, PEM: what that says is asked for.
        like_pem: String,
        /// The common name that is asked for.
        common_name: String,
    },
    /// What stands behind the first certificate of a file becomes this: intermediates that a server
    /// sends along.
    Chain {
        /// The file.
        path: PathBuf,
        /// `CERTIFICATE` blocks; empty when nothing is to stand behind it.
        pem: String,
    },
    /// A file that is no longer needed goes; its contents are in the run's backup.
    Remove {
        /// The file.
        path: PathBuf,
    },
}

impl FileEdit {
    /// The files that it writes or removes; for flags, the manifest or unit file where it is known.
    pub fn touched(&self) -> Vec<&PathBuf> {
        match self {
            Self::Bundle { path, .. }
            | Self::KubeconfigTrust { path, .. }
            | Self::BringKey { path, .. }
            | Self::CopyKey { to: path, .. }
            | Self::AdoptKey { to: path, .. }
            | Self::Chain { path, .. }
            | Self::Remove { path } => vec![path],
            Self::MakeKey { path, public, .. } => vec![path, public],
            Self::MakeRequest { key, request, .. } => vec![key, request],
            Self::Flags { runs_as, .. } => match runs_as {
                RunsAs::StaticPod { manifest, .. } => vec![manifest],
                _ => Vec::new(),
            },
        }
    }
}

/// One flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagSetting {
    /// Without dashes.
    pub flag: String,
    /// Its value as the process sees it (paths inside its container); `null` removes the flag.
    pub value: Option<String>,
}

/// Which rotation and which of its rounds a plan belongs to, so that a journal tells what to take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationMark {
    /// The new generation's fingerprints, first 16 hexadecimal digits each, joined by `+`; `new` while
    /// there is none yet.
    pub rotation: String,
    /// The phase.
    pub phase: crate::rotation::Phase,
    /// The round's name.
    pub round: String,
}
