//! Restarts that bring no file back. An API server judges a client with every request by the certificate
//! that its connection began with, and signs tokens with the key that it read at its start: once the
//! clients are back it starts again, while everybody trusts both. And what a rotation only restarted keeps
//! the mark of that in its manifest, which goes by one restart more.

use super::runs::came_back;
use super::{Drafting, HostRuns, STATIC_PODS, Taken, actions, gate, manifest_of};
use crate::model::ComponentKind::{self, Etcd, KubeApiserver};
use crate::model::Inventory;
use crate::plan::{ComponentAction, Pace, Restoration, Stage, Step, TakeUp};
use crate::rotation::back::RotationRun;
use crate::rotation::observe::started;
use crate::rotation::phase::Phase;
use crate::rotation::picture::{Holds, Picture, Purpose};
use crate::rotation::root::Root;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// About how long one restart takes, API servers that drain among them.
const SECONDS: u32 = 20;

pub(super) struct Restarts<'a> {
    pub(super) hosts: &'a [HostRuns<'a>],
    pub(super) taken: &'a [Taken<'a>],
    /// Without one nothing is known of what API servers hold in memory.
    pub(super) picture: Option<&'a Picture>,
    /// Runs that only restarted, whose marks go with a restart that was drafted already.
    pub(super) undone: Vec<String>,
}

