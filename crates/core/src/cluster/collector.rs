//! [`Collector`]: gathers facts object by object, and keeps only what a judgement needs.
//!
//! Memory follows what is found, not what was read: of somebody's certificate a summary, of equal
//! bundles one copy, and of foreign CA certificates no more than a budget.

use super::contents::Found;
use super::opener::OpensKeys;
use crate::model::cluster::{
    ApiBundle, ApiCertificate, BundlePurpose, ClusterObservation, Encoding, KnownKeys,
};
use crate::model::{Gap, ObjectReference};
use jiff::Timestamp;
use kubepki_sealed::Sealed;
use kubepki_x509::{Certificate, GeneralName};
use std::collections::{BTreeMap, HashMap};

/// Takes the objects of one cluster, one at a time and kind by kind.
///
/// cert-manager's Certificates come before Secrets, so that those know who renews them.
pub struct Collector<'a> {
    pub(super) known: &'a KnownKeys,
    pub(super) opener: &'a dyn OpensKeys,
    pub(super) observation: ClusterObservation,
    /// By namespace and Secret.
    pub(super) managed: BTreeMap<(String, String), String>,
    /// By index into the backends: namespace, Service and port.
    pub(super) services: Vec<(usize, BackendService)>,
    /// `kubeadm-certs`: its index among the certificates, and the bootstrap token that owns it.
    pub(super) uploaded: Option<(usize, Option<String>)>,
    certificates: HashMap<[u8; 32], Certificate>,
    /// DER that may still be kept of CA certificates that are none of this cluster's.
    budget: usize,
    not_kept: u64,
    unreadable: u64,
}

/// A Service that stands before a backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Service's port.
    pub port: u16,
}

/// DER of foreign CA certificates: some ten of Mozilla's whole lists.
const BUDGET: usize = 2 * 1024 * 1024;
/// Objects that cannot be read are named one by one up to here.
const MOST_NAMED: u64 = 50;

impl<'a> Collector<'a> {
    /// Nothing seen yet.
    pub fn new(
        server: String,
        observed_at: Timestamp,
        known: &'a KnownKeys,
        opener: &'a dyn OpensKeys,
    ) -> Self {
        let observation = ClusterObservation {
            server,
            version: None,
            observed_at,
            server_time: None,
            bundles: Vec::new(),
            certificates: Vec::new(),
            backends: Vec::new(),
            requests: Vec::new(),
            bootstrap_tokens: Vec::new(),
            token_secrets: Vec::new(),
            service_account_keys: known
                .service_account_keys
                .iter()
                .map(|key| hex::encode(key.sha256()))
                .collect(),
            namespaces: Vec::new(),
            nodes: Vec::new(),
            exposed: Vec::new(),
            cluster_info_tokens: Vec::new(),
            requestheader_allowed_names: None,
            counts: BTreeMap::new(),
            gaps: Vec::new(),
        };
        Self {
            known,
            opener,
            observation,
            managed: BTreeMap::new(),
            services: Vec::new(),
            uploaded: None,
            certificates: HashMap::new(),
            budget: BUDGET,
            not_kept: 0,
            unreadable: 0,
        }
    }

    /// What the server said of itself.
    pub fn server(&mut self, version: Option<String>, time: Option<Timestamp>) {
        self.observation.version = version;
        self.observation.server_time = time;
    }

    /// Something could not be seen.
    pub fn gap(&mut self, object: impl Into<String>, reason: impl Into<String>) {
        self.observation.gaps.push(Gap::new(object, reason));
    }

    /// Objects seen of one kind so far.
    pub fn count(&self, kind: &str) -> u64 {
        self.observation.counts.get(kind).copied().unwrap_or(0)
    }

    /// Namespaces seen so far.
    pub fn namespaces(&self) -> &[String] {
        &self.observation.namespaces
    }

    /// Everything that was seen.
    pub fn finish(mut self) -> ClusterObservation {
        self.end_uploaded();
        if self.unreadable > MOST_NAMED {
            let more = self.unreadable - MOST_NAMED;
            self.gap("other objects", format!("{more} more could not be read"));
        }
        if self.not_kept > 0 {
            let reason = format!(
                "{} CA certificates that are none of this cluster's were not kept: there are too \
                 many different ones",
                self.not_kept
            );
            self.gap("CA bundles", reason);
        }
        self.observation
    }

