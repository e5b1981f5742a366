//! The plan document, as saved by `--plan-out` and read by `kubepki apply`.
//!
//! Format: JSON, `apiVersion: kubepki.dev/v1alpha1`, `kind: Plan`. The id is the SHA-256 of the
//! content without the id, so that an edited plan is noticed.

use super::file_edit::{FileEdit, RotationMark};
use super::plan_file;
use crate::layouts::profiles::Usage;
use crate::model::{ComponentKind, Holder, KubeconfigUser, Role, RunsAs};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// API version of every document that kubepki writes.
pub const API_VERSION: &str = "kubepki.dev/v1alpha1";

/// A plan for one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// [`API_VERSION`].
    pub api_version: String,
    /// `Plan`.
    pub kind: String,
    /// SHA-256 of the content, first 16 hexadecimal digits.
    pub id: String,
    /// The verb that made it, e.g. `renew`.
    pub verb: String,
    /// The host it is for.
    pub host: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The files it was made from: carried out only while they are the same.
    pub basis: Vec<BasisFile>,
    /// Certificates to issue, authorities first.
    pub issuances: Vec<Issuance>,
    /// Files to bring back from a backup instead of issuing anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restoration: Option<Restoration>,
    /// Kubeconfigs whose CA data is brought up to date.
    pub trust_updates: Vec<TrustUpdate>,
    /// Other changes of files, done with the rest: bundles, flags, keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_edits: Vec<FileEdit>,
    /// The rotation that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationMark>,
    /// Components that must take up what was written, in order.
    pub components: Vec<ComponentAction>,
    /// Folders whose files are run as static pods: nothing else may be written there.
    pub static_pod_folders: Vec<PathBuf>,
    /// What the user should know before saying yes.
    pub notices: Vec<Notice>,
}

/// One file of the basis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasisFile {
    /// The path on the host.
    pub path: PathBuf,
    /// SHA-256 of its contents, hexadecimal; `null` when it did not exist.
    pub sha256: Option<String>,
}

/// One certificate to issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuance {
    /// The entry's or authority's name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where subject, names, usages and extensions come from.
    pub origin: Origin,
    /// Who signs.
    pub signer: Signer,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// The key.
    pub key: KeyChoice,
    /// Subject alternative names that replace the old ones; `null` keeps them byte for byte.
    pub subject_alt_names: Option<Vec<String>>,
    /// Where it goes.
    pub destination: Holder,
    /// A kubeconfig whose user is pointed at `destination` instead of holding the certificate.
    pub point_kubeconfig: Option<KubeconfigUser>,
    /// Further bundles that hold the same certificate (copies of a CA); they get the new one too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<PathBuf>,
}

impl Issuance {
    /// The name as a file name: `etcd-server` for `etcd-server`, the path's dashes for a path.
    pub fn file_stem(&self) -> String {
        self.name.trim_matches('/').replace('/', "-")
    }
}

/// A kubeconfig whose CA data is brought up to date, beside a new client certificate or alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustUpdate {
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// The cluster in it.
    pub cluster: String,
    /// The file whose whole bundle becomes the cluster's CA data.
    pub bundle: PathBuf,
}

/// Where a certificate's content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Origin {
    /// The certificate that is there: everything but serial, dates, key and signature is kept.
    Certificate {
        /// Where it is now.
        holder: Holder,
        /// SHA-256 of the certificate, hexadecimal.
        fingerprint_sha256: String,
        /// Its subject, to show.
        subject: String,
        /// Its end of validity, to show.
        not_after: Timestamp,
    },
    /// What is there is lost or wrong: the content of another certificate, which the plan carries
    /// (a sibling's on another host, the last backup's, or one made from a profile).
    Template {
        /// The certificate to take subject, names, usages and extensions from, as PEM.
        certificate_pem: String,
        /// Where it comes from, to show.
        source: String,
        /// Subject CN that replaces the template's (`system:node:w1`), when it must differ.
        common_name: Option<String>,
    },
    /// Nothing is there: what the profile of its role says. Its names are the issuance's.
    Profile {
        /// CN.
        common_name: String,
        /// O, repeated.
        organizations: Vec<String>,
        /// Extended key usages.
        usages: Vec<Usage>,
    },
    /// Nothing is there: a client certificate of this subject.
    Client {
        /// CN.
        common_name: String,
        /// O, repeated.
        organizations: Vec<String>,
    },
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Signer {
    /// A certification authority of this host.
    Authority {
        /// Its name.
        name: String,
        /// Its bundle.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// SHA-256 of the issuing certificate; when that is renewed in the same plan, of the old one.
        fingerprint_sha256: String,
    },
    /// The certificate's own key (a CA renewed with the same key).
    ItsOwnKey,
    /// A one-time CA that travels behind the leaf and whose key is dropped, as the kubelet makes it.
    OneTimeAuthority,
    /// A certification authority of another host: the key is made here, only the request travels.
    Elsewhere {
        /// That host's name in the cluster document.
        host: String,
        /// The authority's name.
        name: String,
        /// Its bundle there.
        certificate: PathBuf,
        /// Its key there.
        key: PathBuf,
        /// SHA-256 of the issuing certificate; when that is renewed in the same cluster plan, of
        /// the old one; empty when an earlier step of it makes another CA with a new key.
        fingerprint_sha256: String,
    },
    /// Nobody: the certificate exists, or will by then, and is brought along with the plan. For
    /// copies of a CA certificate on other hosts; no key is touched.
    Given {
        /// The host whose plan issues it, by its name in the cluster document.
        host: String,
        /// The name of that issuance.
        name: String,
        /// SHA-256, when it exists already; `null` when an earlier step makes it.
        fingerprint_sha256: Option<String>,
    },
    /// Somebody else: only `NAME.csr` and its new `NAME.key` are written, into this folder.
    Request {
        /// The folder.
        directory: PathBuf,
    },
    /// Somebody else did: `NAME.crt` and `NAME.key` are taken from this folder.
    Installed {
        /// The folder.
        directory: PathBuf,
        /// The bundle of the authority that must have signed it.
        authority: Option<PathBuf>,
    },
}

