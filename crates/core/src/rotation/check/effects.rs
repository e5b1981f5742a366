//! What each action does to cells: while its turn is under way, and when it is over.

use super::content::Choices;
use super::model::{Owner, Part, client_trust};
use super::verdict::Rule;
use super::walk::Walk;
use crate::connections::{Place, Use};
use crate::model::ComponentKind::{self, KubeApiserver};
use crate::rotation::{Action, Holds, Root, Turn};

impl Walk {
    /// Everything that the turn may bring about before it is over.
    pub(super) fn open(&mut self, turn: &Turn, was_split: bool) {
        // Where both write a file, the one that says what it holds counts.
        let written = |root: Root, file: &Place| {
            turn.actions.iter().any(|action| {
                matches!(action, Action::WriteTrust { root: of, place, .. } if *of == root && place == file)
            })
        };
        for action in &turn.actions {
            match action {
                Action::WriteTrust { root, place, holds } => self.trust(*root, place, holds),
                Action::Issue { root, entry } => {
                    let content = self.contents.held(*root, &Holds::New, false);
                    for id in self.model.entries(&turn.host, entry) {
                        self.write(id, content);
                    }
                }
                Action::InstallSuccessor { root } => {
                    let own = self.signing.own_file(*root, &turn.host);
                    let own = own.map(|(file, holds)| (file.clone(), holds));
                    if let Some((file, holds)) = own.filter(|(file, _)| !written(*root, file)) {
                        self.trust(*root, &file, &holds);
                    }
                    self.installed(*root, &turn.host);
                }
                Action::SplitSigner | Action::JoinSigner
                    if was_split != self.signing.is_split(&turn.host) =>
                {
                    self.installed(Root::KubernetesCa, &turn.host);
                }
                Action::RestartWorkloads { root } => self.workloads(*root),
                Action::AddTokenSecrets => self.second_tokens(),
                Action::DropTokenSecrets => self.first_tokens_gone(),
                Action::Recreate { .. } => self.made_anew(),
                Action::Halt { components } => self.halted(&turn.host, components),
                _ => {}
            }
        }
    }

    /// What the turn brought about for certain.
    pub(super) fn close(&mut self, turn: &Turn) {
        let mut started = false;
        for action in &turn.actions {
            match action {
                Action::Restart { component, parks } => {
                    for component in parks.iter().chain([component]) {
                        if let Some(process) = self.model.known_process(&turn.host, *component) {
                            self.restarted(process);
                        }
                    }
                }
                Action::Start { components } => {
                    for component in components {
                        self.started(&turn.host, *component);
                        started = true;
                    }
                }
                _ => {}
            }
        }
        if started {
            self.judge_touched();
        }
    }

    fn trust(&mut self, root: Root, place: &Place, holds: &Holds) {
        let content = self.contents.held(root, holds, true);
        for id in self.model.at(place) {
            if self
                .model
                .cell(id)
                .is_some_and(|cell| cell.purpose == Use::Trust)
            {
                self.write(id, content);
            }
        }
    }

    /// Whoever signs on this host comes to sign with what lies there now.
    fn installed(&mut self, root: Root, host: &str) {
        let (part, is_new) = match root {
            Root::KubernetesCa => (
                Part::CertificateSigner,
                self.signing.is_installed(root, host),
            ),
            Root::ServiceAccountKey => (Part::TokenSigner, true),
            Root::EtcdCa | Root::FrontProxyCa => return,
        };
        let holds = if is_new { Holds::New } else { Holds::Old };
        let content = self.contents.held(root, &holds, false);
        for id in self.model.parts(part) {
            if self
                .model
                .cell(id)
                .is_some_and(|cell| cell.host.as_deref() == Some(host))
            {
                self.write(id, content);
            }
        }
    }

    fn workloads(&mut self, root: Root) {
        let parts: &[Part] = match root {
            // After an outage everything that talks to the API starts again, with all that there is.
            Root::KubernetesCa if self.pods_are_down => &[Part::Published, Part::Tokens],
            Root::KubernetesCa => &[Part::Published],
            Root::ServiceAccountKey => &[Part::Tokens],
            Root::EtcdCa => {
                let cells = self.model.cells.iter().enumerate();
                let held: Vec<usize> = cells
                    .filter(|(_, it)| it.owner == Owner::Pods && it.part == Part::Plain)
                    .map(|(id, _)| id)
                    .collect();
                for id in held {
                    let disk = self.model.cell(id).map(|cell| cell.disk.clone());
                    self.renewed.insert(id, disk.unwrap_or_default());
                }
                return;
            }
            Root::FrontProxyCa => return,
        };
        for part in parts {
            for id in self.model.parts(*part) {
                let held = match part {
                    Part::Tokens => self.new_tokens(id),
                    _ => self.model.cell(id).map(|cell| cell.disk.clone()),
                };
                self.renewed.insert(id, held.unwrap_or_default());
            }
        }
    }

