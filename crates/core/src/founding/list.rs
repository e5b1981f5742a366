//! The list of what to make: certificates with their signers, dates, keys and files, signers first.

use super::layout::Destination;
use crate::plan::Notice;
use jiff::Timestamp;
use kubepki_x509::{ExtendedKeyUsage, GeneralName, Name};
use std::path::PathBuf;

/// What is to be made. It holds no secret and leaves nothing to decide.
#[derive(Clone, Debug, Default)]
pub struct Founding {
    /// Authorities that were there before and that something here is signed by or trusts.
    pub existing_authorities: Vec<ExistingAuthority>,
    /// Certificates, each after the authority that signs it.
    pub makings: Vec<Making>,
    /// Key pairs for service-account tokens.
    pub service_account_keys: Vec<ServiceAccountKeyMaking>,
    /// Files that were there before and stay as they are.
    pub kept: Vec<PathBuf>,
    /// What to know before saying yes.
    pub notices: Vec<Notice>,
}

/// An authority that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingAuthority {
    /// Its name in the layout.
    pub name: String,
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file; none for an external authority.
    pub key: Option<PathBuf>,
    /// The authority that it would be signed by, whose certificates may travel along.
    pub signer: Option<String>,
}

/// One certificate to make, with its key.
#[derive(Clone, Debug)]
pub struct Making {
    /// Its name in the layout.
    pub name: String,
    /// The subject.
    pub subject: Name,
    /// What it certifies.
    pub certifies: Certifies,
    /// Where its signature comes from.
    pub source: Source,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// The kind of key to make, e.g. `rsa:2048`.
    pub key_type: String,
    /// Where it goes.
    pub destination: Destination,
}

/// What a certificate certifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certifies {
    /// A certification authority.
    Authority {
        /// pathLenConstraint.
        path_length: Option<u32>,
    },
    /// A server or a client.
    Leaf {
        /// Extended key usages.
        usages: Vec<ExtendedKeyUsage>,
        /// Subject alternative names.
        names: Vec<GeneralName>,
    },
}

/// Where a signature comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From its own key.
    Itself,
    /// From this authority.
    Authority(String),
    /// From somebody else, later: `NAME.key` and `NAME.csr` are written into this folder.
    Request(PathBuf),
    /// From somebody else, already: `NAME.key` and `NAME.crt` are in this folder.
    Installed {
        /// The folder.
        directory: PathBuf,
        /// The authority that must have signed it, where its certificate is known.
        authority: Option<String>,
    },
}

/// A key pair to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountKeyMaking {
    /// Its name in the layout.
    pub name: String,
    /// The private key's file.
    pub private: PathBuf,
    /// The public key's file.
    pub public: PathBuf,
    /// The kind of key to make; none where the private key is there and only lacks its public half.
    pub key_type: Option<String>,
}

impl Founding {
    /// Whether there is nothing to make.
    pub fn is_empty(&self) -> bool {
        self.makings.is_empty() && self.service_account_keys.is_empty()
    }

    /// Whether anything has to be signed by somebody else.
    pub fn has_requests(&self) -> bool {
        self.makings
            .iter()
            .any(|making| matches!(making.source, Source::Request(_)))
    }

    /// Every file that will be made.
    pub fn paths(&self) -> Vec<PathBuf> {
        let makings = self.makings.iter().flat_map(Making::paths);
        let keys = self.service_account_keys.iter().flat_map(|pair| {
            let private = pair.key_type.as_ref().map(|_| pair.private.clone());
            private.into_iter().chain([pair.public.clone()])
        });
        makings.chain(keys).collect()
    }
}

impl Making {
    /// Every file that will be made for it.
    pub fn paths(&self) -> Vec<PathBuf> {
        match &self.source {
            Source::Request(directory) => vec![
                directory.join(format!("{}.key", self.file_stem())),
                directory.join(format!("{}.csr", self.file_stem())),
            ],
            _ => self
                .destination
                .paths()
                .into_iter()
                .map(PathBuf::from)
                .collect(),
        }
    }

    /// The name as a file name.
    pub fn file_stem(&self) -> String {
        self.name.trim_matches('/').replace('/', "-")
    }
}