impl Restarts<'_> {
    /// After the hosts went back behind a phase.
    pub(super) fn behind(&mut self, drafting: &Drafting, phase: Phase) -> Option<Stage> {
        match phase {
            Phase::IssueFromNew => self.api_servers(drafting, None),
            _ => None,
        }
    }

    /// Before a phase is taken back: API servers that go on since before the clients were back.
    pub(super) fn overdue(&mut self, drafting: &Drafting, phase: Phase) -> Option<Stage> {
        if phase != Phase::TrustBoth {
            return None;
        }
        let since = came_back(self.hosts, self.taken, phase, Phase::IssueFromNew)?;
        self.api_servers(drafting, Some(since))
    }

    /// Those that have not started `since`, or all.
    fn api_servers(&mut self, drafting: &Drafting, since: Option<Timestamp>) -> Option<Stage> {
        let mut steps = Vec::new();
        let mut restarted: BTreeMap<ComponentKind, Vec<&HostRuns<'_>>> = BTreeMap::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let is_late = since.is_none_or(|since| {
                started(host.inventory, KubeApiserver).is_some_and(|started| started < since)
            });
            let (Some(server), Some((archive, oldest)), true) = (
                host.inventory.component(KubeApiserver),
                self.oldest(index),
                is_late && self.is_wanted(index, host),
            ) else {
                continue;
            };
            let settled = host.runs.iter().find(|run| {
                run.written.is_empty()
                    && run.started_at > oldest
                    && run.components == [KubeApiserver]
            });
            self.undone.extend(settled.map(|run| run.id.clone()));
            let restoration = Restoration {
                archive,
                paths: Vec::new(),
                undoes: settled.map(|run| run.id.clone()),
            };
            let action = ComponentAction {
                component: KubeApiserver,
                runs_as: server.runs_as.clone(),
                take_up: TakeUp::Restart,
                reasons: vec!["clients are back".to_owned()],
                parks: Vec::new(),
            };
            restarted.entry(KubeApiserver).or_default().push(host);
            let plan = drafting.carried(host, Vec::new(), restoration, vec![action]);
            steps.push(Step::Carry {
                host: host.name.to_owned(),
                plan: Box::new(plan),
            });
        }
        stage(
            "back-api-servers",
            "kept connections that began with new certificates end here, while both are trusted; and tokens are signed with the old key",
            steps,
            &restarted,
        )
    }

    /// Whether the API server of a host keeps what nobody trusts later, and no run that is taken back
    /// starts it again in time.
    fn is_wanted(&self, index: usize, host: &HostRuns<'_>) -> bool {
        let restarts_at = |phase: Phase| {
            let mut own = self.taken.iter().filter(|(of, _)| *of == index);
            own.any(|(_, run)| run.mark.phase == phase && goes(run))
        };
        let is_rotating = |root: Root| {
            let root = self.picture.and_then(|picture| picture.root(root));
            root.is_some_and(|root| root.new.is_some())
        };
        let keeps = is_rotating(Root::KubernetesCa) && !restarts_at(Phase::TrustBoth);
        let signs = self.picture.is_some_and(|picture| signs_new(picture, host));
        !restarts_at(Phase::IssueFromNew) && (keeps || signs)
    }

    /// The manifest of a static pod that was only restarted still says so. It is as the oldest archive has
    /// it, by one restart more, unless a run that is taken back brings that about.
    pub(super) fn manifests(&self, drafting: &Drafting) -> Option<Stage> {
        let mut steps = Vec::new();
        let mut restarted: BTreeMap<ComponentKind, Vec<&HostRuns<'_>>> = BTreeMap::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let Some((archive, oldest)) = self.oldest(index) else {
                continue;
            };
            let is_left = |run: &&RotationRun, kind: ComponentKind| {
                let own = self.taken.iter().filter(|(of, _)| *of == index);
                let mut older = own.filter(|(_, it)| it.started_at < run.started_at);
                !older.any(|(_, it)| is_restarted(host.inventory, it, kind))
            };
            let mut skipped = host.runs.iter().filter(|run| {
                run.written.is_empty()
                    && run.started_at > oldest
                    && !self.undone.contains(&run.id)
                    && STATIC_PODS
                        .into_iter()
                        .any(|kind| is_restarted(host.inventory, run, kind) && is_left(run, kind))
            });
            let Some(run) = skipped.next() else {
                continue;
            };
            let mut components = actions(host.inventory, run);
            components.retain(|action| is_left(&run, action.component));
            for action in &components {
                restarted.entry(action.component).or_default().push(host);
            }
            let restoration = Restoration {
                archive,
                paths: Vec::new(),
                undoes: Some(run.id.clone()),
            };
            steps.push(Step::Carry {
                host: host.name.to_owned(),
                plan: Box::new(drafting.carried(host, Vec::new(), restoration, components)),
            });
        }
        stage(
            "back-manifests",
            "manifests lose what a restart left in them",
            steps,
            &restarted,
        )
    }

    /// The oldest archive of what is taken back from a host, and when it was made.
    fn oldest(&self, index: usize) -> Option<(PathBuf, Timestamp)> {
        let own = self.taken.iter().filter(|(of, _)| *of == index);
        let mut archived = own.filter_map(|(_, run)| Some((run.archive.clone()?, run.started_at)));
        archived.next_back()
    }
}

/// Whether the API server of a host may have read the new service-account key.
pub(super) fn signs_new(picture: &Picture, host: &HostRuns<'_>) -> bool {
    let root = picture.root(Root::ServiceAccountKey);
    let rotating = root.filter(|root| root.new.is_some());
    let places = rotating.iter().flat_map(|root| &root.places);
    let mut signing = places.filter(|place| place.purpose == Purpose::Sign);
    signing.any(|place| {
        let mut readers = place.readers.iter();
        readers.any(|reader| {
            let has_read = reader.loaded != Some(false);
            reader.host == host.name
                && reader.component == KubeApiserver
                && has_read == (place.holds != Holds::Old)
        })
    })
}

/// Whether a run restarted a static pod of this host; an API server also goes with its member of etcd.
pub(super) fn is_restarted(inventory: &Inventory, run: &RotationRun, kind: ComponentKind) -> bool {
    let is_it = run.components.contains(&kind) || kind == KubeApiserver && goes(run);
    manifest_of(inventory, kind).is_some() && is_it
}

/// Whether a run that is taken back starts the API server again, alone or with its member of etcd.
fn goes(run: &RotationRun) -> bool {
    run.components
        .iter()
        .any(|kind| matches!(kind, KubeApiserver | Etcd))
}

