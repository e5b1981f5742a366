//! Planning a renewal over all hosts of a cluster: from their inventories and what the user wants to
//! a [`ClusterPlan`] or a [`Refusal`].
//!
//! Pure. Each host gets the plan that it would get alone, with these differences:
//!
//! - what a CA key on another host has to sign is signed there; the key stays here;
//! - an expired CA (`--renew-expired-ca`) is renewed once, with its own key, and handed to every
//!   other host that holds it, before anything that it signs: first the files on all hosts, without
//!   restarts, since readers of a CA file must have it before somebody presents what it signed;
//! - a certificate that several hosts share keeps the key that they share.
//!
//! Hosts that serve others come first: etcd's, then control planes, then workers in batches.

mod authorities;
mod duration;
mod hosts;
mod notices;
mod quorum;
mod signers;
mod stages;

use super::cluster_plan::ClusterPlan;
use super::document::{Notice, Plan};
use super::renew::around::{Around, Given};
use super::renew::planner::{Planner, is_named};
use super::renew::{Refusal, RenewRequest, Selection};
use crate::model::{Inventory, KeyState};
use authorities::AuthorityPlans;
use hosts::{Host, in_order};
use jiff::Timestamp;
use std::path::Path;

/// A host as it was seen.
#[derive(Clone, Copy, Debug)]
pub struct HostView<'a> {
    /// Its name in the cluster document.
    pub name: &'a str,
    /// What is on it.
    pub inventory: &'a Inventory,
}

/// How a renewal is spread over the hosts.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// How many workers at once; 0 is taken for 1.
    pub batch: u32,
    /// The hosts on which something may be done, by name; empty for all. Keys on the others still
    /// sign.
    pub only: Vec<String>,
}

