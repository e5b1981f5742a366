//! Whether a script that retires an old generation leaves anything of it.

use super::content::Choices;
use super::model::{Cell, Part, SERVED, client_trust};
use super::verdict::LeftBehind;
use super::walk::Walk;
use crate::connections::Use;
use crate::layouts::Reload;
use crate::rotation::{Action, Holds, Root, Script};

impl Walk {
    /// What is left of roots that the script retires.
    pub(super) fn left_behind(&mut self, script: &Script) {
        for root in Root::ALL {
            if !retires(script, root) {
                continue;
            }
            let mut left: Vec<LeftBehind> = Vec::new();
            for cell in &self.model.cells {
                if self.is_content(cell, root) {
                    continue;
                }
                let mut held = cell.loaded.iter().chain(cell.disk.iter());
                let is_left = |id: u32| match cell.purpose {
                    Use::Trust => self.contents.has_old(id, root),
                    Use::Present => {
                        self.contents.has_old(id, root) && !self.contents.has_new(id, root)
                    }
                };
                if let Some(id) = held.find(|id| is_left(*id)) {
                    let place = cell.place.as_ref().map(|it| format!(" ({it})"));
                    left.push(LeftBehind {
                        place: format!("{}{}", cell.holder, place.unwrap_or_default()),
                        found: self.contents.in_words(id),
                    });
                }
            }
            for host in self.signing.unfinished(root) {
                left.push(LeftBehind {
                    place: format!("{root} on {host}"),
                    found: "what signs there, or lies beside it, is not as it should be in the end"
                        .to_owned(),
                });
            }
            self.verdict.left_behind.extend(left);
        }
    }

    /// Whether what a cell still goes by is nothing to be done about.
    fn is_content(&self, cell: &Cell, root: Root) -> bool {
        let is_new = |held: &Choices| held.iter().all(|it| self.contents.is_new(it, root));
        let has_new = |held: &Choices| held.iter().all(|it| self.contents.has_new(it, root));
        match cell.part {
            // What pods trust beyond need does no harm after they were restarted once.
            Part::Published => has_new(&cell.loaded) && is_new(&cell.disk),
            // Nothing lies anywhere but in memory.
            Part::Tokens => is_new(&cell.loaded),
            _ => {
                let is_asked = client_trust(root).iter().chain(SERVED);
                let mut is_asked = is_asked.map(|(component, _)| Some(*component));
                // A port that nobody asks reads its files again within a minute.
                matches!(cell.reload, Reload::Live { .. })
                    && is_new(&cell.disk)
                    && !is_asked.any(|it| it == cell.component)
            }
        }
    }
}

fn retires(script: &Script, root: Root) -> bool {
    let actions = script.rounds.iter().flat_map(|round| &round.turns);
    actions
        .flat_map(|turn| &turn.actions)
        .any(|action| match action {
            Action::RemoveSuccessorFiles { root: of } => *of == root,
            Action::WriteTrust {
                root: of, holds, ..
            } => *of == root && *holds == Holds::New,
            _ => false,
        })
}