fn stage(
    name: &str,
    reason: &str,
    steps: Vec<Step>,
    restarted: &BTreeMap<ComponentKind, Vec<&HostRuns<'_>>>,
) -> Option<Stage> {
    let count = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    (!steps.is_empty()).then(|| Stage {
        name: name.to_owned(),
        reason: reason.to_owned(),
        steps,
        pace: Pace::OneByOne,
        gate: gate(restarted),
        estimate_seconds: count.saturating_mul(SECONDS),
    })
}

#[cfg(test)]
mod tests {
    use super::super::given::{at, both_rotating, control_plane, host, run, taken_back};
    use super::super::{HowFar, TakenBackRun, back};
    use super::*;
    use crate::model::RunningProcess;

    fn issued() -> RotationRun {
        run("leaf", 6, Phase::IssueFromNew, "clients")
    }

    fn settled() -> RotationRun {
        let mut settled = run("settled", 9, Phase::Settle, "settle");
        settled.written.clear();
        settled.archive = None;
        settled.components = vec![KubeApiserver];
        settled
    }

    /// The names of the stages, and what the restart of API servers takes back.
    fn stages(
        runs: &[RotationRun],
        earlier: &[TakenBackRun],
        started_at: i64,
    ) -> (Vec<String>, Option<Restoration>) {
        let mut inventory = control_plane();
        inventory.components[0].processes.push(RunningProcess {
            pid: 1,
            started: at(started_at),
        });
        let host = HostRuns {
            taken_back: earlier,
            ..host(&inventory, runs)
        };
        let plan = back(&[host], Some(&both_rotating()), HowFar::Everything, at(100)).unwrap();
        let stage = plan.stages.iter().find(|it| it.name == "back-api-servers");
        let restoration = stage.map(|stage| match &stage.steps[..] {
            [Step::Carry { plan, .. }] => plan.restoration.clone().unwrap(),
            other => panic!("{other:?}"),
        });
        (
            plan.stages.into_iter().map(|it| it.name).collect(),
            restoration,
        )
    }

    #[test]
    fn api_servers_start_again_when_clients_are_back_and_both_are_trusted() {
        let trusted = run("both", 4, Phase::TrustBoth, "trust");
        let (names, restoration) = stages(&[trusted.clone(), issued()], &[], 5);
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        assert_eq!(place("back-api-servers"), Some(1), "{names:?}");
        assert!(place("back-trust") > Some(1));
        // nothing of theirs is taken back but the restart itself
        let restoration = restoration.unwrap();
        assert_eq!((restoration.paths.len(), restoration.undoes), (0, None));
        let (names, restoration) = stages(&[trusted, issued(), settled()], &[], 10);
        assert_eq!(names[1], "back-api-servers");
        let undone = restoration.unwrap().undoes;
        assert_eq!(undone.as_deref(), Some("settled"));
        assert!(!names.contains(&"back-manifests".to_owned()), "{names:?}");
    }

    #[test]
    fn what_starts_them_again_in_time_is_enough() {
        let starting = |mut run: RotationRun| {
            run.components = vec![KubeApiserver];
            run
        };
        let trusted = run("both", 4, Phase::TrustBoth, "trust");
        let (_, again) = stages(&[trusted.clone(), starting(issued())], &[], 5);
        assert_eq!(again, None);
        let (_, again) = stages(&[starting(trusted), issued()], &[], 5);
        assert_eq!(again, None);
    }

    #[test]
    fn a_restart_that_an_earlier_way_back_did_not_come_to_is_made_up_for() {
        let trusted = [run("both", 4, Phase::TrustBoth, "trust")];
        let earlier = [taken_back(Phase::IssueFromNew, 20)];
        let of = |earlier: &[TakenBackRun], started| stages(&trusted, earlier, started).1;
        assert!(of(&earlier, 10).is_some());
        assert_eq!(of(&earlier, 21), None);
        assert_eq!(of(&[], 10), None);
    }
}