/// Plans the renewal of what `request` selects on all `hosts`.
pub fn plan_cluster_renewal(
    hosts: &[HostView<'_>],
    request: &RenewRequest,
    options: &ClusterOptions,
    now: Timestamp,
) -> Result<ClusterPlan, Refusal> {
    let ordered = in_order(hosts, options);
    let requests = named_on(&ordered, request)?;
    let mut notices = Vec::new();
    let authorities = match request.renew_expired_ca && !brings_requests(request) {
        true => authorities::plans(&ordered, &requests, request, now)?,
        false => {
            notices.extend(authorities::outdated(&ordered, now));
            AuthorityPlans::default()
        }
    };
    notices.extend(authorities.notices.iter().cloned());
    notices.extend(authorities.left_in_kubeconfigs(&ordered, now));
    let mut around = Around {
        signers: signers::signers(&ordered, &authorities),
        shared: signers::shared(&ordered, &requests, request),
        issued: Default::default(),
    };
    let mut plans: Vec<(Host<'_>, Plan)> = Vec::new();
    for (host, request_here) in ordered.iter().zip(&requests) {
        // Of a host that only gets a CA, what trusts that CA and who reads it still follow.
        let nothing = || RenewRequest {
            selection: Selection::Named(Vec::new()),
            ..request.clone()
        };
        let request = match request_here {
            Some(request) => request.clone(),
            None if !authorities.renewed_on(host.name).is_empty() => nothing(),
            None => continue,
        };
        let (plan, shared) = leafs(host, &request, &around, &authorities, now)
            .map_err(|refusal| refusal.on(host.name))?;
        around.issued.extend(shared);
        plans.push((*host, plan));
    }
    let issued = plans.iter().flat_map(|(_, plan)| &plan.issuances);
    let counted = issued
        .filter(|it| !matches!(it.signer, super::document::Signer::Given { .. }))
        .count();
    if !request.names.is_empty() && counted > 1 {
        return Err(Refusal::NamesOnMany { count: counted });
    }
    quorum::check(&ordered, &plans, &authorities, request, now)?;
    notices.extend(notices::merged(
        authorities
            .plans()
            .chain(plans.iter().map(|(host, plan)| (host.name, plan))),
    ));
    let stages = stages::stages(&authorities, plans, request, options);
    Ok(ClusterPlan::new("renew", now, stages, notices))
}

/// The request as far as it concerns each host; `None` for a host that it does not concern. Names
/// that are on no host are refused, names that are on some are not.
fn named_on(
    hosts: &[Host<'_>],
    request: &RenewRequest,
) -> Result<Vec<Option<RenewRequest>>, Refusal> {
    let Selection::Named(names) = &request.selection else {
        return Ok(hosts
            .iter()
            .map(|host| host.is_selected.then(|| request.clone()))
            .collect());
    };
    let selected = || hosts.iter().filter(|host| host.is_selected);
    let has = |host: &Host<'_>, name: &str| {
        let mut entries = host.inventory.entries.iter();
        entries.any(|entry| is_named(entry, name))
    };
    for name in names {
        if selected().any(|host| has(host, name)) {
            continue;
        }
        let is_authority = selected().any(|host| {
            host.inventory.authority(name).is_some()
                || host.inventory.authorities.iter().any(|it| {
                    it.certificate_path == Path::new(name)
                        || it.key_path.as_deref() == Some(Path::new(name))
                })
        });
        if is_authority {
            return Err(Refusal::Authority { name: name.clone() });
        }
        let mut known: Vec<&str> = selected()
            .flat_map(|host| &host.inventory.entries)
            .map(|entry| entry.name.as_str())
            .collect();
        known.sort_unstable();
        known.dedup();
        return Err(Refusal::UnknownAnywhere {
            name: name.clone(),
            hosts: selected().count(),
            known: known.join(", "),
        });
    }
    Ok(hosts
        .iter()
        .map(|host| {
            let here: Vec<String> = names
                .iter()
                .filter(|name| host.is_selected && has(host, name))
                .cloned()
                .collect();
            (!here.is_empty()).then(|| RenewRequest {
                selection: Selection::Named(here),
                ..request.clone()
            })
        })
        .collect())
}

/// Whether certificates are to be signed by somebody outside of the cluster.
fn brings_requests(request: &RenewRequest) -> bool {
    request.csr_dir.is_some() || request.install.is_some()
}

/// Certificates that one host issues for several, by the fingerprints of their old ones.
type Shared = Vec<([u8; 32], Given)>;

/// What one host renews beside authorities, and what of it others share.
fn leafs(
    host: &Host<'_>,
    request: &RenewRequest,
    around: &Around<'_>,
    authorities: &AuthorityPlans,
    now: Timestamp,
) -> Result<(Plan, Shared), Refusal> {
    let mut planner = Planner::new(host.inventory, request, now, Some(around));
    for (name, not_after) in authorities.renewed_on(host.name) {
        let authority = host
            .inventory
            .authorities
            .iter()
            .find(|it| it.name == *name);
        if let Some(authority) = authority {
            planner.was_renewed(authority, *not_after);
        }
    }
    let selected = planner.select()?;
    let selected = planner.without_vendors(selected)?;
    for entry in &selected {
        planner.renew(entry)?;
    }
    planner.update_trust(&selected);
    let shared = planner
        .shared_issuances()
        .into_iter()
        .map(|(fingerprint, issuance)| {
            let given = Given {
                host: host.name.to_owned(),
                name: issuance.name,
                fingerprint_sha256: None,
                subject_alt_names: issuance.subject_alt_names,
                not_before: issuance.not_before,
                not_after: issuance.not_after,
            };
            (fingerprint, given)
        })
        .collect();
    let mut plan = planner.finish();
    // What an earlier stage writes is no longer what it was when the plan was made.
    let earlier = authorities.touched_on(host.name);
    if !earlier.is_empty() {
        plan.basis.retain(|file| !earlier.contains(&file.path));
        plan = plan.with_id();
    }
    Ok((plan, shared))
}

/// Whether the key of an authority is at hand and is its issuing certificate's.
fn has_key(authority: &crate::model::Authority) -> bool {
    match (&authority.key, authority.issuing()) {
        (KeyState::Present { public_key, .. }, Some(ca)) => public_key == ca.public_key(),
        _ => false,
    }
}

fn notice(code: &str, object: impl Into<String>, message: impl Into<String>) -> Notice {
    Notice {
        code: code.to_owned(),
        object: object.into(),
        message: message.into(),
    }
}
