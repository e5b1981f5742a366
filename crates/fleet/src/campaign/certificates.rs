//! Certificates that travel in a campaign: those that hosts hold already, and those that earlier
//! steps issued. Public things only.

use kubepki_core::model::Inventory;
use kubepki_core::plan::{ClusterPlan, Issuance, Origin, Signer, Step};
use kubepki_x509::Certificate;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Certificates by fingerprint, as far as a plan names them.
#[derive(Clone, Debug, Default)]
pub struct KnownCertificates {
    by_fingerprint: BTreeMap<String, String>,
}

impl KnownCertificates {
    /// Those of these hosts that the plan names: what is renewed elsewhere, and what is handed over.
    pub fn of<'a>(
        plan: &ClusterPlan,
        inventories: impl IntoIterator<Item = &'a Inventory>,
    ) -> Self {
        let wanted: BTreeSet<&str> = issuances(plan).filter_map(named).collect();
        let mut by_fingerprint = BTreeMap::new();
        if wanted.is_empty() {
            return Self { by_fingerprint };
        }
        for inventory in inventories {
            let entries = inventory.entries.iter().flat_map(|entry| &entry.chain);
            let authorities = inventory.authorities.iter();
            let authorities = authorities.flat_map(|authority| &authority.certificates);
            for certificate in entries.chain(authorities) {
                let fingerprint = hex::encode(certificate.fingerprint_sha256());
                if wanted.contains(fingerprint.as_str()) {
                    by_fingerprint
                        .entry(fingerprint)
                        .or_insert_with(|| pem(certificate));
                }
            }
        }
        Self { by_fingerprint }
    }

    /// The certificate of this fingerprint, PEM.
    pub fn pem(&self, fingerprint_sha256: &str) -> Option<&str> {
        self.by_fingerprint
            .get(fingerprint_sha256)
            .map(String::as_str)
    }
}

fn issuances(plan: &ClusterPlan) -> impl Iterator<Item = &Issuance> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps
        .filter_map(|step| match step {
            Step::Carry { plan, .. } => Some(plan),
            Step::Halt { .. }
            | Step::Start { .. }
            | Step::ChangeApi { .. }
            | Step::Etcd { .. }
            | Step::RetireKeys { .. } => None,
        })
        .flat_map(|plan| &plan.issuances)
}

/// The fingerprint of the certificate that has to be at hand for an issuance.
fn named(issuance: &Issuance) -> Option<&str> {
    match (&issuance.signer, &issuance.origin) {
        (
            Signer::Given {
                fingerprint_sha256, ..
            },
            _,
        ) => fingerprint_sha256.as_deref(),
        (
            Signer::Elsewhere { .. },
            Origin::Certificate {
                fingerprint_sha256, ..
            },
        ) => Some(fingerprint_sha256),
        _ => None,
    }
}

/// A certificate as PEM.
pub(super) fn pem(certificate: &Certificate) -> String {
    certificate.to_pem()
}

/// What the steps of a campaign issued, by host and name.
#[derive(Debug, Default)]
pub(super) struct Issued {
    chains: Mutex<BTreeMap<(String, String), String>>,
}

impl Issued {
    pub(super) fn add(&self, host: &str, name: &str, chain_pem: &str) {
        self.chains
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((host.to_owned(), name.to_owned()), chain_pem.to_owned());
    }

    pub(super) fn chain(&self, host: &str, name: &str) -> Option<String> {
        self.chains
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(host.to_owned(), name.to_owned()))
            .cloned()
    }
}
