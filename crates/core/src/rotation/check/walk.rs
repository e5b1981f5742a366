//! The walk through a script, batch by batch.
//!
//! While a batch has its turns, every cell that one of them changes may hold what it held or what it
//! will hold, whichever process read it by itself or started anew, and everybody who is fed by it
//! likewise: one state that stands for every prefix of every turn of every host in the batch, each at
//! its own point. In it every link that a changed cell takes part in is judged, with every combination
//! of what its cells may hold. Then the batch is over: what was restarted has read what lies there, and
//! what is waited for narrows the rest. What only became narrower needs no second judgement.

use super::available::Available;
use super::content::{Choices, ContentId, Contents};
use super::model::{Cell, CellId, LinkId, Model, Owner, Part, ProcessId, Start};
use super::outage::{self, Outage};
use super::signing::{Breach, Signing};
use super::verdict::{Rule, Verdict, Violation};
use crate::layouts::Reload;
use crate::plan::Pace;
use crate::rotation::{Round, Script, Turn};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Where the walk is.
pub(super) struct Walk {
    pub(super) model: Model,
    pub(super) contents: Contents,
    pub(super) signing: Signing,
    pub(super) available: Available,
    pub(super) verdict: Verdict,
    /// Counts batches.
    pub(super) moment: u64,
    pub(super) round: String,
    pub(super) hosts: Vec<String>,
    touched: BTreeSet<LinkId>,
    reported: HashSet<(String, Rule)>,
    /// Cells that the batch changed.
    pub(super) changed: Vec<CellId>,
    /// What pods that are being restarted may come to hold.
    pub(super) renewed: BTreeMap<CellId, Choices>,
    /// Whether pods wait for their restart after an outage that was meant.
    pub(super) pods_are_down: bool,
    /// Whether every ServiceAccount with a token Secret has one that the new key signed.
    pub(super) has_second_tokens: bool,
    /// What is stopped on purpose.
    pub(super) outage: Outage,
}

/// One direction of a link.
struct Direction {
    presented: CellId,
    trusted_by: CellId,
    start: Start,
    kept: Choices,
}

impl Walk {
    pub(super) fn new(
        model: Model,
        contents: Contents,
        signing: Signing,
        available: Available,
        verdict: Verdict,
    ) -> Self {
        Self {
            model,
            contents,
            signing,
            available,
            verdict,
            moment: 0,
            round: String::new(),
            hosts: Vec::new(),
            touched: BTreeSet::new(),
            reported: HashSet::new(),
            changed: Vec::new(),
            renewed: BTreeMap::new(),
            pods_are_down: false,
            has_second_tokens: false,
            outage: Outage::default(),
        }
    }

    pub(super) fn script(&mut self, script: &Script) {
        self.verdict.states = 1;
        // Whatever is read already may be handed on at any time.
        for part in [Part::RootCa, Part::TokenSigner, Part::FrontProxies] {
            for id in self.model.parts(part) {
                let loaded = self.model.cell(id).map(|cell| cell.loaded.clone());
                self.feed(part, &loaded.unwrap_or_default());
            }
        }
        let down = outage::rounds(script);
        for (index, round) in script.rounds.iter().enumerate() {
            self.round.clone_from(&round.name);
            self.outage.is_on |= down.is_some_and(|(first, _)| first == index);
            self.round(round);
            if down.is_some_and(|(_, last)| last == index) {
                self.outage_is_over();
            }
        }
    }

    /// From here on every connection has to hold again.
    fn outage_is_over(&mut self) {
        let breaches = self.outage.over();
        self.breaches(breaches);
        self.available.outage_is_over();
        self.judge_touched();
        if self.pods_are_down {
            let notice = "pods that read their trust or token only at their start lose the API server until they are restarted".to_owned();
            self.verdict.notices.push(notice);
        }
    }

    fn round(&mut self, round: &Round) {
        let size = match round.pace {
            Pace::OneByOne => 1,
            Pace::Batches { size } => usize::try_from(size.max(1)).unwrap_or(usize::MAX),
            Pace::Together => usize::MAX,
        };
        for batch in round.turns.chunks(size.min(round.turns.len().max(1))) {
            self.batch(batch);
            for proof in &round.between {
                let hosts = self.hosts.clone();
                self.proved(proof, &hosts);
            }
        }
        self.hosts.clear();
        for proof in &round.awaits {
            self.proved(proof, &[]);
        }
    }

