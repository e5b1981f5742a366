//! `kubepki apply` of a cluster plan: read, held against every host, confirmed, carried out.

use super::carry::Undertaking;
use super::document::SelectedHosts;
use super::looking::Looked;
use super::reach::{Reach, everybody};
use crate::args::ApplyArgs;
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::host::LocalHost;
use kubepki_core::plan::{ClusterPlan, Plan, Step};
use kubepki_engine::ports::HostRead;
use kubepki_sealed::danger;
use std::collections::BTreeSet;

/// The largest plan that is read: five thousand hosts have less.
const LIMIT: u64 = 256 << 20;

/// Carries out a plan for a cluster; `None` when the file is a plan for one host.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    args: &ApplyArgs,
) -> Result<Option<ExitCode>, CliError> {
    let text = LocalHost::live()
        .read(&args.plan, LIMIT)
        .map_err(|error| host_error(&error))?;
    let text = String::from_utf8_lossy(danger::open(&text)).into_owned();
    if !ClusterPlan::is_kind_of(&text) {
        return Ok(None);
    }
    let plan = ClusterPlan::from_json(&text).map_err(|error| {
        CliError::new("plan-file", error)
            .location(args.plan.display())
            .hint("make a new plan with `kubepki renew ... --plan-out FILE`")
    })?;
    if plan.is_empty() {
        context.note("the plan is empty");
        return Ok(Some(ExitCode::Fine));
    }
    let hosts = of_plan(hosts, &plan)?;
    let reach = Reach::new(&hosts);
    let sessions = reach.kept();
    let undertaking = Undertaking::new(&hosts, &sessions, &args.ca_dir, &args.backup);
    let looked = undertaking.look_at_settled(context, &|_| true)?;
    // A plan that no longer fits is refused before anybody is asked to confirm it.
    check(&plan, &looked)?;
    undertaking.propose(context, &looked, &plan).map(Some)
}

/// The hosts that the plan is about, and those whose authorities sign.
fn of_plan(hosts: &SelectedHosts, plan: &ClusterPlan) -> Result<SelectedHosts, CliError> {
    let is_selected = |name: &&str| hosts.hosts.iter().any(|host| host.name == *name);
    let mut needed: BTreeSet<&str> = plan.hosts().into_iter().collect();
    let mut selected = everybody(hosts)?;
    let unknown: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|name| !is_selected(name))
        .collect();
    if !unknown.is_empty() {
        return Err(CliError::new(
            "hosts-not-selected",
            format!(
                "the plan is about hosts that are not selected: {}",
                unknown.join(", ")
            ),
        )
        .location(hosts.document.display())
        .hint("select all of its hosts, or make a new plan"));
    }
    needed.extend(others(plan));
    selected
        .hosts
        .retain(|host| needed.contains(host.name.as_str()));
    Ok(selected)
}

/// Hosts that sign for others or hand something over.
fn others(plan: &ClusterPlan) -> impl Iterator<Item = &str> {
    use kubepki_core::plan::Signer;
    plans(plan)
        .flat_map(|(_, plan)| &plan.issuances)
        .filter_map(|issuance| match &issuance.signer {
            Signer::Elsewhere { host, .. } | Signer::Given { host, .. } => Some(host.as_str()),
            _ => None,
        })
}

fn plans(plan: &ClusterPlan) -> impl Iterator<Item = (&str, &Plan)> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.filter_map(|step| match step {
        Step::Carry { host, plan } => Some((host.as_str(), plan.as_ref())),
        Step::Halt { .. }
        | Step::Start { .. }
        | Step::ChangeApi { .. }
        | Step::Etcd { .. }
        | Step::RetireKeys { .. } => None,
    })
}

/// Whether every host is as it was when the plan was made. What a plan changes is the basis of later
/// ones on the same host: only its first is held against what is there now.
fn check(plan: &ClusterPlan, looked: &[Looked]) -> Result<(), CliError> {
    let mut held: BTreeSet<&str> = BTreeSet::new();
    for (host, plan) in plans(plan) {
        if !held.insert(host) {
            continue;
        }
        let seen = looked.iter().find(|looked| looked.host == host);
        let Some(Ok(seen)) = seen.map(|looked| &looked.seen) else {
            continue;
        };
        let inventory = &seen.look.inventory;
        if inventory.host != plan.host {
            return Err(CliError::new(
                "other-host",
                format!("{host}: the plan was made for another host"),
            )
            .detail("expected", &plan.host)
            .detail("found", &inventory.host)
            .hint("make a new plan"));
        }
        for file in &plan.basis {
            let Some(found) = inventory.files.get(&file.path) else {
                continue;
            };
            if *found != file.sha256 {
                return Err(CliError::new(
                    "world-changed",
                    format!(
                        "{host}: {} has changed since the plan was made",
                        file.path.display()
                    ),
                )
                .detail("expected", shown(file.sha256.as_deref()))
                .detail("found", shown(found.as_deref()))
                .hint("make a new plan"));
            }
        }
    }
    Ok(())
}

fn shown(hash: Option<&str>) -> String {
    match hash {
        Some(hash) => format!("sha256:{}", hash.get(..16).unwrap_or(hash)),
        None => "no file".to_owned(),
    }
}
