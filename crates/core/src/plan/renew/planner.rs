//! The planner's work: which entries, who signs them, where they go, what follows.

use super::around::Around;
use super::refusal::Refusal;
use super::request::{RenewRequest, Selection};
use crate::assess::trust::{lacking, trust_authority};
use crate::layouts::vendor_of_entry;
use crate::model::{Authority, ComponentKind, Entry, Holder, Inventory, Role, RunsAs, UsedBy};
use crate::plan::components::{self, Change};
use crate::plan::document::{API_VERSION, BasisFile, Issuance, Notice, Origin, Plan, TrustUpdate};
use jiff::Timestamp;
use kubepki_x509::Certificate;
use std::path::{Path, PathBuf};

/// A plan in the making.
pub(in crate::plan) struct Planner<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) request: &'a RenewRequest,
    pub(super) now: Timestamp,
    /// The cluster that the host is planned in.
    pub(super) around: Option<&'a Around<'a>>,
    /// Authorities renewed in this plan, or for it, with their new end.
    pub(super) renewed_authorities: Vec<(&'a Authority, Timestamp)>,
    pub(super) issuances: Vec<Issuance>,
    pub(super) trust_updates: Vec<TrustUpdate>,
    pub(super) changed: Vec<(String, Vec<UsedBy>)>,
    pub(super) basis: Vec<PathBuf>,
    pub(super) notices: Vec<Notice>,
}

impl<'a> Planner<'a> {
    /// A plan in which nothing is done yet.
    pub(in crate::plan) fn new(
        inventory: &'a Inventory,
        request: &'a RenewRequest,
        now: Timestamp,
        around: Option<&'a Around<'a>>,
    ) -> Self {
        Self {
            inventory,
            request,
            now,
            around,
            renewed_authorities: Vec::new(),
            issuances: Vec::new(),
            trust_updates: Vec::new(),
            changed: Vec::new(),
            basis: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(in crate::plan) fn select(&mut self) -> Result<Vec<&'a Entry>, Refusal> {
        let entries = &self.inventory.entries;
        let selected: Vec<&Entry> = match &self.request.selection {
            Selection::All => {
                self.notice_unreadable();
                entries
                    .iter()
                    .filter(|entry| !entry.chain.is_empty() || self.is_makeable(entry))
                    .collect()
            }
            Selection::Named(names) => {
                let mut selected: Vec<&Entry> = Vec::new();
                for name in names {
                    let entry = entries
                        .iter()
                        .find(|entry| is_named(entry, name))
                        .ok_or_else(|| self.not_found(name))?;
                    if !selected.iter().any(|other| std::ptr::eq(*other, entry)) {
                        selected.push(entry);
                    }
                }
                selected
            }
        };
        let Some(limit) = self.request.only_expiring else {
            return Ok(selected);
        };
        Ok(selected
            .into_iter()
            .filter(|entry| {
                entry
                    .certificate()
                    .is_none_or(|certificate| certificate.validity().remaining(self.now) < limit)
            })
            .collect())
    }

    /// Without what a distribution sees to itself. Asked for by name, or where there is nothing
    /// else, that is a refusal; beside others it is left out and said.
    pub(in crate::plan) fn without_vendors(
        &mut self,
        selected: Vec<&'a Entry>,
    ) -> Result<Vec<&'a Entry>, Refusal> {
        let (vendors, others): (Vec<&Entry>, Vec<&Entry>) = selected
            .into_iter()
            .partition(|entry| vendor_of_entry(entry).is_some());
        let refusal = |entry: &Entry| {
            vendor_of_entry(entry).map(|vendor| Refusal::ManagedByVendor {
                name: entry.name.clone(),
                vendor: vendor.program,
                renewal: vendor.renewal,
            })
        };
        let is_named = self.request.selection != Selection::All;
        if (is_named || others.is_empty())
            && let Some(refusal) = vendors.first().and_then(|entry| refusal(entry))
        {
            return Err(refusal);
        }
        for entry in vendors {
            if let Some(refusal) = refusal(entry) {
                self.notice(
                    refusal.code(),
                    &entry.name,
                    format!("not renewed: {refusal}"),
                );
            }
        }
        Ok(others)
    }

    fn not_found(&self, name: &str) -> Refusal {
        let path = Path::new(name);
        let is_authority = self.inventory.authorities.iter().any(|authority| {
            authority.name == name
                || authority.also_known_as.iter().any(|other| other == name)
                || authority.certificate_path == path
                || authority.key_path.as_deref() == Some(path)
        });
        if is_authority {
            return Refusal::Authority {
                name: name.to_owned(),
            };
        }
        Refusal::UnknownName {
            name: name.to_owned(),
            known: known(&self.inventory.entries),
        }
    }

    /// What should be there and is not, or cannot be read, must not be passed over in silence.
    fn notice_unreadable(&mut self) {
        for entry in &self.inventory.entries {
            if !entry.chain.is_empty() || self.is_makeable(entry) {
                continue;
            }
            let reason = match &entry.problem {
                Some(problem) => problem.clone(),
                None if entry.required && !entry.used_by.is_empty() => {
                    format!("{} does not exist", entry.holder)
                }
                None => continue,
            };
            self.notice(
                "not-renewable",
                &entry.name,
                format!("not renewed: there is no certificate to renew: {reason}"),
            );
        }
    }

