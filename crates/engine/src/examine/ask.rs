//! One address, question after question.

use super::credentials::{Trusted, identity, trusted};
use super::questions::{MetricsQuestion, Question, Round, ServedQuestion, authority};
use super::{ExamineOptions, ExaminePorts, attempts, clocks, metrics};
use crate::ports::{Attempt, Attempted, Endpoint, Expectation, Progress, Reply};
use jiff::{SignedDuration, Timestamp};
use kubepki_core::connections::{Connection, ConnectionKind, Graph};
use kubepki_core::model::live::{
    AttemptFact, AttemptOutcome, ClockFact, MetricFact, ServedChain, ServedFact, Unanswered,
};
use kubepki_x509::path::ServerName;
use std::net::IpAddr;

/// However many endpoints there are and however many are silent, so many waits are enough.
const LONGEST_IN_TIMEOUTS: u32 = 20;

/// A metrics page of a busy API server takes seconds to write.
const METRICS_IN_TIMEOUTS: u32 = 3;

/// What one address answered.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) served: Vec<ServedFact>,
    pub(super) attempts: Vec<AttemptFact>,
    pub(super) metrics: Vec<MetricFact>,
    pub(super) clocks: Option<ClockFact>,
}

/// Asks addresses; shared by every thread.
pub(super) struct Asker<'a> {
    ports: &'a ExaminePorts<'a>,
    graph: &'a Graph,
    options: &'a ExamineOptions,
    progress: &'a dyn Progress,
    ends: Timestamp,
}

/// What is known of an address while it is asked.
struct Address<'a> {
    host: &'a str,
    port: u16,
    /// Why it is asked no more.
    given_up: Option<Unanswered>,
    /// Why it shows no certificate.
    shows_nothing: Option<Unanswered>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        ports: &'a ExaminePorts<'a>,
        graph: &'a Graph,
        options: &'a ExamineOptions,
        progress: &'a dyn Progress,
    ) -> Self {
        let longest = options.timeout.saturating_mul(LONGEST_IN_TIMEOUTS);
        let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
        let now = ports.clock.now();
        Self {
            ports,
            graph,
            options,
            progress,
            ends: now.checked_add(longest).unwrap_or(Timestamp::MAX),
        }
    }

    /// Puts every question of a round.
    pub(super) fn ask(&self, round: &Round<'_>) -> Answers {
        let mut answers = Answers::default();
        let mut address = Address {
            host: &round.host,
            port: round.port,
            given_up: None,
            shows_nothing: None,
        };
        self.progress
            .say(&format!("asking {}", authority(&round.host, round.port)));
        for question in &round.questions {
            if address.given_up.is_none() && self.ports.clock.now() >= self.ends {
                address.given_up = Some(Unanswered {
                    unreachable: false,
                    detail: "not asked: the other endpoints took all the time there is".to_owned(),
                });
            }
            match question {
                Question::Served(question) => {
                    answers.served.push(self.served(question, &mut address));
                }
                Question::Attempt(connection) => {
                    // A client asks for one name at a time, and may be shown another certificate
                    // for each.
                    let names = connection.names.iter().map(|asked| Some(&asked.name));
                    let nameless = connection.names.is_empty().then_some(None);
                    for name in names.chain(nameless) {
                        let outcome =
                            self.attempt(connection, name, &mut address, &mut answers.clocks);
                        answers.attempts.push(AttemptFact {
                            connection: connection.id.clone(),
                            address: authority(address.host, address.port),
                            outcome,
                        });
                    }
                }
                Question::Metrics(question) => {
                    let found = self.metrics(question, &mut address, &mut answers.clocks);
                    answers.metrics.extend(found);
                }
            }
        }
        answers
    }

    fn served(&self, question: &ServedQuestion, address: &mut Address<'_>) -> ServedFact {
        let endpoint = address.endpoint(question.server_name.clone());
        let fact = |outcome| ServedFact {
            component: question.component,
            flag: question.flag.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            server_name: server_name_sent(&endpoint),
            exposed_by: question.exposed_by.clone(),
            outcome,
        };
        if let Some(known) = address.given_up.as_ref().or(address.shows_nothing.as_ref()) {
            return fact(Err(known.clone()));
        }
        match self.ports.tls.served(&endpoint, self.options.timeout) {
            Ok(served) => fact(Ok(ServedChain {
                chain: served.chain,
                protocol: served.protocol,
                asks_client_certificate: served.asks_client_certificate,
                acceptable_client_authorities: served.acceptable_client_authorities,
            })),
            Err(error) => {
                let unanswered = Unanswered {
                    unreachable: error.unreachable,
                    detail: error.detail,
                };
                // By another name it would not be reached either.
                let known = if unanswered.unreachable {
                    &mut address.given_up
                } else {
                    &mut address.shows_nothing
                };
                *known = Some(unanswered.clone());
                fact(Err(unanswered))
            }
        }
    }

    fn attempt(
        &self,
        connection: &Connection,
        name: Option<&ServerName>,
        address: &mut Address<'_>,
        clock: &mut Option<ClockFact>,
    ) -> AttemptOutcome {
        if let Some(known) = &address.given_up {
            return AttemptOutcome::Unanswered(known.clone());
        }
        let not_tried = |reason: String| {
            AttemptOutcome::Unanswered(Unanswered {
                unreachable: false,
                detail: format!("not tried: {reason}"),
            })
        };
        let slot = |id| self.graph.slot(id);
        let host = self.ports.host;
        let identity = match connection.client_presents.and_then(slot) {
            None => None,
            Some(slot) => match identity(host, &slot.place, slot.key_place.as_ref()) {
                Ok(identity) => identity,
                Err(reason) => return not_tried(reason),
            },
        };
        let trust = connection.client_trusts.and_then(|id| {
            let slot = slot(id)?;
            let material = self.options.material.as_ref();
            Some(trusted(host, id, &slot.place, material))
        });
        let expectation = match trust {
            None | Some(Ok(Trusted::Anybody)) => None,
            Some(Ok(Trusted::Pool(roots))) => Some(Expectation {
                roots,
                names: name.cloned().into_iter().collect(),
                now: self.ports.clock.now(),
            }),
            Some(Err(reason)) => return not_tried(reason),
        };
        let endpoint = address.endpoint(name.map(ToString::to_string));
        let page = attempts::page(connection.kind, identity.is_some());
        let attempted = self.timed(
            &Attempt {
                endpoint: &endpoint,
                identity: identity.as_ref(),
                expectation: expectation.as_ref(),
                question: page.map(|path| crate::ports::Question {
                    path,
                    lines: &[],
                    headers: &[],
                }),
                timeout: self.options.timeout,
            },
            address,
            clock,
        );
        outcome(connection, attempted)
    }

    fn metrics(
        &self,
        question: &MetricsQuestion,
        address: &mut Address<'_>,
        clock: &mut Option<ClockFact>,
    ) -> Vec<MetricFact> {
        for (place, key_place) in &question.credentials {
            if address.given_up.is_some() || address.shows_nothing.is_some() {
                break;
            }
            let read = identity(self.ports.host, place, key_place.as_ref());
            let Ok(Some(identity)) = read else {
                continue;
            };
            let endpoint = address.endpoint(None);
            let attempt = Attempt {
                endpoint: &endpoint,
                identity: Some(&identity),
                // The host's own process, of which only numbers are asked.
                expectation: None,
                question: Some(crate::ports::Question {
                    path: metrics::PATH,
                    lines: metrics::NAMES,
                    headers: &[],
                }),
                timeout: self.options.timeout.saturating_mul(METRICS_IN_TIMEOUTS),
            };
            if let Attempted::Accepted(Some(Reply {
                status: 200, body, ..
            })) = self.timed(&attempt, address, clock)
            {
                return metrics::parse(question.component, &body);
            }
        }
        Vec::new()
    }

    /// An attempt, with what it tells of the address itself: whether it answers, and its clock.
    fn timed(
        &self,
        attempt: &Attempt<'_>,
        address: &mut Address<'_>,
        clock: &mut Option<ClockFact>,
    ) -> Attempted {
        let asked = self.ports.clock.now();
        let attempted = self.ports.tls.attempt(attempt);
        let answered = self.ports.clock.now();
        match &attempted {
            Attempted::Accepted(Some(Reply {
                date: Some(date), ..
            })) => {
                clock.get_or_insert_with(|| ClockFact {
                    server: authority(address.host, address.port),
                    ahead_seconds: clocks::ahead_seconds(*date, asked, answered),
                });
            }
            Attempted::Unanswered {
                unreachable,
                timed_out,
                detail,
            } if *unreachable || *timed_out => {
                address.given_up = Some(Unanswered {
                    unreachable: *unreachable,
                    detail: detail.clone(),
                });
            }
            _ => {}
        }
        attempted
    }
}

