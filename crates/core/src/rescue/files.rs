//! One host's files: its CA copies set right, its certificates renewed, its kubeconfigs' CA data brought
//! up to date; and who names what changes, for what runs to take it up later.

use super::Scene;
use super::authorities::FileAt;
use super::repair::{Content, Decision, decide};
use super::trust;
use crate::model::{Entry, Holder, Inventory, Role, UsedBy};
use crate::plan::document::{API_VERSION, BasisFile};
use crate::plan::{Issuance, Notice, Origin, Plan, TrustUpdate};
use jiff::{SignedDuration, Timestamp};
use kubepki_x509::{Certificate, KeyAlgorithm};
use std::path::{Path, PathBuf};

/// kubeadm's ten years.
const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(87_600);

/// What is done to one host's files.
#[derive(Debug, Default)]
pub(crate) struct HostFiles {
    pub(super) issuances: Vec<Issuance>,
    trust_updates: Vec<TrustUpdate>,
    pub(super) basis: Vec<PathBuf>,
    notices: Vec<Notice>,
    /// What changes, and who names it by which flag.
    pub(crate) changed: Vec<(String, Vec<UsedBy>)>,
    /// What is wrong and stays so.
    pub(crate) left: Vec<Notice>,
    /// Whether a CA is issued here that others wait for.
    pub(crate) issues_authorities: bool,
    /// Whether a trusted CA changes here, other than by its dates.
    pub(crate) replaces_authorities: bool,
}

/// Decides everything about a host's files.
pub(crate) fn mend(scene: &Scene<'_>, host: usize) -> HostFiles {
    let mut files = HostFiles::default();
    let Some(evidence) = scene.evidence.hosts.get(host) else {
        return files;
    };
    let inventory = &evidence.inventory;
    for (index, authority) in inventory.authorities.iter().enumerate() {
        files.authority(
            scene,
            FileAt {
                host,
                authority: index,
            },
            authority,
        );
    }
    for entry in &inventory.entries {
        match decide(scene, host, entry) {
            Decision::Fine => {}
            Decision::Renew { reasons, content } => {
                for reason in &reasons {
                    files.notice(&reason.code, &entry.name, reason.message.clone());
                }
                if rebuilds_names(scene, host, entry, &content) {
                    files.notice("names-rebuilt", &entry.name, rebuilt_from(scene));
                }
                if let Err(because) = files.entry(scene, host, entry, content) {
                    files.notices.retain(|notice| notice.object != entry.name);
                    files.leave(&entry.name, because);
                }
            }
            Decision::Left { reasons, because } => {
                let what: Vec<String> = reasons.into_iter().map(|it| it.message).collect();
                files.leave(&entry.name, format!("{}; {because}", what.join(", ")));
            }
        }
    }
    trust::update(scene, host, &mut files);
    files
}

/// Where the API server's names come from that no certificate has any more.
fn rebuilt_from(scene: &Scene<'_>) -> String {
    let mut hosts = scene.evidence.hosts.iter().enumerate();
    let stored = hosts.find_map(|(index, host)| {
        let stored = host.inventory.kubeadm_configuration.as_ref()?;
        Some((scene.name(index), stored.path.display()))
    });
    match stored {
        Some((host, path)) => format!(
            "no other host has its like, so its names are put together from flags, kubeconfigs and the certSANs in {path} on {host}; compare with ConfigMap kube-system/kubeadm-config, which may be newer"
        ),
        None => "no other host has its like, so its names are put together from flags and kubeconfigs; what only kubeadm's stored configuration knows (certSANs in ConfigMap kube-system/kubeadm-config) is not among them: compare, and add it with `kubepki renew apiserver --add-san NAME`".to_owned(),
    }
}

/// Whether the API server's names are lost on every host, and made up anew.
fn rebuilds_names(scene: &Scene<'_>, host: usize, entry: &Entry, content: &Content) -> bool {
    let names = match content {
        Content::Own { names } | Content::Template { names, .. } => names,
        Content::Client { .. } => return false,
    };
    let others = scene.evidence.hosts.iter().enumerate();
    entry.role == Role::ApiserverServing
        && names.is_some()
        && others
            .filter(|(other, _)| *other != host)
            .flat_map(|(_, other)| &other.inventory.entries)
            .filter(|other| other.role == entry.role)
            .filter_map(Entry::certificate)
            .all(|certificate| certificate.subject_alt_names().is_empty())
}

impl HostFiles {
    /// Whether nothing is done here.
    pub(crate) fn is_empty(&self) -> bool {
        self.issuances.is_empty() && self.trust_updates.is_empty()
    }

