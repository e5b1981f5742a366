//! kubeconfig files: whom they connect to, as whom, and with which certificate.
//!
//! Private keys and other secrets are sealed; that a user has a token, a password or a plugin is
//! noted, its contents never kept. Everything else of the file is left where it is: see
//! [`super::kubeconfig_edit`].
//! <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use kubepki_sealed::{Sealed, danger};

use super::yaml::{self, NodeRef, YamlError};
use super::yaml_edit::EditError;

/// Go's decoder, which reads kubeconfigs and Secrets, wants padding and skips line ends.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Why a text is not a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// Neither YAML nor JSON.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Some other object.
    #[error(
        "not a kubeconfig: expected kind Config with clusters, users and contexts, found {found}"
    )]
    NotAKubeconfig {
        /// The `kind` found.
        found: String,
    },
    /// There is no such user or cluster, or no context leads to it.
    #[error("no {wanted} in this kubeconfig")]
    NotFound {
        /// What was looked for, by kind and name.
        wanted: String,
    },
    /// Something is named by its path, where it should stand in the kubeconfig itself.
    #[error("{field} of {owner} is not in this kubeconfig")]
    NotEmbedded {
        /// The field.
        field: &'static str,
        /// The user whose field it is.
        owner: String,
    },
    /// The cluster is not verified at all, and kubectl refuses authorities beside that.
    #[error("cluster {cluster} has insecure-skip-tls-verify: remove it before naming authorities")]
    InsecureCluster {
        /// The cluster.
        cluster: String,
    },
    /// The text could not be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A `…-data` field is not base64.
    #[error("{field} of {owner} is not base64")]
    NotBase64 {
        /// The field.
        field: &'static str,
        /// The user or cluster whose field it is.
        owner: String,
    },
}

impl KubeconfigError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Yaml(error) => error.code(),
            Self::NotAKubeconfig { .. } => "not-a-kubeconfig",
            Self::NotBase64 { .. } => "kubeconfig-not-base64",
            Self::NotFound { .. } => "kubeconfig-not-found",
            Self::NotEmbedded { .. } => "kubeconfig-not-embedded",
            Self::InsecureCluster { .. } => "kubeconfig-insecure-cluster",
            Self::Edit(error) => error.code(),
        }
    }
}

/// A kubeconfig.
#[derive(Debug)]
pub struct Kubeconfig {
    /// `current-context`
    pub current_context: Option<String>,
    /// `contexts`
    pub contexts: Vec<Context>,
    /// `clusters`
    pub clusters: Vec<Cluster>,
    /// `users`
    pub users: Vec<User>,
}

/// A context: which user at which cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The context's name.
    pub name: String,
    /// `cluster`
    pub cluster: String,
    /// `user`
    pub user: String,
    /// `namespace`
    pub namespace: Option<String>,
}

/// A cluster: where its API server is and which authorities it is trusted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's name in this file.
    pub name: String,
    /// `server`
    pub server: Option<String>,
    /// `tls-server-name`
    pub tls_server_name: Option<String>,
    /// `insecure-skip-tls-verify`
    pub insecure_skip_tls_verify: bool,
    /// `certificate-authority-data` or `certificate-authority`.
    pub certificate_authority: Option<PublicMaterial>,
}

/// A user: as whom to connect.
#[derive(Debug)]
pub struct User {
    /// The user's name in this file.
    pub name: String,
    /// `client-certificate-data` or `client-certificate`. A file may hold the key too, so its
    /// contents are read elsewhere, sealed.
    pub client_certificate: Option<PublicMaterial>,
    /// `client-key-data` or `client-key`
    pub client_key: Option<KeyMaterial>,
    /// What else the user authenticates with, by the name of the field: `token`, `tokenFile`,
    /// `exec`, `auth-provider`, `username`. Never the contents.
    pub other_credentials: Vec<&'static str>,
}

/// Something public: embedded, or in a file.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicMaterial {
    /// The decoded bytes of the `…-data` field, PEM.
    Embedded(Vec<u8>),
    /// The path as it is spelled.
    File(PathBuf),
}

/// A private key: embedded, or in a file.
pub enum KeyMaterial {
    /// The decoded bytes of `client-key-data`, PEM.
    Embedded(Sealed),
    /// The path as it is spelled.
    File(PathBuf),
}

