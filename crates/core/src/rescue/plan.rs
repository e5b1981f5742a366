//! The order in which a cluster comes to life: all files first, then etcd, the API servers, the
//! controllers, the kubelets of control planes, the workers.
//!
//! Each stage holds plans of hosts that only take up what the first stage wrote. In brute mode the
//! control planes are stopped before and started after.

use super::files::{HostFiles, mend};
use super::running::{Quorum, api_is_up, can_sign, quorum, take_up};
use super::{Rescue, Scene, situation};
use crate::model::ComponentKind::{
    self, Etcd, KubeApiserver, KubeControllerManager, KubeScheduler, Kubelet,
};
use crate::model::Inventory;
use crate::plan::document::API_VERSION;
use crate::plan::{ClusterPlan, ComponentAction, Gate, Notice, Pace, Plan, Stage, Step, TakeUp};

/// What a host has to do, in the making.
#[derive(Debug)]
pub(crate) struct HostWork {
    pub(crate) files: HostFiles,
    pub(crate) actions: Vec<ComponentAction>,
}

/// Judges, and puts what is to be done into stages.
pub(crate) fn plan(scene: &Scene<'_>) -> Rescue {
    let hosts = scene.evidence.hosts.len();
    let files: Vec<HostFiles> = (0..hosts).map(|host| mend(scene, host)).collect();
    let quorum = quorum(scene, &files);
    let work: Vec<HostWork> = files
        .into_iter()
        .enumerate()
        .map(|(host, files)| HostWork {
            actions: take_up(scene, host, &files),
            files,
        })
        .collect();
    let situation = situation::describe(scene, &work, quorum);
    let mut left = situation::left(scene, &work);
    let course = Course {
        scene,
        work: &work,
        quorum,
        is_up: api_is_up(scene),
        offline: is_offline(scene, &work),
    };
    let mut notices = situation::notices(scene, &work, course.offline);
    notices.append(&mut situation::found_at_hosts(scene, &work));
    let plan = ClusterPlan::new("rescue", scene.now, course.stages(), notices);
    left.dedup();
    Rescue {
        situation,
        plan,
        left,
    }
}

/// Stopping everything first is asked for, or the only way: a CA with a new key is believed by nobody
/// who still runs with the old one.
fn is_offline(scene: &Scene<'_>, work: &[HostWork]) -> bool {
    let replaces = work
        .iter()
        .any(|work| work.files.issues_authorities && work.files.replaces_authorities);
    scene.request.offline
        && work
            .iter()
            .any(|work| !work.files.is_empty() || !work.actions.is_empty())
        || replaces
}

struct Course<'a> {
    scene: &'a Scene<'a>,
    work: &'a [HostWork],
    quorum: Quorum,
    is_up: bool,
    offline: bool,
}

/// Components that a control plane is stopped by, in this order.
const HALTED: [ComponentKind; 4] = [KubeControllerManager, KubeScheduler, KubeApiserver, Etcd];

impl<'a> Course<'a> {
    fn stages(&self) -> Vec<Stage> {
        let halted: Vec<usize> = if self.offline {
            (0..self.work.len())
                .filter(|host| self.can_halt(*host))
                .collect()
        } else {
            Vec::new()
        };
        let mut stages = vec![
            self.halt(&halted),
            self.files(),
            self.locked_out_kubelets(),
            self.etcd(&halted),
            self.api_servers(&halted),
            self.controllers(&halted),
            self.kubelets(),
            self.workers(),
        ];
        self.wait_for_nodes(&mut stages);
        stages
    }

