//! The generations of a root, told by what lies on the hosts: which signs now, which is the successor,
//! which are left over from before.
//!
//! The successor is what lies beside the root's own file under a successor's name. When that is gone
//! (nearly done, or taken back), and places still differ, it is the one that signs: what is left to do is
//! to take everything else away. A generation is told by name and key, so that a CA renewed with its own
//! key stays what it is; what else is trusted in the same files (other people's CAs) is none. Names need
//! not be alike: who signs, who signed what is presented, and the old pair that is kept to the end tell.

use super::picture::{Generation, Holds};
use super::root::Root;
use super::successor;
use crate::diagnose::Evidence;
use crate::model::{
    Authority, AuthorityName, Inventory, KeyState, ServiceAccountKey, ServiceAccountKeyContents,
};
use kubepki_x509::{Certificate, PublicKey};
use std::path::PathBuf;

/// One of the two sides that a rotation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
}

/// What a place holds that holds these, in their order; `None` without any.
pub(super) fn holds(sides: impl IntoIterator<Item = Side>) -> Option<Holds> {
    let mut sides = sides.into_iter();
    let first = sides.next()?;
    let is_mixed = sides.any(|side| side != first);
    Some(match (first, is_mixed) {
        (Side::Old, false) => Holds::Old,
        (Side::Old, true) => Holds::OldNew,
        (Side::New, true) => Holds::NewOld,
        (Side::New, false) => Holds::New,
    })
}

/// The generations of a CA.
#[derive(Clone, Debug)]
pub(super) struct Authorities {
    pub(super) root: Root,
    /// The authorities that are this CA: one may be several.
    pub(super) names: Vec<AuthorityName>,
    /// The one that signs first.
    pub(super) old: Vec<Certificate>,
    pub(super) new: Option<Certificate>,
    /// Whether hosts hold successors that differ.
    pub(super) is_disputed: bool,
}

impl Authorities {
    /// Every CA that the cluster has, each with its generations.
    pub(super) fn of(evidence: &Evidence<'_>) -> Vec<Self> {
        let mut found: Vec<(Self, Certificate)> = Vec::new();
        for root in Root::ALL {
            let Some(name) = root.authority() else {
                continue;
            };
            let Some(issuing) = issuing(evidence, name) else {
                continue;
            };
            let same = found.iter_mut().find(|(_, it)| is_same(it, &issuing));
            if let Some((known, _)) = same {
                known.names.push(name);
                continue;
            }
            let empty = Self {
                root,
                names: vec![name],
                old: Vec::new(),
                new: None,
                is_disputed: false,
            };
            found.push((empty, issuing));
        }
        let roots = found.into_iter();
        roots
            .map(|(root, issuing)| root.with_generations(evidence, issuing))
            .collect()
    }

