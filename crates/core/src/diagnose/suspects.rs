//! Which authority is meant: of each of the cluster's authorities, the key that most of the evidence
//! speaks for.
//!
//! "Signed by unknown authority" has two suspects, the certificate and the bundle. Neither can be
//! judged alone; but a cluster holds many certificates by the same CA, many copies of that CA, and on
//! control planes its key. Whoever contradicts what most of them agree on is the one that is wrong.

use super::draft::EXPECTED;
use super::scene::{Scene, file};
use crate::connections::{Connection, Place, Side, Slot, SlotId, Use};
use crate::model::AuthorityName;
use kubepki_x509::path::SignatureCheck;
use kubepki_x509::{Certificate, Name, PublicKey};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Weight of a certificate that was signed, of a bundle that is trusted, of a key at hand.
const SIGNED: u32 = 2;
const TRUSTED: u32 = 2;
const KEY: u32 = 3;

/// One CA, told apart by name and key; the key by itself where it is known, else by what a
/// certificate says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SignerId {
    name: Name,
    key: KeyId,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum KeyId {
    Known([u8; 32]),
    Hinted(Vec<u8>),
}

/// A CA and what speaks for it.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) id: SignerId,
    weight: u32,
    signed: BTreeSet<Place>,
    trusted_in: BTreeSet<Place>,
    /// Where its key lies.
    pub(super) keys: BTreeSet<Place>,
}

/// The CAs of a cluster, by what they are for.
#[derive(Debug, Default)]
pub(super) struct Signers {
    /// Every CA certificate seen, once, and where each stands: by its name, in the order in which they
    /// were seen, and by fingerprint and by what it stands for.
    authorities: Vec<Certificate>,
    by_name: HashMap<Name, Vec<usize>>,
    by_fingerprint: HashSet<[u8; 32]>,
    by_id: HashMap<SignerId, usize>,
    /// Every key at hand beside a CA file: the key, its authority, where it lies.
    keys: Vec<(PublicKey, Option<AuthorityName>, Place)>,
    known: HashMap<[u8; 32], Vec<SignerId>>,
    groups: BTreeMap<(AuthorityName, Side), Group>,
}

/// The CAs of one authority that one side speaks for.
#[derive(Debug, Default)]
struct Group {
    signers: Vec<Signer>,
    positions: HashMap<SignerId, usize>,
    /// The one that most speaks for.
    best: Option<usize>,
}

impl Group {
    fn signer(&mut self, id: SignerId) -> Option<&mut Signer> {
        let next = self.signers.len();
        let position = *self.positions.entry(id.clone()).or_insert(next);
        if position == next {
            self.signers.push(Signer {
                id,
                weight: 0,
                signed: BTreeSet::new(),
                trusted_in: BTreeSet::new(),
                keys: BTreeSet::new(),
            });
        }
        self.signers.get_mut(position)
    }

    fn weight_of(&self, id: &SignerId) -> u32 {
        let position = self.positions.get(id);
        let signer = position.and_then(|position| self.signers.get(*position));
        signer.map_or(0, |signer| signer.weight)
    }

    /// Of equals the one whose key is at hand, or that the other side speaks for; at last by name, so
    /// that it is always the same.
    fn find_best(&self, opposite: Option<&Self>) -> Option<usize> {
        let weight = |signer: &Signer| {
            let elsewhere = opposite.map_or(0, |group| group.weight_of(&signer.id));
            let copies = signer.trusted_in.len();
            (signer.weight, signer.keys.len(), elsewhere, copies)
        };
        let weighed = self.signers.iter().map(|signer| (weight(signer), signer));
        let best = weighed
            .enumerate()
            .max_by(|(_, (one, first)), (_, (other, second))| {
                one.cmp(other).then_with(|| second.id.cmp(&first.id))
            });
        best.map(|(position, _)| position)
    }
}

