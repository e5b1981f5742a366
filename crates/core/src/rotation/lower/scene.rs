//! What lowering looks at, and what the rounds before have done to it.

use super::error::LowerError;
use crate::connections::Place;
use crate::model::cluster::ClusterObservation;
use crate::model::{
    Authority, AuthorityName, ComponentKind, Inventory, KubeconfigTrust, ServiceAccountKey,
    ServiceAccountKeyContents,
};
use crate::plan::HostView;
use crate::rotation::generations::{own_files, public_keys, successor_of};
use crate::rotation::picture::{Generation, Picture, RootPicture};
use crate::rotation::plan::RotationRequest;
use crate::rotation::root::Root;
use crate::rotation::{Holds, Purpose, successor};
use jiff::Timestamp;
use kubepki_x509::{Certificate, PublicKey, pem};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Everything that is known, with the rounds before.
pub(super) struct Scene<'a> {
    pub(super) picture: &'a Picture,
    pub(super) hosts: &'a [HostView<'a>],
    pub(super) cluster: Option<&'a ClusterObservation>,
    pub(super) request: &'a RotationRequest,
    pub(super) now: Timestamp,
    /// Files that earlier rounds of this plan change: of these nobody knows the contents beforehand.
    pub(super) touched: BTreeSet<(String, PathBuf)>,
    /// Hosts where the successor has taken its place.
    pub(super) installed: BTreeSet<(String, Root)>,
    /// What polls its files, by component and flag, and is awaited on an earlier host already.
    pub(super) awaited: BTreeSet<(ComponentKind, String)>,
    /// Components that are stopped at this point: they take nothing up before they are started.
    pub(super) halted: BTreeSet<(String, ComponentKind)>,
}

/// A root's own certificate with its key.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) authority: &'a Authority,
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
}

