//! Rounds made of pieces of work: one turn for each host, hosts in the order that costs least, and what
//! has to be so in between.

use super::estimate;
use super::work::{Class, Work};
use crate::model::ComponentKind::{
    self, CloudControllerManager, Etcd, KubeApiserver, KubeControllerManager, KubeProxy,
    KubeScheduler, Kubelet,
};
use crate::plan::Pace;
use crate::rotation::picture::{HostFacts, Picture};
use crate::rotation::{Action, Await, Phase, Round, Turn};
use std::collections::{BTreeMap, BTreeSet};

/// The order in which components of one turn are started again.
const RESTARTS: [ComponentKind; 7] = [
    Etcd,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    CloudControllerManager,
    Kubelet,
    KubeProxy,
];

/// Makes the rounds of one phase.
pub(super) struct Rounds<'p> {
    pub(super) picture: &'p Picture,
    pub(super) phase: Phase,
    /// How many workers at once.
    pub(super) batch: u32,
}

/// What a round is called and why it comes where it comes.
pub(super) struct Title {
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
}

impl Rounds<'_> {
    /// The round of this class, where there is work of it.
    pub(super) fn of(&self, class: Class, works: &[Work], title: &Title) -> Option<Round> {
        self.among(class, works, title, |_| true)
    }

    /// Rounds for kubelets: those of control planes one at a time, since an API server beside a kubelet
    /// that starts stalls; then all others in batches.
    pub(super) fn kubelets(
        &self,
        works: &[Work],
        control_planes: &Title,
        workers: &Title,
    ) -> Vec<Round> {
        let kind = Class::Kubelets;
        let first = self.among(kind, works, control_planes, HostFacts::is_control_plane);
        let mut rest = self.among(kind, works, workers, |host| !host.is_control_plane());
        if let Some(rest) = &mut rest {
            rest.pace = Pace::Batches {
                size: self.batch.max(1),
            };
        }
        first
            .into_iter()
            .chain(rest)
            .map(|round| self.estimated(round))
            .collect()
    }

    fn among(
        &self,
        class: Class,
        works: &[Work],
        title: &Title,
        takes: impl Fn(&HostFacts) -> bool,
    ) -> Option<Round> {
        let mut by_host: BTreeMap<&str, Vec<&Work>> = BTreeMap::new();
        for work in works.iter().filter(|work| work.class == class) {
            by_host.entry(&work.host).or_default().push(work);
        }
        let mut hosts = self.order(class);
        hosts.retain(|host| takes(host) && by_host.contains_key(host.name.as_str()));
        let turns: Vec<Turn> = hosts
            .iter()
            .filter_map(|host| Some(self.turn(host, by_host.get(host.name.as_str())?)))
            .collect();
        if turns.is_empty() {
            return None;
        }
        let between = between(class, &hosts, &turns);
        Some(self.estimated(Round {
            phase: self.phase,
            name: format!("{}-{}", self.phase, title.name),
            reason: title.reason.to_owned(),
            turns,
            pace: match class {
                Class::Files => Pace::Together,
                _ => Pace::OneByOne,
            },
            awaits: between.clone(),
            between,
            estimate_seconds: 0,
        }))
    }

    fn estimated(&self, round: Round) -> Round {
        estimate::of_round(self.picture, round)
    }

    /// Every host, those that lead last: a leader that is started again costs one change of leadership,
    /// and only the last one's place is not taken by somebody who is still to be started again.
    fn order(&self, class: Class) -> Vec<&HostFacts> {
        let mut hosts: Vec<&HostFacts> = self.picture.hosts.iter().collect();
        let leaders = &self.picture.leaders;
        let late = |host: &HostFacts| {
            let leads = |leader: &Option<String>| leader.as_ref() == Some(&host.name);
            match class {
                Class::Controllers => {
                    u8::from(leads(&leaders.scheduler))
                        + 2 * u8::from(leads(&leaders.controller_manager))
                }
                Class::Etcd => u8::from(leads(&leaders.etcd)),
                Class::Files | Class::ApiServers | Class::Kubelets => 0,
            }
        };
        hosts.sort_by_key(|host| late(host));
        hosts
    }

    fn turn(&self, host: &HostFacts, works: &[&Work]) -> Turn {
        let mut actions: Vec<Action> = Vec::new();
        let mut restarts: BTreeSet<ComponentKind> = BTreeSet::new();
        for work in works {
            for action in &work.actions {
                if !actions.contains(action) {
                    actions.push(action.clone());
                }
            }
            restarts.extend(&work.restarts);
        }
        // The bundle is written last: until then whoever must not meet two certificates meets one.
        actions.sort_by_key(|action| matches!(action, Action::WriteTrust { .. }));
        if restarts.contains(&Etcd) && self.may_lead(&host.name) {
            actions.insert(0, Action::YieldEtcdLeadership);
        }
        let parks = restarts.contains(&Etcd) && host.runs(KubeApiserver);
        for component in RESTARTS.into_iter().filter(|kind| restarts.contains(kind)) {
            actions.push(match component {
                KubeApiserver if parks => continue,
                component => Action::Restart {
                    component,
                    parks: match (component, parks) {
                        (Etcd, true) => vec![KubeApiserver],
                        _ => Vec::new(),
                    },
                },
            });
        }
        Turn {
            host: host.name.clone(),
            actions,
        }
    }

    /// Whether a member leads, or may: with nobody to take its place it has nothing to give.
    fn may_lead(&self, host: &str) -> bool {
        let leader = self.picture.leaders.etcd.as_deref();
        leader.is_none_or(|leader| leader == host) && self.picture.hosts_with(Etcd).count() > 1
    }

    /// A round of one host that changes the API or asks etcd.
    pub(super) fn on_one(
        &self,
        host: &str,
        actions: Vec<Action>,
        title: &Title,
        awaits: Vec<Await>,
    ) -> Option<Round> {
        self.at_once(
            vec![Turn {
                host: host.to_owned(),
                actions,
            }],
            title,
            awaits,
        )
    }

    /// A round of hosts that need not wait for each other.
    pub(super) fn at_once(
        &self,
        mut turns: Vec<Turn>,
        title: &Title,
        awaits: Vec<Await>,
    ) -> Option<Round> {
        turns.retain(|turn| !turn.actions.is_empty());
        if turns.is_empty() {
            return None;
        }
        Some(self.estimated(Round {
            phase: self.phase,
            name: format!("{}-{}", self.phase, title.name),
            reason: title.reason.to_owned(),
            turns,
            pace: Pace::Together,
            between: Vec::new(),
            awaits,
            estimate_seconds: 0,
        }))
    }

    /// A round that only asks.
    pub(super) fn asking(&self, awaits: Vec<Await>, title: &Title) -> Option<Round> {
        if awaits.is_empty() {
            return None;
        }
        Some(self.estimated(Round {
            phase: self.phase,
            name: format!("{}-{}", self.phase, title.name),
            reason: title.reason.to_owned(),
            turns: Vec::new(),
            pace: Pace::Together,
            between: Vec::new(),
            awaits,
            estimate_seconds: 0,
        }))
    }
}

