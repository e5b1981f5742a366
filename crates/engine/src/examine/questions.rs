//! What is to be asked, gathered by address: one address is asked by one thread, question after
//! question, so that one that does not answer costs one wait.

use super::{ExamineOptions, ExaminePorts, attempts, metrics, serving};
use kubepki_core::connections::{Connection, Graph, Place};
use kubepki_core::model::{ComponentKind, Inventory};
use std::collections::HashMap;

/// Everything that is asked of one address.
pub(super) struct Round<'a> {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) questions: Vec<Question<'a>>,
}

/// One question.
pub(super) enum Question<'a> {
    /// What is served?
    Served(ServedQuestion),
    /// Does this connection come about?
    Attempt(&'a Connection),
    /// What do the metrics say?
    Metrics(MetricsQuestion),
}

/// A question for what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServedQuestion {
    pub(super) component: Option<ComponentKind>,
    pub(super) flag: Option<String>,
    /// The name to ask for when it is another than the host.
    pub(super) server_name: Option<String>,
    pub(super) exposed_by: Option<String>,
}

/// A question for metrics.
pub(super) struct MetricsQuestion {
    pub(super) component: ComponentKind,
    /// Who may be allowed to ask: places of a certificate and of its key, tried in order.
    pub(super) credentials: Vec<(Place, Option<Place>)>,
}

/// Rounds being gathered.
#[derive(Default)]
pub(super) struct Rounds<'a> {
    rounds: Vec<Round<'a>>,
    places: HashMap<(String, u16), usize>,
}

impl<'a> Rounds<'a> {
    /// Asks what an address serves, unless it is asked for by this name already.
    pub(super) fn serve(&mut self, host: &str, port: u16, question: ServedQuestion) {
        let known = self.questions(host, port).iter().any(|known| {
            // Whoever names an endpoint is told of it, also where it is a component's.
            matches!(known, Question::Served(known)
                if known.server_name == question.server_name
                    && known.component.is_some() == question.component.is_some())
        });
        if !known {
            self.push(host, port, Question::Served(question));
        }
    }

    /// One more question to an address.
    pub(super) fn push(&mut self, host: &str, port: u16, question: Question<'a>) {
        let next = self.rounds.len();
        let place = *self.places.entry((host.to_owned(), port)).or_insert(next);
        match self.rounds.get_mut(place) {
            Some(round) => round.questions.push(question),
            None => self.rounds.push(Round {
                host: host.to_owned(),
                port,
                questions: vec![question],
            }),
        }
    }

    fn questions(&self, host: &str, port: u16) -> &[Question<'a>] {
        let place = self.places.get(&(host.to_owned(), port));
        place
            .and_then(|place| self.rounds.get(*place))
            .map_or(&[], |round| &round.questions)
    }
}

/// Everything to ask. What an address serves comes first, since it tells whether it answers at all.
pub(super) fn rounds<'a>(
    ports: &ExaminePorts<'_>,
    inventory: &Inventory,
    graph: &'a Graph,
    options: &ExamineOptions,
) -> Vec<Round<'a>> {
    let mut rounds = Rounds::default();
    let is_live = inventory.live && ports.host.is_live();
    if is_live {
        serving::of_components(inventory, &mut rounds);
    }
    serving::of_options(options, &mut rounds);
    if is_live {
        attempts::of_graph(inventory, graph, options, &mut rounds);
        serving::of_server_names(ports, inventory, &mut rounds);
        metrics::of_components(inventory, &mut rounds);
    }
    rounds.rounds
}

/// `host:port`, IPv6 addresses in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