    /// How many certificates are made or handed over here.
    pub(crate) fn count(&self) -> usize {
        self.issuances.len()
    }

    /// What is wrong here, mended or not.
    pub(crate) fn notices_and_left(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().chain(&self.left)
    }

    pub(super) fn notice(&mut self, code: &str, object: &str, message: String) {
        self.notices.push(Notice {
            code: code.to_owned(),
            object: object.to_owned(),
            message,
        });
    }

    pub(super) fn leave(&mut self, object: &str, message: String) {
        self.left.push(Notice {
            code: "not-mended".to_owned(),
            object: object.to_owned(),
            message,
        });
    }

    pub(super) fn trust(&mut self, update: TrustUpdate, used_by: &[UsedBy]) {
        let name = update.kubeconfig.display().to_string();
        self.basis.push(update.kubeconfig.clone());
        self.basis.push(update.bundle.clone());
        self.changed.push((name, used_by.to_vec()));
        self.trust_updates.push(update);
    }

    /// Whether a CA file of this host becomes another one.
    pub(super) fn changes_authority(&self, path: &Path) -> bool {
        self.issuances.iter().any(|issuance| {
            issuance.role.authority().is_some()
                && (issuance.destination.path() == path
                    || issuance.copies.iter().any(|copy| copy == path))
        })
    }

    /// The plan of the host: its files alone, nothing is restarted.
    pub(crate) fn plan(&self, scene: &Scene<'_>, host: usize) -> Option<Plan> {
        let inventory = &scene.evidence.hosts.get(host)?.inventory;
        let mut basis = self.basis.clone();
        basis.sort();
        basis.dedup();
        let basis = basis.into_iter().filter_map(|path| {
            let sha256 = inventory.files.get(&path)?.clone();
            Some(BasisFile { path, sha256 })
        });
        let plan = Plan {
            api_version: API_VERSION.to_owned(),
            kind: "Plan".to_owned(),
            id: String::new(),
            verb: "rescue".to_owned(),
            host: inventory.host.clone(),
            created_at: scene.now,
            basis: basis.collect(),
            issuances: self.issuances.clone(),
            restoration: None,
            trust_updates: self.trust_updates.clone(),
            file_edits: Vec::new(),
            rotation: None,
            components: Vec::new(),
            static_pod_folders: inventory.static_pod_folders.clone(),
            notices: self.notices.clone(),
        };
        Some(plan.with_id())
    }
}

/// The same type of key, or the nearest that can be made.
pub(super) fn key_type(certificate: &Certificate) -> String {
    match certificate.public_key().algorithm() {
        KeyAlgorithm::Rsa { bits: 3072 } => "rsa:3072",
        KeyAlgorithm::Rsa { bits } if bits <= 2048 => "rsa:2048",
        KeyAlgorithm::Rsa { .. } => "rsa:4096",
        KeyAlgorithm::EcdsaP256 => "ecdsa:p256",
        KeyAlgorithm::Ed25519 => "ed25519",
        _ => "ecdsa:p384",
    }
    .to_owned()
}

pub(super) fn own(holder: &Holder, certificate: &Certificate) -> Origin {
    Origin::Certificate {
        holder: holder.clone(),
        fingerprint_sha256: fingerprint(certificate),
        subject: certificate.subject().to_string(),
        not_after: certificate.validity().not_after,
    }
}

pub(super) fn fingerprint(certificate: &Certificate) -> String {
    hex::encode(certificate.fingerprint_sha256())
}

/// The end of a CA that is renewed or made now.
pub(super) fn authority_end(scene: &Scene<'_>) -> Timestamp {
    let end = scene.now.checked_add(AUTHORITY_LIFETIME);
    let end = end.unwrap_or(scene.now).as_second();
    Timestamp::from_second(end).unwrap_or(scene.now)
}

/// What an object of a host's plan is for.
pub(super) fn role_of(inventory: &Inventory, object: &str) -> Option<Role> {
    let entry = inventory.entries.iter().find(|entry| {
        entry.name == object
            || entry
                .kubeconfig
                .as_ref()
                .is_some_and(|path| path.display().to_string() == object)
    });
    let authority = inventory
        .authorities
        .iter()
        .find(|authority| authority.name == object);
    entry
        .map(|entry| entry.role)
        .or(authority.map(|authority| authority.role))
        .or_else(|| {
            let trust = inventory.embedded_trust.iter();
            trust
                .map(|trust| trust.kubeconfig.display().to_string())
                .any(|path| path == object)
                .then_some(Role::Other)
        })
}
