//! From declarations and what is there already to the list of what to make, or a refusal.
//!
//! As kubeadm does, an authority whose certificate and key are there is used again, and one whose
//! key is absent is external. Everything else that is there is in the way.

use super::ground::Ground;
use super::layout::{Authority, Declarations, Destination, Leaf, ServiceAccountKey};
use super::list::{
    Certifies, ExistingAuthority, Founding, Making, ServiceAccountKeyMaking, Source,
};
use super::notices::Notices;
use super::refusal::FoundingRefusal;
use super::selection::Selection;
use crate::plan::lifetime::{EndRule, StartRule};
use jiff::Timestamp;
use kubepki_x509::{Certificate, ValidityState};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the user wants, beyond the layout.
#[derive(Clone, Debug)]
pub struct FoundingRequest {
    /// Start of validity of everything.
    pub start: StartRule,
    /// End of validity of certificates that declare none.
    pub end: EndRule,
    /// End of validity of authorities that declare none.
    pub authority_end: EndRule,
    /// Kind of key of certificates that declare none.
    pub key_type: String,
    /// Kind of key of authorities that declare none.
    pub authority_key_type: String,
    /// Kind of key of service-account keys that declare none.
    pub service_account_key_type: String,
    /// Names, or kinds of names; empty for everything.
    pub only: Vec<String>,
    /// Whether authorities that are not there are somebody else's instead of being made.
    pub external: bool,
    /// Where keys and requests go for what somebody else signs.
    pub csr_dir: Option<PathBuf>,
    /// Where keys and certificates come from that somebody else has signed. Nothing else is made.
    pub install: Option<PathBuf>,
}

/// Lists what to make.
pub fn found(
    declared: &Declarations,
    ground: &Ground,
    request: &FoundingRequest,
    now: Timestamp,
) -> Result<Founding, FoundingRefusal> {
    let mut founder = Founder {
        declared,
        ground,
        request,
        now,
        selection: Selection::new(&request.only, declared)?,
        states: BTreeMap::new(),
        notices: Notices::default(),
        founding: Founding::default(),
    };
    for authority in &declared.authorities {
        let state = founder.authority(authority)?;
        founder.states.insert(&authority.name, state);
    }
    for leaf in &declared.leafs {
        if founder.selection.has_leaf(&leaf.name, &leaf.destination) {
            founder.leaf(leaf)?;
        }
    }
    if request.install.is_none() {
        for pair in &declared.service_account_keys {
            if founder.selection.has_service_account_key(&pair.name) {
                founder.service_account_key(pair);
            }
        }
    }
    founder.finish()
}

/// How an authority stands.
#[derive(Clone, Copy)]
enum State<'a> {
    /// It is there and can sign.
    Here(&'a Certificate),
    /// It will be made, and ends then.
    Made(Timestamp),
    /// Its key is elsewhere; its certificate may be here.
    External { is_known: bool },
    /// It waits for somebody's signature, or comes from there now.
    Requested,
    /// It neither is there nor is to be made.
    Absent,
}

struct Founder<'a> {
    declared: &'a Declarations,
    ground: &'a Ground,
    request: &'a FoundingRequest,
    now: Timestamp,
    selection: Selection<'a>,
    states: BTreeMap<&'a str, State<'a>>,
    notices: Notices,
    founding: Founding,
}

