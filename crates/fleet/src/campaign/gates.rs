//! Gates: what must be true before the next batch or stage, asked of named hosts until it is.
//!
//! Each host is asked for itself, with its own credentials and its own API server, so that no load
//! balancer answers for another. Of a host that does not run (a folder) nothing is asked. Between the
//! batches of a stage only hosts that were worked on are asked: the others may be down, which may be
//! why they are about to be worked on.

use super::run::{Campaign, Patience};
use crate::parallel::{Limits, as_they_come};
use crate::session::{ApiAnswer, ApiQuestion, SessionError};
use kubepki_core::plan::Gate;
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::{Duration, Instant};

impl Campaign<'_> {
    /// Waits until a gate stands open; what was found instead when patience ends.
    pub(super) fn pass(&self, gate: &Gate) -> Result<(), String> {
        gate.parts().iter().try_for_each(|part| {
            self.pass_one(part)
                .map_err(|found| format!("{}: {found}", waited_for(part)))
        })
    }

    fn pass_one(&self, gate: &Gate) -> Result<(), String> {
        // Of folders nothing is asked, so nothing is said either.
        if matches!(gate, Gate::None) || !self.hosts.iter().any(|host| host.live) {
            return Ok(());
        }
        let patience = self.options.patience.of(gate);
        let started = Instant::now();
        let mut said = String::new();
        loop {
            match self.ask(gate) {
                Ok(()) => {
                    self.progress.gate(gate, true, "");
                    return Ok(());
                }
                Err(found) if started.elapsed() >= patience => return Err(found),
                Err(found) => {
                    if found != said {
                        self.progress.gate(gate, false, &found);
                        said = found;
                    }
                }
            }
            sleep(self.options.patience.every);
        }
    }

    /// The gate as far as it concerns hosts that were worked on.
    pub(super) fn so_far(&self, gate: &Gate, worked_on: &[&str]) -> Gate {
        let only = |hosts: &[String]| -> Vec<String> {
            let hosts = hosts.iter();
            hosts
                .filter(|host| worked_on.contains(&host.as_str()))
                .cloned()
                .collect()
        };
        match gate {
            // Its servers are those of all hosts: asked when all had their turn.
            Gate::None | Gate::Proved { .. } => Gate::None,
            Gate::EtcdHealthy { hosts } => Gate::EtcdHealthy { hosts: only(hosts) },
            Gate::ApiServersReady { hosts } => Gate::ApiServersReady { hosts: only(hosts) },
            Gate::NodesReady { nodes } => {
                let facts = self.hosts.iter();
                let own: Vec<&str> = facts
                    .filter(|host| worked_on.contains(&host.name.as_str()))
                    .filter_map(|host| host.node.as_deref())
                    .collect();
                let nodes = nodes.iter().filter(|node| own.contains(&node.as_str()));
                Gate::NodesReady {
                    nodes: nodes.cloned().collect(),
                }
            }
            Gate::All { gates } => Gate::all(gates.iter().map(|gate| self.so_far(gate, worked_on))),
        }
    }

    fn ask(&self, gate: &Gate) -> Result<(), String> {
        match gate {
            Gate::None => Ok(()),
            Gate::EtcdHealthy { hosts } => self.all_well(hosts, &ApiQuestion::EtcdHealth),
            Gate::ApiServersReady { hosts } => self.all_well(hosts, &ApiQuestion::Ready),
            Gate::NodesReady { nodes } => self.nodes_ready(nodes),
            Gate::Proved { host, proof } => self.all_well(
                std::slice::from_ref(host),
                &ApiQuestion::Proof {
                    proof: proof.clone(),
                },
            ),
            Gate::All { gates } => gates.iter().try_for_each(|gate| self.ask(gate)),
        }
    }

    fn all_well(&self, hosts: &[String], question: &ApiQuestion) -> Result<(), String> {
        let asked: Vec<&String> = hosts.iter().filter(|host| self.is_live(host)).collect();
        let mut ill: Vec<(usize, String)> = Vec::new();
        as_they_come(
            &asked,
            Limits::at_most(self.options.max_parallel),
            |host| self.sessions.with(host, |session| session.ask(question)),
            |index, answer| {
                let found = match answer {
                    Ok(ApiAnswer::Health { ok: true, .. }) => return ControlFlow::Continue(()),
                    Ok(ApiAnswer::Health { ok: false, found }) => found,
                    Ok(_) => "it answered another question".to_owned(),
                    Err(error) => error.message,
                };
                let host = asked.get(index).map_or("", |host| host.as_str());
                ill.push((index, format!("{host}: {found}")));
                ControlFlow::Continue(())
            },
        );
        ill.sort_unstable();
        told(ill.into_iter().map(|(_, found)| found).collect())
    }

    /// One API server is asked for all nodes: the first that answers.
    fn nodes_ready(&self, nodes: &[String]) -> Result<(), String> {
        let mut servers = self
            .hosts
            .iter()
            .filter(|host| host.live && host.serves_api);
        if nodes.is_empty() {
            return Ok(());
        }
        let mut refused: Vec<String> = Vec::new();
        let seen = servers.find_map(|host| {
            let answer: Result<ApiAnswer, SessionError> = self
                .sessions
                .with(&host.name, |session| session.ask(&ApiQuestion::Nodes));
            match answer {
                Ok(ApiAnswer::Nodes { nodes }) => Some(nodes),
                Ok(ApiAnswer::Health { found, .. }) => {
                    refused.push(format!("{}: {found}", host.name));
                    None
                }
                Ok(_) => {
                    refused.push(format!("{}: it answered another question", host.name));
                    None
                }
                Err(error) => {
                    refused.push(format!("{}: {}", host.name, error.message));
                    None
                }
            }
        });
        let Some(seen) = seen else {
            return Err(match refused.is_empty() {
                true => "no host with an API server can be asked".to_owned(),
                false => refused.join("; "),
            });
        };
        let found = nodes.iter().filter_map(|name| {
            let node = seen.iter().find(|node| node.name == *name);
            match node.map(|node| node.ready) {
                Some(Some(true)) => None,
                Some(Some(false)) => Some(format!("{name} is not Ready")),
                Some(None) => Some(format!("{name} has not said whether it is Ready")),
                None => Some(format!("the API knows no node {name}")),
            }
        });
        told(found.collect())
    }

    fn is_live(&self, host: &str) -> bool {
        // Of a host that was not looked at nothing is known: it is asked.
        let facts = self.hosts.iter().find(|facts| facts.name == host);
        facts.is_none_or(|facts| facts.live)
    }
}