    /// A kubelet without any client certificate gets one: its subject follows from the node name.
    fn is_makeable(&self, entry: &Entry) -> bool {
        let is_kubelets = entry.role == Role::KubeletClient
            && self.inventory.node_name.is_some()
            && self.inventory.component(ComponentKind::Kubelet).is_some();
        is_kubelets || self.pattern_of(entry).is_some()
    }

    pub(in crate::plan) fn notice(&mut self, code: &str, object: &str, message: String) {
        self.notices.push(Notice {
            code: code.to_owned(),
            object: object.to_owned(),
            message,
        });
    }

    /// Kubeconfigs whose CA data lacks something of the bundle that they should hold, or will lack
    /// it when the plan's own authorities are renewed.
    pub(in crate::plan) fn update_trust(&mut self, selected: &[&Entry]) {
        // Requests alone change nothing in use.
        if self.request.csr_dir.is_some() {
            return;
        }
        for trust in &self.inventory.embedded_trust {
            let Some(authority) = trust_authority(self.inventory, trust) else {
                continue;
            };
            let is_selected = self.request.selection == Selection::All
                || selected
                    .iter()
                    .any(|entry| entry.kubeconfig.as_ref() == Some(&trust.kubeconfig));
            let is_renewed = self.is_renewed(authority);
            if !(is_renewed || is_selected && lacking(authority, trust) > 0) {
                continue;
            }
            self.trust_updates.push(TrustUpdate {
                kubeconfig: trust.kubeconfig.clone(),
                cluster: trust.cluster.clone(),
                bundle: authority.certificate_path.clone(),
            });
            self.basis.push(trust.kubeconfig.clone());
            self.basis.push(authority.certificate_path.clone());
            let name = trust.kubeconfig.display().to_string();
            let issued = self
                .issuances
                .iter()
                .any(|issuance| issuance.destination.path() == trust.kubeconfig);
            if !issued && !self.changed.iter().any(|(other, _)| *other == name) {
                self.changed.push((name, trust.used_by.clone()));
            }
        }
    }

    /// The new end of the authority that was renewed last.
    pub(in crate::plan) fn renewed_end(&self) -> Option<Timestamp> {
        self.renewed_authorities.last().map(|(_, end)| *end)
    }

    /// Whether an issuance of the plan writes this bundle.
    pub(in crate::plan) fn covers(&self, bundle: &Path) -> bool {
        self.issuances.iter().any(|issuance| {
            issuance.destination.path() == bundle
                || issuance.copies.iter().any(|copy| copy == bundle)
        })
    }

    pub(in crate::plan) fn finish(mut self) -> Plan {
        let changes: Vec<Change<'_>> = self
            .changed
            .iter()
            .map(|(name, used_by)| Change { name, used_by })
            .collect();
        let components = if self.request.no_restart {
            Vec::new()
        } else {
            components::actions(self.inventory, &changes)
        };
        for action in &components {
            if let RunsAs::StaticPod { manifest, .. } = &action.runs_as {
                self.basis.push(manifest.clone());
            }
        }
        self.basis.sort();
        self.basis.dedup();
        // What was not looked at under this name (the file behind a link) has no hash of its own.
        let basis = self
            .basis
            .iter()
            .filter_map(|path| {
                let sha256 = self.inventory.files.get(path)?.clone();
                Some(BasisFile {
                    path: path.clone(),
                    sha256,
                })
            })
            .collect();
        let mut notices = self.notices;
        notices.extend(crate::people::notices(self.inventory, &self.issuances));
        Plan {
            api_version: API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "renew".to_owned(),
            host: self.inventory.host.clone(),
            created_at: self.now,
            basis,
            issuances: self.issuances,
            restoration: None,
            trust_updates: self.trust_updates,
            file_edits: Vec::new(),
            rotation: None,
            components,
            static_pod_folders: self.inventory.static_pod_folders.clone(),
            notices,
        }
        .with_id()
    }
}

/// Whether a user means this entry: by its name, or by any path that is its own.
pub(in crate::plan) fn is_named(entry: &Entry, name: &str) -> bool {
    let path = Path::new(name);
    let target = match &entry.holder {
        Holder::CertificateStore { target, .. } => target.as_deref(),
        _ => None,
    };
    entry.name == name
        || entry.also_known_as.iter().any(|other| other == name)
        || entry.holder.path() == path
        || entry.holder.key_path() == Some(path)
        || target == Some(path)
        || entry.kubeconfig.as_deref() == Some(path)
        || (entry.role == Role::KubeletClient && name == "kubelet.conf")
}

fn known(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The certificate that is there, as what a new one comes from.
pub(crate) fn origin(holder: &Holder, certificate: &Certificate) -> Origin {
    Origin::Certificate {
        holder: holder.clone(),
        fingerprint_sha256: hex::encode(certificate.fingerprint_sha256()),
        subject: certificate.subject().to_string(),
        not_after: certificate.validity().not_after,
    }
}