impl<'a> Founder<'a> {
    fn authority(&mut self, authority: &'a Authority) -> Result<State<'a>, FoundingRefusal> {
        if self.ground.authorities.contains_key(&authority.name) {
            return self.existing_authority(authority);
        }
        if self.ground.has(&authority.key) {
            return Err(FoundingRefusal::KeyWithoutCertificate {
                authority: authority.name.clone(),
                key: authority.key.clone(),
                certificate: authority.certificate.clone(),
            });
        }
        if self.request.external {
            return Ok(State::External { is_known: false });
        }
        if !self.selection.has_authority(&authority.name) {
            return Ok(State::Absent);
        }
        let source = match &authority.signer {
            None => Source::Itself,
            Some(signer) => self.source(&authority.name, signer)?,
        };
        let is_elsewhere = matches!(source, Source::Request(_) | Source::Installed { .. });
        if self.request.install.is_some() && !is_elsewhere {
            return Ok(State::Absent);
        }
        let asked = authority.end.unwrap_or(self.request.authority_end);
        let key_type = authority.key_type.as_ref();
        let making = self.making(Draft {
            name: &authority.name,
            subject: &authority.subject,
            certifies: Certifies::Authority {
                path_length: authority.path_length,
            },
            source,
            asked,
            key_type: key_type.unwrap_or(&self.request.authority_key_type),
            destination: Destination::Files {
                certificate: authority.certificate.clone(),
                key: authority.key.clone(),
            },
        })?;
        let not_after = making.not_after;
        self.founding.makings.push(making);
        Ok(if is_elsewhere {
            State::Requested
        } else {
            State::Made(not_after)
        })
    }

    fn existing_authority(
        &mut self,
        authority: &'a Authority,
    ) -> Result<State<'a>, FoundingRefusal> {
        let Some(found) = self.ground.authorities.get(&authority.name) else {
            return Ok(State::Absent);
        };
        let mut existing = ExistingAuthority {
            name: authority.name.clone(),
            certificate: authority.certificate.clone(),
            key: None,
            signer: authority.signer.clone(),
        };
        if !authority.given {
            self.founding.kept.push(authority.certificate.clone());
        }
        if found.key.is_none() {
            self.founding.existing_authorities.push(existing);
            return Ok(State::External { is_known: true });
        }
        let Some(signing) = found.signing() else {
            return Err(FoundingRefusal::KeyMismatch {
                key: authority.key.clone(),
                certificate: authority.certificate.clone(),
            });
        };
        let validity = signing.validity();
        if validity.state(self.now) != ValidityState::Valid {
            return Err(FoundingRefusal::AuthorityNotValid {
                authority: authority.name.clone(),
                not_before: validity.not_before,
                not_after: validity.not_after,
                now: self.now,
            });
        }
        existing.key = Some(authority.key.clone());
        if !authority.given {
            self.founding.kept.push(authority.key.clone());
        }
        self.founding.existing_authorities.push(existing);
        Ok(State::Here(signing))
    }

    fn leaf(&mut self, leaf: &'a Leaf) -> Result<(), FoundingRefusal> {
        let source = self.source(&leaf.name, &leaf.signer)?;
        if self.request.install.is_some() && !matches!(source, Source::Installed { .. }) {
            return Ok(());
        }
        if let Destination::Kubeconfig { trusts, .. } = &leaf.destination
            && !matches!(source, Source::Request(_))
        {
            self.check_trust(&leaf.name, trusts)?;
        }
        let making = self.making(Draft {
            name: &leaf.name,
            subject: &leaf.subject,
            certifies: Certifies::Leaf {
                usages: leaf.usages.clone(),
                names: leaf.names.clone(),
            },
            source,
            asked: leaf.end.unwrap_or(self.request.end),
            key_type: leaf.key_type.as_ref().unwrap_or(&self.request.key_type),
            destination: leaf.destination.clone(),
        })?;
        self.founding.makings.push(making);
        Ok(())
    }

    /// Where the signature of `name` comes from, as `signer` stands.
    fn source(&self, name: &str, signer: &'a str) -> Result<Source, FoundingRefusal> {
        let refused = |name: &str| (name.to_owned(), signer.to_owned());
        match self.state(signer) {
            State::Here(_) | State::Made(_) => Ok(Source::Authority(signer.to_owned())),
            State::External { is_known } => match (&self.request.install, &self.request.csr_dir) {
                (Some(directory), _) => Ok(Source::Installed {
                    directory: directory.clone(),
                    authority: is_known.then(|| signer.to_owned()),
                }),
                (None, Some(directory)) => Ok(Source::Request(directory.clone())),
                (None, None) => {
                    let (name, authority) = refused(name);
                    let key = self.declared.authority(signer).map(|it| it.key.clone());
                    Err(FoundingRefusal::ExternalAuthority {
                        name,
                        authority,
                        key: key.unwrap_or_default(),
                    })
                }
            },
            State::Requested => {
                let (name, authority) = refused(name);
                Err(FoundingRefusal::AuthorityRequested { name, authority })
            }
            // With --install only what was signed elsewhere is of interest.
            State::Absent if self.request.install.is_some() => {
                Ok(Source::Authority(signer.to_owned()))
            }
            State::Absent => Err(self.missing(name, signer)),
        }
    }

