//! The stages of a renewal: CA files everywhere, then etcd's hosts and control planes one by one,
//! then workers in batches, each with what has to be true before the next.

use super::authorities::AuthorityPlans;
use super::hosts::{Duty, Host};
use super::{ClusterOptions, duration};
use crate::model::ComponentKind;
use crate::plan::cluster_plan::{Gate, Pace, Stage, Step};
use crate::plan::document::Plan;
use crate::plan::renew::RenewRequest;

pub(super) fn stages(
    authorities: &AuthorityPlans,
    plans: Vec<(Host<'_>, Plan)>,
    request: &RenewRequest,
    options: &ClusterOptions,
) -> Vec<Stage> {
    let mut stages = authority_stages(authorities);
    let mut by_duty: [Vec<(Host<'_>, Plan)>; 3] = Default::default();
    for (host, plan) in plans {
        if plan.is_empty() {
            continue;
        }
        let [etcd, control_planes, workers] = &mut by_duty;
        match host.duty {
            Duty::Etcd => etcd.push((host, plan)),
            Duty::ControlPlane => control_planes.push((host, plan)),
            Duty::Worker => workers.push((host, plan)),
        }
    }
    let [etcd, control_planes, workers] = by_duty;
    let gate = |hosts: &[(Host<'_>, Plan)]| match request.no_restart {
        true => Gate::None,
        false => gate(hosts),
    };
    stages.push(Stage {
        name: "etcd".to_owned(),
        reason: "members of etcd one by one, before the API servers that need them".to_owned(),
        gate: gate(&etcd),
        estimate_seconds: one_by_one(&etcd),
        steps: steps(etcd),
        pace: Pace::OneByOne,
    });
    stages.push(Stage {
        name: "control-planes".to_owned(),
        reason: "one control plane at a time, so that the others go on serving".to_owned(),
        gate: gate(&control_planes),
        estimate_seconds: one_by_one(&control_planes),
        steps: steps(control_planes),
        pace: Pace::OneByOne,
    });
    let size = options.batch.max(1);
    stages.push(Stage {
        name: "workers".to_owned(),
        reason: "workers in batches, when every control plane can answer them".to_owned(),
        gate: gate(&workers),
        estimate_seconds: in_batches(&workers, size),
        steps: steps(workers),
        pace: Pace::Batches { size },
    });
    stages
}

/// CA files, without restarts: on the host that renews, then on all others together.
fn authority_stages(authorities: &AuthorityPlans) -> Vec<Stage> {
    let steps = |plans: &[(String, Plan)]| -> Vec<Step> {
        plans
            .iter()
            .map(|(host, plan)| Step::Carry {
                host: host.clone(),
                plan: Box::new(plan.clone()),
            })
            .collect()
    };
    let longest = |plans: &[(String, Plan)]| {
        plans
            .iter()
            .map(|(_, plan)| duration::of(plan))
            .max()
            .unwrap_or_default()
    };
    vec![
        Stage {
            name: "authorities".to_owned(),
            reason: "the expired CA is renewed with its own key where that lies; nothing is restarted yet"
                .to_owned(),
            steps: steps(&authorities.renewing),
            pace: Pace::OneByOne,
            gate: Gate::None,
            estimate_seconds: longest(&authorities.renewing),
        },
        Stage {
            name: "trust".to_owned(),
            reason: "every other host gets the renewed CA before anybody presents what it signs"
                .to_owned(),
            steps: steps(&authorities.given),
            pace: Pace::Together,
            gate: Gate::None,
            estimate_seconds: longest(&authorities.given),
        },
    ]
}

/// What must be true of these hosts: what they run is healthy, and their nodes are Ready.
fn gate(hosts: &[(Host<'_>, Plan)]) -> Gate {
    let with = |kind: ComponentKind| -> Vec<String> {
        hosts
            .iter()
            .filter(|(host, _)| host.has(kind))
            .map(|(host, _)| host.name.to_owned())
            .collect()
    };
    let nodes = hosts
        .iter()
        .filter_map(|(host, _)| host.node())
        .map(ToOwned::to_owned)
        .collect();
    Gate::all([
        Gate::EtcdHealthy {
            hosts: with(ComponentKind::Etcd),
        },
        Gate::ApiServersReady {
            hosts: with(ComponentKind::KubeApiserver),
        },
        Gate::NodesReady { nodes },
    ])
}

fn steps(plans: Vec<(Host<'_>, Plan)>) -> Vec<Step> {
    plans
        .into_iter()
        .map(|(host, plan)| Step::Carry {
            host: host.name.to_owned(),
            plan: Box::new(plan),
        })
        .collect()
}

fn one_by_one(plans: &[(Host<'_>, Plan)]) -> u32 {
    plans
        .iter()
        .map(|(_, plan)| duration::of(plan))
        .fold(0, u32::saturating_add)
}

fn in_batches(plans: &[(Host<'_>, Plan)], size: u32) -> u32 {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    plans
        .chunks(size)
        .map(|batch| {
            let longest = batch.iter().map(|(_, plan)| duration::of(plan)).max();
            longest.unwrap_or_default()
        })
        .fold(0, u32::saturating_add)
}