    fn with_generations(mut self, evidence: &Evidence<'_>, issuing: Certificate) -> Self {
        let mut successors: Vec<(&Certificate, bool)> = Vec::new();
        for inventory in inventories(evidence) {
            for own in own_files(inventory, &self.names) {
                let Some(next) = successor_of(inventory, own) else {
                    continue;
                };
                if let Some(certificate) = next.issuing() {
                    successors.push((certificate, next.key.public_key().is_some()));
                }
            }
        }
        let with_key = successors.iter().find(|(_, has_key)| *has_key);
        let successor = with_key.or(successors.first()).map(|(it, _)| (*it).clone());
        self.is_disputed = successor.as_ref().is_some_and(|successor| {
            let mut others = successors.iter();
            others.any(|(other, _)| !is_same(other, successor))
        });
        let mut kin: Vec<Certificate> = Vec::new();
        let mut signs: Vec<(Certificate, usize)> = Vec::new();
        for own in self.own(evidence) {
            let Some(signing) = signing(own) else {
                continue;
            };
            match signs.iter_mut().find(|(it, _)| is_same(it, signing)) {
                Some((_, count)) => *count += 1,
                None => signs.push((signing.clone(), 1)),
            }
            push(&mut kin, signing);
        }
        push(&mut kin, &issuing);
        // One that is called otherwise is known by the pair that is kept of it: nothing else tells it
        // from other people's CAs, once nobody signs with it and nobody presents what it signed.
        for previous in inventories(evidence)
            .flat_map(|inventory| previous_ones(inventory, &self.names))
            .flat_map(|previous| &previous.certificates)
        {
            push(&mut kin, previous);
        }
        // Hundreds of hosts hold the same few.
        let mut seen: Vec<&Certificate> = Vec::new();
        for own in self.own(evidence) {
            for certificate in &own.certificates {
                if seen.contains(&certificate) {
                    continue;
                }
                seen.push(certificate);
                if is_kin(certificate, &issuing) || signed_any(evidence, certificate) {
                    push(&mut kin, certificate);
                }
            }
        }
        // Swapped at once, nothing else on the hosts tells any more who the old one was.
        for certificate in self.previous(evidence) {
            if !seen.contains(&certificate) {
                seen.push(certificate);
                push(&mut kin, certificate);
            }
        }
        for trusted in embedded(evidence) {
            if !self.names.contains(&AuthorityName::Cluster) || seen.contains(&trusted) {
                continue;
            }
            seen.push(trusted);
            if is_kin(trusted, &issuing) {
                push(&mut kin, trusted);
            }
        }
        // Of equally many the first, so that the outcome is always the same.
        let mut most: Option<(&Certificate, usize)> = None;
        for (certificate, count) in &signs {
            if most.is_none_or(|(_, known)| *count > known) {
                most = Some((certificate, *count));
            }
        }
        let now_signs = most.map_or(&issuing, |(certificate, _)| certificate);
        let is_mixed = kin.iter().any(|it| !is_same(it, now_signs));
        self.new = match successor {
            Some(successor) => Some(successor),
            None if is_mixed => Some(now_signs.clone()),
            None => None,
        };
        let new = self.new.clone();
        let mut old: Vec<Certificate> = kin
            .into_iter()
            .filter(|it| !new.as_ref().is_some_and(|new| is_same(it, new)))
            .collect();
        old.sort_by_key(|it| !signs.iter().any(|(signing, _)| is_same(signing, it)));
        self.old = old;
        self
    }

    fn own<'e>(&self, evidence: &'e Evidence<'_>) -> Vec<&'e Authority> {
        inventories(evidence)
            .flat_map(|inventory| own_files(inventory, &self.names))
            .collect()
    }

    /// The old pair's certificate, where it was kept beside what took its place.
    fn previous<'e>(&self, evidence: &'e Evidence<'_>) -> Vec<&'e Certificate> {
        let mut found = Vec::new();
        for inventory in inventories(evidence) {
            for own in own_files(inventory, &self.names) {
                let path = successor::previous(&own.certificate_path);
                let kept = inventory.authorities.iter();
                let mut kept = kept.filter(|it| it.certificate_path == path);
                found.extend(kept.find_map(|it| it.certificates.first()));
            }
        }
        found
    }

    /// Which side a certificate of this CA is on.
    pub(super) fn side(&self, certificate: &Certificate) -> Option<Side> {
        let is_new = self.new.iter().any(|new| is_same(new, certificate));
        let is_old = self.old.iter().any(|old| is_same(old, certificate));
        match (is_new, is_old) {
            (true, _) => Some(Side::New),
            (false, true) => Some(Side::Old),
            (false, false) => None,
        }
    }

