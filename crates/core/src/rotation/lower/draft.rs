//! One host's plan in the making: issuances, edits of files, and who takes them up.

use super::error::LowerError;
use super::scene::Scene;
use crate::model::{ComponentKind, Holder, Inventory, RunsAs};
use crate::plan::document::{
    API_VERSION, BasisFile, ComponentAction, Issuance, Plan, Signer, TakeUp,
};
use crate::plan::file_edit::{FileEdit, RotationMark};
use jiff::Timestamp;
use std::path::PathBuf;

/// A plan that grows.
pub(super) struct Draft<'a> {
    pub(super) host: &'a str,
    pub(super) inventory: &'a Inventory,
    pub(super) issuances: Vec<Issuance>,
    pub(super) edits: Vec<FileEdit>,
    pub(super) components: Vec<ComponentAction>,
    /// Files that it was made from beside those that it writes.
    pub(super) reads: Vec<PathBuf>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(host: &'a str, inventory: &'a Inventory) -> Self {
        Self {
            host,
            inventory,
            issuances: Vec::new(),
            edits: Vec::new(),
            components: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// Adds an edit; the same one twice is one, and of two that write the same bundle the later counts.
    pub(super) fn edit(&mut self, edit: FileEdit) {
        if self.edits.contains(&edit) {
            return;
        }
        if let FileEdit::Bundle { path, .. } = &edit {
            let path = path.clone();
            self.edits
                .retain(|known| !matches!(known, FileEdit::Bundle { path: it, .. } if *it == path));
        }
        self.edits.push(edit);
    }

    /// A bundle, made like this file when it is new.
    pub(super) fn bundle(&mut self, path: PathBuf, pem: String, like: Option<PathBuf>) {
        self.edit(FileEdit::Bundle { path, pem, like });
    }

    /// A component is restarted.
    pub(super) fn restart(
        &mut self,
        component: ComponentKind,
        parks: &[ComponentKind],
        reason: &str,
    ) -> Result<(), LowerError> {
        let found = self.inventory.component(component);
        let found = found.ok_or_else(|| LowerError::NoComponent {
            host: self.host.to_owned(),
            component,
        })?;
        // A restart takes up whatever a reload would have.
        self.components
            .retain(|action| action.component != component && !parks.contains(&action.component));
        self.components.push(ComponentAction {
            component,
            runs_as: found.runs_as.clone(),
            take_up: TakeUp::Restart,
            reasons: vec![reason.to_owned()],
            parks: parks.to_vec(),
        });
        Ok(())
    }

    /// A component re-reads by itself what it serves; its endpoint is asked until it does.
    pub(super) fn reload(&mut self, component: ComponentKind, within_seconds: u32, name: &str) {
        let is_restarted = self.components.iter().any(|action| {
            action.take_up == TakeUp::Restart
                && (action.component == component || action.parks.contains(&component))
        });
        let Some(found) = self
            .inventory
            .component(component)
            .filter(|_| !is_restarted)
        else {
            return;
        };
        let known = self
            .components
            .iter_mut()
            .find(|action| action.component == component);
        match known {
            Some(known) => {
                known.take_up = TakeUp::Reload { within_seconds };
                known.reasons.push(name.to_owned());
            }
            None => self.components.push(ComponentAction {
                component,
                runs_as: found.runs_as.clone(),
                take_up: TakeUp::Reload { within_seconds },
                reasons: vec![name.to_owned()],
                parks: Vec::new(),
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.issuances.is_empty() && self.edits.is_empty() && self.components.is_empty()
    }

    /// The plan; what it writes counts as touched from here on.
    pub(super) fn finish(
        self,
        scene: &mut Scene<'_>,
        mark: RotationMark,
        created_at: Timestamp,
    ) -> Plan {
        let mut plan = Plan {
            api_version: API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "rotate".to_owned(),
            host: self.inventory.host.clone(),
            created_at,
            basis: Vec::new(),
            issuances: self.issuances,
            restoration: None,
            trust_updates: Vec::new(),
            file_edits: self.edits,
            rotation: Some(mark),
            components: self.components,
            static_pod_folders: self.inventory.static_pod_folders.clone(),
            notices: Vec::new(),
        };
        let mut files = plan.touched_files();
        files.extend(self.reads);
        files.extend(plan.issuances.iter().flat_map(signing_files));
        files.extend(parked(self.inventory, &plan));
        files.sort();
        files.dedup();
        let is_known = |path: &PathBuf| {
            !scene
                .touched
                .contains(&(self.host.to_owned(), path.clone()))
        };
        plan.basis = files
            .iter()
            .filter(|path| is_known(path))
            .filter_map(|path| {
                let sha256 = self.inventory.files.get(path)?.clone();
                Some(BasisFile {
                    path: path.clone(),
                    sha256,
                })
            })
            .collect();
        let written = plan.touched_files().into_iter();
        for path in written.chain(parked(self.inventory, &plan)) {
            scene.touched.insert((self.host.to_owned(), path));
        }
        plan.with_id()
    }
}

fn signing_files(issuance: &Issuance) -> Vec<PathBuf> {
    let mut files = vec![issuance.destination.path().to_owned()];
    if let Holder::Kubeconfig { path, .. } = &issuance.destination {
        files.push(path.clone());
    }
    if let Signer::Authority {
        certificate, key, ..
    } = &issuance.signer
    {
        files.extend([certificate.clone(), key.clone()]);
    }
    files
}

/// Manifests of what is parked around another component: they are written, too.
fn parked(inventory: &Inventory, plan: &Plan) -> Vec<PathBuf> {
    let parks = plan.components.iter().flat_map(|action| &action.parks);
    parks
        .filter_map(|kind| match &inventory.component(*kind)?.runs_as {
            RunsAs::StaticPod { manifest, .. } => Some(manifest.clone()),
            _ => None,
        })
        .collect()
}
