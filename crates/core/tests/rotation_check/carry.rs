//! What a script says, done to a cluster of values: files at once, processes when they start.

use crate::authority::{Authority, stray_key};
use crate::field::Field;
use kubepki_core::connections::Place;
use kubepki_core::model::ComponentKind::{self, KubeControllerManager};
use kubepki_core::rotation::{Action, Holds, Root, Script, Turn, successor};
use kubepki_x509::{Certificate, PublicKey};
use std::path::Path;

/// How far a turn gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Files are changed, nothing is restarted.
    Files,
    /// All of it.
    All,
}

impl Field {
    /// Carries out a script up to this turn, counted over all rounds; that one as far as told.
    pub fn carry(&mut self, script: &Script, turns: usize, last: Reach) {
        let all: Vec<&Turn> = script.rounds.iter().flat_map(|it| &it.turns).collect();
        for (index, turn) in all.iter().enumerate().take(turns) {
            let reach = if index + 1 == turns { last } else { Reach::All };
            self.turn(turn, reach);
        }
    }

    /// Everything that was stopped is started, as whoever comes next does first.
    pub fn bring_up(&mut self) {
        self.clock += 1;
        for (host, kind) in std::mem::take(&mut self.halted) {
            self.start(&host, kind);
        }
    }

    fn turn(&mut self, turn: &Turn, reach: Reach) {
        self.clock += 1;
        for action in &turn.actions {
            if action.changes_files()
                || !matches!(action, Action::Restart { .. }) && reach == Reach::All
            {
                self.action(turn, action);
            }
        }
        if reach == Reach::Files {
            return;
        }
        self.clock += 1;
        for action in &turn.actions {
            if let Action::Restart { component, parks } = action {
                for kind in parks.iter().chain([component]) {
                    self.start(&turn.host, *kind);
                }
            }
        }
        if turn.actions.contains(&Action::YieldEtcdLeadership) {
            let others = self.with(ComponentKind::Etcd);
            self.etcd_leader = others.into_iter().find(|it| *it != turn.host);
        }
    }

    fn start(&mut self, host: &str, kind: ComponentKind) {
        let clock = self.clock;
        self.extra
            .get_mut(host)
            .unwrap()
            .started
            .insert(kind, clock);
        if kind == KubeControllerManager {
            let file = self.ca_file(Root::KubernetesCa);
            let machine = self
                .world
                .machines
                .iter()
                .find(|it| it.name == host)
                .unwrap();
            let before = std::mem::replace(&mut self.published, machine.bundles[&file].clone());
            let new = self
                .next
                .get(&Root::KubernetesCa)
                .map(|it| it.anchor.clone());
            if let Some(new) = new
                && !before.contains(&new)
                && self.published.contains(&new)
            {
                self.stale.insert(Root::KubernetesCa);
            }
        }
    }

    fn changed(&mut self, host: &str, path: &Path) {
        let clock = self.clock;
        self.extra
            .get_mut(host)
            .unwrap()
            .changed
            .insert(path.to_owned(), clock);
    }

    fn certificates(&self, root: Root, holds: &Holds) -> Vec<Certificate> {
        let old = self.old(root).anchor.clone();
        let new = || self.next[&root].anchor.clone();
        match holds {
            Holds::OldNew => vec![old, new()],
            Holds::NewOld => vec![new(), old],
            Holds::New => vec![new()],
            _ => vec![old],
        }
    }

    fn keys(&self, holds: &Holds) -> Vec<PublicKey> {
        let (old, new) = (self.sa_old.clone(), self.sa_new.clone());
        match holds {
            Holds::Old => vec![old],
            Holds::New => new.into_iter().collect(),
            _ => [old].into_iter().chain(new).collect(),
        }
    }