    /// What a bundle holds of this CA.
    pub(super) fn holds<'c>(
        &self,
        certificates: impl IntoIterator<Item = &'c Certificate>,
    ) -> Option<Holds> {
        holds(certificates.into_iter().filter_map(|it| self.side(it)))
    }

    /// The side of a private key's public half.
    pub(super) fn side_of_key(&self, key: &PublicKey) -> Option<Side> {
        let has = |certificate: &Certificate| certificate.public_key() == key;
        if self.new.iter().any(has) {
            return Some(Side::New);
        }
        self.old.iter().any(has).then_some(Side::Old)
    }

    /// Who signed a certificate, intermediates after it.
    pub(super) fn signer(&self, chain: &[Certificate]) -> Option<Side> {
        let signed = |ca: &Certificate| {
            let mut links = chain.iter();
            links.any(|link| !is_same(link, ca) && link.verify_issued_by(ca).is_ok())
        };
        if self.new.iter().any(signed) {
            return Some(Side::New);
        }
        self.old.iter().any(signed).then_some(Side::Old)
    }

    /// As a picture shows them.
    pub(super) fn generations(&self) -> (Vec<Generation>, Option<Generation>) {
        let old = self.old.iter().map(generation).collect();
        (old, self.new.as_ref().map(generation))
    }
}

/// The generations of the service-account key.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) old: Vec<PublicKey>,
    pub(super) new: Option<PublicKey>,
}

impl Keys {
    /// `None` where no host has one.
    pub(super) fn of(evidence: &Evidence<'_>) -> Option<Self> {
        let mut successor: Option<PublicKey> = None;
        let mut signing: Option<PublicKey> = None;
        let mut all: Vec<PublicKey> = Vec::new();
        for file in inventories(evidence).flat_map(|it| &it.service_account_keys) {
            let is_successor = successor::is_successor(&file.path);
            for key in public_keys(file) {
                if is_successor {
                    successor = successor.or_else(|| Some(key.clone()));
                    continue;
                }
                if signs(file) {
                    signing = signing.or_else(|| Some(key.clone()));
                }
                if !all.contains(key) {
                    all.push(key.clone());
                }
            }
        }
        let signing = signing.or_else(|| all.first().cloned())?;
        let new = match successor {
            Some(key) => Some(key),
            None if all.len() > 1 => Some(signing.clone()),
            None => None,
        };
        let mut old = all;
        old.retain(|key| new.as_ref() != Some(key));
        old.sort_by_key(|key| *key != signing);
        Some(Self { old, new })
    }

    pub(super) fn side(&self, key: &PublicKey) -> Option<Side> {
        if self.new.as_ref() == Some(key) {
            return Some(Side::New);
        }
        self.old.contains(key).then_some(Side::Old)
    }

    /// As a picture shows them.
    pub(super) fn generations(&self) -> (Vec<Generation>, Option<Generation>) {
        let old = self.old.iter().map(key_generation).collect();
        (old, self.new.as_ref().map(key_generation))
    }
}

/// The root's own files on a host: named by flags or a layout, not a rotation's.
pub(super) fn own_files<'i>(
    inventory: &'i Inventory,
    names: &[AuthorityName],
) -> Vec<&'i Authority> {
    let is_own = |authority: &&Authority| {
        names.iter().any(|name| is_called(authority, *name))
            && !successor::is_of_a_rotation(&authority.certificate_path)
    };
    inventory.authorities.iter().filter(is_own).collect()
}

/// The successor beside a root's own file.
pub(super) fn successor_of<'i>(inventory: &'i Inventory, own: &Authority) -> Option<&'i Authority> {
    let path = successor::successor(&own.certificate_path);
    let mut authorities = inventory.authorities.iter();
    authorities.find(|authority| authority.certificate_path == path)
}

/// The old pairs that are kept beside a root's own files until it is proved that they are refused.
fn previous_ones<'i>(
    inventory: &'i Inventory,
    names: &[AuthorityName],
) -> impl Iterator<Item = &'i Authority> {
    let own = own_files(inventory, names).into_iter();
    let paths: Vec<PathBuf> = own
        .map(|own| successor::previous(&own.certificate_path))
        .collect();
    let authorities = inventory.authorities.iter();
    authorities.filter(move |other| paths.contains(&other.certificate_path))
}

/// The keys that a file holds, by their public halves.
pub(super) fn public_keys(file: &ServiceAccountKey) -> Vec<&PublicKey> {
    match &file.contents {
        ServiceAccountKeyContents::Private(state) => state.public_key().into_iter().collect(),
        ServiceAccountKeyContents::Public(keys) => keys.iter().collect(),
        ServiceAccountKeyContents::Problem(_) => Vec::new(),
    }
}

