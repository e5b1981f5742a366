//! How items belong together: who signed what, which key fits what.
//!
//! Signatures are verified, never guessed from names. Candidates are found by subject (as bytes),
//! those nearest to the item first: same file, same folder, anywhere. A caller with more items than
//! memory relates them in portions; [`Known`] carries authorities and keys from one to the next,
//! within bounds.

use super::item::{Item, Object, Relations, Signer};
use super::location::Location;
use super::pairing::{PairPlace, place_of};
use crate::model::{Finding, Severity};
use kubepki_x509::Certificate;
use std::collections::HashMap;

/// Relates all of `items` to each other and to what is known, and remembers them there.
pub fn relate(items: &mut [Item], known: &mut Known) {
    let related: Vec<_> = {
        let relating = Relating::new(items, known);
        (0..items.len())
            .map(|index| relating.relations_of(index))
            .collect()
    };
    for (item, (relations, findings)) in items.iter_mut().zip(related) {
        item.relations = relations;
        item.findings.extend(findings);
    }
    known.remember(items);
}

/// Authorities and private keys of earlier portions.
#[derive(Debug, Default)]
pub struct Known {
    authorities: HashMap<Vec<u8>, Vec<(Certificate, Location)>>,
    authority_count: usize,
    keys: HashMap<[u8; 32], Location>,
}

impl Known {
    /// Keeps the CA certificates and where private keys lie, as far as there is room.
    pub fn remember(&mut self, items: &[Item]) {
        for item in items {
            match &item.object {
                Object::Certificate(certificate)
                    if certificate.is_ca() && self.authority_count < MOST_AUTHORITIES =>
                {
                    let same_name = self
                        .authorities
                        .entry(certificate.subject().der().to_vec())
                        .or_default();
                    if !same_name.iter().any(|(known, _)| known == certificate) {
                        same_name.push((certificate.clone(), item.location.clone()));
                        self.authority_count += 1;
                    }
                }
                Object::PrivateKey(key) if self.keys.len() < MOST_KEYS => {
                    if let Some(key) = &key.public_key {
                        self.keys
                            .entry(key.sha256())
                            .or_insert_with(|| item.location.clone());
                    }
                }
                _ => {}
            }
        }
    }
}

/// A host has a handful, a fleet's folder perhaps hundreds.
const MOST_AUTHORITIES: usize = 2048;
/// About three megabytes.
const MOST_KEYS: usize = 16 * 1024;
/// Different keys under one name that are tried for one signature.
const MOST_ATTEMPTS: usize = 32;

/// One portion of items, indexed; items can be related from several threads.
pub struct Relating<'a> {
    items: &'a [Item],
    known: &'a Known,
    by_subject: HashMap<&'a [u8], Vec<usize>>,
    private_keys: HashMap<[u8; 32], usize>,
    others_by_key: HashMap<[u8; 32], usize>,
    places: HashMap<PairPlace, Vec<usize>>,
}

impl<'a> Relating<'a> {
    /// Indexes the items.
    pub fn new(items: &'a [Item], known: &'a Known) -> Self {
        let mut relating = Self {
            items,
            known,
            by_subject: HashMap::new(),
            private_keys: HashMap::new(),
            others_by_key: HashMap::new(),
            places: HashMap::new(),
        };
        for (index, item) in items.iter().enumerate() {
            if let Some(certificate) = item.certificate() {
                relating
                    .by_subject
                    .entry(certificate.subject().der())
                    .or_default()
                    .push(index);
            }
            if let Some(key) = item.public_key() {
                let by_key = match &item.object {
                    Object::PrivateKey(_) => &mut relating.private_keys,
                    _ => &mut relating.others_by_key,
                };
                by_key.entry(key.sha256()).or_insert(index);
                relating
                    .places
                    .entry(place_of(&item.location))
                    .or_default()
                    .push(index);
            }
        }
        relating
    }

    /// How one item belongs to the others, and what is wrong with that.
    pub fn relations_of(&self, index: usize) -> (Relations, Vec<Finding>) {
        let mut relations = Relations::default();
        let mut findings = Vec::new();
        let Some(item) = self.items.get(index) else {
            return (relations, findings);
        };
        match &item.object {
            Object::Certificate(certificate) => {
                self.signer(index, item, certificate, &mut relations, &mut findings);
                self.key(index, item, &mut relations);
            }
            Object::CertificationRequest(_) | Object::PublicKey(_) => {
                self.key(index, item, &mut relations);
            }
            Object::PrivateKey(_) => self.owner(item, &mut relations),
            Object::Token(token) => {
                let keys = || {
                    self.items
                        .iter()
                        .filter_map(|item| Some((item, item.public_key()?)))
                };
                // Kubernetes says which key it was; any other issuer may not
                let signer = keys()
                    .filter(|(_, key)| token.names_key(key))
                    .chain(keys().filter(|(_, key)| !token.names_key(key)))
                    .take(MOST_ATTEMPTS * MOST_ATTEMPTS)
                    .find(|(_, key)| token.is_signed_by(key));
                relations.signed_by = signer.map(|(item, key)| Signer::Given {
                    location: item.location.clone(),
                    name: format!("{} key", key.algorithm()),
                });
            }
            Object::Kubeconfig(_) | Object::TlsServer(_) => {}
        }
        (relations, findings)
    }