/// No line is a yes; of many only some are said.
fn told(found: Vec<String>) -> Result<(), String> {
    const MOST: usize = 5;
    if found.is_empty() {
        return Ok(());
    }
    let more = found.len().saturating_sub(MOST);
    let mut words = found.into_iter().take(MOST).collect::<Vec<_>>().join("; ");
    if more > 0 {
        words.push_str(&format!("; and {more} more"));
    }
    Err(words)
}

/// What a gate waits for, as one says it.
fn waited_for(gate: &Gate) -> String {
    match gate {
        Gate::None => "nothing is waited for".to_owned(),
        Gate::EtcdHealthy { hosts } => format!("etcd is not healthy on {}", few(hosts)),
        Gate::ApiServersReady { hosts } => {
            format!("the API servers are not ready on {}", few(hosts))
        }
        Gate::NodesReady { nodes } => format!("not every node is Ready of {}", few(nodes)),
        Gate::Proved { host, proof } => format!("not yet so, asked from {host}: {proof}"),
        Gate::All { gates } => gates.iter().map(waited_for).collect::<Vec<_>>().join("; "),
    }
}

fn few(names: &[String]) -> String {
    match names {
        [one, two, three, _, rest @ ..] if !rest.is_empty() => {
            format!("{one}, {two}, {three} and {} more", rest.len() + 1)
        }
        names => names.join(", "),
    }
}

impl Patience {
    /// How long a gate is asked; each part of one that has several is asked so long.
    pub fn of(&self, gate: &Gate) -> Duration {
        match gate {
            Gate::None => Duration::ZERO,
            Gate::All { gates } => gates.iter().map(|gate| self.of(gate)).sum(),
            Gate::Proved { .. } => self.proof,
            Gate::EtcdHealthy { .. } => self.etcd,
            Gate::ApiServersReady { .. } => self.api_servers,
            Gate::NodesReady { .. } => self.nodes,
        }
    }
}
