//! A layout checked: names, usages, paths and signers that fit together, ready to be planned from.

use super::document::{DeclaredLayout, DeclaredServiceAccountKey, DeclaredSubject};
use super::names::{subject_alt_names, usages};
use crate::model::role::{AuthorityName, Role};
use crate::plan::document::API_VERSION;
use crate::plan::lifetime::{EndRule, LifetimeSyntaxError};
use kubepki_x509::{ExtendedKeyUsage, GeneralName, GeneralNameError, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Where relative paths of a layout begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The folder of certificates and keys (`--cert-dir`).
    pub certificates: PathBuf,
    /// The folder of kubeconfigs.
    pub kubeconfigs: PathBuf,
}

impl Folders {
    /// Kubeconfigs lie in the folder above the certificates', as kubeadm has it.
    pub fn of(certificates: PathBuf) -> Self {
        let above = certificates.parent().unwrap_or(Path::new("/"));
        Self {
            kubeconfigs: above.to_owned(),
            certificates,
        }
    }
}

/// A layout that holds together.
#[derive(Clone, Debug)]
pub struct Declarations {
    /// Authorities, each after the one that signs it.
    pub authorities: Vec<Authority>,
    /// Certificates, then kubeconfigs, as declared.
    pub leafs: Vec<Leaf>,
    /// Key pairs for service-account tokens.
    pub service_account_keys: Vec<ServiceAccountKey>,
}

/// A certification authority to be.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its name in the layout.
    pub name: String,
    /// The subject.
    pub subject: Name,
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file; empty for one that was given without its key.
    pub key: PathBuf,
    /// The authority that signs it; none for its own key.
    pub signer: Option<String>,
    /// pathLenConstraint.
    pub path_length: Option<u32>,
    /// Its own end, where it has one.
    pub end: Option<EndRule>,
    /// Its own kind of key, where it has one.
    pub key_type: Option<String>,
    /// Whether it was made elsewhere and is only used here: never made, whatever is missing.
    pub given: bool,
    /// Which of the cluster's authorities it is, where that was said.
    pub role: Option<AuthorityName>,
}

/// A certificate to be, that signs no other.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its name in the layout.
    pub name: String,
    /// The subject.
    pub subject: Name,
    /// Extended key usages.
    pub usages: Vec<ExtendedKeyUsage>,
    /// Subject alternative names.
    pub names: Vec<GeneralName>,
    /// The authority that signs it.
    pub signer: String,
    /// Its own end, where it has one.
    pub end: Option<EndRule>,
    /// Its own kind of key, where it has one.
    pub key_type: Option<String>,
    /// Where it goes.
    pub destination: Destination,
    /// What it is for, where that was said.
    pub role: Option<Role>,
}

/// Where a certificate and its key go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into files; one file for both where the paths are the same.
    Files {
        /// The certificate's.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// Into a kubeconfig.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The cluster's name in it.
        cluster: String,
        /// The API server's URL.
        server: String,
        /// The user's name in it.
        user: String,
        /// The authority that the API server is verified with.
        trusts: String,
    },
}

/// A key pair to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountKey {
    /// Its name in the layout.
    pub name: String,
    /// The private key's file.
    pub private: PathBuf,
    /// The public key's file.
    pub public: PathBuf,
    /// Its own kind of key, where it has one.
    pub key_type: Option<String>,
}

/// A layout that does not hold together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Not YAML of a layout.
    #[error("not a layout: {0}")]
    Syntax(String),
    /// Another document.
    #[error("expected {API_VERSION} Layout, found {found}")]
    OtherKind {
        /// apiVersion and kind found.
        found: String,
    },
    /// Two things of one name.
    #[error("`{name}` is declared twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A signer that is not declared.
    #[error(
        "`{name}` is signed by `{signer}`, which is no authority of this layout; there are: {known}"
    )]
    UnknownSigner {
        /// Who names it.
        name: String,
        /// The name.
        signer: String,
        /// The authorities there are.
        known: String,
    },
    /// Authorities that sign each other in a circle.
    #[error(
        "authority `{name}` would be signed by itself through `{signer}`: leave its signer out"
    )]
    SignerCycle {
        /// The authority.
        name: String,
        /// Its signer.
        signer: String,
    },
    /// A subject alternative name that is none.
    #[error("`{name}`: {source}")]
    GeneralName {
        /// The certificate.
        name: String,
        /// What is wrong.
        source: GeneralNameError,
    },
    /// An extended key usage that is none.
    #[error(
        "`{name}`: `{found}` is no extended key usage; expected serverAuth, clientAuth or an object identifier"
    )]
    Usage {
        /// The certificate.
        name: String,
        /// As written.
        found: String,
    },
    /// Nothing says whom it is for.
    #[error("`{name}` has an empty common name")]
    NoCommonName {
        /// The certificate.
        name: String,
    },
    /// Two things would be written into one file.
    #[error("`{first}` and `{second}` would both be written into {}", path.display())]
    SamePath {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// The file.
        path: PathBuf,
    },
    /// A key that cannot sign tokens.
    #[error("`{name}`: kube-apiserver signs tokens with RSA and ECDSA keys only, found {found}")]
    ServiceAccountKeyType {
        /// The key pair.
        name: String,
        /// As declared.
        found: String,
    },
    /// A validity that cannot be read.
    #[error("`{name}`: {source}")]
    Lifetime {
        /// The certificate.
        name: String,
        /// What is wrong.
        source: LifetimeSyntaxError,
    },
}

