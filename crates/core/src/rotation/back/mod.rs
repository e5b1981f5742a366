//! Taking a rotation back: what its runs changed on hosts comes back from their backups, the newest run
//! first, so that every state on the way is one that the cluster has been in before.
//!
//! Hosts know what they did (their journals); the API does not, so what the rotation changed there is
//! reversed by what the picture says of it ([`api`]). Nothing is decided here about whether going back is
//! wise.

mod api;
mod error;
#[cfg(test)]
mod given;
mod lost;
mod order;
mod restarts;
mod runs;
mod swap;
#[cfg(test)]
mod tests;
mod workloads;

pub use error::BackError;
pub use lost::ArchivedKeys;
pub use runs::{HostRuns, RotationRun, TakenBackRun};

use super::phase::Phase;
use super::picture::Picture;
use crate::model::{ComponentKind, Inventory, RunsAs};
use crate::plan::components::ORDER;
use crate::plan::document::API_VERSION;
use crate::plan::{
    BasisFile, ClusterPlan, ComponentAction, Gate, Notice, Pace, Plan, Restoration, Stage, Step,
    TakeUp,
};
use jiff::Timestamp;
use lost::can_come_back;
use restarts::Restarts;
use runs::{Swap, Taken, rounds, swap_of, taken};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use workloads::Workloads;

/// What may have a manifest.
const STATIC_PODS: [ComponentKind; 4] = [
    ComponentKind::Etcd,
    ComponentKind::KubeApiserver,
    ComponentKind::KubeControllerManager,
    ComponentKind::KubeScheduler,
];

/// The verb of plans that take a rotation back.
pub const VERB: &str = "rotate-back";

/// Hosts without a control plane that go back at the same time.
const BATCH: u32 = 5;

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowFar {
    /// The last round.
    Round,
    /// The last phase.
    Phase,
    /// Everything: the rotation never was.
    Everything,
}