    /// What a pod that starts now gets: the second token, where the first is in a Secret.
    fn new_tokens(&self, pods: usize) -> Option<Choices> {
        let root = Root::ServiceAccountKey;
        let secrets = self.model.parts(Part::TokenSecrets);
        let has_second = secrets.iter().all(|id| {
            let cell = self.model.cell(*id);
            cell.is_some_and(|it| {
                it.loaded
                    .iter()
                    .any(|token| self.contents.has_new(token, root))
            }) && self.has_second_tokens
        });
        if !has_second {
            return self.model.cell(pods).map(|cell| cell.loaded.clone());
        }
        let mut signed = Choices::default();
        for id in self.model.parts(Part::TokenSigner) {
            if let Some(cell) = self.model.cell(id) {
                signed.add_all(&cell.loaded);
            }
        }
        Some(signed)
    }

    fn second_tokens(&mut self) {
        let root = Root::ServiceAccountKey;
        let signers = self.model.parts(Part::TokenSigner);
        let mut cells = signers.iter().filter_map(|id| self.model.cell(*id));
        let old = cells.find(|cell| {
            cell.component != Some(KubeApiserver)
                && cell
                    .loaded
                    .iter()
                    .any(|key| self.contents.has_old(key, root))
        });
        if let Some(cell) = old {
            let words = format!("{} may still sign them with the old key", cell.holder);
            let places = cell.place.iter().cloned().collect();
            self.violation(
                (
                    Rule::Order,
                    "second token Secrets".to_owned(),
                    places,
                    words,
                ),
                String::new(),
            );
        }
        self.has_second_tokens = true;
        if self.outage.is_on {
            // The old ones are refused by everybody since the swap, which was announced.
            let new = self.contents.held(root, &Holds::New, false);
            for id in self.model.parts(Part::TokenSecrets) {
                if let Some(cell) = self.model.cells.get_mut(id) {
                    cell.disk = Choices::one(new);
                    cell.loaded = cell.disk.clone();
                }
                self.touch(id);
            }
        }
    }

    fn first_tokens_gone(&mut self) {
        let root = Root::ServiceAccountKey;
        let new = self.contents.held(root, &Holds::New, false);
        for id in self.model.parts(Part::Tokens) {
            let in_use = self.model.cell(id).is_some_and(|cell| {
                cell.loaded
                    .iter()
                    .any(|token| self.contents.has_old(token, root))
            });
            let is_legacy = !self.model.parts(Part::TokenSecrets).is_empty();
            if in_use && is_legacy {
                let words = "a token is refused at once when its Secret goes, and pods may still hold the old one".to_owned();
                let about = "ServiceAccount tokens->kube-apiserver".to_owned();
                self.violation(
                    (Rule::Believed, about, Vec::new(), words),
                    "pods that talk to the API server".to_owned(),
                );
            }
        }
        if self.has_second_tokens {
            for id in self.model.parts(Part::TokenSecrets) {
                if let Some(cell) = self.model.cells.get_mut(id) {
                    cell.disk = Choices::one(new);
                    cell.loaded = cell.disk.clone();
                }
            }
        }
    }

    /// What was merged is deleted: each API server writes what it goes by.
    fn made_anew(&mut self) {
        let mut by_servers = Choices::default();
        let mut stale: Vec<(Root, String)> = Vec::new();
        for root in [Root::FrontProxyCa, Root::KubernetesCa] {
            for id in self.model.by_flag(client_trust(root), Use::Trust, &[]) {
                let Some(cell) = self.model.cell(id) else {
                    continue;
                };
                if cell.component != Some(KubeApiserver) {
                    continue;
                }
                if cell.part == Part::FrontProxies {
                    by_servers.add_all(&cell.loaded);
                }
                let is_two_minded = cell.disk.iter().any(|it| self.contents.is_new(it, root))
                    && cell.loaded.iter().any(|it| self.contents.has_old(it, root));
                if is_two_minded {
                    stale.push((root, cell.holder.clone()));
                }
            }
        }
        for id in self.model.parts(Part::Merged) {
            if by_servers != Choices::default()
                && let Some(cell) = self.model.cells.get_mut(id)
            {
                cell.disk = by_servers.clone();
                cell.loaded = by_servers.clone();
                self.touch(id);
            }
        }
        for (root, holder) in stale {
            let words =
                format!("{holder} may still trust the old {root}, and writes it there again");
            self.violation(
                (
                    Rule::Order,
                    "extension-apiserver-authentication".to_owned(),
                    Vec::new(),
                    words,
                ),
                String::new(),
            );
        }
    }

    fn halted(&mut self, host: &str, components: &[ComponentKind]) {
        self.pods_are_down |= components.contains(&KubeApiserver);
        for component in components {
            let process = self.model.known_process(host, *component);
            if let Some(process) = process.and_then(|it| self.model.processes.get_mut(it)) {
                process.is_halted = true;
            }
        }
    }

    fn started(&mut self, host: &str, component: ComponentKind) {
        let Some(process) = self.model.known_process(host, component) else {
            return;
        };
        // What was not stopped is not started anew.
        match self.model.processes.get_mut(process) {
            Some(process) if process.is_halted => process.is_halted = false,
            _ => return,
        }
        self.restarted(process);
        let cells = self.model.processes.get(process).map(|it| it.cells.clone());
        for id in cells.unwrap_or_default() {
            self.touch(id);
        }
    }
}