/// What must be so of hosts that had their turn.
fn between(class: Class, hosts: &[&HostFacts], turns: &[Turn]) -> Vec<Await> {
    let with = |is: &dyn Fn(&HostFacts) -> bool| -> Vec<String> {
        let with = hosts.iter().filter(|host| is(host));
        with.map(|host| host.name.clone()).collect()
    };
    let is_restarted = |kind: ComponentKind| {
        let mut actions = turns.iter().flat_map(|turn| &turn.actions);
        actions.any(|action| match action {
            Action::Restart { component, parks } => *component == kind || parks.contains(&kind),
            _ => false,
        })
    };
    let mut asked = Vec::new();
    let members = with(&|host| host.runs(Etcd));
    if class == Class::Etcd && !members.is_empty() {
        asked.push(Await::EtcdHealthy { hosts: members });
    }
    let is_near = matches!(class, Class::Etcd | Class::ApiServers | Class::Kubelets)
        || is_restarted(KubeApiserver);
    let servers = with(&|host| host.runs(KubeApiserver));
    if is_near && !servers.is_empty() {
        asked.push(Await::ApiServersReady { hosts: servers });
    }
    let nodes = with(&|host| host.runs(Kubelet) && host.node.is_some());
    if is_restarted(Kubelet) && !nodes.is_empty() {
        asked.push(Await::NodesReady { hosts: nodes });
    }
    asked
}

/// Work for API servers of hosts whose etcd member is started again anyway is done with that: the API
/// server stands still around its member and starts with everything new.
pub(super) fn shared(mut works: Vec<Work>) -> Vec<Work> {
    let members: BTreeSet<String> = works
        .iter()
        .filter(|work| work.class == Class::Etcd)
        .map(|work| work.host.clone())
        .collect();
    for work in &mut works {
        if work.class == Class::ApiServers && members.contains(&work.host) {
            work.class = Class::Etcd;
        }
    }
    works
}