/// Plans to take back the last round, the last phase or all of the newest rotation.
///
/// # Errors
/// When there is nothing to take back, or no way back.
pub fn back(
    hosts: &[HostRuns<'_>],
    picture: Option<&Picture>,
    how_far: HowFar,
    now: Timestamp,
) -> Result<ClusterPlan, BackError> {
    let taken = taken(hosts, how_far);
    if taken.is_empty() {
        return Err(BackError::Nothing);
    }
    can_come_back(hosts, &taken)?;
    let phases: BTreeSet<Phase> = taken.iter().map(|(_, run)| run.mark.phase).collect();
    let is_over = picture.is_some_and(|picture| picture.roots.iter().all(|it| it.new.is_none()));
    if is_over && phases.contains(&Phase::RetireOld) && phases.len() > 1 {
        return Err(BackError::Over);
    }
    let mut drafting = Drafting {
        touched: BTreeMap::new(),
        now,
    };
    let mut stages = Vec::new();
    let mut last_phase = None;
    let ordered = order::clients_first(rounds(&taken));
    let workloads = picture.map(|picture| Workloads {
        hosts,
        picture,
        now,
    });
    let mut restarts = Restarts {
        hosts,
        taken: &taken,
        picture: picture.filter(|_| how_far != HowFar::Round),
        undone: Vec::new(),
    };
    for (index, round) in ordered.iter().enumerate() {
        let phase = round.first().map(|(_, run)| run.mark.phase);
        if phase != last_phase {
            // What the API holds is wider than what the hosts come to, never narrower.
            if let (Some(phase), Some(workloads)) = (phase, &workloads)
                && how_far != HowFar::Round
            {
                stages.extend(restarts.overdue(&drafting, phase));
                stages.extend(workloads.overdue(phase, &taken));
            }
            stages.extend(phase.and_then(|it| api::before(it, hosts, picture, how_far)));
            last_phase = phase;
        }
        let swap = swap_of(round, &taken);
        let is_swap = !matches!(swap, Swap::None);
        match swap {
            Swap::None => stages.extend(drafting.stage(hosts, round)?),
            // All of it goes back at once, with its newest round.
            Swap::All(runs) => {
                stages.extend(swap::stages(&mut drafting, hosts, &runs)?);
                stages.extend(picture.and_then(|picture| api::behind_swap(hosts, picture)));
                stages.extend(workloads.iter().flat_map(Workloads::behind_swap));
            }
            Swap::Done => {}
        }
        let mut older = ordered.iter().skip(index.saturating_add(1)).flatten();
        let is_last = older.all(|(_, run)| Some(run.mark.phase) != phase);
        if let (true, Some(phase), Some(workloads)) = (is_last, phase, &workloads)
            && how_far != HowFar::Round
        {
            stages.extend(api::behind(phase, hosts, workloads.picture, now));
            if !is_swap {
                stages.extend(restarts.behind(&drafting, phase));
                stages.extend(workloads.behind(phase));
            }
        }
    }
    stages.extend(restarts.manifests(&drafting));
    let rounds = stages.len();
    let notices = vec![Notice {
        code: "takes-back".to_owned(),
        object: taken
            .first()
            .map(|(_, run)| run.mark.rotation.clone())
            .unwrap_or_default(),
        message: format!("{} runs are taken back in {rounds} stages", taken.len()),
    }];
    Ok(ClusterPlan::new(VERB, now, stages, notices))
}

struct Drafting {
    /// Paths that earlier steps of this plan bring back: their hash is not known before.
    touched: BTreeMap<usize, BTreeSet<PathBuf>>,
    now: Timestamp,
}

impl Drafting {
    fn stage(
        &mut self,
        hosts: &[HostRuns<'_>],
        round: &[Taken<'_>],
    ) -> Result<Option<Stage>, BackError> {
        let mut steps = Vec::new();
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let mut repeats = false;
        let mut restarted: BTreeMap<ComponentKind, Vec<&HostRuns<'_>>> = BTreeMap::new();
        for (index, run) in round {
            let Some(host) = hosts.get(*index) else {
                continue;
            };
            repeats |= !seen.insert(*index);
            let plan = self.plan(*index, host, run, actions(host.inventory, run))?;
            for action in &plan.components {
                for kind in action.parks.iter().chain([&action.component]) {
                    restarted.entry(*kind).or_default().push(host);
                }
            }
            steps.push(Step::Carry {
                host: host.name.to_owned(),
                plan: Box::new(plan),
            });
        }
        let Some((_, first)) = round.first() else {
            return Ok(None);
        };
        let on_workers_only = restarted
            .keys()
            .all(|kind| matches!(kind, ComponentKind::Kubelet | ComponentKind::KubeProxy))
            && round.iter().all(|(index, _)| {
                let host = hosts.get(*index);
                host.is_none_or(|it| {
                    it.inventory
                        .component(ComponentKind::KubeApiserver)
                        .is_none()
                })
            });
        let pace = match on_workers_only && !repeats {
            true => Pace::Batches { size: BATCH },
            false => Pace::OneByOne,
        };
        let restarts: usize = restarted.values().map(Vec::len).sum();
        let seconds = 5 * steps.len() + 20 * restarts;
        Ok(Some(Stage {
            name: format!("back-{}", first.mark.round),
            reason: format!(
                "takes back {} of the phase {}, the newest change first",
                first.mark.round, first.mark.phase
            ),
            steps,
            pace,
            gate: gate(&restarted),
            estimate_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }))
    }

    fn plan(
        &mut self,
        index: usize,
        host: &HostRuns<'_>,
        run: &RotationRun,
        components: Vec<ComponentAction>,
    ) -> Result<Plan, BackError> {
        let archive = run.archive.clone().ok_or_else(|| BackError::NoBackup {
            host: host.name.to_owned(),
            run: run.id.clone(),
        })?;
        let touched = self.touched.entry(index).or_default();
        let mut basis = Vec::new();
        for path in &run.written {
            if let Some(sha256) = host.inventory.files.get(path)
                && !touched.contains(path)
            {
                basis.push(BasisFile {
                    path: path.clone(),
                    sha256: sha256.clone(),
                });
            }
        }
        touched.extend(run.written.iter().cloned());
        // A restart changes the manifest of its pod.
        let pods = STATIC_PODS.into_iter();
        let pods = pods.filter(|kind| restarts::is_restarted(host.inventory, run, *kind));
        touched.extend(pods.filter_map(|kind| manifest_of(host.inventory, kind)));
        let restoration = Restoration {
            archive,
            paths: run.written.clone(),
            undoes: Some(run.id.clone()),
        };
        Ok(self.carried(host, basis, restoration, components))
    }

    fn carried(
        &self,
        host: &HostRuns<'_>,
        basis: Vec<BasisFile>,
        restoration: Restoration,
        components: Vec<ComponentAction>,
    ) -> Plan {
        let plan = Plan {
            api_version: API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: VERB.to_owned(),
            host: host.inventory.host.clone(),
            created_at: self.now,
            basis,
            issuances: Vec::new(),
            restoration: Some(restoration),
            trust_updates: Vec::new(),
            file_edits: Vec::new(),
            rotation: None,
            components,
            static_pod_folders: host.inventory.static_pod_folders.clone(),
            notices: Vec::new(),
        };
        plan.with_id()
    }
}

fn manifest_of(inventory: &Inventory, kind: ComponentKind) -> Option<PathBuf> {
    match &inventory.component(kind)?.runs_as {
        RunsAs::StaticPod { manifest, .. } => Some(manifest.clone()),
        _ => None,
    }
}

/// Whatever took the run's files up takes the old ones up: restarted, since what was read once may not
/// be read again. A member of etcd goes under an API server that is stopped.
fn actions(inventory: &Inventory, run: &RotationRun) -> Vec<ComponentAction> {
    let is_there = |kind: ComponentKind| run.components.contains(&kind);
    let wanted = ORDER.iter().copied().filter(|kind| is_there(*kind));
    wanted
        .filter_map(|kind| {
            let component = inventory.component(kind)?;
            let has_api_server = inventory.component(ComponentKind::KubeApiserver).is_some();
            let parks = match kind == ComponentKind::Etcd && has_api_server {
                true => vec![ComponentKind::KubeApiserver],
                false => Vec::new(),
            };
            Some(ComponentAction {
                component: kind,
                runs_as: component.runs_as.clone(),
                take_up: TakeUp::Restart,
                reasons: vec![format!("{} is taken back", run.mark.round)],
                parks,
            })
        })
        .collect()
}

fn gate(restarted: &BTreeMap<ComponentKind, Vec<&HostRuns<'_>>>) -> Gate {
    let names = |kind: ComponentKind| -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for host in restarted.get(&kind).into_iter().flatten() {
            if !names.iter().any(|name| name == host.name) {
                names.push(host.name.to_owned());
            }
        }
        names
    };
    let mut nodes: Vec<String> = Vec::new();
    for host in restarted.get(&ComponentKind::Kubelet).into_iter().flatten() {
        let node = host.inventory.node_name.as_ref().map(|node| &node.name);
        nodes.extend(node.filter(|node| !nodes.contains(node)).cloned());
    }
    Gate::all([
        Gate::EtcdHealthy {
            hosts: names(ComponentKind::Etcd),
        },
        Gate::ApiServersReady {
            hosts: names(ComponentKind::KubeApiserver),
        },
        Gate::NodesReady { nodes },
    ])
}
