//! Expired CAs of a cluster: renewed once, with their own key, where that lies, and handed to every
//! other host and bundle that holds them. No key is touched and none travels.
//!
//! A CA is told apart by subject and key. One that was renewed on some hosts only, by an earlier run
//! that was interrupted or by hand, is not renewed again: the others are handed what there is.

use super::hosts::{Duty, Host};
use super::{has_key, notice};
use crate::assess::renewable::authority_for;
use crate::assess::trust::trust_authority;
use crate::model::Authority;
use crate::plan::document::{Notice, Plan};
use crate::plan::renew::around::Given;
use crate::plan::renew::planner::{Planner, is_named};
use crate::plan::renew::{Refusal, RenewRequest, Selection};
use jiff::Timestamp;
use kubepki_x509::{Certificate, ValidityState};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Plans that write CA files and restart nothing.
#[derive(Default)]
pub(super) struct AuthorityPlans {
    /// On hosts that renew a CA.
    pub(super) renewing: Vec<(String, Plan)>,
    /// On hosts that are handed one; a host that renews one CA may be handed another.
    pub(super) given: Vec<(String, Plan)>,
    /// What cannot be done.
    pub(super) notices: Vec<Notice>,
    /// By host: names of authorities that change, with their new ends.
    changed: BTreeMap<String, Vec<(String, Timestamp)>>,
    /// CAs with their new ends.
    ends: Vec<(Certificate, Timestamp)>,
}

impl AuthorityPlans {
    /// Every plan, those that renew first.
    pub(super) fn plans(&self) -> impl Iterator<Item = (&str, &Plan)> {
        let both = self.renewing.iter().chain(&self.given);
        both.map(|(host, plan)| (host.as_str(), plan))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.renewing.is_empty() && self.given.is_empty()
    }

    /// The authorities of a host that these plans change, with their new ends.
    pub(super) fn renewed_on(&self, host: &str) -> &[(String, Timestamp)] {
        self.changed.get(host).map_or(&[], Vec::as_slice)
    }

    /// The files of a host that these plans write.
    pub(super) fn touched_on(&self, host: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self
            .plans()
            .filter(|(name, _)| *name == host)
            .flat_map(|(_, plan)| plan.touched_files())
            .collect();
        files.dedup();
        files
    }

    /// Kubeconfigs that embed an expired self of such a CA on hosts without a bundle to take the new
    /// one from.
    pub(super) fn left_in_kubeconfigs(&self, hosts: &[Host<'_>], now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for host in hosts {
            for trust in &host.inventory.embedded_trust {
                let is_expired = trust.certificates.iter().any(|ca| {
                    ca.validity().state(now) == ValidityState::Expired && self.end_of(ca).is_some()
                });
                if is_expired && trust_authority(host.inventory, trust).is_none() {
                    notices.push(notice(
                        "trust-left",
                        format!("{} on {}", trust.kubeconfig.display(), host.name),
                        "embeds the expired CA, and there is no CA file on that host to bring it up to date with: put the renewed one into its certificate-authority-data",
                    ));
                }
            }
        }
        notices
    }

    /// The end that a CA will have had when these plans are carried out.
    pub(super) fn end_of(&self, certificate: &Certificate) -> Option<Timestamp> {
        let mut ends = self.ends.iter();
        ends.find(|(ca, _)| is_same(ca, certificate))
            .map(|(_, end)| *end)
    }
}

/// One CA, wherever its certificates lie.
struct Family<'a> {
    /// Of several with the same subject and key the one that ends last.
    newest: &'a Certificate,
    /// Host and authority that hold that one.
    holder: (&'a str, &'a Authority),
    /// Where the key lies, by preference.
    keys: Vec<(&'a Host<'a>, &'a Authority)>,
}

/// Whether both are the same CA, be one of them renewed.
fn is_same(one: &Certificate, other: &Certificate) -> bool {
    one.public_key() == other.public_key() && one.subject() == other.subject()
}

