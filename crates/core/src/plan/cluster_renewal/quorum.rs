//! A renewal goes from host to host and waits for health in between. That cannot end where the
//! certificates of most etcd members have expired: the first one is healthy only when a second is.
//! What helps then is a rescue, which writes all files first.

use super::authorities::AuthorityPlans;
use super::hosts::Host;
use crate::model::{ComponentKind, Role};
use crate::plan::document::Plan;
use crate::plan::renew::{Refusal, RenewRequest};
use jiff::Timestamp;
use kubepki_x509::ValidityState;

/// Refuses what would stop at its first gate.
pub(super) fn check(
    hosts: &[Host<'_>],
    plans: &[(Host<'_>, Plan)],
    authorities: &AuthorityPlans,
    request: &RenewRequest,
    now: Timestamp,
) -> Result<(), Refusal> {
    let restarts_etcd = plans.iter().any(|(_, plan)| {
        let mut components = plan.components.iter();
        components.any(|action| action.component == ComponentKind::Etcd)
    });
    let is_live = hosts.iter().any(|host| host.inventory.live);
    let restarts = restarts_etcd || !authorities.is_empty();
    if request.no_restart || !is_live || !restarts {
        return Ok(());
    }
    let members: Vec<&Host<'_>> = hosts
        .iter()
        .filter(|host| host.has(ComponentKind::Etcd))
        .collect();
    let expired: Vec<String> = members
        .iter()
        .filter(|host| has_expired(host, now))
        .map(|host| host.name.to_owned())
        .collect();
    let needed = members.len() / 2 + 1;
    if members.len() < 2 || members.len() - expired.len() >= needed {
        return Ok(());
    }
    Err(Refusal::EtcdWithoutQuorum {
        members: members.len(),
        expired: expired.join(", "),
        needed,
    })
}

/// Whether a member started now would be refused by its peers, or refuse them.
fn has_expired(host: &Host<'_>, now: Timestamp) -> bool {
    let inventory = host.inventory;
    let entries = inventory
        .entries
        .iter()
        .filter(|entry| {
            let mut used_by = entry.used_by.iter();
            matches!(entry.role, Role::EtcdPeer | Role::EtcdServer)
                || used_by.any(|it| it.component == ComponentKind::Etcd)
        })
        .filter_map(|entry| entry.certificate());
    let authorities = inventory
        .authorities
        .iter()
        .filter(|authority| {
            let mut used_by = authority.used_by.iter();
            used_by.any(|it| it.component == ComponentKind::Etcd)
        })
        .filter_map(|authority| authority.issuing());
    entries
        .chain(authorities)
        .any(|certificate| certificate.validity().state(now) == ValidityState::Expired)
}
