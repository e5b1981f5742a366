//! `kubepki rescue`: look at every host, say what is broken, plan, ask, carry out, look again.
//!
//! The wiring only: what is broken and what mends it is decided in `core::rescue`, what happens on a
//! host is done by the engine there. This host alone is a cluster of one.

mod account;
mod api;
pub mod halted;
pub mod hosts;
mod look;
mod rest;
mod show;

use super::fleet::carry::Undertaking;
use super::fleet::{Reach, document};
use super::plan_view;
use crate::args::RescueArgs;
use crate::context::{Context, host_error};
use crate::error::CliError;
use crate::exit_code::ExitCode;
use account::{Account, tell};
use kubepki_adapters::host::LocalHost;
use kubepki_core::plan::ClusterPlan;
use kubepki_core::rescue::{Rescue, RescueRequest, rescue};
use kubepki_engine::ports::{FileAttributes, HostWrite};
use kubepki_fleet::campaign::Patience;
use kubepki_sealed::Sealed;
use look::Sight;
use std::path::Path;

/// Runs the verb. It ends well when everything is done, nothing is left and every node is Ready.
pub fn run(context: &Context, args: &RescueArgs) -> Result<ExitCode, CliError> {
    let hosts = match document::selected(context)? {
        Some(hosts) => hosts,
        None => hosts::this_one(context)?,
    };
    let reach = Reach::new(&hosts);
    let sessions = reach.kept();
    let undertaking = Undertaking::new(&hosts, &sessions, &args.ca_dir, &args.backup);
    let looker = look::Looker {
        context,
        undertaking: &undertaking,
        args,
    };
    let sight = looker.look_at_settled()?;
    if sight.finds_nothing() {
        return Err(super::wiring::nothing_found());
    }
    let rescued = judge(context, args, &hosts, &sight)?;
    if context.structured().is_none() {
        show::situation(context, &rescued.situation)?;
    }
    show::left(context, &rescued.left)?;
    if let Some(file) = &args.plan_out {
        return write_plan(context, file, &rescued.plan);
    }
    if rescued.plan.is_empty() {
        let account = Account::nothing_to_do(&rescued);
        return tell(context, &account);
    }
    plan_view::show_cluster(context, &rescued.plan)?;
    if !context.confirm("Carry out this plan?")? {
        context.note("nothing was changed");
        return Ok(ExitCode::Fine);
    }
    let outcome = undertaking.carry_out(context, &sight.looked, &rescued.plan, Patience::default());
    context.note("\nlooking again");
    let (after, in_the_api) = rest::look_when_at_rest(&looker, &outcome, |after| {
        api::look(context, &hosts, &reach, after)
    })?;
    let again = judge(context, args, &hosts, &after)?;
    tell(
        context,
        &Account {
            rescued: &rescued,
            outcome: Some(&outcome),
            again: Some(&again),
            nodes: after.nodes.as_deref(),
            in_the_api,
        },
    )
}

fn judge(
    context: &Context,
    args: &RescueArgs,
    hosts: &document::SelectedHosts,
    sight: &Sight,
) -> Result<Rescue, CliError> {
    let workers = hosts.hosts.len();
    let default = RescueRequest::default();
    let request = RescueRequest {
        within: args.within,
        all: args.all,
        start: args.not_before,
        end: args.validity,
        offline: args.offline,
        new_ca: args.new_ca,
        batch: hosts.batch.map_or(default.batch, |batch| batch.of(workers)),
    };
    rescue(&sight.evidence(), &request, context.now())
        .map_err(|error| CliError::usage(error.to_string()))
}

/// The plan goes where the user's shell is.
fn write_plan(context: &Context, file: &Path, plan: &ClusterPlan) -> Result<ExitCode, CliError> {
    let json =
        serde_json::to_string_pretty(plan).map_err(|error| CliError::new("plan-file", error))?;
    let path = std::path::absolute(file)?;
    let here = LocalHost::live();
    let (uid, gid) = here.identity();
    let attributes = FileAttributes {
        mode: 0o644,
        uid,
        gid,
        xattrs: Vec::new(),
    };
    here.create(
        &path,
        &Sealed::new(format!("{json}\n").into_bytes()),
        &attributes,
    )
    .map_err(|error| host_error(&error))?;
    plan_view::show_cluster(context, plan)?;
    context.note(format_args!(
        "plan {} written to {}; carry it out with `kubepki apply {}`",
        plan.id,
        path.display(),
        file.display()
    ));
    Ok(ExitCode::Fine)
}
