//! Looking at all hosts of a cluster that is down: who cannot be reached is told and left out, and
//! every control plane is asked about itself, never a load balancer.

use super::halted;
use crate::args::RescueArgs;
use crate::commands::fleet::carry::{Undertaking, interrupted};
use crate::commands::fleet::{Looked, look_at_all, session_error};
use crate::context::Context;
use crate::error::CliError;
use crate::output::NAME;
use kubepki_core::diagnose::HostEvidence;
use kubepki_core::model::cluster::Node;
use kubepki_core::model::{ComponentKind, Gap};
use kubepki_core::rescue::{Health, HostState, RescueEvidence};
use kubepki_fleet::parallel::{Limits, as_they_come};
use kubepki_fleet::session::{ApiAnswer, ApiQuestion, LookRequest, SessionError};
use std::ops::ControlFlow;

/// Who looks, at whom, and how.
pub struct Looker<'a> {
    pub context: &'a Context,
    pub undertaking: &'a Undertaking<'a>,
    pub args: &'a RescueArgs,
}

/// What was seen of all hosts.
pub struct Sight {
    /// As sessions told it.
    pub looked: Vec<Looked>,
    /// Nodes, as one good API server tells.
    pub nodes: Option<Vec<Node>>,
    evidence: Vec<HostEvidence>,
    states: Vec<HostState>,
    unreachable: Vec<Gap>,
}

impl Sight {
    /// For the judgement.
    pub fn evidence(&self) -> RescueEvidence<'_> {
        RescueEvidence {
            hosts: &self.evidence,
            states: &self.states,
            unreachable: &self.unreachable,
            nodes: self.nodes.as_deref(),
            cluster: None,
        }
    }

    /// Whether none of the hosts is one of a cluster.
    pub fn finds_nothing(&self) -> bool {
        self.unreachable.is_empty()
            && self.evidence.iter().all(|host| {
                host.inventory.entries.is_empty() && host.inventory.authorities.is_empty()
            })
    }

    /// Control planes whose own API server answers.
    pub fn good_servers(&self) -> impl Iterator<Item = &str> {
        let good = |state: &&HostState| state.api_server.as_ref().is_some_and(|it| it.ok);
        self.states
            .iter()
            .filter(good)
            .map(|state| state.name.as_str())
    }
}

impl Looker<'_> {
    /// Looks at every host, after what was interrupted on any of them has been settled and what was
    /// stopped has been started.
    pub fn look_at_settled(&self) -> Result<Sight, CliError> {
        let mut looked = self.look_at_hosts()?;
        let runs = interrupted(&looked);
        if !runs.is_empty() {
            // What could not be settled because others are down is tried again when its turn comes.
            for settlement in self.undertaking.try_to_settle(self.context, &runs)? {
                if let Err(error) = settlement.result {
                    self.context.note(format_args!(
                        "{NAME}{}{NAME:#}: not settled yet: {error}",
                        settlement.host
                    ));
                }
            }
            looked = self.look_at_hosts()?;
        }
        let undertaking = self.undertaking;
        let max_parallel = undertaking.hosts.max_parallel;
        if halted::start(self.context, undertaking.sessions, max_parallel, &looked)? {
            looked = self.look_at_hosts()?;
        }
        self.judged(looked)
    }

    /// Looks at every host.
    pub fn look(&self) -> Result<Sight, CliError> {
        let looked = self.look_at_hosts()?;
        self.judged(looked)
    }

    fn look_at_hosts(&self) -> Result<Vec<Looked>, CliError> {
        let seconds = self.args.timeout.as_secs().max(1);
        let request = LookRequest {
            pki_folder: self.context.host_path(&self.args.ca_dir)?,
            examine: true,
            timeout_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        };
        look_at_all(
            self.context,
            self.undertaking.hosts,
            self.undertaking.sessions,
            &request,
        )
    }

    fn judged(&self, looked: Vec<Looked>) -> Result<Sight, CliError> {
        let mut evidence = Vec::new();
        let mut states = Vec::new();
        let mut unreachable = Vec::new();
        let mut last: Option<(&str, &SessionError)> = None;
        for host in &looked {
            match &host.seen {
                Ok(seen) => {
                    evidence.push(HostEvidence {
                        inventory: seen.look.inventory.clone(),
                        live: seen.look.live.clone(),
                    });
                    states.push(HostState {
                        name: host.host.clone(),
                        // A folder has this machine's clock.
                        clock_ahead_seconds: seen.look.inventory.live.then_some(seen.clock_ahead),
                        api_server: None,
                        etcd: None,
                    });
                }
                Err(error) => {
                    last = Some((&host.host, error));
                    unreachable.push(Gap::new(&host.host, error.to_string()));
                }
            }
        }
        if evidence.is_empty()
            && let Some((host, error)) = last
        {
            return Err(session_error(host, error));
        }
        self.ask(&evidence, &mut states);
        let nodes = self.nodes(&states);
        Ok(Sight {
            looked,
            nodes,
            evidence,
            states,
            unreachable,
        })
    }

    /// Asks every control plane whether its own API server and its own etcd member are well.
    fn ask(&self, evidence: &[HostEvidence], states: &mut [HostState]) {
        let names: Vec<String> = states.iter().map(|state| state.name.clone()).collect();
        let has = |index: usize, kind| {
            evidence
                .get(index)
                .is_some_and(|host| host.inventory.live && host.inventory.component(kind).is_some())
        };
        let mut questions: Vec<(usize, ApiQuestion)> = Vec::new();
        for index in 0..names.len() {
            if has(index, ComponentKind::Etcd) {
                questions.push((index, ApiQuestion::EtcdHealth));
            }
            if has(index, ComponentKind::KubeApiserver) {
                questions.push((index, ApiQuestion::Ready));
            }
        }
        as_they_come(
            &questions,
            Limits::at_most(self.undertaking.hosts.max_parallel),
            |(index, question)| {
                let name = names.get(*index).map_or("", String::as_str);
                self.undertaking
                    .sessions
                    .with(name, |session| session.ask(question))
            },
            |asked, answer| {
                let health = match answer {
                    Ok(ApiAnswer::Health { ok, found }) => Health { ok, found },
                    Ok(_) => return ControlFlow::Continue(()),
                    Err(error) => Health {
                        ok: false,
                        found: error.message,
                    },
                };
                if let Some((index, question)) = questions.get(asked)
                    && let Some(state) = states.get_mut(*index)
                {
                    match question {
                        ApiQuestion::EtcdHealth => state.etcd = Some(health),
                        _ => state.api_server = Some(health),
                    }
                }
                ControlFlow::Continue(())
            },
        );
    }

    /// The Nodes, from the first API server that answers.
    fn nodes(&self, states: &[HostState]) -> Option<Vec<Node>> {
        let good = states
            .iter()
            .filter(|state| state.api_server.as_ref().is_some_and(|it| it.ok));
        good.map(|state| state.name.as_str()).find_map(|host| {
            let answer = self
                .undertaking
                .sessions
                .with(host, |session| session.ask(&ApiQuestion::Nodes));
            match answer {
                Ok(ApiAnswer::Nodes { nodes }) => Some(nodes),
                _ => None,
            }
        })
    }
}