impl<'a> Scene<'a> {
    /// Before the first round.
    pub(super) fn begun(
        picture: &'a Picture,
        hosts: &'a [HostView<'a>],
        cluster: Option<&'a ClusterObservation>,
        request: &'a RotationRequest,
        now: Timestamp,
    ) -> Self {
        Self {
            picture,
            hosts,
            cluster,
            request,
            now,
            touched: BTreeSet::new(),
            installed: BTreeSet::new(),
            awaited: BTreeSet::new(),
            halted: BTreeSet::new(),
        }
    }

    pub(super) fn inventory(&self, host: &str) -> Result<&'a Inventory, LowerError> {
        let found = self.hosts.iter().find(|view| view.name == host);
        found
            .map(|view| view.inventory)
            .ok_or_else(|| LowerError::UnknownHost {
                host: host.to_owned(),
            })
    }

    pub(super) fn root(&self, root: Root) -> Result<&'a RootPicture, LowerError> {
        self.picture.root(root).ok_or(LowerError::NoRoot { root })
    }

    pub(super) fn new_one(&self, root: Root) -> Result<&'a Generation, LowerError> {
        let new = self.root(root)?.new.as_ref();
        new.ok_or(LowerError::NoSuccessor { root })
    }

    /// The authorities that are this root: one CA may be several.
    fn names(&self, root: Root) -> Vec<AuthorityName> {
        let mut names: Vec<AuthorityName> = root.authority().into_iter().collect();
        for other in Root::ALL {
            let Some(name) = other.authority() else {
                continue;
            };
            let is_merged = self.picture.root(other).is_none()
                && self.hosts.iter().any(|view| {
                    own_files(view.inventory, &[name]).iter().any(|own| {
                        let issuing = own.issuing();
                        issuing.is_some_and(|it| self.is_of(root, it))
                    })
                });
            if is_merged && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether a CA certificate is a generation of this root.
    pub(super) fn is_of(&self, root: Root, certificate: &Certificate) -> bool {
        self.is_old(root, certificate) || self.is_new(root, certificate)
    }

    pub(super) fn is_old(&self, root: Root, certificate: &Certificate) -> bool {
        let root = self.picture.root(root);
        let mut old = root.iter().flat_map(|root| &root.old);
        old.any(|it| is_generation(it, certificate))
    }

    pub(super) fn is_new(&self, root: Root, certificate: &Certificate) -> bool {
        let root = self.picture.root(root);
        let mut new = root.iter().filter_map(|root| root.new.as_ref());
        new.any(|it| is_generation(it, certificate))
    }

    /// The root's own files on a host.
    pub(super) fn own(&self, host: &str, root: Root) -> Result<Vec<&'a Authority>, LowerError> {
        Ok(own_files(self.inventory(host)?, &self.names(root)))
    }

    /// Those with the root's private key beside them.
    pub(super) fn pairs(&self, host: &str, root: Root) -> Result<Vec<Pair<'a>>, LowerError> {
        let mut pairs: Vec<Pair<'a>> = Vec::new();
        for authority in self.own(host, root)? {
            let Some(key) = authority.key_path.as_deref() else {
                continue;
            };
            let is_known = pairs.iter().any(|pair| pair.key == key);
            if authority.key.public_key().is_none() || is_known {
                continue;
            }
            pairs.push(Pair {
                authority,
                certificate: &authority.certificate_path,
                key,
            });
        }
        Ok(pairs)
    }

    /// The files of a host that hold the private service-account key, the successor's apart.
    pub(super) fn token_keys(&self, host: &str) -> Result<Vec<&'a ServiceAccountKey>, LowerError> {
        let keys = self.inventory(host)?.service_account_keys.iter();
        Ok(keys
            .filter(|key| {
                let is_private = matches!(key.contents, ServiceAccountKeyContents::Private(_));
                is_private
                    && !public_keys(key).is_empty()
                    && !successor::is_of_a_rotation(&key.path)
            })
            .collect())
    }

    /// The CA certificates that lie in a place now.
    pub(super) fn certificates(&self, place: &Place) -> Vec<Certificate> {
        let found = match place {
            Place::File { host, path } => self.inventory(host).ok().and_then(|inventory| {
                let mut own = inventory.authorities.iter();
                let own = own.find(|authority| authority.certificate_path == *path);
                own.map(|own| own.certificates.clone())
                    .or_else(|| named_by_kubeconfig(inventory, path))
            }),
            Place::KubeconfigCluster {
                host,
                path,
                cluster,
            } => self
                .inventory(host)
                .ok()
                .and_then(|inventory| in_kubeconfig(inventory, path, cluster)),
            Place::Api(object) => {
                let bundles = self.cluster.map_or(&[][..], |cluster| &cluster.bundles);
                let bundle = bundles.iter().find(|bundle| bundle.object == *object);
                bundle.map(|bundle| bundle.certificates.clone())
            }
            _ => None,
        };
        found.unwrap_or_default()
    }

    /// What a place is to hold, as PEM: the generations in their order, then what else lies there now.
    pub(super) fn pem(
        &self,
        root: Root,
        holds: &Holds,
        place: &Place,
    ) -> Result<String, LowerError> {
        let picture = self.root(root)?;
        if root == Root::ServiceAccountKey {
            return self.public_keys_pem(picture, holds, place);
        }
        let now = self.certificates(place);
        let old: Vec<&Generation> = picture
            .old
            .iter()
            .filter(|old| now.iter().any(|it| is_generation(old, it)))
            .collect();
        let mut pem = self.generations(picture, holds, old)?;
        for other in now.iter().filter(|it| !self.is_of(root, it)) {
            pem.push_str(&other.to_pem());
        }
        Ok(pem)
    }

    fn public_keys_pem(
        &self,
        picture: &RootPicture,
        holds: &Holds,
        place: &Place,
    ) -> Result<String, LowerError> {
        let not_writable = |reason: &str| LowerError::NotWritable {
            place: place.to_string(),
            reason: reason.to_owned(),
        };
        let (Some(host), Some(path)) = (place.host(), place.path()) else {
            return Err(not_writable("it is no file of a host"));
        };
        let mut keys = self.inventory(host)?.service_account_keys.iter();
        let found = keys.find(|key| key.path == *path);
        let now: Vec<&PublicKey> = match found.map(|key| &key.contents) {
            Some(ServiceAccountKeyContents::Private(_)) => {
                return Err(not_writable(
                    "tokens are verified by a private key there; name a file of public keys instead",
                ));
            }
            _ => found.map(public_keys).unwrap_or_default(),
        };
        let named = |key: &PublicKey| hex::encode(key.sha256());
        let old: Vec<&Generation> = picture
            .old
            .iter()
            .filter(|old| now.iter().any(|it| named(it) == old.fingerprint_sha256))
            .collect();
        let mut pem = self.generations(picture, holds, old)?;
        let known = |key: &PublicKey| {
            let mut all = picture.old.iter().chain(&picture.new);
            all.any(|generation| generation.fingerprint_sha256 == named(key))
        };
        for other in now.into_iter().filter(|key| !known(key)) {
            pem.push_str(&other.to_pem());
        }
        Ok(pem)
    }

    /// The generations that a place is to hold. Of several old ones those that lie there, else the one
    /// that signs.
    fn generations<'g>(
        &'g self,
        picture: &'g RootPicture,
        holds: &Holds,
        mut old: Vec<&'g Generation>,
    ) -> Result<String, LowerError> {
        if old.is_empty() {
            old.extend(picture.old.first());
        }
        let new = || self.new_one(picture.root);
        let all: Vec<&'g Generation> = match holds {
            Holds::Old => old,
            Holds::OldNew => old.into_iter().chain([new()?]).collect(),
            Holds::NewOld => [new()?].into_iter().chain(old).collect(),
            Holds::New => vec![new()?],
            Holds::Neither { .. } | Holds::Unknown { .. } => Vec::new(),
        };
        Ok(all.iter().map(|it| it.pem.as_str()).collect())
    }

    /// The successor's certificate and what stands behind it where it lies beside the old one: the
    /// authorities above an intermediate. Empty when it lies nowhere (any more).
    pub(super) fn successor_chain(&self, root: Root) -> Vec<Certificate> {
        let names = self.names(root);
        let found = self.hosts.iter().find_map(|view| {
            let own = own_files(view.inventory, &names);
            own.into_iter().find_map(|own| {
                let next = successor_of(view.inventory, own)?;
                let signs = next.issuing().filter(|it| self.is_new(root, it))?;
                let mut chain = next.certificates.clone();
                let at = chain.iter().position(|it| it == signs)?;
                chain.drain(..at);
                Some(chain)
            })
        });
        found.unwrap_or_default()
    }

    /// Hosts that can sign with the new generation, those with an API server first, and by which files.
    pub(super) fn new_signer(&self, root: Root) -> Result<(String, PathBuf, PathBuf), LowerError> {
        let picture = self.root(root)?;
        let mut hosts: Vec<&str> = self.hosts.iter().map(|view| view.name).collect();
        hosts.sort_by_key(|host| {
            let facts = self.picture.host(host);
            !facts.is_some_and(|it| it.runs(ComponentKind::KubeApiserver))
        });
        for host in hosts {
            if let Some((certificate, key)) = self.new_pair(host, picture)? {
                return Ok((host.to_owned(), certificate, key));
            }
        }
        Err(LowerError::NoKey {
            root,
            generation: "the new generation",
        })
    }

    /// The files of a host with the new generation's certificate and key: the successor's, else its own
    /// where the new one signs already.
    pub(super) fn new_pair(
        &self,
        host: &str,
        root: &RootPicture,
    ) -> Result<Option<(PathBuf, PathBuf)>, LowerError> {
        let pairs = self.pairs(host, root.root)?;
        if root.successor_keys.iter().any(|it| it == host) {
            let pair = pairs.first();
            return Ok(pair.map(|pair| {
                (
                    successor::successor(pair.certificate),
                    successor::successor(pair.key),
                )
            }));
        }
        let own = pairs.iter().find(|pair| {
            root.places.iter().any(|place| {
                place.purpose == Purpose::Sign
                    && place.place.host() == Some(host)
                    && place.place.path() == Some(pair.key)
                    && place.holds == Holds::New
            })
        });
        Ok(own.map(|pair| (pair.certificate.to_owned(), pair.key.to_owned())))
    }
}