impl Kubeconfig {
    /// Reads a kubeconfig. The whole file is sealed, as it may hold keys and tokens.
    pub fn parse(file: &Sealed) -> Result<Self, KubeconfigError> {
        let text = yaml::text_of(danger::open(file))?;
        let documents = yaml::parse(text)?;
        let root = documents.first().map(|document| document.root());
        let root = root.ok_or_else(|| not_a_kubeconfig("nothing"))?;
        check_kind(root)?;
        let named = |list: &str, inner: &'static str| {
            let items = root.get(list).into_iter().flat_map(NodeRef::items);
            items.filter_map(move |item| Some((item.get("name")?.to_text()?, item.get(inner))))
        };
        let text_of = |node: Option<NodeRef<'_>>, key| node?.get(key)?.to_text();
        let contexts = named("contexts", "context").map(|(name, context)| Context {
            name,
            cluster: text_of(context, "cluster").unwrap_or_default(),
            user: text_of(context, "user").unwrap_or_default(),
            namespace: text_of(context, "namespace"),
        });
        Ok(Self {
            current_context: text_of(Some(root), "current-context").filter(|name| !name.is_empty()),
            contexts: contexts.collect(),
            clusters: named("clusters", "cluster")
                .map(|(name, cluster)| Cluster::of_node(name, cluster))
                .collect::<Result<_, _>>()?,
            users: named("users", "user")
                .map(|(name, user)| User::of_node(name, user))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The context that is used; where `current-context` is not set, the only one there is.
    pub fn current(&self) -> Option<&Context> {
        match (&self.current_context, self.contexts.as_slice()) {
            (Some(name), contexts) => contexts.iter().find(|context| context.name == *name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// The user of the current context; where there is no context, the only user there is.
    pub fn current_user(&self) -> Option<&User> {
        match (self.current(), self.users.as_slice()) {
            (Some(context), _) => self.user(&context.user),
            (None, [only]) if self.contexts.is_empty() => Some(only),
            _ => None,
        }
    }

    /// The cluster of the current context; where there is no context, the only cluster there is.
    pub fn current_cluster(&self) -> Option<&Cluster> {
        match (self.current(), self.clusters.as_slice()) {
            (Some(context), _) => self.cluster(&context.cluster),
            (None, [only]) if self.contexts.is_empty() => Some(only),
            _ => None,
        }
    }

    /// A user by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The embedded client certificate of a user, PEM.
    pub fn client_certificate_data(&self, user: &str) -> Result<&[u8], KubeconfigError> {
        let found = self.user(user).ok_or_else(|| not_found("user", user))?;
        let certificate = found
            .client_certificate
            .as_ref()
            .and_then(PublicMaterial::embedded);
        certificate.ok_or_else(|| not_embedded("client-certificate-data", user))
    }

    /// The embedded client key of a user, PEM.
    pub fn client_key_data(&self, user: &str) -> Result<Sealed, KubeconfigError> {
        let found = self.user(user).ok_or_else(|| not_found("user", user))?;
        let key = found.client_key.as_ref().and_then(KeyMaterial::embedded);
        let key = key.ok_or_else(|| not_embedded("client-key-data", user))?;
        Ok(Sealed::new(danger::open(key).to_vec()))
    }

    /// A cluster by name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }
}

impl PublicMaterial {
    /// The file, relative paths taken from the folder of the kubeconfig. None if embedded.
    pub fn path_from(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::Embedded(_) => None,
            Self::File(path) => Some(folder.join(path)),
        }
    }

    /// The embedded bytes. None if in a file.
    pub fn embedded(&self) -> Option<&[u8]> {
        match self {
            Self::Embedded(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }
}

impl fmt::Debug for PublicMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(bytes) => write!(formatter, "Embedded({} bytes)", bytes.len()),
            Self::File(path) => write!(formatter, "File({})", path.display()),
        }
    }
}

impl KeyMaterial {
    /// The file, relative paths taken from the folder of the kubeconfig. None if embedded.
    pub fn path_from(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::Embedded(_) => None,
            Self::File(path) => Some(folder.join(path)),
        }
    }

    /// The embedded key. None if in a file.
    pub fn embedded(&self) -> Option<&Sealed> {
        match self {
            Self::Embedded(key) => Some(key),
            Self::File(_) => None,
        }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(_) => formatter.write_str("Embedded(sealed)"),
            Self::File(path) => write!(formatter, "File({})", path.display()),
        }
    }
}

impl Cluster {
    fn of_node(name: String, node: Option<NodeRef<'_>>) -> Result<Self, KubeconfigError> {
        let field = |key| node?.get(key);
        let data = embedded(node, "certificate-authority-data", "cluster", &name)?;
        Ok(Self {
            server: field("server").and_then(NodeRef::to_text),
            tls_server_name: field("tls-server-name").and_then(NodeRef::to_text),
            insecure_skip_tls_verify: field("insecure-skip-tls-verify")
                .and_then(NodeRef::as_bool)
                .unwrap_or(false),
            certificate_authority: data
                .map(PublicMaterial::Embedded)
                .or_else(|| file(node, "certificate-authority").map(PublicMaterial::File)),
            name,
        })
    }
}

impl User {
    fn of_node(name: String, node: Option<NodeRef<'_>>) -> Result<Self, KubeconfigError> {
        let certificate = embedded(node, "client-certificate-data", "user", &name)?;
        let key = embedded(node, "client-key-data", "user", &name)?;
        let present = |key: &&'static str| {
            node.and_then(|node| node.get(key))
                .is_some_and(|field| !field.is_null())
        };
        let others = ["token", "tokenFile", "exec", "auth-provider", "username"];
        Ok(Self {
            // client-go: the data field is stronger than the file.
            client_certificate: certificate
                .map(PublicMaterial::Embedded)
                .or_else(|| file(node, "client-certificate").map(PublicMaterial::File)),
            client_key: key
                .map(|key| KeyMaterial::Embedded(Sealed::new(key)))
                .or_else(|| file(node, "client-key").map(KeyMaterial::File)),
            other_credentials: others.into_iter().filter(present).collect(),
            name,
        })
    }
}