    fn inventory(&self, host: usize) -> Option<&'a Inventory> {
        Some(&self.scene.evidence.hosts.get(host)?.inventory)
    }

    fn has(&self, host: usize, kind: ComponentKind) -> bool {
        self.inventory(host)
            .is_some_and(|inventory| inventory.component(kind).is_some())
    }

    fn is_control_plane(&self, host: usize) -> bool {
        self.has(host, KubeApiserver) || self.has(host, Etcd)
    }

    fn is_live(&self, host: usize) -> bool {
        self.inventory(host).is_some_and(|inventory| inventory.live)
    }

    fn can_halt(&self, host: usize) -> bool {
        self.is_live(host) && self.is_control_plane(host)
    }

    fn kubelet_is_down(&self, host: usize) -> bool {
        self.inventory(host).is_some_and(|inventory| {
            inventory
                .component(Kubelet)
                .is_some_and(|kubelet| kubelet.processes.is_empty())
        })
    }

    /// One that gave up may be on its way to give up again: while no API answers, there is nothing to
    /// lose by starting it anew.
    fn goes_first(&self, host: usize) -> bool {
        !self.is_up || self.kubelet_is_down(host)
    }

    fn halt(&self, halted: &[usize]) -> Stage {
        let steps = halted.iter().map(|host| Step::Halt {
            host: self.scene.name(*host).to_owned(),
            components: self.halted_components(*host),
        });
        Stage {
            name: "halt".to_owned(),
            reason: "stop the control planes, so that nothing runs with half of the new files"
                .to_owned(),
            steps: steps.collect(),
            pace: Pace::Together,
            gate: Gate::None,
            estimate_seconds: 40,
        }
    }

    fn halted_components(&self, host: usize) -> Vec<ComponentKind> {
        HALTED
            .into_iter()
            .filter(|kind| self.can_start(host, *kind))
            .collect()
    }

    /// What would end at once for want of the CA's key is neither halted nor started.
    fn can_start(&self, host: usize, kind: ComponentKind) -> bool {
        let can_sign = || {
            let inventory = self.inventory(host)?;
            Some(can_sign(inventory, &self.work.get(host)?.files))
        };
        self.has(host, kind) && (kind != KubeControllerManager || can_sign().unwrap_or(true))
    }

    /// Hosts that issue what others wait for come first; the rest waits for them alone.
    fn files(&self) -> Stage {
        let mut order: Vec<usize> = (0..self.work.len()).collect();
        order.sort_by_key(|host| {
            self.work
                .get(*host)
                .is_none_or(|work| !work.files.issues_authorities)
        });
        let steps: Vec<Step> = order
            .into_iter()
            .filter_map(|host| {
                let work = self.work.get(host)?;
                if work.files.is_empty() {
                    return None;
                }
                Some(Step::Carry {
                    host: self.scene.name(host).to_owned(),
                    plan: Box::new(work.files.plan(self.scene, host)?),
                })
            })
            .collect();
        let most = self.work.iter().map(|work| work.files.count()).max();
        let most = u32::try_from(most.unwrap_or_default()).unwrap_or(u32::MAX);
        Stage {
            name: "files".to_owned(),
            reason: "write what is broken anew on every host; nothing is restarted yet, and what is well is not touched".to_owned(),
            steps,
            pace: Pace::Together,
            gate: Gate::None,
            estimate_seconds: 5 + most / 2,
        }
    }

    /// Nothing but a kubelet starts static pods: one that gave up goes first.
    fn locked_out_kubelets(&self) -> Stage {
        let steps = self.carry(|host, action| {
            self.is_control_plane(host) && action.component == Kubelet && self.goes_first(host)
        });
        Stage {
            name: "kubelets-of-static-pods".to_owned(),
            reason: "the kubelets of control planes that gave up or are locked out: nothing else starts etcd and the API server there".to_owned(),
            steps,
            pace: Pace::Together,
            gate: Gate::None,
            estimate_seconds: 15,
        }
    }

    fn etcd(&self, halted: &[usize]) -> Stage {
        let lost = !self.quorum.is_there();
        let mut steps = self.start(halted, &[Etcd]);
        steps
            .extend(self.carry(|host, action| action.component == Etcd && !halted.contains(&host)));
        let together = lost || !halted.is_empty() || !self.is_up;
        // The API server beside it is parked meanwhile, and takes up to 30 s to end.
        let parking = if halted.is_empty() { 35 } else { 5 };
        Stage {
            name: "etcd".to_owned(),
            reason: if lost {
                "etcd first, all members together: one alone is never healthy without its quorum"
                    .to_owned()
            } else {
                "etcd first, one member after another: its quorum is kept".to_owned()
            },
            estimate_seconds: self.estimate(&steps, together, parking) + 10,
            steps,
            pace: pace(together),
            gate: Gate::EtcdHealthy {
                hosts: self.live_with(Etcd),
            },
        }
    }

    fn api_servers(&self, halted: &[usize]) -> Stage {
        let mut steps = self.start(halted, &[KubeApiserver]);
        steps.extend(
            self.carry(|host, action| action.component == KubeApiserver && !halted.contains(&host)),
        );
        // What is only read again, and served a minute later, disturbs nobody.
        let restarts = steps.iter().any(|step| match step {
            Step::Carry { plan, .. } => plan
                .components
                .iter()
                .any(|action| action.take_up == TakeUp::Restart),
            Step::Halt { .. } | Step::Start { .. } => true,
            Step::ChangeApi { .. } | Step::Etcd { .. } | Step::RetireKeys { .. } => false,
        });
        let together = !self.is_up || !halted.is_empty() || !restarts;
        Stage {
            name: "api-servers".to_owned(),
            reason: "then the API servers, which need etcd".to_owned(),
            estimate_seconds: self.estimate(&steps, together, 15) + 5,
            steps,
            pace: pace(together),
            gate: Gate::ApiServersReady {
                hosts: self.live_with(KubeApiserver),
            },
        }
    }

    fn controllers(&self, halted: &[usize]) -> Stage {
        let both = [KubeControllerManager, KubeScheduler];
        let mut steps = self.start(halted, &both);
        steps.extend(
            self.carry(|host, action| both.contains(&action.component) && !halted.contains(&host)),
        );
        Stage {
            name: "controllers".to_owned(),
            reason: "then kube-controller-manager and kube-scheduler, which need an API server"
                .to_owned(),
            estimate_seconds: self.estimate(&steps, !self.is_up, 8),
            steps,
            pace: pace(!self.is_up),
            gate: Gate::None,
        }
    }

    fn kubelets(&self) -> Stage {
        let steps = self.carry(|host, action| {
            self.is_control_plane(host)
                && !STAGED.contains(&action.component)
                && !(action.component == Kubelet && self.goes_first(host))
        });
        // Two at once on a small machine stall an API server for half a second.
        let together = !self.is_up;
        Stage {
            name: "kubelets".to_owned(),
            reason: "then the kubelets of the control planes".to_owned(),
            estimate_seconds: self.estimate(&steps, together, 15),
            steps,
            pace: pace(together),
            gate: Gate::ApiServersReady {
                hosts: self.live_with(KubeApiserver),
            },
        }
    }

    fn workers(&self) -> Stage {
        let steps = self.carry(|host, _| !self.is_control_plane(host));
        let batch = self.scene.request.batch.max(1);
        let batches = u32::try_from(steps.len())
            .unwrap_or(u32::MAX)
            .div_ceil(batch);
        Stage {
            name: "workers".to_owned(),
            reason: "at last the workers, so many at once".to_owned(),
            estimate_seconds: batches.saturating_mul(15),
            steps,
            pace: Pace::Batches { size: batch },
            gate: Gate::None,
        }
    }

    /// The last stage that runs anything ends when every node is Ready.
    fn wait_for_nodes(&self, stages: &mut [Stage]) {
        let nodes: Vec<String> = (0..self.work.len())
            .filter(|host| self.is_live(*host) && self.has(*host, Kubelet))
            .map(|host| {
                let own = super::names::OwnNames::of(self.scene.evidence.hosts, host);
                own.node().to_owned()
            })
            .filter(|node| !node.is_empty())
            .collect();
        let asks_somebody =
            (0..self.work.len()).any(|host| self.is_live(host) && self.has(host, KubeApiserver));
        let last = stages.iter_mut().rfind(|stage| !stage.steps.is_empty());
        if let Some(last) = last
            && !nodes.is_empty()
            && asks_somebody
        {
            // A kubelet that could not reach the API tells of itself within some 10 s, and its node
            // is believed Ready again at the next round.
            last.estimate_seconds = last.estimate_seconds.saturating_add(40);
            let before = std::mem::replace(&mut last.gate, Gate::None);
            last.gate = Gate::all([before, Gate::NodesReady { nodes }]);
        }
    }

    fn live_with(&self, kind: ComponentKind) -> Vec<String> {
        (0..self.work.len())
            .filter(|host| self.is_live(*host) && self.has(*host, kind))
            .map(|host| self.scene.name(host).to_owned())
            .collect()
    }

    fn start(&self, halted: &[usize], kinds: &[ComponentKind]) -> Vec<Step> {
        halted
            .iter()
            .filter_map(|host| {
                let components: Vec<ComponentKind> = kinds
                    .iter()
                    .copied()
                    .filter(|kind| self.can_start(*host, *kind))
                    .collect();
                (!components.is_empty()).then(|| Step::Start {
                    host: self.scene.name(*host).to_owned(),
                    components,
                })
            })
            .collect()
    }

    /// One plan for each host that has something to take up in a stage.
    fn carry(&self, belongs: impl Fn(usize, &ComponentAction) -> bool) -> Vec<Step> {
        self.work
            .iter()
            .enumerate()
            .filter_map(|(host, work)| {
                let components: Vec<ComponentAction> = work
                    .actions
                    .iter()
                    .filter(|action| belongs(host, action))
                    .cloned()
                    .collect();
                let inventory = self.inventory(host)?;
                (!components.is_empty()).then(|| Step::Carry {
                    host: self.scene.name(host).to_owned(),
                    plan: Box::new(self.take_up_plan(inventory, components)),
                })
            })
            .collect()
    }

    /// Its basis is empty: what it takes up was written by a stage before.
    fn take_up_plan(&self, inventory: &Inventory, components: Vec<ComponentAction>) -> Plan {
        let plan = Plan {
            api_version: API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "rescue".to_owned(),
            host: inventory.host.clone(),
            created_at: self.scene.now,
            basis: Vec::new(),
            issuances: Vec::new(),
            restoration: None,
            trust_updates: Vec::new(),
            file_edits: Vec::new(),
            rotation: None,
            components,
            static_pod_folders: inventory.static_pod_folders.clone(),
            notices: Vec::<Notice>::new(),
        };
        plan.with_id()
    }

    /// About how long a stage takes: `restart` for each host's restart, as measured on two cores.
    fn estimate(&self, steps: &[Step], together: bool, restart: u32) -> u32 {
        let each = steps.iter().map(|step| match step {
            Step::Carry { plan, .. } => plan
                .components
                .iter()
                .map(|action| match action.take_up {
                    TakeUp::Restart => restart,
                    TakeUp::Reload { within_seconds } => within_seconds,
                })
                .max()
                .unwrap_or_default(),
            Step::Halt { .. } | Step::Start { .. } => restart,
            Step::ChangeApi { .. } | Step::Etcd { .. } | Step::RetireKeys { .. } => 0,
        });
        if together {
            each.max().unwrap_or_default()
        } else {
            each.fold(0, u32::saturating_add)
        }
    }
}

/// What has a stage of its own.
const STAGED: [ComponentKind; 4] = [Etcd, KubeApiserver, KubeControllerManager, KubeScheduler];

fn pace(together: bool) -> Pace {
    if together {
        Pace::Together
    } else {
        Pace::OneByOne
    }
}
