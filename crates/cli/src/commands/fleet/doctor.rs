//! `kubepki doctor` over many hosts: every host looks at itself, and all of it is judged as one
//! cluster. The API and named endpoints are asked from here.

use super::clocks::compared;
use super::document::SelectedHosts;
use super::looking::{Looked, look_at_all, request};
use super::reach::Reach;
use super::worst;
use crate::args::DoctorArgs;
use crate::commands::cluster::{self, Seen};
use crate::commands::doctor::{
    asked_endpoints, asks_for_exposed, check_usage, options, risks, tell,
};
use crate::commands::status::exit_code;
use crate::commands::wiring::Murmur;
use crate::context::Context;
use crate::error::CliError;
use crate::exit_code::ExitCode;
use kubepki_adapters::clock::SystemClock;
use kubepki_adapters::tls::RustlsProbe;
use kubepki_core::connections::Graph;
use kubepki_core::diagnose::{Evidence, HostEvidence, diagnose, together};
use kubepki_core::model::cluster::ClusterObservation;
use kubepki_core::model::{ComponentKind, Gap, Inventory, LiveObservation};
use kubepki_engine::examine::{ExamineOptions, ExaminePorts, examine};
use std::time::Duration;

/// Runs the verb; a host that was not seen is a gap, and the exit code that of work not done in full.
pub fn run(
    context: &Context,
    hosts: &SelectedHosts,
    args: &DoctorArgs,
) -> Result<ExitCode, CliError> {
    check_usage(args)?;
    let risks = risks::accepted(context, args)?;
    let timeout =
        Duration::try_from(args.timeout).map_err(|_| CliError::usage("--timeout is negative"))?;
    let reach = Reach::new(hosts);
    let request = request(&args.ca_dir, true, timeout);
    let all = look_at_all(context, hosts, &reach.once(), &request)?;
    let mut gaps = Vec::new();
    let mut unseen = false;
    let mut clocks = Vec::new();
    let mut seen = Vec::new();
    for Looked { host, seen: looked } in all {
        match looked {
            Ok(found) => {
                if found.look.inventory.live {
                    clocks.push((host.clone(), found.clock_ahead));
                }
                if let Some(run) = &found.look.interrupted {
                    gaps.push(Gap::new(
                        host.clone(),
                        format!(
                            "run {} was interrupted while {}: its files are between two states",
                            run.id, run.stage
                        ),
                    ));
                }
                let evidence = HostEvidence {
                    inventory: found.look.inventory,
                    live: found.look.live,
                };
                seen.push((host, evidence));
            }
            Err(error) => {
                unseen = true;
                gaps.push(Gap::new(host, error.to_string()));
            }
        }
    }
    if seen.is_empty() {
        return Err(nobody(&gaps));
    }
    let asked = api(context, args, &seen)?;
    let mut evidence = together(seen, asked.cluster());
    note_clocks(&mut evidence, &clocks);
    ask_endpoints(context, args, &mut evidence, asked.cluster(), timeout);
    let mut diagnosis = diagnose(
        &Evidence {
            hosts: &evidence,
            cluster: asked.cluster(),
        },
        &options(context, args, &risks),
    );
    if let Seen::Nothing(gap) = &asked {
        gaps.insert(0, gap.clone());
    }
    diagnosis.gaps.splice(0..0, gaps);
    tell(context, &diagnosis)?;
    let code = asked.exit_code(exit_code(diagnosis.worst()));
    Ok(if unseen {
        worst([code, ExitCode::Failed])
    } else {
        code
    })
}

fn nobody(gaps: &[Gap]) -> CliError {
    let told: Vec<String> = gaps
        .iter()
        .map(|gap| format!("{}: {}", gap.object, gap.reason))
        .collect();
    CliError::new(
        "no-host-seen",
        "none of the selected hosts could be looked at",
    )
    .detail("hosts", told.join("\n"))
}

/// The API, asked from here; what it is told of the cluster's keys is a control plane's.
fn api(
    context: &Context,
    args: &DoctorArgs,
    seen: &[(String, HostEvidence)],
) -> Result<Seen, CliError> {
    let serves = |host: &&(String, HostEvidence)| {
        let inventory = &host.1.inventory;
        inventory.component(ComponentKind::KubeApiserver).is_some()
    };
    let Some((_, host)) = seen.iter().find(serves).or(seen.first()) else {
        return Ok(Seen::NotAsked);
    };
    if !args.api.api {
        return Ok(Seen::NotAsked);
    }
    let mut inventory = host.inventory.clone();
    // Its flags name addresses of that host, not of this one.
    inventory.live = false;
    cluster::look(context, &args.api, &inventory, asks_for_exposed(args))
}

/// Puts clocks that differ into what the host in the middle has seen.
fn note_clocks(evidence: &mut [HostEvidence], clocks: &[(String, i64)]) {
    let Some((reference, facts)) = compared(clocks) else {
        return;
    };
    let host = evidence
        .iter_mut()
        .find(|host| host.inventory.host == reference);
    if let Some(live) = host.and_then(|host| host.live.as_mut()) {
        live.clocks.extend(facts);
    }
}

/// Asks the endpoints that were named, from here; what they answer is told with the first host's.
fn ask_endpoints(
    context: &Context,
    args: &DoctorArgs,
    evidence: &mut [HostEvidence],
    cluster: Option<&ClusterObservation>,
    timeout: Duration,
) {
    let Some(first) = evidence.first_mut() else {
        return;
    };
    let endpoints = asked_endpoints(args, &first.inventory, cluster);
    if endpoints.is_empty() {
        return;
    }
    let ports = ExaminePorts {
        host: context.host(),
        tls: &RustlsProbe::new(),
        clock: &SystemClock,
    };
    let options = ExamineOptions {
        timeout,
        endpoints,
        ..ExamineOptions::default()
    };
    // What runs on the hosts has been asked there.
    let nothing_runs = Inventory {
        live: false,
        ..first.inventory.clone()
    };
    let answered = examine(
        &ports,
        &nothing_runs,
        &Graph::default(),
        &options,
        &Murmur::new(context),
    );
    match &mut first.live {
        Some(live) => live.served.extend(answered.served),
        None => {
            first.live = Some(LiveObservation {
                served: answered.served,
                ..LiveObservation::default()
            });
        }
    }
}
