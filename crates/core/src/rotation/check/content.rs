//! What may lie in a slot, reduced to what a judgement needs: which authorities signed a certificate,
//! which a bundle believes. Equal contents are one, and what was judged once is remembered, so that
//! thousands of nodes in the same state cost no more than one.

use super::verdict::listed;
use crate::connections::{Credential, Graph, Held, Material};
use crate::rotation::{Holds, Picture, Root};
use kubepki_x509::path::SignatureCheck;
use kubepki_x509::{Certificate, Name};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An authority, or a service-account key.
pub(super) type Authority = u32;

/// A content, by its number.
pub(super) type ContentId = u32;

/// One content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Content {
    /// A certificate or token: who believes one of these believes it.
    Signed(BTreeSet<Authority>),
    /// Whoever was signed by one of these is believed.
    Trusts(BTreeSet<Authority>),
    /// It cannot be told what it is.
    Unknown,
    /// There is nothing of use.
    Nothing,
}

/// What a slot may hold: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices(Vec<ContentId>);

impl Choices {
    pub(super) fn one(id: ContentId) -> Self {
        Self(vec![id])
    }

    /// Whether it grew.
    pub(super) fn add(&mut self, id: ContentId) -> bool {
        let is_new = !self.0.contains(&id);
        if is_new {
            self.0.push(id);
        }
        is_new
    }

    /// Whether it grew.
    pub(super) fn add_all(&mut self, others: &Self) -> bool {
        let before = self.0.len();
        for id in &others.0 {
            self.add(*id);
        }
        self.0.len() > before
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ContentId> {
        self.0.iter().copied()
    }

    pub(super) fn contains(&self, id: ContentId) -> bool {
        self.0.contains(&id)
    }

    /// Those that pass; `None` when none does.
    pub(super) fn narrowed(&self, passes: impl Fn(ContentId) -> bool) -> Option<Self> {
        let kept: Vec<ContentId> = self.iter().filter(|id| passes(*id)).collect();
        (!kept.is_empty()).then_some(Self(kept))
    }
}

/// The two sides of a root.
#[derive(Clone, Debug)]
struct Sides {
    old: BTreeSet<Authority>,
    /// The one that signs.
    signs: Authority,
    new: Authority,
}

/// Every content that was met.
pub(super) struct Contents {
    names: Vec<String>,
    by_fingerprint: HashMap<String, Authority>,
    certificates: HashMap<Name, Vec<(Authority, Certificate)>>,
    sides: BTreeMap<Root, Sides>,
    list: Vec<Content>,
    ids: HashMap<Content, ContentId>,
    judged: HashMap<(ContentId, ContentId), bool>,
}

impl Contents {
    /// The generations of the picture, and every CA certificate that somebody trusts.
    pub(super) fn new(picture: &Picture, graph: &Graph, material: &Material) -> Self {
        let mut contents = Self {
            names: Vec::new(),
            by_fingerprint: HashMap::new(),
            certificates: HashMap::new(),
            sides: BTreeMap::new(),
            list: Vec::new(),
            ids: HashMap::new(),
            judged: HashMap::new(),
        };
        for root in &picture.roots {
            let named = format!("the old {}", root.root);
            let mut old: Vec<Authority> = root
                .old
                .iter()
                .map(|it| contents.authority(&it.fingerprint_sha256, || named.clone()))
                .collect();
            if old.is_empty() {
                old.push(contents.authority(&format!("old {}", root.root), || named.clone()));
            }
            let new = match &root.new {
                Some(new) => new.fingerprint_sha256.clone(),
                None => format!("new {}", root.root),
            };
            let new = contents.authority(&new, || format!("the new {}", root.root));
            let Some(signs) = old.first().copied() else {
                continue;
            };
            let old = old.into_iter().filter(|it| *it != new).collect();
            contents.sides.insert(root.root, Sides { old, signs, new });
        }
        for index in 0..graph.slots.len() {
            if let Held::Trust(bundle) = material.held(crate::connections::SlotId(index)) {
                for certificate in bundle.pool.certificates() {
                    contents.certificate(certificate);
                }
            }
        }
        contents
    }

    fn authority(&mut self, fingerprint: &str, name: impl FnOnce() -> String) -> Authority {
        if let Some(known) = self.by_fingerprint.get(fingerprint) {
            return *known;
        }
        let id = Authority::try_from(self.names.len()).unwrap_or(Authority::MAX);
        self.names.push(name());
        self.by_fingerprint.insert(fingerprint.to_owned(), id);
        id
    }

    fn certificate(&mut self, certificate: &Certificate) -> Authority {
        let known = self.certificates.get(certificate.subject());
        let same = known.and_then(|all| all.iter().find(|(_, other)| other == certificate));
        if let Some((authority, _)) = same {
            return *authority;
        }
        let fingerprint = hex::encode(certificate.fingerprint_sha256());
        let id = self.authority(&fingerprint, || certificate.subject().to_string());
        let subject = certificate.subject().clone();
        let same = self.certificates.entry(subject).or_default();
        same.push((id, certificate.clone()));
        id
    }

    /// The number of a content.
    pub(super) fn id(&mut self, content: Content) -> ContentId {
        if let Some(known) = self.ids.get(&content) {
            return *known;
        }
        let id = ContentId::try_from(self.list.len()).unwrap_or(ContentId::MAX);
        self.list.push(content.clone());
        self.ids.insert(content, id);
        id
    }

