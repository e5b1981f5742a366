//! A swap with everything down, taken back: everything down once more, the old files of every host that was
//! stopped, everything up, then the others; and workloads start with what is published then.
//!
//! One host after another would leave members of etcd, and API servers, that believe nobody on the others.

use super::{BackError, Drafting, HostRuns, Taken, actions};
use crate::model::ComponentKind::{
    self, CloudControllerManager, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler,
    Kubelet,
};
use crate::plan::{Gate, Pace, Stage, Step};
use crate::rotation::plan::HALTED;
use std::collections::BTreeSet;

/// What stopping a control plane takes: an API server drains.
const HALT_SECONDS: u32 = 30;

/// The stages of one swap; `runs` are all of its phase, the newest first.
pub(super) fn stages(
    drafting: &mut Drafting,
    hosts: &[HostRuns<'_>],
    runs: &[Taken<'_>],
) -> Result<Vec<Stage>, BackError> {
    let is_stopped = |index: usize| {
        hosts
            .get(index)
            .is_some_and(|host| !of(host, &HALTED).is_empty())
    };
    let mut stopped = Vec::new();
    let mut others = Vec::new();
    for (index, run) in runs {
        let Some(host) = hosts.get(*index) else {
            continue;
        };
        let mut run = (*run).clone();
        if is_stopped(*index) {
            // The others are stopped, and start with what lies there.
            run.components.retain(|kind| !HALTED.contains(kind));
        }
        let plan = drafting.plan(*index, host, &run, actions(host.inventory, &run))?;
        let step = Step::Carry {
            host: host.name.to_owned(),
            plan: Box::new(plan),
        };
        match is_stopped(*index) {
            true => stopped.push(step),
            false => others.push(step),
        }
    }
    let starting = |kinds: &[ComponentKind]| -> Vec<Step> {
        let steps = hosts.iter().map(|host| Step::Start {
            host: host.name.to_owned(),
            components: of(host, kinds),
        });
        steps.filter(is_something).collect()
    };
    let halting = hosts.iter().map(|host| Step::Halt {
        host: host.name.to_owned(),
        components: of(host, &HALTED),
    });
    let named = |steps: &[Step]| steps.iter().map(|step| step.host().to_owned()).collect();
    let (members, servers) = (starting(&[Etcd]), starting(&[KubeApiserver]));
    let (members_healthy, servers_ready) = (
        Gate::EtcdHealthy {
            hosts: named(&members),
        },
        Gate::ApiServersReady {
            hosts: named(&servers),
        },
    );
    let controllers = [KubeControllerManager, KubeScheduler, CloudControllerManager];
    let stage = |name: &str, reason: &str, steps: Vec<Step>, gate: Gate, seconds: u32| Stage {
        name: format!("back-{name}"),
        reason: reason.to_owned(),
        // Two runs of one host go back in their order.
        pace: match repeats(&steps) {
            true => Pace::OneByOne,
            false => Pace::Together,
        },
        steps,
        gate,
        estimate_seconds: seconds,
    };
    let all = vec![
        stage(
            "halt",
            "everything that serves or controls the cluster stops, since hosts that differ would believe nobody",
            halting.filter(is_something).collect(),
            Gate::None,
            HALT_SECONDS,
        ),
        stage(
            "swap",
            "every host that was stopped has its old files again, and its kubelet starts with them",
            stopped,
            Gate::None,
            15,
        ),
        stage(
            "start-etcd",
            "the members of etcd start together, since one alone has no quorum",
            members,
            members_healthy,
            5,
        ),
        stage(
            "start-api-servers",
            "API servers start when etcd is there",
            servers,
            servers_ready,
            15,
        ),
        stage(
            "start-controllers",
            "controllers start when the API is there",
            starting(&controllers),
            Gate::None,
            5,
        ),
        stage(
            "workers",
            "the other hosts have their old files again, and their kubelets find the API servers with them",
            others,
            Gate::NodesReady {
                nodes: nodes(hosts),
            },
            20,
        ),
    ];
    Ok(all
        .into_iter()
        .filter(|stage| !stage.steps.is_empty() || stage.name == "back-workers")
        .collect())
}

/// Those of these that a host has, in this order.
fn of(host: &HostRuns<'_>, kinds: &[ComponentKind]) -> Vec<ComponentKind> {
    let kinds = kinds.iter().copied();
    kinds
        .filter(|kind| host.inventory.component(*kind).is_some())
        .collect()
}

fn is_something(step: &Step) -> bool {
    match step {
        Step::Halt { components, .. } | Step::Start { components, .. } => !components.is_empty(),
        _ => true,
    }
}

fn repeats(steps: &[Step]) -> bool {
    let mut seen = BTreeSet::new();
    !steps.iter().all(|step| seen.insert(step.host()))
}

fn nodes(hosts: &[HostRuns<'_>]) -> Vec<String> {
    let kubelets = hosts
        .iter()
        .filter(|host| host.inventory.component(Kubelet).is_some());
    let nodes = kubelets.filter_map(|host| host.inventory.node_name.as_ref());
    nodes.map(|node| node.name.clone()).collect()
}
