//! `kubepki doctor`: look at the files, the API and the processes, judge, show.
//!
//! The wiring only: what runs between whom is derived in `core::connections`, what is wrong is
//! decided in `core::diagnose`, and nothing is ever changed.

mod connections;
mod endpoints;
pub mod risks;
mod show;

use crate::args::{DoctorArgs, EndpointChoice};
use crate::commands::cluster::{self, Seen};
use crate::commands::explain;
use crate::commands::status::exit_code;
use crate::commands::wiring::{self, Murmur};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::assess::Thresholds;
use kubepki_core::connections::derive;
use kubepki_core::diagnose::{
    AcceptedRisk, DiagnoseOptions, Diagnosis, Evidence, HostEvidence, diagnose,
};
use kubepki_core::model::Inventory;
use kubepki_core::model::cluster::ClusterObservation;
use kubepki_engine::examine::{
    ControlPlanePorts, ExamineOptions, ExaminePorts, NamedEndpoint, examine,
};
use std::time::Duration;

/// Runs the verb; the exit code is that of the gravest finding.
pub fn run(context: &Context, args: &DoctorArgs) -> Result<ExitCode, CliError> {
    if let Some(code) = &args.explain {
        explain::explain(context, code)?;
        return Ok(ExitCode::Fine);
    }
    check_usage(args)?;
    let risks = risks::accepted(context, args)?;
    let inventory = wiring::inventory(context, context.host(), &args.ca_dir)?;
    let seen = cluster::look(context, &args.api, &inventory, asks_for_exposed(args))?;
    let finds_nothing = inventory.entries.is_empty() && inventory.authorities.is_empty();
    // From a machine that is no node, endpoints can be looked at all the same.
    if finds_nothing && seen.cluster().is_none() && args.endpoints.is_empty() {
        return Err(nothing_found(&seen));
    }
    let mut hosts = [HostEvidence {
        inventory,
        live: None,
    }];
    look_at_what_runs(context, args, &mut hosts, seen.cluster())?;
    let evidence = Evidence {
        hosts: &hosts,
        cluster: seen.cluster(),
    };
    let mut diagnosis = diagnose(&evidence, &options(context, args, &risks));
    if let Seen::Nothing(gap) = &seen {
        diagnosis.gaps.insert(0, gap.clone());
    }
    tell(context, &diagnosis)?;
    Ok(seen.exit_code(exit_code(diagnosis.worst())))
}

/// Refuses a command line that cannot be obeyed.
pub fn check_usage(args: &DoctorArgs) -> Result<(), CliError> {
    let by_api = asks_for_exposed(args) || args.endpoints.contains(&EndpointChoice::Nodes);
    if by_api && !args.api.api {
        return Err(
            CliError::usage("--endpoints exposed and --endpoints nodes need --api")
                .hint("what the cluster exposes and which nodes it has stands in its API"),
        );
    }
    Ok(())
}

/// Whether everything that the cluster exposes is to be asked.
pub fn asks_for_exposed(args: &DoctorArgs) -> bool {
    args.endpoints.contains(&EndpointChoice::Exposed)
}

/// How to judge.
pub fn options<'a>(
    context: &Context,
    args: &'a DoctorArgs,
    risks: &'a [AcceptedRisk],
) -> DiagnoseOptions<'a> {
    DiagnoseOptions {
        now: context.now(),
        thresholds: Thresholds {
            warn: args.warn,
            critical: args.critical,
        },
        only: &args.only,
        ignore: risks,
    }
}

/// Asks the processes of the host, and the endpoints that were named.
fn look_at_what_runs(
    context: &Context,
    args: &DoctorArgs,
    hosts: &mut [HostEvidence; 1],
    cluster: Option<&ClusterObservation>,
) -> Result<(), CliError> {
    let timeout =
        Duration::try_from(args.timeout).map_err(|_| CliError::usage("--timeout is negative"))?;
    let (graph, material) = derive(&Evidence {
        hosts: &*hosts,
        cluster,
    });
    let [host] = hosts;
    let endpoints = asked_endpoints(args, &host.inventory, cluster);
    if !host.inventory.live && endpoints.is_empty() {
        return Ok(());
    }
    let ports = ExaminePorts {
        host: context.host(),
        tls: &RustlsProbe::new(),
        clock: &SystemClock,
    };
    let options = ExamineOptions {
        timeout,
        endpoints,
        material: Some(material),
        ..ExamineOptions::default()
    };
    host.live = Some(examine(
        &ports,
        &host.inventory,
        &graph,
        &options,
        &Murmur::new(context),
    ));
    Ok(())
}

/// The endpoints that were named, those that the cluster exposes among them, each once.
pub fn asked_endpoints(
    args: &DoctorArgs,
    inventory: &Inventory,
    cluster: Option<&ClusterObservation>,
) -> Vec<NamedEndpoint> {
    let mut endpoints: Vec<NamedEndpoint> = Vec::new();
    let mut add = |endpoint: NamedEndpoint| {
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    };
    for choice in &args.endpoints {
        match choice {
            EndpointChoice::Named(endpoint) => add(endpoint.clone()),
            EndpointChoice::Nodes => {
                let ports = ControlPlanePorts::of(inventory);
                let nodes = cluster.into_iter().flat_map(|cluster| &cluster.nodes);
                nodes
                    .flat_map(|node| NamedEndpoint::of_node(node, &ports))
                    .for_each(&mut add);
            }
            EndpointChoice::Exposed => {
                let exposed = cluster.into_iter().flat_map(|cluster| &cluster.exposed);
                exposed
                    .flat_map(NamedEndpoint::of_exposed)
                    .for_each(&mut add);
            }
        }
    }
    endpoints
}

fn nothing_found(seen: &Seen) -> CliError {
    let error = wiring::nothing_found();
    match seen {
        Seen::Nothing(gap) => error.detail("API", &gap.reason),
        _ => error.hint(
            "is this a Kubernetes node? name another folder with --ca-dir, another host's disk with --root, or look at a cluster from elsewhere with --api",
        ),
    }
}

/// Shows a diagnosis.
pub fn tell(context: &Context, diagnosis: &Diagnosis) -> Result<(), CliError> {
    match context.structured() {
        Some(structured) => context.emit(structured, diagnosis),
        None => show::show(context, diagnosis),
    }
}
