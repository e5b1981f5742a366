//! Which CA is the cluster's: decided over all hosts, by what they hold, what was signed, and where
//! keys lie.
//!
//! A CA is told apart by subject and key, so that one renewed with its own key stays the same. A file
//! of one host that holds none of the CAs the others agree on is the wrong one, never the others.

use super::{RescueRequest, ends_soon};
use crate::diagnose::HostEvidence;
use crate::model::{Authority, AuthorityName, Entry};
use jiff::Timestamp;
use kubepki_x509::{Certificate, ValidityState};
use std::collections::BTreeMap;

/// What a certificate that was signed, a bundle and a key speak for, as in `diagnose`.
const SIGNED: u32 = 2;
const HELD: u32 = 2;
const KEY: u32 = 3;

/// An authority of one host: indices into the hosts and into their authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileAt {
    /// The host.
    pub host: usize,
    /// The authority in its inventory.
    pub authority: usize,
}

/// One CA, wherever its certificate and key were found.
#[derive(Clone, Debug)]
pub struct KnownAuthority {
    /// Its certificate: of several with the same key the one that ends last.
    pub certificate: Certificate,
    /// What its files are for.
    pub roles: Vec<AuthorityName>,
    /// Files that hold it.
    pub files: Vec<FileAt>,
    /// Files beside which its key lies.
    pub keys: Vec<FileAt>,
    /// How many certificates in use it signed, and on how many hosts.
    signed: u32,
    /// By authority: how much speaks for it.
    weights: BTreeMap<AuthorityName, u32>,
}

/// What the cluster agrees on.
#[derive(Clone, Debug, Default)]
pub struct Consensus {
    /// Every CA seen.
    pub known: Vec<KnownAuthority>,
    /// For each of the cluster's authorities the one that is meant.
    pub leaders: BTreeMap<AuthorityName, usize>,
    /// For each of the cluster's authorities all that may rightly lie in its files: the leader, and
    /// others during a rotation or where clients and servers have different ones.
    accepted: BTreeMap<AuthorityName, Vec<usize>>,
    /// Which CAs are to be renewed or replaced, and how.
    pub fates: Vec<Fate>,
}

/// What becomes of a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is wrong with it, and nothing is asked of it.
    Stays,
    /// Renewed with its own key, by the host that has it.
    Renewed {
        /// The file beside which the key lies.
        at: FileAt,
    },
    /// Its key is lost on every host, and a new CA takes its place.
    Replaced {
        /// The file whose host makes the new one.
        at: FileAt,
    },
    /// It has ended, and its key is on no host: nothing but a new CA helps.
    Lost,
}

impl Consensus {
    /// Weighs what all hosts hold.
    pub fn find(hosts: &[HostEvidence], now: Timestamp, request: &RescueRequest) -> Self {
        let mut consensus = Self::default();
        consensus.collect(hosts);
        consensus.weigh_leafs(hosts);
        consensus.lead();
        consensus.accept(hosts);
        consensus.decide(hosts, now, request);
        consensus
    }

    /// The CA that one of the cluster's authorities is.
    pub fn leader(&self, name: AuthorityName) -> Option<(usize, &KnownAuthority)> {
        let index = *self.leaders.get(&name)?;
        Some((index, self.known.get(index)?))
    }

    /// The CA, known by subject and key.
    pub fn position(&self, certificate: &Certificate) -> Option<usize> {
        self.known
            .iter()
            .position(|known| is_same(&known.certificate, certificate))
    }