impl LayoutError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::OtherKind { .. } => "not-a-layout",
            Self::Duplicate { .. } => "layout-duplicate-name",
            Self::UnknownSigner { .. } => "layout-unknown-signer",
            Self::SignerCycle { .. } => "layout-signer-cycle",
            Self::GeneralName { .. } => "layout-subject-alt-name",
            Self::Usage { .. } => "layout-usage",
            Self::NoCommonName { .. } => "layout-no-common-name",
            Self::SamePath { .. } => "layout-same-path",
            Self::ServiceAccountKeyType { .. } => "layout-service-account-key-type",
            Self::Lifetime { .. } => "layout-validity",
        }
    }
}

impl DeclaredLayout {
    /// Checks the layout; relative paths begin in `folders`.
    pub fn checked(&self, folders: &Folders) -> Result<Declarations, LayoutError> {
        self.check_names()?;
        let declarations = Declarations {
            authorities: self.authorities_in(&folders.certificates)?,
            leafs: self.leafs_in(folders)?,
            service_account_keys: self.service_account_keys_in(&folders.certificates)?,
        };
        declarations.check_paths()?;
        Ok(declarations)
    }

    fn check_names(&self) -> Result<(), LayoutError> {
        let mut seen = BTreeSet::new();
        let names = (self.authorities.iter().map(|it| &it.name))
            .chain(self.certificates.iter().map(|it| &it.name))
            .chain(self.kubeconfigs.iter().map(|it| &it.name))
            .chain(self.service_account_keys.iter().map(|it| &it.name));
        for name in names {
            if !seen.insert(name) {
                return Err(LayoutError::Duplicate { name: name.clone() });
            }
        }
        let known = |name: &str| {
            self.authorities
                .iter()
                .any(|authority| authority.name == name)
        };
        let authorities = self
            .authorities
            .iter()
            .map(|it| (&it.name, it.signer.as_ref()));
        let certificates = self
            .certificates
            .iter()
            .map(|it| (&it.name, Some(&it.signer)));
        let kubeconfigs = self
            .kubeconfigs
            .iter()
            .flat_map(|it| [Some(&it.signer), it.trusts.as_ref()].map(|signer| (&it.name, signer)));
        for (name, signer) in authorities.chain(certificates).chain(kubeconfigs) {
            if let Some(signer) = signer.filter(|signer| !known(signer)) {
                let known: Vec<&str> = self.authorities.iter().map(|it| it.name.as_str()).collect();
                return Err(LayoutError::UnknownSigner {
                    name: name.clone(),
                    signer: signer.clone(),
                    known: known.join(", "),
                });
            }
        }
        Ok(())
    }