    fn signer(
        &self,
        index: usize,
        item: &Item,
        certificate: &Certificate,
        relations: &mut Relations,
        findings: &mut Vec<Finding>,
    ) {
        if certificate.is_self_signed() {
            relations.signed_by = Some(Signer::Itself);
            return;
        }
        let mut candidates = self.candidates(index, item, certificate);
        candidates.sort_by_key(|candidate| candidate.distance);
        let mut tried = Vec::new();
        for candidate in &candidates {
            let key = candidate.certificate.public_key();
            if tried.contains(&key) {
                continue;
            }
            if tried.len() == MOST_ATTEMPTS {
                return;
            }
            tried.push(key);
            if certificate.verify_issued_by(candidate.certificate).is_ok() {
                relations.signed_by = Some(Signer::Given {
                    location: candidate.location.clone(),
                    name: candidate.certificate.subject().to_string(),
                });
                return;
            }
        }
        // far away, the same name may well be another cluster's; side by side it is a mistake
        if let Some(nearest) = candidates.first().filter(|found| found.is_near) {
            findings.push(Finding::new(
                "not-signed-by-ca",
                Severity::Warning,
                format!(
                    "its issuer is named like {} ({}) but another key signed it",
                    nearest.location,
                    nearest.certificate.subject()
                ),
            ));
        }
    }

    fn candidates(
        &self,
        index: usize,
        item: &Item,
        certificate: &Certificate,
    ) -> Vec<Candidate<'_>> {
        let issuer = certificate.issuer().der();
        let wanted = certificate
            .authority_key_identifier()
            .and_then(|aki| aki.key_identifier);
        let here = self
            .by_subject
            .get(issuer)
            .into_iter()
            .flatten()
            .filter(|other| **other != index)
            .filter_map(|other| self.items.get(*other))
            .filter_map(|other| Some((other.certificate()?, &other.location)));
        let before = self.known.authorities.get(issuer).into_iter().flatten();
        here.chain(before.map(|(certificate, location)| (certificate, location)))
            .map(|(candidate, location)| {
                let has = candidate.subject_key_identifier();
                let contradicts = matches!((&wanted, &has), (Some(w), Some(h)) if w != h);
                let same_source = location.source == item.location.source;
                let same_folder = item.location.source.folder().is_some()
                    && location.source.folder() == item.location.source.folder();
                let far = if same_source {
                    0
                } else if same_folder {
                    1
                } else {
                    2
                };
                Candidate {
                    certificate: candidate,
                    location,
                    distance: (
                        contradicts,
                        !candidate.is_ca(),
                        far,
                        location.pointer.is_some(),
                    ),
                    is_near: same_source || same_folder,
                }
            })
            .collect()
    }

    fn key(&self, index: usize, item: &Item, relations: &mut Relations) {
        let Some(key) = item.public_key() else { return };
        let beside = self
            .places
            .get(&place_of(&item.location))
            .map_or(&[][..], Vec::as_slice);
        let beside = || {
            beside
                .iter()
                .filter_map(|other| Some((*other, self.items.get(*other)?)))
        };
        let keys_beside = || beside().filter(|(_, other)| is_known_private_key(other));
        if let Some((_, fits)) = keys_beside().find(|(_, other)| other.public_key() == Some(key)) {
            relations.key_matches = Some(true);
            relations.counterpart = Some(fits.location.clone());
            return;
        }
        // of a chain, and of a CA bundle with its old certificates, one fits and that is enough
        let is_first = beside()
            .find(|(_, other)| other.object.kind() == item.object.kind())
            .is_some_and(|(first, _)| first == index);
        let other_fits = keys_beside().any(|(_, private)| {
            beside().any(|(_, other)| {
                !is_known_private_key(other) && other.public_key() == private.public_key()
            })
        });
        let hash = key.sha256();
        let here = self
            .private_keys
            .get(&hash)
            .and_then(|other| self.items.get(*other));
        let elsewhere = here
            .map(|other| &other.location)
            .or_else(|| self.known.keys.get(&hash));
        // the key beside it is the one that a component will take, whatever lies elsewhere
        match (keys_beside().next(), elsewhere) {
            (Some((_, wrong)), _) if is_first && !other_fits => {
                relations.key_matches = Some(false);
                relations.counterpart = Some(wrong.location.clone());
            }
            (_, Some(elsewhere)) => {
                relations.key_matches = Some(true);
                relations.counterpart = Some(elsewhere.clone());
            }
            _ => {}
        }
    }

    /// What a private key belongs to.
    fn owner(&self, item: &Item, relations: &mut Relations) {
        let Some(key) = item.public_key() else { return };
        let beside = self
            .places
            .get(&place_of(&item.location))
            .into_iter()
            .flatten();
        let owner = beside
            .filter_map(|other| self.items.get(*other))
            .find(|other| !is_known_private_key(other) && other.public_key() == Some(key))
            .or_else(|| self.items.get(*self.others_by_key.get(&key.sha256())?));
        if let Some(owner) = owner {
            relations.key_matches = Some(true);
            relations.counterpart = Some(owner.location.clone());
        }
    }
}

struct Candidate<'a> {
    certificate: &'a Certificate,
    location: &'a Location,
    /// Key identifiers that contradict last, then what is no CA, then what lies far away, then
    /// copies inside kubeconfigs and manifests.
    distance: (bool, bool, u8, bool),
    is_near: bool,
}

fn is_known_private_key(item: &Item) -> bool {
    matches!(&item.object, Object::PrivateKey(key) if key.public_key.is_some())
}