    fn check_trust(&self, name: &str, authority: &'a str) -> Result<(), FoundingRefusal> {
        match self.state(authority) {
            State::Here(_) | State::Made(_) | State::External { is_known: true } => Ok(()),
            State::Absent => Err(self.missing(name, authority)),
            State::External { is_known: false } | State::Requested => {
                Err(FoundingRefusal::NothingToTrust {
                    name: name.to_owned(),
                    authority: authority.to_owned(),
                    certificate: self.certificate_path(authority),
                })
            }
        }
    }

    fn making(&mut self, draft: Draft<'_>) -> Result<Making, FoundingRefusal> {
        let not_before = self.request.start.resolve(self.now)?;
        let mut not_after = draft.asked.resolve(self.now)?;
        if let Source::Authority(signer) = &draft.source {
            let state = self.state(signer);
            let is_authority = matches!(draft.certifies, Certifies::Authority { .. });
            if let State::Here(certificate) = state
                && is_authority
                && certificate
                    .basic_constraints()
                    .and_then(|it| it.path_len_constraint)
                    == Some(0)
            {
                return Err(FoundingRefusal::PathLength {
                    authority: signer.clone(),
                });
            }
            let signer_end = match state {
                State::Here(certificate) => Some(certificate.validity().not_after),
                State::Made(end) => Some(end),
                _ => None,
            };
            if let Some(end) = signer_end.filter(|end| *end < not_after) {
                self.notices.clamped(draft.name, signer, end, not_after);
                not_after = end;
            }
            if !is_authority && !self.signs_itself(signer) {
                self.notices.intermediate(signer);
            }
        }
        if not_after <= not_before {
            return Err(FoundingRefusal::EmptyValidity {
                name: draft.name.to_owned(),
                not_before,
                not_after,
            });
        }
        if !matches!(draft.source, Source::Request(_) | Source::Installed { .. }) {
            self.notices
                .dates(draft.name, not_before, not_after, self.now);
        }
        self.notices.key_type(draft.key_type);
        Ok(Making {
            name: draft.name.to_owned(),
            subject: draft.subject.clone(),
            certifies: draft.certifies,
            source: draft.source,
            not_before,
            not_after,
            key_type: draft.key_type.to_owned(),
            destination: draft.destination,
        })
    }

    fn signs_itself(&self, authority: &str) -> bool {
        match self.state(authority) {
            State::Here(certificate) => certificate.is_self_issued(),
            _ => self
                .declared
                .authority(authority)
                .is_none_or(|authority| authority.signer.is_none()),
        }
    }

    fn service_account_key(&mut self, pair: &ServiceAccountKey) {
        let is_there = self.ground.has(&pair.private);
        if is_there {
            self.founding.kept.push(pair.private.clone());
        }
        if is_there && self.ground.has(&pair.public) {
            self.founding.kept.push(pair.public.clone());
            return;
        }
        let default = &self.request.service_account_key_type;
        let key_type = pair.key_type.as_ref().unwrap_or(default).clone();
        self.founding
            .service_account_keys
            .push(ServiceAccountKeyMaking {
                name: pair.name.clone(),
                private: pair.private.clone(),
                public: pair.public.clone(),
                key_type: (!is_there).then_some(key_type),
            });
    }

    fn finish(mut self) -> Result<Founding, FoundingRefusal> {
        let mut paths = self.founding.paths();
        paths.retain(|path| self.ground.has(path));
        if !paths.is_empty() {
            return Err(FoundingRefusal::Exists { paths });
        }
        self.founding.notices = self.notices.list();
        Ok(self.founding)
    }

    fn state(&self, authority: &str) -> State<'a> {
        self.states.get(authority).copied().unwrap_or(State::Absent)
    }

    fn missing(&self, name: &str, authority: &str) -> FoundingRefusal {
        FoundingRefusal::AuthorityMissing {
            name: name.to_owned(),
            authority: authority.to_owned(),
            certificate: self.certificate_path(authority),
        }
    }

    fn certificate_path(&self, authority: &str) -> PathBuf {
        let declared = self.declared.authority(authority);
        declared
            .map(|authority| authority.certificate.clone())
            .unwrap_or_default()
    }
}

/// A making whose dates are not settled yet.
struct Draft<'d> {
    name: &'d str,
    subject: &'d kubepki_x509::Name,
    certifies: Certifies,
    source: Source,
    asked: EndRule,
    key_type: &'d str,
    destination: Destination,
}