pub(super) fn check_kind(root: NodeRef<'_>) -> Result<(), KubeconfigError> {
    let kind = root.get("kind").and_then(NodeRef::as_str);
    let looks_right = root.get("clusters").is_some() || root.get("users").is_some();
    match kind {
        Some("Config") => Ok(()),
        // kubectl takes a file without a kind.
        None if looks_right => Ok(()),
        Some(kind) => Err(not_a_kubeconfig(kind)),
        None => Err(not_a_kubeconfig("no kind")),
    }
}

fn not_a_kubeconfig(found: &str) -> KubeconfigError {
    KubeconfigError::NotAKubeconfig {
        found: found.to_owned(),
    }
}

pub(super) fn not_found(kind: &str, name: &str) -> KubeconfigError {
    KubeconfigError::NotFound {
        wanted: format!("{kind} {name}"),
    }
}

fn not_embedded(field: &'static str, user: &str) -> KubeconfigError {
    KubeconfigError::NotEmbedded {
        field,
        owner: format!("user {user}"),
    }
}

fn file(node: Option<NodeRef<'_>>, key: &str) -> Option<PathBuf> {
    node?
        .get(key)?
        .as_str()
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

fn embedded(
    node: Option<NodeRef<'_>>,
    field: &'static str,
    kind: &str,
    owner: &str,
) -> Result<Option<Vec<u8>>, KubeconfigError> {
    let value = node
        .and_then(|node| node.get(field))
        .and_then(NodeRef::as_str);
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let decoded = decode_base64(value);
    let error = || KubeconfigError::NotBase64 {
        field,
        owner: format!("{kind} {owner}"),
    };
    decoded.map(Some).ok_or_else(error)
}

/// Base64 as Go reads it: line ends inside are skipped.
pub(super) fn decode_base64(value: &str) -> Option<Vec<u8>> {
    if value.contains(['\n', '\r', ' ']) {
        let mut joined = zeroize::Zeroizing::new(String::with_capacity(value.len()));
        joined.extend(
            value
                .chars()
                .filter(|letter| !matches!(letter, '\n' | '\r' | ' ')),
        );
        return BASE64.decode(joined.as_bytes()).ok();
    }
    BASE64.decode(value).ok()
}
