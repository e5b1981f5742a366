//! What a kubeconfig trusts, and the bundle that it should be trusting.
//!
//! Not every kubeconfig trusts the cluster's own CA: one that goes through a proxy trusts that one's.
//! Only where the embedded certificates show that the cluster's CA is meant is its bundle expected.

use crate::model::{Authority, EmbeddedTrust, Inventory, Role};

/// The authority whose bundle belongs into a kubeconfig: one that shares a key with what it trusts,
/// else one of the same name (its key was replaced). `None` when the cluster's CA is not meant.
pub fn trust_authority<'a>(
    inventory: &'a Inventory,
    trust: &EmbeddedTrust,
) -> Option<&'a Authority> {
    let candidates = || {
        inventory
            .authorities
            .iter()
            .filter(|authority| authority.role == Role::ClusterCa)
    };
    let same_key = candidates().find(|authority| {
        shares(authority, trust, |one, other| {
            one.public_key() == other.public_key()
        })
    });
    same_key.or_else(|| {
        candidates().find(|authority| {
            shares(authority, trust, |one, other| {
                one.subject() == other.subject()
            })
        })
    })
}

/// How many certificates of the authority's bundle a kubeconfig does not hold.
pub fn lacking(authority: &Authority, trust: &EmbeddedTrust) -> usize {
    let certificates = authority.certificates.iter();
    certificates
        .filter(|ca| !trust.certificates.contains(ca))
        .count()
}

fn shares(
    authority: &Authority,
    trust: &EmbeddedTrust,
    same: impl Fn(&kubepki_x509::Certificate, &kubepki_x509::Certificate) -> bool,
) -> bool {
    authority
        .certificates
        .iter()
        .any(|ca| trust.certificates.iter().any(|trusted| same(ca, trusted)))
}
