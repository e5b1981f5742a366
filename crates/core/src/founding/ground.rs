//! The ground on which a PKI is founded: what is there already.

use kubepki_x509::{Certificate, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was found where a PKI is to be made.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// Of the paths that were asked about, those at which there is something.
    pub existing: BTreeSet<PathBuf>,
    /// Authorities of the layout of which the certificate is there, by name.
    pub authorities: BTreeMap<String, AuthorityGround>,
}

/// An authority that was there before.
#[derive(Clone, Debug)]
pub struct AuthorityGround {
    /// Every certificate in its file, in order.
    pub bundle: Vec<Certificate>,
    /// The public half of its key, where that is there.
    pub key: Option<PublicKey>,
}

impl Ground {
    /// Whether there is something at `path`.
    pub fn has(&self, path: &Path) -> bool {
        self.existing.contains(path)
    }
}

impl AuthorityGround {
    /// The certificate that signs: the one that the key belongs to.
    pub fn signing(&self) -> Option<&Certificate> {
        let key = self.key.as_ref()?;
        self.bundle
            .iter()
            .find(|certificate| certificate.public_key() == key)
    }
}