    fn batch(&mut self, turns: &[Turn]) {
        self.moment += 1;
        self.hosts = turns.iter().map(|turn| turn.host.clone()).collect();
        self.changed.clear();
        for turn in turns {
            let before = self.signing.is_split(&turn.host);
            let mut breaches = self.signing.turn(turn);
            breaches.extend(self.outage.turn(turn));
            self.breaches(breaches);
            self.open(turn, before);
        }
        self.judge_touched();
        for id in std::mem::take(&mut self.changed) {
            self.taken_up(id);
        }
        for turn in turns {
            self.close(turn);
        }
        let breaches = self.available.batch(turns);
        self.breaches(breaches);
    }

    /// Something else lies in a cell.
    pub(super) fn write(&mut self, id: CellId, content: ContentId) {
        let moment = self.moment;
        let Some(cell) = self.model.cells.get_mut(id) else {
            return;
        };
        cell.disk = Choices::one(content);
        cell.written = moment;
        cell.loaded.add(content);
        self.changed.push(id);
        self.touch(id);
    }

    /// What a cell may hold grew: its links are judged, and what it feeds grows too.
    pub(super) fn touch(&mut self, id: CellId) {
        let Some(cell) = self.model.cell(id) else {
            return;
        };
        let (loaded, part) = (cell.loaded.clone(), cell.part);
        let is_kept = !matches!(cell.reload, Reload::Live { .. });
        let links: Vec<LinkId> = self.model.links_of(id).to_vec();
        for link in links {
            if let Some(link) = self.model.links.get_mut(link)
                && is_kept
                && link.client_presents == Some(id)
            {
                link.kept.add_all(&loaded);
            }
            self.touched.insert(link);
        }
        self.feed(part, &loaded);
    }

    fn feed(&mut self, part: Part, loaded: &Choices) {
        match part {
            Part::RootCa => {
                for id in self.model.parts(Part::Published) {
                    if let Some(cell) = self.model.cells.get_mut(id) {
                        cell.disk.add_all(loaded);
                    }
                    self.grow(id, loaded);
                }
            }
            Part::TokenSigner => {
                for part in [Part::Tokens, Part::TokenSecrets] {
                    for id in self.model.parts(part) {
                        self.grow(id, loaded);
                    }
                }
            }
            Part::FrontProxies => {
                for id in self.model.parts(Part::Merged) {
                    let known = self.model.cell(id).map(|cell| cell.loaded.clone());
                    let mut merged = Choices::default();
                    for one in known.unwrap_or_default().iter() {
                        for other in loaded.iter() {
                            merged.add(self.contents.merged(one, other));
                        }
                    }
                    self.grow(id, &merged);
                }
            }
            _ => {}
        }
    }

    fn grow(&mut self, id: CellId, by: &Choices) {
        if let Some(renewed) = self.renewed.get_mut(&id) {
            renewed.add_all(by);
        }
        let Some(cell) = self.model.cells.get_mut(id) else {
            return;
        };
        if cell.loaded.add_all(by) {
            self.touch(id);
        }
    }

    /// The turn is over: whoever reads every time reads what lies there.
    fn taken_up(&mut self, id: CellId) {
        if let Some(cell) = self.model.cells.get_mut(id)
            && (cell.owner == Owner::Momentary
                || matches!(cell.reload, Reload::NextHandshake | Reload::NextConnection))
        {
            cell.loaded = cell.disk.clone();
        }
    }

    /// A process starts: it has read what lies there, and keeps no connection.
    pub(super) fn restarted(&mut self, process: ProcessId) {
        let Some((cells, links)) = self
            .model
            .processes
            .get(process)
            .map(|it| (it.cells.clone(), it.links.clone()))
        else {
            return;
        };
        for id in cells {
            if let Some(cell) = self.model.cells.get_mut(id) {
                cell.loaded = cell.disk.clone();
            }
        }
        for id in links {
            let presents = self.model.links.get(id).and_then(|it| it.client_presents);
            let presents = presents.filter(|it| {
                let cell = self.model.cell(*it);
                cell.is_some_and(|cell| !matches!(cell.reload, Reload::Live { .. }))
            });
            let loaded = presents
                .and_then(|it| self.model.cell(it))
                .map(|it| it.loaded.clone());
            if let (Some(link), Some(loaded)) = (self.model.links.get_mut(id), loaded) {
                link.kept = loaded;
            }
        }
    }

