//! A downtime that was announced: from the first halt to the end of its phase no connection is judged, and
//! at its end all are. What is proved of it instead is that it comes to an end wherever it is cut short:
//! what is swapped does not run, each host is swapped by one run (which one backup takes back), nothing
//! of the successors is removed (by which the rest is gone on with), what is started finds what it
//! needs, and nothing stays halted.

use super::signing::Breach;
use super::verdict::Rule;
use crate::model::ComponentKind::{self, Etcd, KubeApiserver};
use crate::rotation::plan::HALTED;
use crate::rotation::{Action, Await, Picture, Script, Turn};
use std::collections::{BTreeMap, BTreeSet};

/// The rounds of a script in which everything is down on purpose: the first and the last one.
pub(super) fn rounds(script: &Script) -> Option<(usize, usize)> {
    let halts = |action: &Action| matches!(action, Action::Halt { .. });
    let first = script.rounds.iter().position(|round| {
        let mut actions = round.turns.iter().flat_map(|turn| &turn.actions);
        actions.any(halts)
    })?;
    let phase = script.rounds.get(first)?.phase;
    let last = script.rounds.iter().rposition(|it| it.phase == phase)?;
    Some((first, last))
}

/// Who is down, and what was done meanwhile.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// What is stopped on each host by a halt, where it is there.
    stoppable: BTreeMap<String, BTreeSet<ComponentKind>>,
    halted: BTreeSet<(String, ComponentKind)>,
    /// Started, and not seen to be well.
    unproved: BTreeSet<ComponentKind>,
    swapped: BTreeSet<String>,
    /// Whether it is under way.
    pub(super) is_on: bool,
}

impl Outage {
    pub(super) fn new(picture: &Picture) -> Self {
        let kinds = |components: &[ComponentKind]| {
            let kinds = components.iter().copied();
            kinds.filter(|kind| HALTED.contains(kind)).collect()
        };
        let hosts = picture.hosts.iter();
        Self {
            stoppable: hosts
                .map(|host| (host.name.clone(), kinds(&host.components)))
                .collect(),
            ..Self::default()
        }
    }

    /// A turn is carried out.
    pub(super) fn turn(&mut self, turn: &Turn) -> Vec<Breach> {
        let mut breaches = Vec::new();
        if !self.is_on {
            return breaches;
        }
        let host = turn.host.as_str();
        if turn.actions.iter().any(Action::changes_files) {
            self.swaps(host, &mut breaches);
        }
        for action in &turn.actions {
            self.action(host, action, &mut breaches);
        }
        breaches
    }

    fn swaps(&mut self, host: &str, breaches: &mut Vec<Breach>) {
        let running = self.stoppable.get(host).into_iter().flatten();
        for kind in running.filter(|kind| !self.is_halted(host, **kind)) {
            breaches.push(breach(
                format!("{kind} on {host}"),
                "it runs while what it reads is swapped",
            ));
        }
        if !self.swapped.insert(host.to_owned()) {
            breaches.push(breach(
                host.to_owned(),
                "it is swapped by more than one run: taken back one by one, they would leave it half swapped",
            ));
        }
    }

    fn action(&mut self, host: &str, action: &Action, breaches: &mut Vec<Breach>) {
        match action {
            Action::Halt { components } => {
                let halted = components.iter().map(|kind| (host.to_owned(), *kind));
                self.halted.extend(halted);
            }
            Action::Start { components } => {
                for kind in components {
                    if self.halted.remove(&(host.to_owned(), *kind)) {
                        breaches.extend(self.missing_for(*kind).map(|missing| {
                            let words =
                                format!("it is started before {missing} is seen to be well");
                            order(format!("{kind} on {host}"), words)
                        }));
                        self.unproved.insert(*kind);
                    }
                }
            }
            Action::RemoveSuccessorFiles { root } => breaches.push(breach(
                format!("{root} on {host}"),
                "its successor is removed while hosts may still have to be swapped with it",
            )),
            Action::RetireKey { root, .. } => breaches.push(breach(
                format!("{root} on {host}"),
                "its old private key goes while the swap may still have to be taken back",
            )),
            Action::SnapshotEtcd | Action::YieldEtcdLeadership if !self.is_well(Etcd) => {
                let words = "it is asked while it is down".to_owned();
                breaches.push(order(format!("etcd on {host}"), words));
            }
            Action::WriteTrust { .. } if action.changes_files() => {}
            Action::WriteTrust { .. }
            | Action::Recreate { .. }
            | Action::RestartWorkloads { .. }
            | Action::AddTokenSecrets
            | Action::DropTokenSecrets
                if !self.is_well(KubeApiserver) =>
            {
                let words = "the API is changed while no API server is seen to be ready".to_owned();
                breaches.push(order("the Kubernetes API".to_owned(), words));
            }
            _ => {}
        }
    }

    /// Something is waited for.
    pub(super) fn proved(&mut self, proof: &Await) -> Option<Breach> {
        let asks_api = matches!(
            proof,
            Await::Published { .. } | Await::NodesReady { .. } | Await::WorkloadsRolledOut
        );
        if self.is_on && asks_api && !self.is_well(KubeApiserver) {
            let words = "it is waited for while no API server is seen to be ready".to_owned();
            return Some((
                Rule::Reachable,
                "the Kubernetes API".to_owned(),
                Vec::new(),
                words,
            ));
        }
        match proof {
            Await::EtcdHealthy { .. } => self.unproved.remove(&Etcd),
            Await::ApiServersReady { .. } => self.unproved.remove(&KubeApiserver),
            _ => false,
        };
        None
    }

    /// It is over: nothing may be halted any more.
    pub(super) fn over(&mut self) -> Vec<Breach> {
        self.is_on = false;
        self.swapped.clear();
        let halted = std::mem::take(&mut self.halted).into_iter();
        halted
            .map(|(host, kind)| {
                breach(
                    format!("{kind} on {host}"),
                    "it is halted and never started",
                )
            })
            .collect()
    }

    fn is_halted(&self, host: &str, kind: ComponentKind) -> bool {
        self.halted.contains(&(host.to_owned(), kind))
    }

    fn is_well(&self, kind: ComponentKind) -> bool {
        let is_down = self.halted.iter().any(|(_, halted)| *halted == kind);
        !is_down && !self.unproved.contains(&kind)
    }

    /// What a component needs and does not find.
    fn missing_for(&self, kind: ComponentKind) -> Option<ComponentKind> {
        let needs = match kind {
            Etcd => return None,
            KubeApiserver => Etcd,
            _ => KubeApiserver,
        };
        (!self.is_well(needs)).then_some(needs)
    }
}

fn breach(about: String, words: &str) -> Breach {
    (Rule::Downtime, about, Vec::new(), words.to_owned())
}

fn order(about: String, words: String) -> Breach {
    (Rule::Order, about, Vec::new(), words)
}