    /// The CA that signed a certificate, by names and signature.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<usize> {
        self.known
            .iter()
            .position(|known| certificate.verify_issued_by(&known.certificate).is_ok())
    }

    /// Whether a CA may rightly lie in the files of an authority.
    pub fn is_accepted(&self, name: AuthorityName, index: usize) -> bool {
        self.accepted
            .get(&name)
            .is_some_and(|accepted| accepted.contains(&index))
    }

    /// What becomes of a CA.
    pub fn fate(&self, index: usize) -> Fate {
        self.fates.get(index).copied().unwrap_or(Fate::Stays)
    }

    /// Whether a host's CA file is wrong: it holds none of those that may lie in it.
    pub fn is_wrong(&self, authority: &Authority) -> bool {
        let Some(name) = authority.role.authority() else {
            return false;
        };
        if self.leader(name).is_none() {
            return false;
        }
        !authority.certificates.iter().any(|ca| {
            self.position(ca)
                .is_some_and(|index| self.is_accepted(name, index))
        })
    }

    /// A right file of an authority, on another host than this one, that most right ones are like.
    pub fn reference(
        &self,
        hosts: &[HostEvidence],
        name: AuthorityName,
        not_on: usize,
    ) -> Option<FileAt> {
        let (leader, known) = self.leader(name)?;
        let mut best: Option<(usize, FileAt)> = None;
        for at in &known.files {
            let Some(authority) = authority_at(hosts, *at) else {
                continue;
            };
            if at.host == not_on || authority.role != name.role() {
                continue;
            }
            let alike = known
                .files
                .iter()
                .filter_map(|other| authority_at(hosts, *other))
                .filter(|other| other.certificates == authority.certificates)
                .count();
            if best.is_none_or(|(most, _)| alike > most) {
                best = Some((alike, *at));
            }
        }
        let _ = leader;
        best.map(|(_, at)| at)
    }

    /// Where a CA's key lies beside a file that holds the CA: this host first.
    pub fn signer(&self, hosts: &[HostEvidence], index: usize, host: usize) -> Option<FileAt> {
        let known = self.known.get(index)?;
        let usable = |at: &&FileAt| {
            authority_at(hosts, **at).is_some_and(|authority| {
                let mut held = authority.certificates.iter();
                held.any(|ca| is_same(ca, &known.certificate))
            })
        };
        let own = known
            .keys
            .iter()
            .filter(usable)
            .find(|at| at.host == host)
            .copied();
        own.or_else(|| known.keys.iter().find(usable).copied())
    }

    fn collect(&mut self, hosts: &[HostEvidence]) {
        for (host, evidence) in hosts.iter().enumerate() {
            for (authority, file) in evidence.inventory.authorities.iter().enumerate() {
                let at = FileAt { host, authority };
                for ca in file.certificates.iter().filter(|ca| ca.is_ca()) {
                    let name = file.role.authority();
                    let index = self.note(ca);
                    if let Some(known) = self.known.get_mut(index) {
                        known.files.push(at);
                        if let Some(name) = name {
                            if !known.roles.contains(&name) {
                                known.roles.push(name);
                            }
                            *known.weights.entry(name).or_default() += HELD;
                        }
                    }
                }
            }
            for trust in &evidence.inventory.embedded_trust {
                for ca in trust.certificates.iter().filter(|ca| ca.is_ca()) {
                    let index = self.note(ca);
                    if let Some(known) = self.known.get_mut(index) {
                        *known.weights.entry(AuthorityName::Cluster).or_default() += 1;
                    }
                }
            }
        }
        for (host, evidence) in hosts.iter().enumerate() {
            for (authority, file) in evidence.inventory.authorities.iter().enumerate() {
                let Some(key) = file.key.public_key() else {
                    continue;
                };
                let name = file.role.authority();
                for known in &mut self.known {
                    if known.certificate.public_key() == key {
                        known.keys.push(FileAt { host, authority });
                        if let Some(name) = name {
                            *known.weights.entry(name).or_default() += KEY;
                        }
                    }
                }
            }
        }
    }

    fn note(&mut self, ca: &Certificate) -> usize {
        if let Some(index) = self.position(ca) {
            if let Some(known) = self.known.get_mut(index)
                && ca.validity().not_after > known.certificate.validity().not_after
            {
                known.certificate = ca.clone();
            }
            return index;
        }
        self.known.push(KnownAuthority {
            certificate: ca.clone(),
            roles: Vec::new(),
            files: Vec::new(),
            keys: Vec::new(),
            signed: 0,
            weights: BTreeMap::new(),
        });
        self.known.len() - 1
    }

    fn weigh_leafs(&mut self, hosts: &[HostEvidence]) {
        for entry in hosts.iter().flat_map(|host| &host.inventory.entries) {
            let (Some(certificate), Some(name)) = (entry.certificate(), expected(entry)) else {
                continue;
            };
            if let Some(index) = self.issuer_of(certificate)
                && let Some(known) = self.known.get_mut(index)
            {
                known.signed += 1;
                *known.weights.entry(name).or_default() += SIGNED;
            }
        }
    }

    fn lead(&mut self) {
        for name in AuthorityName::ALL {
            let weighed = self.known.iter().enumerate().filter_map(|(index, known)| {
                let held = !known.files.is_empty();
                let weight = known.weights.get(&name).filter(|_| held)?;
                Some((index, *weight, known))
            });
            let best =
                weighed.max_by(|(one, weight, known), (other, other_weight, other_known)| {
                    let rank = |weight: u32, known: &KnownAuthority| (weight, known.keys.len());
                    rank(*weight, known)
                        .cmp(&rank(*other_weight, other_known))
                        .then(other.cmp(one))
                });
            if let Some((index, ..)) = best {
                self.leaders.insert(name, index);
            }
        }
    }

    fn accept(&mut self, hosts: &[HostEvidence]) {
        for (name, leader) in self.leaders.clone() {
            let files = || {
                hosts.iter().enumerate().flat_map(move |(host, evidence)| {
                    evidence
                        .inventory
                        .authorities
                        .iter()
                        .filter(move |file| file.role == name.role())
                        .map(move |file| (host, file))
                })
            };
            let mut holding: Vec<usize> = files().map(|(host, _)| host).collect();
            holding.dedup();
            let mut accepted = vec![leader];
            for (index, known) in self.known.iter().enumerate() {
                let holds = |file: &Authority, which: &Certificate| {
                    file.certificates.iter().any(|ca| is_same(ca, which))
                };
                let beside_leader = self.known.get(leader).is_some_and(|leader| {
                    files().any(|(_, file)| {
                        holds(file, &known.certificate) && holds(file, &leader.certificate)
                    })
                });
                let mut hosts_of: Vec<usize> = files()
                    .filter(|(_, file)| holds(file, &known.certificate))
                    .map(|(host, _)| host)
                    .collect();
                hosts_of.dedup();
                // Where clients and servers have CAs of their own, every control plane knows both.
                let signs = known.weights.contains_key(&name) && known.signed > 0;
                let is_role = known.roles.contains(&name);
                let of_its_own =
                    is_role && signs && (hosts_of.len() > 1 || holding.len() == 1) && {
                        // The CA of another of the cluster's authorities is nobody's second.
                        !self.leaders.iter().any(|(other, index_of)| {
                            *other != name && *index_of == index && *index_of != leader
                        })
                    };
                if index != leader && (beside_leader || of_its_own) {
                    accepted.push(index);
                }
            }
            self.accepted.insert(name, accepted);
        }
    }

    fn decide(&mut self, hosts: &[HostEvidence], now: Timestamp, request: &RescueRequest) {
        let mut fates = vec![Fate::Stays; self.known.len()];
        let mut replacing_host: Option<usize> = None;
        for accepted in self.accepted.values() {
            for index in accepted {
                let (Some(known), Some(fate)) = (self.known.get(*index), fates.get_mut(*index))
                else {
                    continue;
                };
                // One host makes all that can be made there: then the others only wait for it.
                let signer = self.signer(hosts, *index, 0);
                let is_over = known.certificate.validity().state(now) == ValidityState::Expired;
                *fate = match signer {
                    Some(at) if ends_soon(&known.certificate, now, request) => Fate::Renewed { at },
                    Some(_) => Fate::Stays,
                    None if request.new_ca && self.leaders.values().any(|it| it == index) => {
                        let at = known
                            .files
                            .iter()
                            .filter(|at| is_control_plane(hosts, at.host))
                            .min_by_key(|at| (replacing_host != Some(at.host), at.host));
                        match at {
                            Some(at) => {
                                replacing_host = replacing_host.or(Some(at.host));
                                Fate::Replaced { at: *at }
                            }
                            None => Fate::Lost,
                        }
                    }
                    None if is_over => Fate::Lost,
                    None => Fate::Stays,
                };
            }
        }
        self.fates = fates;
    }
}

/// The authority of a host.
pub fn authority_at(hosts: &[HostEvidence], at: FileAt) -> Option<&Authority> {
    hosts.get(at.host)?.inventory.authorities.get(at.authority)
}

/// Which of the cluster's authorities should have signed an entry.
pub fn expected(entry: &Entry) -> Option<AuthorityName> {
    let expected = entry.expected_authority.as_deref()?;
    AuthorityName::ALL
        .into_iter()
        .find(|name| name.as_str() == expected)
}

/// The same CA: the same subject and key, whatever its dates.
pub fn is_same(one: &Certificate, other: &Certificate) -> bool {
    one.public_key() == other.public_key() && one.subject() == other.subject()
}

fn is_control_plane(hosts: &[HostEvidence], host: usize) -> bool {
    use crate::model::ComponentKind::{Etcd, KubeApiserver};
    hosts.get(host).is_some_and(|host| {
        [KubeApiserver, Etcd]
            .into_iter()
            .any(|kind| host.inventory.component(kind).is_some())
    })
}