/// The key of a new certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum KeyChoice {
    /// A new key of this type, spelled as on the command line, e.g. `rsa:2048`.
    Generate {
        /// The type.
        key_type: String,
    },
    /// The key that is there.
    Reuse,
}

/// How a component takes up new files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum TakeUp {
    /// It re-reads by itself; the live endpoint is asked until it serves the new certificate. When
    /// it is not healthy it is restarted instead.
    Reload {
        /// The longest it takes, as measured.
        within_seconds: u32,
    },
    /// It must be restarted.
    Restart,
}

/// Files that come back from a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restoration {
    /// The archive on the host.
    pub archive: PathBuf,
    /// Paths in it that are brought back; those that were absent then are removed.
    pub paths: Vec<PathBuf>,
    /// The run that is undone, when it is one.
    pub undoes: Option<String>,
}

/// What one component has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentAction {
    /// The component.
    pub component: ComponentKind,
    /// How it runs, hence how it is restarted.
    pub runs_as: RunsAs,
    /// What it has to do.
    pub take_up: TakeUp,
    /// Why: the names of what changed and the flags that name them.
    pub reasons: Vec<String>,
    /// Stopped before it is restarted and started after it, in this order: the API server that knows
    /// only the etcd member of its own host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parks: Vec<ComponentKind>,
}

/// Something to know before saying yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Stable kebab-case code.
    pub code: String,
    /// What it is about.
    pub object: String,
    /// One sentence.
    pub message: String,
}

impl Notice {
    /// Whether it tells what was asked for and is not part of the plan.
    pub fn is_left_out(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ca-copy-left"
                | "ca-expired"
                | "ca-key-mismatch"
                | "ca-not-renewable"
                | "external-ca"
                | "not-renewable"
                | "trust-left"
        )
    }
}

/// A plan file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// Not JSON of a plan.
    #[error("not a plan: {0}")]
    Syntax(String),
    /// Another kind or version of document.
    #[error("expected a Plan or ClusterPlan of {API_VERSION}, found {found}")]
    OtherKind {
        /// apiVersion and kind found.
        found: String,
    },
    /// The content was edited after the id was made.
    #[error("the plan's content was changed after it was made (id {expected}, content {found})")]
    Edited {
        /// The id in the file.
        expected: String,
        /// The id of the content.
        found: String,
    },
}

impl Plan {
    /// Whether there is nothing to do: nothing to write, and nothing to take up.
    pub fn is_empty(&self) -> bool {
        self.writes_nothing() && self.components.is_empty()
    }

    /// Whether nothing is written: components only take up what lies there.
    pub fn only_takes_up(&self) -> bool {
        self.writes_nothing() && !self.components.is_empty()
    }

    fn writes_nothing(&self) -> bool {
        self.issuances.is_empty()
            && self.trust_updates.is_empty()
            && self.file_edits.is_empty()
            && self.restoration.is_none()
    }

    /// What was asked for and is not part of the plan, because it cannot be done here.
    pub fn left_out(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| notice.is_left_out())
    }

    /// Gives the plan the id of its content.
    pub fn with_id(mut self) -> Self {
        self.id = self.content_id();
        self
    }

    /// Reads a plan file and checks that it is the plan that was saved.
    pub fn from_json(text: &str) -> Result<Self, PlanFileError> {
        let plan: Self = plan_file::read(text, "Plan")?;
        plan_file::check_id(plan.id.clone(), plan.content_id())?;
        Ok(plan)
    }

    fn content_id(&self) -> String {
        let mut content = self.clone();
        content.id = String::new();
        plan_file::id_of(&content)
    }

    /// Every file that carrying the plan out may write.
    pub fn touched_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut add = |path: &PathBuf| {
            if !files.contains(path) {
                files.push(path.clone());
            }
        };
        for issuance in &self.issuances {
            if let Signer::Request { directory } = &issuance.signer {
                add(&directory.join(format!("{}.csr", issuance.file_stem())));
                add(&directory.join(format!("{}.key", issuance.file_stem())));
                continue;
            }
            issuance.copies.iter().for_each(&mut add);
            match &issuance.destination {
                Holder::Files { certificate, key } => {
                    add(certificate);
                    if let (Some(key), KeyChoice::Generate { .. }) = (key, &issuance.key) {
                        add(key);
                    }
                }
                Holder::Kubeconfig { path, .. } => add(path),
                Holder::CertificateStore { link, target } => {
                    add(link);
                    if let Some(target) = target {
                        add(target);
                    }
                }
            }
            if let Some(user) = &issuance.point_kubeconfig {
                add(&user.path);
            }
        }
        for update in &self.trust_updates {
            add(&update.kubeconfig);
        }
        for path in self.file_edits.iter().flat_map(FileEdit::touched) {
            add(path);
        }
        for path in self.restoration.iter().flat_map(|it| &it.paths) {
            add(path);
        }
        for action in &self.components {
            if let RunsAs::StaticPod { manifest, .. } = &action.runs_as {
                add(manifest);
            }
        }
        files
    }
}