/// Whether two certificates are the same CA: its name and its key.
pub(super) fn is_same(one: &Certificate, other: &Certificate) -> bool {
    one.public_key() == other.public_key() && one.subject() == other.subject()
}

/// One generation, as a picture shows it.
pub(super) fn generation(certificate: &Certificate) -> Generation {
    Generation {
        name: certificate.subject().to_string(),
        fingerprint_sha256: hex::encode(certificate.fingerprint_sha256()),
        pem: certificate.to_pem(),
        not_after: Some(certificate.validity().not_after),
    }
}

/// One generation of a key.
pub(super) fn key_generation(key: &PublicKey) -> Generation {
    let fingerprint = hex::encode(key.sha256());
    Generation {
        name: format!("sha256:{fingerprint}"),
        fingerprint_sha256: fingerprint,
        pem: key.to_pem(),
        not_after: None,
    }
}

fn inventories<'e>(evidence: &Evidence<'e>) -> impl Iterator<Item = &'e Inventory> + use<'e> {
    evidence.hosts.iter().map(|host| &host.inventory)
}

fn is_called(authority: &Authority, name: AuthorityName) -> bool {
    let mut others = authority.also_known_as.iter();
    authority.role.authority() == Some(name) || others.any(|other| other == name.as_str())
}

/// The CA of this name that signs now: where its key lies, else the first that a host has. A file that
/// belongs to no other authority tells it best.
fn issuing(evidence: &Evidence<'_>, name: AuthorityName) -> Option<Certificate> {
    let mut files: Vec<&Authority> = inventories(evidence)
        .flat_map(|inventory| own_files(inventory, &[name]))
        .filter(|authority| authority.issuing().is_some())
        .collect();
    files.sort_by_key(|authority| {
        let is_its_own = authority.role.authority() == Some(name);
        (!is_its_own, signing(authority).is_none())
    });
    files.first()?.issuing().cloned()
}

/// The certificate of a bundle whose key lies beside it.
fn signing(authority: &Authority) -> Option<&Certificate> {
    let key = authority.key.public_key()?;
    let mut certificates = authority.certificates.iter();
    certificates.find(|certificate| certificate.public_key() == key)
}

/// Whether a CA is called like the other, generations apart.
fn is_kin(certificate: &Certificate, of: &Certificate) -> bool {
    let base = |certificate: &Certificate| {
        let name = certificate.subject().common_name().unwrap_or_default();
        successor::without_generation(&name).to_owned()
    };
    certificate.is_ca()
        && base(certificate) == base(of)
        && certificate.subject().organizations() == of.subject().organizations()
}

/// Whether a CA signed a certificate that a component of a host presents.
fn signed_any(evidence: &Evidence<'_>, ca: &Certificate) -> bool {
    inventories(evidence)
        .flat_map(|inventory| &inventory.entries)
        .filter(|entry| !entry.used_by.is_empty())
        .filter_map(|entry| entry.certificate())
        .any(|leaf| !is_same(leaf, ca) && leaf.verify_issued_by(ca).is_ok())
}

fn embedded<'e>(evidence: &Evidence<'e>) -> impl Iterator<Item = &'e Certificate> + use<'e> {
    inventories(evidence)
        .flat_map(|inventory| &inventory.embedded_trust)
        .flat_map(|trust| &trust.certificates)
}

fn push(known: &mut Vec<Certificate>, certificate: &Certificate) {
    match known.iter_mut().find(|it| is_same(it, certificate)) {
        // Renewed with its own key: the longest stands for all.
        Some(known) if known.validity().not_after < certificate.validity().not_after => {
            *known = certificate.clone();
        }
        Some(_) => {}
        None => known.push(certificate.clone()),
    }
}

fn signs(file: &ServiceAccountKey) -> bool {
    matches!(
        file.contents,
        ServiceAccountKeyContents::Private(KeyState::Present { .. })
    )
}
