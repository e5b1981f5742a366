//! Who is up while others restart: never two of etcd's members, of several API servers, or of the
//! control planes' kubelets at once, and no etcd member that leads is stopped.

use super::signing::Breach;
use super::verdict::{Rule, listed};
use crate::model::ComponentKind::{self, Etcd, KubeApiserver, Kubelet};
use crate::rotation::{Action, Await, Picture, Turn};
use std::collections::{BTreeMap, BTreeSet};

/// What is watched.
const WATCHED: [ComponentKind; 3] = [Etcd, KubeApiserver, Kubelet];

/// Who runs what, and who is not proved to be up again.
#[derive(Debug, Default)]
pub(super) struct Available {
    hosts: BTreeMap<ComponentKind, BTreeSet<String>>,
    restarted: BTreeMap<ComponentKind, BTreeSet<String>>,
    /// Hosts whose etcd member may lead.
    leaders: BTreeSet<String>,
    /// Whether everything was brought down on purpose.
    is_outage: bool,
    /// What cannot be avoided, each once.
    pub(super) notices: BTreeSet<String>,
}

impl Available {
    pub(super) fn new(picture: &Picture) -> Self {
        let with = |kind: ComponentKind| -> BTreeSet<String> {
            let hosts = picture.hosts_with(kind);
            hosts.map(|host| host.name.clone()).collect()
        };
        let (etcd, api_servers) = (with(Etcd), with(KubeApiserver));
        let kubelets = with(Kubelet).intersection(&api_servers).cloned().collect();
        let leaders = match &picture.leaders.etcd {
            Some(leader) => BTreeSet::from([leader.clone()]),
            None => etcd.clone(),
        };
        Self {
            hosts: BTreeMap::from([
                (Etcd, etcd),
                (KubeApiserver, api_servers),
                (Kubelet, kubelets),
            ]),
            leaders,
            ..Self::default()
        }
    }

    /// Hosts that have their turn at the same time.
    pub(super) fn batch(&mut self, turns: &[Turn]) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for turn in turns {
            self.turn(turn, &mut breaches);
        }
        if self.is_outage {
            self.restarted.clear();
            return breaches;
        }
        for kind in WATCHED {
            let down = self.restarted.get(&kind).cloned().unwrap_or_default();
            let all = self.hosts.get(&kind).map_or(0, BTreeSet::len);
            let enough = match (kind, all) {
                (_, 0) => continue,
                (Etcd, 1 | 2) | (_, 1) => {
                    if !down.is_empty() {
                        self.notices.insert(gap(kind, all));
                    }
                    1
                }
                _ => 1,
            };
            if down.len() > enough {
                let names: Vec<String> = down.into_iter().collect();
                breaches.push((
                    Rule::Available,
                    kind.to_string(),
                    Vec::new(),
                    format!(
                        "{kind} is restarted on {} without proof in between that it is up again",
                        listed(&names)
                    ),
                ));
            }
        }
        breaches
    }

    fn turn(&mut self, turn: &Turn, breaches: &mut Vec<Breach>) {
        for action in &turn.actions {
            match action {
                Action::Halt { components } => {
                    self.is_outage |= components.contains(&KubeApiserver);
                }
                Action::YieldEtcdLeadership => {
                    let others = self.hosts.get(&Etcd).cloned().unwrap_or_default();
                    if self.leaders.remove(&turn.host) {
                        self.leaders
                            .extend(others.into_iter().filter(|it| *it != turn.host));
                    }
                }
                Action::Restart { component, parks } => {
                    for kind in parks.iter().chain([component]) {
                        self.restart(*kind, &turn.host);
                    }
                    if *component == Etcd && !self.is_outage {
                        self.etcd(&turn.host, parks, breaches);
                    }
                }
                _ => {}
            }
        }
    }

    fn restart(&mut self, kind: ComponentKind, host: &str) {
        let runs = self.hosts.get(&kind).is_some_and(|it| it.contains(host));
        if runs {
            self.restarted
                .entry(kind)
                .or_default()
                .insert(host.to_owned());
        }
    }

    fn etcd(&self, host: &str, parks: &[ComponentKind], breaches: &mut Vec<Breach>) {
        let members = self.hosts.get(&Etcd).map_or(0, BTreeSet::len);
        if members > 1 && self.leaders.contains(host) {
            breaches.push((
                Rule::Leader,
                format!("etcd on {host}"),
                Vec::new(),
                "it may lead, and is stopped without giving leadership away: requests in flight fail everywhere".to_owned(),
            ));
        }
        let beside = self
            .hosts
            .get(&KubeApiserver)
            .is_some_and(|it| it.contains(host));
        if beside && !parks.contains(&KubeApiserver) {
            breaches.push((
                Rule::Available,
                format!("kube-apiserver on {host}"),
                Vec::new(),
                "etcd is restarted under it: it has to be stopped before and started after"
                    .to_owned(),
            ));
        }
    }

    /// Everything is up again.
    pub(super) fn outage_is_over(&mut self) {
        self.is_outage = false;
        self.restarted.clear();
    }

    /// Something was waited for.
    pub(super) fn proved(&mut self, proof: &Await, of: &[String]) {
        let (kind, hosts) = match proof {
            Await::ApiServersReady { hosts } => (KubeApiserver, hosts),
            Await::EtcdHealthy { hosts } => (Etcd, hosts),
            Await::NodesReady { hosts } => (Kubelet, hosts),
            _ => return,
        };
        let hosts = if hosts.is_empty() { of } else { hosts };
        if let Some(restarted) = self.restarted.get_mut(&kind) {
            restarted.retain(|host| !hosts.is_empty() && !hosts.contains(host));
        }
    }
}

fn gap(kind: ComponentKind, all: usize) -> String {
    match (kind, all) {
        (Etcd, 2) => "etcd has two members: while one restarts, nothing can be written".to_owned(),
        _ => format!("there is one {kind} only: while it restarts, nobody takes its place"),
    }
}