    pub(super) fn content(&self, id: ContentId) -> &Content {
        let index = usize::try_from(id).unwrap_or(usize::MAX);
        self.list.get(index).unwrap_or(&Content::Unknown)
    }

    /// What lies in a slot of the world as it is.
    pub(super) fn of(&mut self, held: &Held, signatures: &dyn SignatureCheck) -> ContentId {
        let content = match held {
            Held::Credential(credential) => Content::Signed(self.signers(credential, signatures)),
            Held::Trust(bundle) => {
                let certificates = bundle.pool.certificates().iter();
                Content::Trusts(certificates.map(|it| self.certificate(it)).collect())
            }
            Held::Missing(_) | Held::Unusable(_) => Content::Nothing,
            Held::Unknown(_) => Content::Unknown,
        };
        self.id(content)
    }

    /// Every authority that a chain can lead to.
    fn signers(
        &self,
        credential: &Credential,
        signatures: &dyn SignatureCheck,
    ) -> BTreeSet<Authority> {
        let mut signers = BTreeSet::new();
        for certificate in &credential.chain {
            let named = self.certificates.get(certificate.issuer());
            for (authority, issuer) in named.into_iter().flatten() {
                if signatures.check(certificate, issuer).is_ok() {
                    signers.insert(*authority);
                }
            }
        }
        signers
    }

    /// What a place holds that is spelled so.
    pub(super) fn held(&mut self, root: Root, holds: &Holds, is_trust: bool) -> ContentId {
        let content = match (self.sides.get(&root), holds) {
            (_, Holds::Unknown { .. }) | (None, _) => Content::Unknown,
            (_, Holds::Neither { .. }) => Content::Nothing,
            (Some(sides), holds) if is_trust => {
                let (old, new) = (sides.old.iter().copied(), sides.new);
                Content::Trusts(match holds {
                    Holds::Old => old.collect(),
                    Holds::New => BTreeSet::from([new]),
                    _ => old.chain([new]).collect(),
                })
            }
            (Some(sides), Holds::Old) => Content::Signed(BTreeSet::from([sides.signs])),
            (Some(sides), _) => Content::Signed(BTreeSet::from([sides.new])),
        };
        self.id(content)
    }

    /// Both of two bundles.
    pub(super) fn merged(&mut self, one: ContentId, other: ContentId) -> ContentId {
        match (self.content(one), self.content(other)) {
            (Content::Trusts(one), Content::Trusts(other)) => {
                let merged = one.union(other).copied().collect();
                self.id(Content::Trusts(merged))
            }
            (Content::Trusts(_), _) => one,
            _ => other,
        }
    }

    /// Whether it is of the new generation, or believes it.
    pub(super) fn has_new(&self, id: ContentId, root: Root) -> bool {
        self.sides
            .get(&root)
            .is_some_and(|sides| self.authorities(id).contains(&sides.new))
    }

    /// Whether it is of an old generation, or believes one.
    pub(super) fn has_old(&self, id: ContentId, root: Root) -> bool {
        let sides = self.sides.get(&root);
        sides.is_some_and(|sides| !sides.old.is_disjoint(self.authorities(id)))
    }

    /// Whether nobody of the old generation, and somebody of the new.
    pub(super) fn is_new(&self, id: ContentId, root: Root) -> bool {
        self.has_new(id, root) && !self.has_old(id, root)
    }

    /// Whether it cannot be told.
    pub(super) fn is_unknown(&self, id: ContentId) -> bool {
        *self.content(id) == Content::Unknown
    }

    fn authorities(&self, id: ContentId) -> &BTreeSet<Authority> {
        static NOBODY: BTreeSet<Authority> = BTreeSet::new();
        match self.content(id) {
            Content::Signed(all) | Content::Trusts(all) => all,
            Content::Unknown | Content::Nothing => &NOBODY,
        }
    }

    /// Whether what is presented is believed; `None` when that cannot be told.
    pub(super) fn believed(&mut self, presented: ContentId, by: ContentId) -> Option<bool> {
        if let Some(known) = self.judged.get(&(presented, by)) {
            return Some(*known);
        }
        let believed = match (self.content(presented), self.content(by)) {
            (Content::Unknown, _) | (_, Content::Unknown) => return None,
            (Content::Signed(signers), Content::Trusts(trusted)) => !signers.is_disjoint(trusted),
            _ => false,
        };
        self.judged.insert((presented, by), believed);
        Some(believed)
    }

    /// In words: `trusts only the old kubernetes-ca`.
    pub(super) fn in_words(&self, id: ContentId) -> String {
        let named = |all: &BTreeSet<Authority>| -> Vec<String> {
            let mut names: Vec<String> = Vec::new();
            for authority in all {
                let index = usize::try_from(*authority).unwrap_or(usize::MAX);
                let name = self.names.get(index).cloned().unwrap_or_default();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        match self.content(id) {
            Content::Signed(all) if all.is_empty() => "is signed by somebody else".to_owned(),
            Content::Signed(all) => format!("is signed by {}", listed(&named(all))),
            Content::Trusts(all) if all.is_empty() => "trusts nobody".to_owned(),
            Content::Trusts(all) => match named(all).as_slice() {
                [one] => format!("trusts only {one}"),
                several => format!("trusts {}", listed(several)),
            },
            Content::Unknown => "cannot be told".to_owned(),
            Content::Nothing => "holds nothing of use".to_owned(),
        }
    }
}