    fn authorities_in(&self, folder: &Path) -> Result<Vec<Authority>, LayoutError> {
        let mut waiting: Vec<Authority> = Vec::new();
        for declared in &self.authorities {
            waiting.push(Authority {
                name: declared.name.clone(),
                subject: subject(&declared.name, &declared.subject)?,
                certificate: folder.join(&declared.certificate),
                key: folder.join(&declared.key),
                signer: declared.signer.clone(),
                path_length: declared.path_length,
                end: end(&declared.name, declared.validity.as_deref())?,
                key_type: declared.key_type.clone(),
                given: false,
                role: declared.role,
            });
        }
        let mut ordered: Vec<Authority> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|authority| {
                authority
                    .signer
                    .as_ref()
                    .is_none_or(|signer| ordered.iter().any(|earlier| earlier.name == *signer))
            });
            match (ready, waiting.first()) {
                (Some(position), _) => ordered.push(waiting.remove(position)),
                (None, Some(stuck)) => {
                    return Err(LayoutError::SignerCycle {
                        name: stuck.name.clone(),
                        signer: stuck.signer.clone().unwrap_or_default(),
                    });
                }
                (None, None) => break,
            }
        }
        Ok(ordered)
    }

    fn leafs_in(&self, folders: &Folders) -> Result<Vec<Leaf>, LayoutError> {
        let mut leafs = Vec::new();
        for declared in &self.certificates {
            leafs.push(Leaf {
                name: declared.name.clone(),
                subject: subject(&declared.name, &declared.subject)?,
                usages: usages(&declared.name, &declared.usages)?,
                names: subject_alt_names(&declared.name, &declared.names)?,
                signer: declared.signer.clone(),
                end: end(&declared.name, declared.validity.as_deref())?,
                key_type: declared.key_type.clone(),
                destination: Destination::Files {
                    certificate: folders.certificates.join(&declared.certificate),
                    key: folders.certificates.join(&declared.key),
                },
                role: declared.role,
            });
        }
        for declared in &self.kubeconfigs {
            let common_name = &declared.subject.common_name;
            leafs.push(Leaf {
                name: declared.name.clone(),
                subject: subject(&declared.name, &declared.subject)?,
                usages: vec![ExtendedKeyUsage::ClientAuth],
                names: Vec::new(),
                signer: declared.signer.clone(),
                end: end(&declared.name, declared.validity.as_deref())?,
                key_type: declared.key_type.clone(),
                destination: Destination::Kubeconfig {
                    file: folders.kubeconfigs.join(&declared.file),
                    cluster: declared.cluster.clone(),
                    server: declared.server.clone(),
                    user: declared.user.as_ref().unwrap_or(common_name).clone(),
                    trusts: declared.trusts.as_ref().unwrap_or(&declared.signer).clone(),
                },
                role: declared.role,
            });
        }
        Ok(leafs)
    }

    fn service_account_keys_in(
        &self,
        folder: &Path,
    ) -> Result<Vec<ServiceAccountKey>, LayoutError> {
        let checked = |pair: &DeclaredServiceAccountKey| match pair.key_type.as_deref() {
            Some("ed25519") => Err(LayoutError::ServiceAccountKeyType {
                name: pair.name.clone(),
                found: "ed25519".to_owned(),
            }),
            _ => Ok(ServiceAccountKey {
                name: pair.name.clone(),
                private: folder.join(&pair.private),
                public: folder.join(&pair.public),
                key_type: pair.key_type.clone(),
            }),
        };
        self.service_account_keys.iter().map(checked).collect()
    }
}

impl Declarations {
    /// The authority of this name.
    pub fn authority(&self, name: &str) -> Option<&Authority> {
        self.authorities
            .iter()
            .find(|authority| authority.name == name)
    }

    /// Has an authority from elsewhere sign every authority that would have signed itself.
    pub fn sign_authorities_with(&mut self, given: Authority) {
        for authority in &mut self.authorities {
            authority.signer.get_or_insert_with(|| given.name.clone());
        }
        self.authorities.insert(
            0,
            Authority {
                given: true,
                ..given
            },
        );
    }

    fn check_paths(&self) -> Result<(), LayoutError> {
        let mut owners: BTreeMap<&Path, &str> = BTreeMap::new();
        let authorities = self.authorities.iter().flat_map(|it| {
            [
                (it.certificate.as_path(), it.name.as_str()),
                (it.key.as_path(), it.name.as_str()),
            ]
        });
        let leafs = self.leafs.iter().flat_map(|it| {
            it.destination
                .paths()
                .into_iter()
                .map(|path| (path, it.name.as_str()))
        });
        let keys = self.service_account_keys.iter().flat_map(|it| {
            [
                (it.private.as_path(), it.name.as_str()),
                (it.public.as_path(), it.name.as_str()),
            ]
        });
        for (path, name) in authorities.chain(leafs).chain(keys) {
            if let Some(first) = owners.insert(path, name) {
                return Err(LayoutError::SamePath {
                    first: first.to_owned(),
                    second: name.to_owned(),
                    path: path.to_path_buf(),
                });
            }
        }
        Ok(())
    }
}

impl Destination {
    /// Every file, each once.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Files { certificate, key } if certificate == key => vec![certificate],
            Self::Files { certificate, key } => vec![certificate, key],
            Self::Kubeconfig { file, .. } => vec![file],
        }
    }
}

fn subject(name: &str, declared: &DeclaredSubject) -> Result<Name, LayoutError> {
    if declared.common_name.is_empty() {
        return Err(LayoutError::NoCommonName {
            name: name.to_owned(),
        });
    }
    let organizations: Vec<&str> = declared.organizations.iter().map(String::as_str).collect();
    Ok(Name::common(&declared.common_name, &organizations))
}

fn end(name: &str, validity: Option<&str>) -> Result<Option<EndRule>, LayoutError> {
    let parsed = validity.map(str::parse).transpose();
    parsed.map_err(|source| LayoutError::Lifetime {
        name: name.to_owned(),
        source,
    })
}