/// Whether a certificate is this generation, be it renewed with its own key.
pub(super) fn is_generation(generation: &Generation, certificate: &Certificate) -> bool {
    let parsed = pem::certificates(generation.pem.as_bytes()).unwrap_or_default();
    parsed
        .iter()
        .any(|it| crate::rotation::generations::is_same(it, certificate))
}

fn in_kubeconfig(inventory: &Inventory, path: &Path, cluster: &str) -> Option<Vec<Certificate>> {
    let mut embedded = inventory.embedded_trust.iter();
    let embedded = embedded.find(|it| it.kubeconfig == *path && it.cluster == cluster);
    if let Some(found) = embedded {
        return Some(found.certificates.clone());
    }
    let mut uses = inventory.kubeconfigs.iter().filter(|it| it.path == *path);
    uses.find_map(|it| {
        let target = it.cluster.as_ref().filter(|it| it.name == cluster)?;
        match &target.trust {
            KubeconfigTrust::Embedded(Ok(certificates)) => Some(certificates.clone()),
            _ => None,
        }
    })
}

fn named_by_kubeconfig(inventory: &Inventory, path: &Path) -> Option<Vec<Certificate>> {
    let targets = inventory.kubeconfigs.iter();
    let mut targets = targets.filter_map(|it| it.cluster.as_ref());
    targets.find_map(|target| match &target.trust {
        KubeconfigTrust::File(file) if file.path == *path => Some(file.certificates.clone()),
        _ => None,
    })
}
