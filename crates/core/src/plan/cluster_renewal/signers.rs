//! Who can sign for other hosts, and which certificates several hosts share.

use super::authorities::AuthorityPlans;
use super::has_key;
use super::hosts::{Duty, Host};
use crate::plan::renew::around::RemoteSigner;
use crate::plan::renew::planner::is_named;
use crate::plan::{RenewRequest, Selection};
use std::collections::{BTreeMap, BTreeSet};

/// Every CA whose key lies on some host, once: on the first control plane that has it, and before
/// that on one where it has not expired.
pub(super) fn signers<'a>(
    hosts: &[Host<'a>],
    authorities: &AuthorityPlans,
) -> Vec<RemoteSigner<'a>> {
    let mut found: Vec<RemoteSigner<'a>> = Vec::new();
    let mut preferred: Vec<&Host<'a>> = hosts.iter().collect();
    preferred.sort_by_key(|host| host.duty != Duty::ControlPlane);
    for host in preferred {
        for authority in &host.inventory.authorities {
            let Some(certificate) = authority.issuing().filter(|_| has_key(authority)) else {
                continue;
            };
            let not_after = authorities
                .end_of(certificate)
                .unwrap_or(certificate.validity().not_after);
            let signer = RemoteSigner {
                host: host.name,
                authority,
                certificate,
                not_after,
            };
            let known = found.iter_mut().find(|it| {
                it.certificate.public_key() == certificate.public_key()
                    && it.certificate.subject() == certificate.subject()
                    && it.authority.role == authority.role
            });
            match known {
                Some(known) if known.not_after < not_after => *known = signer,
                Some(_) => {}
                None => found.push(signer),
            }
        }
    }
    found
}

/// Fingerprints of the selected certificates that lie on several hosts with one key: RKE1's node
/// certificate, a copied kubeconfig.
pub(super) fn shared(
    hosts: &[Host<'_>],
    requests: &[Option<RenewRequest>],
    request: &RenewRequest,
) -> BTreeSet<[u8; 32]> {
    // A new key that comes from outside is brought to every host by whoever brings it.
    if super::brings_requests(request) {
        return BTreeSet::new();
    }
    let mut holders: BTreeMap<[u8; 32], BTreeSet<&str>> = BTreeMap::new();
    for (host, request) in hosts.iter().zip(requests) {
        let Some(request) = request else {
            continue;
        };
        for entry in &host.inventory.entries {
            let is_selected = match &request.selection {
                Selection::All => true,
                Selection::Named(names) => names.iter().any(|name| is_named(entry, name)),
            };
            let Some(certificate) = entry.certificate().filter(|_| is_selected) else {
                continue;
            };
            if entry.key.public_key() == Some(certificate.public_key()) {
                holders
                    .entry(certificate.fingerprint_sha256())
                    .or_default()
                    .insert(host.name);
            }
        }
    }
    holders
        .into_iter()
        .filter(|(_, hosts)| hosts.len() > 1)
        .map(|(fingerprint, _)| fingerprint)
        .collect()
}