    /// Counts an object of a kind, whether or not anything is in it.
    pub(super) fn counted(&mut self, kind: &str) {
        match self.observation.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                self.observation.counts.insert(kind.to_owned(), 1);
            }
        }
    }

    /// An object that is not as its kind should be.
    pub(super) fn unreadable(&mut self, kind: &str, reason: String) {
        self.unreadable += 1;
        if self.unreadable <= MOST_NAMED {
            let number = self.count(kind);
            self.gap(format!("{kind} number {number} of the list"), reason);
        }
    }

    /// CA certificates in one place.
    pub(super) fn bundle(
        &mut self,
        object: ObjectReference,
        purpose: BundlePurpose,
        certificates: Vec<Certificate>,
        problem: Option<String>,
    ) {
        let certificates = self.keep_all(certificates, purpose == BundlePurpose::Other);
        self.observation.bundles.push(ApiBundle {
            object,
            purpose,
            certificates,
            problem,
        });
    }

    /// PEM that somebody trusts, as it stands in one field.
    pub(super) fn pem_bundle(
        &mut self,
        object: ObjectReference,
        purpose: BundlePurpose,
        pem: &[u8],
    ) {
        let (certificates, problem) = self.read_bundle(pem);
        self.bundle(object, purpose, certificates, problem);
    }

    /// The certificates of PEM that somebody trusts, and what is wrong with it.
    pub(super) fn read_bundle(&self, pem: &[u8]) -> (Vec<Certificate>, Option<String>) {
        let Found {
            certificates,
            problem,
            ..
        } = super::contents::pem_text(pem, self.opener);
        let problem = problem.or_else(|| {
            let empty = certificates.is_empty();
            empty.then(|| "it holds no certificate".to_owned())
        });
        (certificates, problem)
    }

    /// What is in one value.
    pub(super) fn read_value(
        &self,
        contents: &Sealed,
        passwords: impl FnOnce() -> Vec<Sealed>,
    ) -> Vec<Found> {
        super::contents::read(contents, self.opener, passwords)
    }

    /// Somebody's own certificate, summarised; `behind` is the rest of its chain.
    pub(super) fn summary(
        &mut self,
        object: ObjectReference,
        encoding: Encoding,
        certificate: &Certificate,
        behind: &[Certificate],
    ) -> ApiCertificate {
        let signed_by = self.known.authorities.iter().position(|authority| {
            authority.subject() == certificate.issuer()
                && certificate.verify_issued_by(authority).is_ok()
        });
        let takes_part = signed_by.is_some() || self.is_known(certificate);
        let own = std::iter::once(certificate).chain(behind).cloned();
        let chain = match takes_part {
            true => self.keep_all(own.collect(), false),
            // A webhook's or an aggregated API's, maybe.
            false if is_for_service(certificate) => {
                let mut chain = self.keep_all(own.collect(), true);
                if chain.first() != Some(certificate) {
                    chain.clear();
                }
                chain
            }
            false => Vec::new(),
        };
        let validity = certificate.validity();
        ApiCertificate {
            object,
            encoding,
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            fingerprint: certificate.fingerprint_sha256(),
            not_before: validity.not_before,
            not_after: validity.not_after,
            is_ca: certificate.is_ca(),
            signed_by,
            key_matches: None,
            managed_by: None,
            chain,
            problem: None,
        }
    }

    /// Whether this is a certificate of one of the authorities given, or of its key.
    pub(super) fn is_known(&self, certificate: &Certificate) -> bool {
        let known = self.known.authorities.iter();
        known
            .into_iter()
            .any(|authority| authority.public_key() == certificate.public_key())
    }

    /// Shares equal certificates. Foreign ones are kept only within the budget.
    pub(super) fn keep_all(
        &mut self,
        certificates: Vec<Certificate>,
        foreign: bool,
    ) -> Vec<Certificate> {
        let mut kept = Vec::with_capacity(certificates.len());
        for certificate in certificates {
            let fingerprint = certificate.fingerprint_sha256();
            if let Some(equal) = self.certificates.get(&fingerprint) {
                kept.push(equal.clone());
                continue;
            }
            if foreign && !self.is_of_the_cluster(&certificate) {
                let Some(left) = self.budget.checked_sub(certificate.der().len()) else {
                    self.not_kept += 1;
                    continue;
                };
                self.budget = left;
            }
            self.certificates.insert(fingerprint, certificate.clone());
            kept.push(certificate);
        }
        kept.shrink_to_fit();
        kept
    }

    /// One that was given, or one that bears the name of such, as a successor or an impostor does.
    fn is_of_the_cluster(&self, certificate: &Certificate) -> bool {
        self.is_known(certificate)
            || self
                .known
                .authorities
                .iter()
                .any(|authority| authority.subject() == certificate.subject())
    }
}

/// A place that should hold somebody's certificate, which cannot be read.
pub(super) fn unread(
    object: ObjectReference,
    encoding: Encoding,
    problem: String,
) -> ApiCertificate {
    ApiCertificate {
        object,
        encoding,
        subject: String::new(),
        issuer: String::new(),
        fingerprint: [0; 32],
        // nothing is known of it, least of all that it has ended
        not_before: Timestamp::MIN,
        not_after: Timestamp::MAX,
        is_ca: false,
        signed_by: None,
        key_matches: None,
        managed_by: None,
        chain: Vec::new(),
        problem: Some(problem),
    }
}

/// Whether it is for the name of a Service, by which the API server calls others.
fn is_for_service(certificate: &Certificate) -> bool {
    let mut names = certificate.subject_alt_names().into_iter();
    names.any(|name| matches!(name, GeneralName::DnsName(name) if name.ends_with(".svc")))
}