fn families<'a>(hosts: &'a [Host<'a>]) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'a>> = Vec::new();
    let mut preferred: Vec<&Host<'a>> = hosts.iter().collect();
    preferred.sort_by_key(|host| (!host.is_selected, host.duty != Duty::ControlPlane));
    for host in preferred {
        for authority in &host.inventory.authorities {
            let Some(certificate) = authority.issuing() else {
                continue;
            };
            let key = has_key(authority).then_some((host, authority));
            let known = families
                .iter_mut()
                .find(|family| is_same(family.newest, certificate));
            let Some(family) = known else {
                families.push(Family {
                    newest: certificate,
                    holder: (host.name, authority),
                    keys: key.into_iter().collect(),
                });
                continue;
            };
            if family.newest.validity().not_after < certificate.validity().not_after {
                family.newest = certificate;
                family.holder = (host.name, authority);
            }
            family.keys.extend(key);
        }
    }
    families
}

/// Plans for every CA that has expired on some host and that what is selected needs.
pub(super) fn plans(
    hosts: &[Host<'_>],
    requests: &[Option<RenewRequest>],
    request: &RenewRequest,
    now: Timestamp,
) -> Result<AuthorityPlans, Refusal> {
    // Files only: what reads a CA anew by itself does so meanwhile, and what must be restarted is
    // restarted once, with its new leafs.
    let files_only = RenewRequest {
        no_restart: true,
        ..request.clone()
    };
    let families = families(hosts);
    let is_expired = |ca: &Certificate| ca.validity().state(now) == ValidityState::Expired;
    let needed = needed(hosts, requests);
    let around = super::Around::default();
    let planners = || -> Vec<(&Host<'_>, Planner<'_>)> {
        let planner = |host| Planner::new(host, &files_only, now, Some(&around));
        let hosts = hosts.iter();
        hosts.map(|host| (host, planner(host.inventory))).collect()
    };
    let (mut renewing, mut giving) = (planners(), planners());
    let mut plans = AuthorityPlans::default();
    for family in &families {
        let is_needed = match &request.selection {
            Selection::All => true,
            Selection::Named(_) => needed.iter().any(|ca| is_same(ca, family.newest)),
        };
        let holds_expired = |host: &Host<'_>| expired_here(host, family, now).next().is_some();
        if !is_needed || !hosts.iter().any(holds_expired) {
            continue;
        }
        let given = if is_expired(family.newest) {
            let holder = family.keys.iter().find(|(host, authority)| {
                host.is_selected && authority.issuing().is_some_and(is_expired)
            });
            let Some((host, authority)) = holder else {
                plans.notices.push(stays_expired(family));
                continue;
            };
            let (Some(certificate), Some(key)) = (authority.issuing(), &authority.key_path) else {
                continue;
            };
            let planner = renewing.iter_mut().find(|(it, _)| it.name == host.name);
            let Some((_, planner)) = planner else {
                continue;
            };
            planner.renew_authority(authority, certificate, key.clone())?;
            let not_after = planner
                .renewed_end()
                .unwrap_or(certificate.validity().not_after);
            Given {
                host: host.name.to_owned(),
                name: authority.name.clone(),
                fingerprint_sha256: None,
                subject_alt_names: None,
                not_before: request.start.resolve(now)?,
                not_after,
            }
        } else {
            Given {
                host: family.holder.0.to_owned(),
                name: family.holder.1.name.clone(),
                fingerprint_sha256: Some(hex::encode(family.newest.fingerprint_sha256())),
                subject_alt_names: None,
                not_before: family.newest.validity().not_before,
                not_after: family.newest.validity().not_after,
            }
        };
        plans.ends.push((family.newest.clone(), given.not_after));
        hand_out(&renewing, &mut giving, &mut plans, family, &given, now);
    }
    for (host, planner) in renewing {
        let plan = planner.finish();
        if !plan.is_empty() {
            plans.renewing.push((host.name.to_owned(), plan));
        }
    }
    for (host, planner) in giving {
        let mut plan = planner.finish();
        if plan.is_empty() {
            continue;
        }
        let earlier = plans.touched_on(host.name);
        plan.basis.retain(|file| !earlier.contains(&file.path));
        plans.given.push((host.name.to_owned(), plan.with_id()));
    }
    Ok(plans)
}

/// Puts the CA into every file with an expired self of it, but where it is renewed.
fn hand_out<'a>(
    renewing: &[(&'a Host<'a>, Planner<'a>)],
    giving: &mut [(&'a Host<'a>, Planner<'a>)],
    plans: &mut AuthorityPlans,
    family: &Family<'a>,
    given: &Given,
    now: Timestamp,
) {
    for ((host, planner), (_, renewal)) in giving.iter_mut().zip(renewing) {
        let mut written: Vec<&Certificate> = Vec::new();
        for (authority, certificate) in expired_here(host, family, now) {
            if !host.is_selected {
                plans.notices.push(notice(
                    "ca-copy-left",
                    format!("{} on {}", authority.name, host.name),
                    "holds the expired CA, and the host is not among those selected: it stays so there",
                ));
                continue;
            }
            plans
                .changed
                .entry(host.name.to_owned())
                .or_default()
                .push((authority.name.clone(), given.not_after));
            let is_renewed_here = given.fingerprint_sha256.is_none() && given.host == host.name;
            let by_renewal = is_renewed_here && renewal.covers(&authority.certificate_path);
            // Copies of the same certificate change with the first of them.
            if !by_renewal && !written.contains(&certificate) {
                planner.give_authority(authority, certificate, given.clone());
                written.push(certificate);
            }
        }
    }
}

/// The files of a host that hold an expired self of the CA.
fn expired_here<'a>(
    host: &Host<'a>,
    family: &Family<'_>,
    now: Timestamp,
) -> impl Iterator<Item = (&'a Authority, &'a Certificate)> {
    let authorities = host.inventory.authorities.iter();
    authorities.filter_map(move |authority| {
        let mut certificates = authority.certificates.iter();
        let certificate = certificates.find(|ca| {
            is_same(ca, family.newest) && ca.validity().state(now) == ValidityState::Expired
        })?;
        Some((authority, certificate))
    })
}

/// The CAs that selected certificates need.
fn needed(hosts: &[Host<'_>], requests: &[Option<RenewRequest>]) -> Vec<Certificate> {
    let mut needed = Vec::new();
    for (host, request) in hosts.iter().zip(requests) {
        let Some(Selection::Named(names)) = request.as_ref().map(|it| &it.selection) else {
            continue;
        };
        let entries = host.inventory.entries.iter();
        for entry in entries.filter(|entry| names.iter().any(|name| is_named(entry, name))) {
            let authority = authority_for(host.inventory, entry);
            needed.extend(authority.and_then(Authority::issuing).cloned());
        }
    }
    needed
}

fn stays_expired(family: &Family<'_>) -> Notice {
    let message = match family.keys.first() {
        Some((host, _)) => format!(
            "it has expired and stays so: its key is on {}, which is not among the selected hosts",
            host.name
        ),
        None => "it has expired and stays so: its key is on none of the hosts; bring it back, or replace the CA with `kubepki rescue`".to_owned(),
    };
    let (host, authority) = family.holder;
    notice(
        "ca-not-renewable",
        format!("{} on {host}", authority.name),
        message,
    )
}

/// Hosts that hold an expired self of a CA that is valid elsewhere, where nobody asked to mend it.
pub(super) fn outdated(hosts: &[Host<'_>], now: Timestamp) -> Vec<Notice> {
    let mut notices = Vec::new();
    for family in &families(hosts) {
        if family.newest.validity().state(now) != ValidityState::Valid {
            continue;
        }
        let behind: Vec<&str> = hosts
            .iter()
            .filter(|host| expired_here(host, family, now).next().is_some())
            .map(|host| host.name)
            .collect();
        if !behind.is_empty() {
            notices.push(notice(
                "ca-copy-outdated",
                format!("{} on {}", family.holder.1.name, behind.join(", ")),
                format!(
                    "an expired copy, renewed with the same key on {}; --renew-expired-ca hands it over",
                    family.holder.0
                ),
            ));
        }
    }
    notices
}