impl Address<'_> {
    fn endpoint(&self, server_name: Option<String>) -> Endpoint {
        Endpoint {
            host: self.host.to_owned(),
            port: self.port,
            server_name,
        }
    }
}

fn outcome(connection: &Connection, attempted: Attempted) -> AttemptOutcome {
    match attempted {
        Attempted::Accepted(Some(Reply { status: 401, .. })) => AttemptOutcome::ClientRefused {
            reason: "answers HTTP 401 (Unauthorized)".to_owned(),
        },
        Attempted::Accepted(reply) => AttemptOutcome::Accepted {
            status: reply.map(|reply| reply.status),
        },
        Attempted::ServerRefused(refusal) => AttemptOutcome::ServerRefused {
            reason: refusal.to_string(),
        },
        Attempted::ClientRefused(reason) => AttemptOutcome::ClientRefused { reason },
        // etcd compares a peer's address with its certificate and says nothing when it differs.
        Attempted::Closed(reason) if connection.kind == ConnectionKind::EtcdPeer => {
            AttemptOutcome::ClientRefused { reason }
        }
        Attempted::Closed(detail) => AttemptOutcome::Unanswered(Unanswered {
            unreachable: false,
            detail,
        }),
        Attempted::Unanswered {
            unreachable,
            detail,
            ..
        } => AttemptOutcome::Unanswered(Unanswered {
            unreachable,
            detail,
        }),
    }
}

/// The name that is really sent: addresses are not (RFC 6066 §3).
fn server_name_sent(endpoint: &Endpoint) -> Option<String> {
    let name = endpoint.server_name.as_ref().unwrap_or(&endpoint.host);
    let address = name.split('%').next().unwrap_or(name);
    address
        .parse::<IpAddr>()
        .is_err()
        .then(|| name.trim_end_matches('.').to_owned())
}