    fn action(&mut self, turn: &Turn, action: &Action) {
        let host = turn.host.as_str();
        match action {
            Action::MakeSuccessor { root } => {
                if *root == Root::ServiceAccountKey {
                    self.sa_new = Some(stray_key());
                } else {
                    let name = self.old(*root).anchor.subject().common_name().unwrap();
                    let name = format!("{name}@20261122T114500Z");
                    let given = self.given.take();
                    let made = given.unwrap_or_else(|| Authority::root(&name));
                    self.next.insert(*root, made);
                }
                self.extra.get_mut(host).unwrap().next.insert(*root);
            }
            Action::ReceiveSuccessor { root, .. } => {
                self.extra.get_mut(host).unwrap().next.insert(*root);
            }
            Action::WriteTrust { root, place, holds } => self.trust(host, *root, place, holds),
            Action::Issue { root, entry } => self.issue(host, *root, entry),
            Action::InstallSuccessor { root } => self.install(turn, *root),
            Action::SplitSigner | Action::JoinSigner => {
                let own = self.ca_file(Root::KubernetesCa);
                let file = match action {
                    Action::SplitSigner => successor::signer(&own),
                    _ => own,
                };
                if *action == Action::SplitSigner {
                    self.write_signer(host);
                }
                let machine = self
                    .world
                    .machines
                    .iter_mut()
                    .find(|it| it.name == host)
                    .unwrap();
                let flag = "cluster-signing-cert-file";
                machine.set(KubeControllerManager, flag, Some(&file.to_string_lossy()));
            }
            Action::RestartWorkloads { root } => {
                self.stale.remove(root);
            }
            Action::AddTokenSecrets => {
                let new = self.sa_new.clone().unwrap();
                if !self.tokens.contains(&new) {
                    self.tokens.insert(0, new);
                    self.stale.insert(Root::ServiceAccountKey);
                }
            }
            Action::DropTokenSecrets => {
                let new = self.sa_new.clone();
                self.tokens.retain(|key| Some(key) == new.as_ref());
            }
            Action::Recreate { .. } => {
                let file = self.ca_file(Root::FrontProxyCa);
                self.merged = self.world.machines[0].bundles[&file].clone();
            }
            Action::Halt { components } => {
                let halted = components.iter().map(|kind| (host.to_owned(), *kind));
                self.halted.extend(halted);
            }
            Action::Start { components } => {
                for kind in components {
                    if self.halted.remove(&(host.to_owned(), *kind)) {
                        self.start(host, *kind);
                    }
                }
            }
            Action::RemoveSuccessorFiles { root } => {
                self.extra.get_mut(host).unwrap().next.remove(root);
                self.extra.get_mut(host).unwrap().previous.remove(root);
                if *root == Root::KubernetesCa {
                    let signer = successor::signer(&self.ca_file(*root));
                    let machine = self.world.machines.iter_mut().find(|it| it.name == host);
                    machine.unwrap().bundles.remove(&signer);
                }
            }
            _ => {}
        }
    }

    fn trust(&mut self, host: &str, root: Root, place: &Place, holds: &Holds) {
        if root == Root::ServiceAccountKey {
            let keys = self.keys(holds);
            self.extra.get_mut(host).unwrap().sa_pub = keys;
            self.changed(host, place.path().unwrap());
            return;
        }
        let certificates = self.certificates(root, holds);
        if root == Root::FrontProxyCa {
            for certificate in &certificates {
                if !self.merged.contains(certificate) {
                    self.merged.push(certificate.clone());
                }
            }
        }
        let machine = self
            .world
            .machines
            .iter_mut()
            .find(|it| it.name == host)
            .unwrap();
        match place {
            Place::File { path, .. } => {
                machine.bundles.insert(path.clone(), certificates);
                self.changed(host, path);
            }
            Place::KubeconfigCluster { path, .. } => {
                machine.kubeconfigs.get_mut(path).unwrap().trust = certificates;
                self.changed(host, path);
            }
            Place::Api(object) if object.name == "cluster-info" => {
                self.cluster_info = certificates;
            }
            other => panic!("nobody writes {other}"),
        }
    }

    fn issue(&mut self, host: &str, root: Root, entry: &str) {
        let path = Path::new(entry);
        let next = &self.next[&root];
        let machine = self
            .world
            .machines
            .iter_mut()
            .find(|it| it.name == host)
            .unwrap();
        if let Some(signed) = machine.certificates.get_mut(path) {
            *signed = next.issue(&signed.leaf);
        } else {
            let user = machine
                .kubeconfigs
                .get_mut(path)
                .unwrap()
                .user
                .as_mut()
                .unwrap();
            *user = next.issue(&user.leaf);
        }
        self.changed(host, path);
    }

    fn install(&mut self, turn: &Turn, root: Root) {
        let host = turn.host.as_str();
        self.extra.get_mut(host).unwrap().installed.insert(root);
        if self.swaps && (host == "cp1" || root == Root::ServiceAccountKey) {
            self.extra.get_mut(host).unwrap().previous.insert(root);
        }
        if root == Root::ServiceAccountKey {
            self.extra.get_mut(host).unwrap().sa_key = self.sa_new.clone();
            let path = self.world.path("sa.key");
            self.changed(host, &path);
            return;
        }
        let file = self.ca_file(root);
        let both = self.certificates(root, &Holds::NewOld);
        let machine = self
            .world
            .machines
            .iter_mut()
            .find(|it| it.name == host)
            .unwrap();
        let before = machine.bundles.insert(file.clone(), both.clone());
        if before != Some(both) {
            self.changed(host, &file);
        }
        let machine = self
            .world
            .machines
            .iter()
            .find(|it| it.name == host)
            .unwrap();
        if machine.bundles.contains_key(&successor::signer(&file)) {
            self.write_signer(host);
        }
    }

    /// The signing file comes to hold the certificate of the key that signs.
    fn write_signer(&mut self, host: &str) {
        let root = Root::KubernetesCa;
        let file = successor::signer(&self.ca_file(root));
        let signs = match self.extra[host].installed.contains(&root) {
            true => self.next[&root].anchor.clone(),
            false => self.old(root).anchor.clone(),
        };
        let machine = self
            .world
            .machines
            .iter_mut()
            .find(|it| it.name == host)
            .unwrap();
        machine.bundles.insert(file.clone(), vec![signs]);
        self.changed(host, &file);
    }
}