impl SignerId {
    /// The CA that a CA certificate stands for.
    pub(super) fn of(authority: &Certificate) -> Self {
        Self {
            name: authority.subject().clone(),
            key: KeyId::Known(authority.public_key().sha256()),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &Name {
        &self.name
    }
}

impl Signer {
    /// What speaks for it, as a fact of a finding.
    pub(super) fn told(&self) -> String {
        let mut parts = Vec::new();
        if let Some(key) = self.keys.first() {
            parts.push(format!("its key is {key}"));
        }
        if !self.signed.is_empty() {
            parts.push(format!("it signed {}", listed(&self.signed)));
        }
        if !self.trusted_in.is_empty() {
            parts.push(format!("it is trusted in {}", listed(&self.trusted_in)));
        }
        format!("{EXPECTED}{}: {}", self.id.name, parts.join(", "))
    }

    /// Whether more than copies of it speak for it.
    pub(super) fn is_used(&self) -> bool {
        !self.signed.is_empty() || !self.keys.is_empty()
    }

    /// Places that hold it, the given one left out.
    pub(super) fn held_elsewhere(&self, than: &Place) -> Option<&Place> {
        self.trusted_in
            .iter()
            .filter(|place| *place != than)
            .min_by_key(|place| !matches!(place, Place::File { .. }))
    }
}

impl Signers {
    /// Weighs everything that was seen.
    pub(super) fn weigh(scene: &Scene<'_>) -> Self {
        let mut signers = Self::default();
        signers.collect(scene);
        for connection in &scene.graph.connections {
            for side in [Side::Server, Side::Client] {
                signers.weigh_side(scene, connection, side);
            }
        }
        signers.weigh_keys();
        signers.decide();
        signers
    }

    fn decide(&mut self) {
        let best = self.groups.iter().map(|((authority, side), group)| {
            let opposite = self.groups.get(&(*authority, opposite(*side)));
            group.find_best(opposite)
        });
        let best: Vec<Option<usize>> = best.collect();
        for (group, best) in self.groups.values_mut().zip(best) {
            group.best = best;
        }
    }

    /// The CA that is meant by an authority's name, where that side is judged.
    pub(super) fn reference(&self, authority: AuthorityName, side: Side) -> Option<&Signer> {
        let best = |side| {
            let group = self.groups.get(&(authority, side))?;
            group.signers.get(group.best?)
        };
        best(side).or_else(|| best(opposite(side)))
    }

    /// The CA certificate of a CA, where one was seen.
    pub(super) fn certificate(&self, id: &SignerId) -> Option<&Certificate> {
        self.authorities.get(*self.by_id.get(id)?)
    }

    /// Who signed a certificate, and who signed those: itself first.
    pub(super) fn ancestors(&self, scene: &Scene<'_>, certificate: &Certificate) -> Vec<SignerId> {
        if let Some(known) = self.known.get(&certificate.fingerprint_sha256()) {
            return known.clone();
        }
        self.trace(scene, certificate)
    }

    fn trace(&self, scene: &Scene<'_>, certificate: &Certificate) -> Vec<SignerId> {
        let mut found = Vec::new();
        let mut current = certificate.clone();
        while found.len() < 4 {
            let Some(issuer) = self.issuer_of(scene, &current) else {
                if found.is_empty() || !current.is_self_issued() {
                    found.extend(self.by_key_or_hint(&current));
                }
                break;
            };
            let id = SignerId::of(issuer);
            if found.contains(&id) {
                break;
            }
            found.push(id);
            current = issuer.clone();
        }
        found
    }

    /// The CA that signed a certificate. Those are tried first whose key identifier it names: where every
    /// host has a CA of its own and of one name, trying each on each would be their square. The others
    /// are tried all the same, for identifiers are a hint and made in several ways (RFC 5280 §4.2.1.2).
    fn issuer_of(&self, scene: &Scene<'_>, certificate: &Certificate) -> Option<&Certificate> {
        let positions = self.by_name.get(certificate.issuer())?;
        let named = positions.iter().filter_map(|it| self.authorities.get(*it));
        let signed = |ca: &&Certificate| scene.signatures.check(certificate, ca).is_ok();
        let hint = certificate
            .authority_key_identifier()
            .and_then(|identifier| identifier.key_identifier);
        let is_hinted = |ca: &&Certificate| hint.is_some() && ca.subject_key_identifier() == hint;
        let mut hinted = named.clone().filter(is_hinted);
        hinted
            .find(signed)
            .or_else(|| named.filter(|ca| !is_hinted(ca)).find(signed))
    }

    /// By a key whose certificate is gone, else by what the certificate says of its issuer.
    fn by_key_or_hint(&self, certificate: &Certificate) -> Option<SignerId> {
        if certificate.is_self_signed() {
            return None;
        }
        let name = certificate.issuer().clone();
        let signed_with = self.keys.iter().find(|(key, ..)| {
            let algorithm = certificate.signature_algorithm();
            key.verify(algorithm, certificate.tbs_der(), certificate.signature())
                .is_ok()
        });
        let key = match signed_with {
            Some((key, ..)) => KeyId::Known(key.sha256()),
            None => KeyId::Hinted(
                certificate
                    .authority_key_identifier()
                    .and_then(|identifier| identifier.key_identifier)
                    .unwrap_or_default(),
            ),
        };
        Some(SignerId { name, key })
    }

    fn collect(&mut self, scene: &Scene<'_>) {
        for host in scene.evidence.hosts {
            let inventory = &host.inventory;
            for authority in &inventory.authorities {
                let cas = authority.certificates.iter().filter(|ca| ca.is_ca());
                cas.for_each(|ca| self.note(ca));
                if let Some(key) = authority.key.public_key() {
                    let path = authority
                        .key_path
                        .as_deref()
                        .unwrap_or(&authority.certificate_path);
                    let name = authority.role.authority();
                    self.keys
                        .push((key.clone(), name, file(&inventory.host, path)));
                }
            }
            for trust in &inventory.embedded_trust {
                trust.certificates.iter().for_each(|ca| self.note(ca));
            }
        }
        for (id, slot) in scene.slots() {
            if slot.purpose == Use::Trust {
                scene.trusted(id).iter().for_each(|ca| self.note(ca));
            }
        }
        let presented: Vec<Certificate> = scene
            .slots()
            .filter_map(|(id, _)| scene.presented(id).cloned())
            .collect();
        for certificate in presented {
            let fingerprint = certificate.fingerprint_sha256();
            if !self.known.contains_key(&fingerprint) {
                let ancestors = self.trace(scene, &certificate);
                self.known.insert(fingerprint, ancestors);
            }
        }
    }

    fn note(&mut self, authority: &Certificate) {
        if self.by_fingerprint.insert(authority.fingerprint_sha256()) {
            let position = self.authorities.len();
            let named = self.by_name.entry(authority.subject().clone());
            named.or_default().push(position);
            self.by_id
                .entry(SignerId::of(authority))
                .or_insert(position);
            self.authorities.push(authority.clone());
        }
    }

    fn weigh_side(&mut self, scene: &Scene<'_>, connection: &Connection, side: Side) {
        let (presents, trusts) = sides(connection, side);
        let expected = || expected_of(scene, scene.graph.slot(presents?)?);
        let Some(authority) = authority_of(scene, presents, trusts).or_else(expected) else {
            return;
        };
        if let Some(id) = presents
            && let Some(slot) = scene.graph.slot(id)
            && let Some(certificate) = scene.presented(id)
        {
            // The kubelet's self-signed certificate speaks for nobody.
            for ancestor in self.ancestors(scene, certificate) {
                let group = self.groups.entry((authority, side)).or_default();
                if let Some(signer) = group.signer(ancestor)
                    && signer.signed.insert(slot.place.clone())
                {
                    signer.weight += SIGNED;
                }
            }
        }
        if let Some(id) = trusts
            && let Some(slot) = scene.graph.slot(id)
        {
            for ca in scene.trusted(id) {
                let group = self.groups.entry((authority, side)).or_default();
                let Some(signer) = group.signer(SignerId::of(ca)) else {
                    continue;
                };
                // Thousands of copies in the API come from one source, and count as one.
                let weight = match &slot.place {
                    Place::Api(object) => {
                        let same = |place: &Place| matches!(place, Place::Api(other) if other.kind == object.kind && other.name == object.name);
                        if signer.trusted_in.iter().any(same) {
                            0
                        } else {
                            1
                        }
                    }
                    _ => TRUSTED,
                };
                if signer.trusted_in.insert(slot.place.clone()) {
                    signer.weight += weight;
                }
            }
        }
    }

    fn weigh_keys(&mut self) {
        let keys = self.keys.clone();
        for ((authority, _), group) in &mut self.groups {
            for (key, of, place) in &keys {
                if of.is_some_and(|of| of != *authority) {
                    continue;
                }
                let id = KeyId::Known(key.sha256());
                let signers = group.signers.iter_mut();
                for signer in signers.filter(|signer| signer.id.key == id) {
                    if signer.keys.insert(place.clone()) {
                        signer.weight += KEY;
                    }
                }
            }
        }
    }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Server => Side::Client,
        Side::Client => Side::Server,
    }
}

/// Who presents and by what it is judged, on one side of a connection.
pub(super) fn sides(connection: &Connection, side: Side) -> (Option<SlotId>, Option<SlotId>) {
    match side {
        Side::Server => (connection.server_presents, connection.client_trusts),
        Side::Client => (connection.client_presents, connection.server_trusts),
    }
}

/// The authority that one side is about.
pub(super) fn authority_of(
    scene: &Scene<'_>,
    presents: Option<SlotId>,
    trusts: Option<SlotId>,
) -> Option<AuthorityName> {
    let of = |id: Option<SlotId>| scene.graph.slot(id?)?.authority;
    of(trusts).or_else(|| of(presents))
}

/// The authority that should have signed what lies in a slot, by its layout.
fn expected_of(scene: &Scene<'_>, slot: &Slot) -> Option<AuthorityName> {
    let entry = super::remedy::entry_at(scene, &slot.place)?;
    let expected = entry.expected_authority.as_deref()?;
    AuthorityName::ALL
        .into_iter()
        .find(|name| name.as_str() == expected)
}

fn listed(places: &BTreeSet<Place>) -> String {
    let mut shown: Vec<String> = places.iter().take(3).map(ToString::to_string).collect();
    if let Some(more) = places.len().checked_sub(3).filter(|more| *more > 0) {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}
