//! What waiting proves: cells hold less than they might have.

use super::content::{Choices, ContentId};
use super::model::{CellId, Owner, Part, SERVED, client_trust};
use super::verdict::Rule;
use super::walk::Walk;
use crate::connections::Use;
use crate::layouts::Reload;
use crate::model::ComponentKind;
use crate::rotation::{Await, Holds, Root};

impl Walk {
    /// Something was waited for, of these hosts where it names none.
    pub(super) fn proved(&mut self, proof: &Await, of: &[String]) {
        self.available.proved(proof, of);
        let breach = self.outage.proved(proof);
        self.breaches(breach.into_iter().collect());
        let asked = |hosts: &[String]| {
            if hosts.is_empty() {
                of.to_vec()
            } else {
                hosts.to_vec()
            }
        };
        match proof {
            Await::NewClientsAccepted { root, hosts } => {
                let cells = self
                    .model
                    .by_flag(client_trust(*root), Use::Trust, &asked(hosts));
                self.narrow(&cells, *root, proof, Self::accepts_new);
                if *root == Root::FrontProxyCa && !cells.is_empty() {
                    // An API server adds what it goes by as soon as it does.
                    let merged = self.model.parts(Part::Merged);
                    self.narrow(&merged, *root, proof, Self::accepts_new);
                }
            }
            Await::OldClientsRefused { root, hosts } => {
                let cells = self
                    .model
                    .by_flag(client_trust(*root), Use::Trust, &asked(hosts));
                self.narrow(&cells, *root, proof, Self::refuses_old);
            }
            Await::NewServed {
                root,
                components,
                hosts,
            } => {
                let cells = self.served(*root, components, &asked(hosts));
                self.narrow(&cells, *root, proof, Self::serves_new);
            }
            Await::Published { holds } => self.published(holds, proof),
            Await::WorkloadsRolledOut => self.rolled_out(),
            Await::ApiServersReady { .. }
            | Await::EtcdHealthy { .. }
            | Await::NodesReady { .. } => {}
        }
    }

    fn accepts_new(&self, id: ContentId, root: Root) -> bool {
        self.contents.has_new(id, root)
    }

    fn refuses_old(&self, id: ContentId, root: Root) -> bool {
        !self.contents.has_old(id, root)
    }

    fn serves_new(&self, id: ContentId, root: Root) -> bool {
        self.contents.is_new(id, root)
    }

    /// What servers of this root present.
    fn served(&self, root: Root, components: &[ComponentKind], hosts: &[String]) -> Vec<CellId> {
        let cells = self.model.by_flag(SERVED, Use::Present, hosts);
        let is_of_root = |id: &CellId| {
            let Some(cell) = self.model.cell(*id) else {
                return false;
            };
            let mut held = cell.loaded.iter();
            let is_asked =
                components.is_empty() || cell.component.is_some_and(|it| components.contains(&it));
            is_asked
                && held.any(|it| self.contents.has_old(it, root) || self.contents.has_new(it, root))
        };
        cells.into_iter().filter(is_of_root).collect()
    }

    fn narrow(
        &mut self,
        cells: &[CellId],
        root: Root,
        proof: &Await,
        passes: fn(&Self, ContentId, Root) -> bool,
    ) {
        for id in cells {
            let Some(cell) = self.model.cell(*id) else {
                continue;
            };
            if self.is_halted(cell.owner) {
                continue;
            }
            let narrowed = cell
                .loaded
                .narrowed(|held| passes(self, held, root) || self.contents.is_unknown(held));
            let Some(narrowed) = narrowed else {
                let words = format!("what {} goes by never comes to this", cell.holder);
                self.never(proof, cell.holder.clone(), words);
                continue;
            };
            let told = (narrowed == cell.disk && narrowed != cell.loaded)
                .then_some((cell.owner, cell.written));
            if let Some(cell) = self.model.cells.get_mut(*id) {
                cell.loaded = narrowed;
            }
            if let Some((Owner::Process(process), written)) = told {
                self.ticked(process, written);
            }
        }
    }

    fn is_halted(&self, owner: Owner) -> bool {
        match owner {
            Owner::Process(process) => {
                let process = self.model.processes.get(process);
                process.is_some_and(|it| it.is_halted)
            }
            Owner::Pods | Owner::Momentary => false,
        }
    }

    /// A process reads all its files again at the same time: having taken up one change it has taken up
    /// all that were made no later.
    fn ticked(&mut self, process: usize, written: u64) {
        let cells = self.model.processes.get(process).map(|it| it.cells.clone());
        for id in cells.unwrap_or_default() {
            if let Some(cell) = self.model.cells.get_mut(id)
                && matches!(cell.reload, Reload::Live { .. })
                && cell.written <= written
            {
                cell.loaded = cell.disk.clone();
            }
        }
    }

    fn published(&mut self, holds: &Holds, proof: &Await) {
        let root = Root::KubernetesCa;
        let mut sources = Choices::default();
        for id in self.model.parts(Part::RootCa) {
            if let Some(cell) = self.model.cell(id) {
                sources.add_all(&cell.loaded);
            }
        }
        for id in self.model.parts(Part::Published) {
            let Some(cell) = self.model.cell(id) else {
                continue;
            };
            let narrowed = cell.disk.narrowed(|held| match holds {
                Holds::New => self.contents.is_new(held, root),
                Holds::Old => !self.contents.has_new(held, root),
                _ => self.contents.has_new(held, root) && self.contents.has_old(held, root),
            });
            match narrowed {
                None if cell.disk.iter().all(|held| self.contents.is_unknown(held)) => {}
                None => {
                    let words = "no controller manager publishes it".to_owned();
                    self.never(proof, cell.holder.clone(), words);
                }
                Some(mut narrowed) => {
                    // Whoever leads next publishes what it goes by.
                    narrowed.add_all(&sources);
                    if let Some(cell) = self.model.cells.get_mut(id) {
                        cell.disk = narrowed;
                    }
                }
            }
        }
    }

    fn rolled_out(&mut self) {
        let were_down = std::mem::take(&mut self.pods_are_down);
        for (id, held) in std::mem::take(&mut self.renewed) {
            if let Some(cell) = self.model.cells.get_mut(id) {
                cell.loaded = held;
            }
        }
        if were_down {
            let cells = self.model.cells.iter().enumerate();
            let of_pods = cells.filter(|(_, cell)| cell.owner == Owner::Pods);
            let of_pods: Vec<CellId> = of_pods.map(|(id, _)| id).collect();
            for id in of_pods {
                self.touch(id);
            }
            self.judge_touched();
        }
    }

    fn never(&mut self, proof: &Await, holder: String, words: String) {
        let asked = serde_json::to_value(proof).ok();
        let asked = asked
            .as_ref()
            .and_then(|it| it.get("type"))
            .and_then(|it| it.as_str());
        let about = format!("{} of {holder}", asked.unwrap_or("proof"));
        self.violation((Rule::Reachable, about, Vec::new(), words), String::new());
    }
}
