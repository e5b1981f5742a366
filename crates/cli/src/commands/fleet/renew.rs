//! `kubepki renew` over many hosts: look at all, settle what was interrupted, plan the cluster, show,
//! confirm, carry out, tell.

use super::carry::{Undertaking, all_seen, changeable, in_full, refuse_interrupted};
use super::document::SelectedHosts;
use super::looking::{Looked, no_such_role};
use super::reach::{Reach, everybody};
use crate::args::RenewArgs;
use crate::commands::renew::{refused, request, save, tell_saved};
use crate::commands::{plan_view, wiring};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_core::cluster_document::BatchSize;
use kubepki_core::plan::{ClusterOptions, ClusterPlan, HostView, plan_cluster_renewal};

/// Workers that are renewed at once, when nobody says otherwise: a tenth of the hosts, so that those of a
/// small cluster take turns. A kubelet that has restarted takes every pod with a readiness probe for not
/// Ready until it has probed it anew, up to a period of the probe later; were it all workers' at once, no
/// replica of a Service would be left.
const WORKERS: BatchSize = BatchSize::Percent(10);

/// Renews certificates of the selected hosts.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    args: &RenewArgs,
) -> Result<ExitCode, CliError> {
    let everybody = everybody(hosts)?;
    let reach = Reach::new(&everybody);
    let sessions = reach.kept();
    let undertaking = Undertaking::new(&everybody, &sessions, &args.ca_dir, &args.backup);
    let is_selected = |looked: &Looked| {
        hosts.hosts.iter().any(|host| host.name == looked.host)
            && looked
                .seen
                .as_ref()
                .map_or(true, |seen| hosts.wants(&seen.look.inventory))
    };
    let looked = if args.plan_out.is_some() {
        let looked = undertaking.look(context)?;
        all_seen(looked.iter().filter(|looked| is_selected(looked)))?;
        changeable(looked.iter().filter(|looked| is_selected(looked)))?;
        refuse_interrupted(looked.iter().filter(|looked| is_selected(looked)))?;
        looked
    } else {
        undertaking.look_at_settled(context, &is_selected)?
    };
    let selected: Vec<&Looked> = looked.iter().filter(|looked| is_selected(looked)).collect();
    if selected.is_empty() {
        return Err(no_such_role(hosts));
    }
    let plan = plan(context, hosts, args, &looked, &selected)?;
    if let Some(file) = &args.plan_out {
        save(file, &plan)?;
        plan_view::show_cluster(context, &plan)?;
        return tell_saved(context, file, &plan.id);
    }
    if plan.is_empty() {
        plan_view::cluster_notices(context, &plan)?;
        let code = in_full(&plan);
        context.note(match code {
            ExitCode::Fine => "nothing to renew",
            _ => "nothing was renewed",
        });
        if let Some(structured) = context.structured() {
            context.emit(structured, &plan)?;
        }
        return Ok(code);
    }
    undertaking.propose(context, &looked, &plan)
}

fn plan(
    context: &Context,
    hosts: &SelectedHosts,
    args: &RenewArgs,
    looked: &[Looked],
    selected: &[&Looked],
) -> Result<ClusterPlan, CliError> {
    let seen = looked.iter().filter_map(|looked| {
        Some(HostView {
            name: &looked.host,
            inventory: &looked.seen.as_ref().ok()?.look.inventory,
        })
    });
    let views: Vec<HostView<'_>> = seen.collect();
    let is_empty = |looked: &&Looked| {
        let seen = looked.seen.as_ref();
        seen.is_ok_and(|seen| seen.look.inventory.entries.is_empty())
    };
    if selected.iter().all(is_empty) {
        return Err(wiring::nothing_found());
    }
    let options = ClusterOptions {
        batch: hosts.batch.unwrap_or(WORKERS).of(selected.len()),
        only: selected.iter().map(|looked| looked.host.clone()).collect(),
    };
    plan_cluster_renewal(&views, &request(context, args)?, &options, context.now())
        .map_err(|error| refused(&error))
}