    pub(super) fn judge_touched(&mut self) {
        self.verdict.states += 1;
        if self.outage.is_on {
            return;
        }
        for id in std::mem::take(&mut self.touched) {
            self.judge(id);
        }
    }

    fn judge(&mut self, id: LinkId) {
        let Some(link) = self.model.links.get(id) else {
            return;
        };
        let halted = [link.client, link.server].into_iter().flatten();
        let mut halted = halted.filter_map(|it| self.model.processes.get(it));
        if halted.any(|it| it.is_halted) {
            return;
        }
        let directions = [
            (
                link.server_presents,
                link.client_trusts,
                link.server_start,
                Choices::default(),
            ),
            (
                link.client_presents,
                link.server_trusts,
                link.client_start,
                if link.per_request {
                    link.kept.clone()
                } else {
                    Choices::default()
                },
            ),
        ];
        for (presented, trusted_by, start, kept) in directions {
            if let (Some(presented), Some(trusted_by)) = (presented, trusted_by) {
                let direction = Direction {
                    presented,
                    trusted_by,
                    start,
                    kept,
                };
                self.direction(id, &direction);
            }
        }
    }

    fn direction(&mut self, link: LinkId, direction: &Direction) {
        let (Some(presented), Some(by)) = (
            self.model.cell(direction.presented),
            self.model.cell(direction.trusted_by),
        ) else {
            return;
        };
        let is_pods = presented.owner == Owner::Pods || by.owner == Owner::Pods;
        if direction.start == Start::Nothing || (is_pods && self.pods_are_down) {
            return;
        }
        let kept = direction.kept.iter();
        let kept = kept.filter(|id| !presented.loaded.contains(*id));
        let mut failing = None;
        'all: for one in presented.loaded.iter().chain(kept) {
            for other in by.loaded.iter() {
                self.verdict.combinations += 1;
                let (starts, trusts) = (one == presented.start, other == by.start);
                let is_excused = match direction.start {
                    // What was verified with real certificates was.
                    Start::Held => starts && trusts,
                    // What failed already is nobody's fault until both ends are others.
                    Start::Failed => starts || trusts,
                    Start::Unknown | Start::Nothing => false,
                };
                if !is_excused && self.contents.believed(one, other) == Some(false) {
                    failing = Some((one, other));
                    break 'all;
                }
            }
        }
        if let Some((one, other)) = failing {
            let (presented, by) = (presented.clone(), by.clone());
            let is_kept = !presented.loaded.contains(one);
            self.fails(link, (&presented, one, is_kept), (&by, other));
        }
    }

    fn fails(
        &mut self,
        link: LinkId,
        (presented, one, is_kept): (&Cell, ContentId, bool),
        (by, other): (&Cell, ContentId),
    ) {
        let Some(link) = self.model.links.get(link).cloned() else {
            return;
        };
        let believes = self.contents.in_words(other);
        let words = format!(
            "{} may{} go by {} that {}, while {} may go by {} that {believes}",
            presented.holder,
            if is_kept {
                ", on a connection that was kept,"
            } else {
                ""
            },
            place(presented),
            self.contents.in_words(one),
            by.holder,
            place(by),
        );
        let is_unproven = [presented, by].iter().any(|cell| {
            matches!(cell.reload, Reload::Live { .. }) && cell.loaded.iter().count() > 1
        });
        if link.is_minor && is_unproven {
            let notice = format!(
                "not proved for {}, a port that monitoring alone asks: {words}",
                link.id
            );
            if self.reported.insert((link.id, Rule::Believed)) {
                self.verdict.notices.push(notice);
            }
            return;
        }
        let places = [presented, by]
            .iter()
            .filter_map(|it| it.place.clone())
            .collect();
        self.violation((Rule::Believed, link.id, places, words), link.serves);
    }

    pub(super) fn breaches(&mut self, breaches: Vec<Breach>) {
        for breach in breaches {
            self.violation(breach, String::new());
        }
    }

    /// Each thing is told once, where it would happen first.
    pub(super) fn violation(&mut self, (rule, about, places, words): Breach, serves: String) {
        if self.reported.insert((about.clone(), rule)) {
            self.verdict.violations.push(Violation {
                rule,
                connection: about,
                serves,
                round: self.round.clone(),
                hosts: self.hosts.clone(),
                places,
                combination: words,
            });
        }
    }
}

fn place(cell: &Cell) -> String {
    match &cell.place {
        Some(place) => place.to_string(),
        None => "what it holds".to_owned(),
    }
}
