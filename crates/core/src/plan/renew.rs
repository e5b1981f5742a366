//! Planning a renewal: from an inventory and what the user wants to a [`Plan`] or a [`Refusal`].
//!
//! Pure. Nothing is read and nothing is written here; `now` is an argument. The plan keeps what the
//! old certificate has (subject, names, usages, extensions, key type, files) unless told otherwise.

use super::components::{self, Change};
use super::document::{
    API_VERSION, BasisFile, Issuance, KeyChoice, Notice, Origin, Plan, Signer, TrustUpdate,
};
use super::lifetime::{EndRule, LifetimeSyntaxError, StartRule};
use super::names::{NameEdits, NoSuchName};
use crate::assess::renewable::{NotRenewable, SigningAuthority, signing_authority};
use crate::model::{
    Authority, ComponentKind, Entry, Holder, Inventory, KeyState, KubeconfigUser, Role, RunsAs,
    UsedBy,
};
use jiff::{SignedDuration, Timestamp, ToSpan};
use kubepki_x509::{Certificate, KeyAlgorithm, ValidityState};
use std::path::{Path, PathBuf};

/// Which certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every renewable one.
    All,
    /// These names or paths.
    Named(Vec<String>),
}

/// What the user wants.
#[derive(Clone, Debug)]
pub struct RenewRequest {
    /// Which certificates.
    pub selection: Selection,
    /// Only those with less than this left.
    pub only_expiring: Option<SignedDuration>,
    /// Also those that need no renewal.
    pub force: bool,
    /// Start of validity.
    pub start: StartRule,
    /// End of validity.
    pub end: EndRule,
    /// Keep the key that is there.
    pub reuse_key: bool,
    /// Another type of key, e.g. `ecdsa:p256`; `None` keeps the type.
    pub key_type: Option<String>,
    /// Subject alternative names.
    pub names: NameEdits,
    /// Leave every component alone.
    pub no_restart: bool,
    /// Renew an expired CA with its own key first.
    pub renew_expired_ca: bool,
    /// Write certification requests here where the CA's key is kept elsewhere.
    pub csr_dir: Option<PathBuf>,
    /// Take signed certificates from here.
    pub install: Option<PathBuf>,
}

impl RenewRequest {
    /// A plain `renew` of these.
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            only_expiring: None,
            force: false,
            start: StartRule::default(),
            end: EndRule::default(),
            reuse_key: false,
            key_type: None,
            names: NameEdits::default(),
            no_restart: false,
            renew_expired_ca: false,
            csr_dir: None,
            install: None,
        }
    }

    fn is_plain(&self) -> bool {
        !self.reuse_key
            && self.key_type.is_none()
            && self.names.is_empty()
            && self.start.is_default()
    }
}

/// Why no plan is made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No such certificate.
    #[error("there is no certificate `{name}` on this host; there are: {known}")]
    UnknownName {
        /// As asked.
        name: String,
        /// What there is.
        known: String,
    },
    /// It cannot be renewed here.
    #[error("cannot renew {name}: {reason}")]
    NotRenewable {
        /// Its name.
        name: String,
        /// Why.
        reason: NotRenewable,
    },
    /// Names were to be edited on several certificates at once.
    #[error("names can be edited on one certificate at a time, {count} are selected")]
    NamesOnMany {
        /// How many.
        count: usize,
    },
    /// A name to remove is not there.
    #[error(transparent)]
    NoSuchName(#[from] NoSuchName),
    /// The key is to be reused but does not match or cannot be read.
    #[error("cannot reuse the key of {name}: {reason}")]
    KeyNotReusable {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The validity is empty.
    #[error("{name} would end ({not_after}) before it begins ({not_before})")]
    EmptyValidity {
        /// Its name.
        name: String,
        /// The start asked for.
        not_before: Timestamp,
        /// The end asked for or left by the CA.
        not_after: Timestamp,
    },
    /// A length of time that leads outside the calendar.
    #[error(transparent)]
    Lifetime(#[from] LifetimeSyntaxError),
}

impl Refusal {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownName { .. } => "unknown-certificate",
            Self::NotRenewable { reason, .. } => match reason {
                NotRenewable::ExternalAuthority { .. } => "external-ca",
                NotRenewable::ExpiredAuthority { .. } => "ca-expired",
                NotRenewable::KeyMismatch { .. } => "ca-key-mismatch",
                _ => "not-renewable",
            },
            Self::NamesOnMany { .. } => "names-on-many",
            Self::NoSuchName(_) => "no-such-name",
            Self::KeyNotReusable { .. } => "key-not-reusable",
            Self::EmptyValidity { .. } => "empty-validity",
            Self::Lifetime(_) => "lifetime",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRenewable { reason, .. } => match reason {
                NotRenewable::ExternalAuthority { .. } => Some(
                    "write certification requests with `--csr-dir DIR`, have them signed, and bring them back with `--install DIR`".to_owned(),
                ),
                NotRenewable::ExpiredAuthority { .. } => Some(
                    "renew the CA with its own key by `--renew-expired-ca`: every certificate that it signed stays valid; a compromised CA must be replaced instead".to_owned(),
                ),
                _ => None,
            },
            Self::KeyNotReusable { .. } => Some("leave out `--key reuse` to have a new key made".to_owned()),
            _ => None,
        }
    }
}

/// Plans the renewal of what `request` selects.
pub fn plan_renewal(
    inventory: &Inventory,
    request: &RenewRequest,
    now: Timestamp,
) -> Result<Plan, Refusal> {
    let mut planner = Planner {
        inventory,
        request,
        now,
        renewed_authorities: Vec::new(),
        issuances: Vec::new(),
        changed: Vec::new(),
        basis: Vec::new(),
        notices: Vec::new(),
    };
    let selected = planner.select()?;
    if !request.names.is_empty() && selected.len() > 1 {
        return Err(Refusal::NamesOnMany {
            count: selected.len(),
        });
    }
    if request.renew_expired_ca {
        planner.renew_expired_authorities()?;
    }
    for entry in selected {
        planner.renew(entry)?;
    }
    Ok(planner.finish())
}

struct Planner<'a> {
    inventory: &'a Inventory,
    request: &'a RenewRequest,
    now: Timestamp,
    /// Authorities renewed in this plan, with their new end.
    renewed_authorities: Vec<(&'a Authority, Timestamp)>,
    issuances: Vec<Issuance>,
    changed: Vec<(String, Vec<UsedBy>)>,
    basis: Vec<PathBuf>,
    notices: Vec<Notice>,
}

impl<'a> Planner<'a> {
    fn select(&self) -> Result<Vec<&'a Entry>, Refusal> {
        let entries = &self.inventory.entries;
        let selected: Vec<&Entry> = match &self.request.selection {
            Selection::All => entries
                .iter()
                .filter(|entry| !entry.chain.is_empty() || self.is_makeable(entry))
                .collect(),
            Selection::Named(names) => {
                let mut selected: Vec<&Entry> = Vec::new();
                for name in names {
                    let entry = entries
                        .iter()
                        .find(|entry| is_named(entry, name))
                        .ok_or_else(|| Refusal::UnknownName {
                            name: name.clone(),
                            known: known(entries),
                        })?;
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

    /// A kubelet without any client certificate gets one: its subject follows from the node name.
    fn is_makeable(&self, entry: &Entry) -> bool {
        entry.role == Role::KubeletClient
            && self.inventory.node_name.is_some()
            && self.inventory.component(ComponentKind::Kubelet).is_some()
    }

    fn renew_expired_authorities(&mut self) -> Result<(), Refusal> {
        for authority in &self.inventory.authorities {
            let Some(certificate) = authority.issuing() else {
                continue;
            };
            if certificate.validity().state(self.now) != ValidityState::Expired {
                continue;
            }
            let Some(key) = authority.key_path.clone() else {
                continue;
            };
            let matches = authority.key.public_key() == Some(certificate.public_key());
            if !matches {
                self.notice(
                    "ca-not-renewable",
                    &authority.name,
                    "its key is absent or does not match: it stays expired".to_owned(),
                );
                continue;
            }
            let not_before = self.request.start.resolve(self.now)?;
            let not_after = EndRule::For(3650.days()).resolve(self.now)?;
            let holder = Holder::Files {
                certificate: authority.certificate_path.clone(),
                key: Some(key.clone()),
            };
            self.basis.push(authority.certificate_path.clone());
            self.basis.push(key);
            self.issuances.push(Issuance {
                name: authority.name.clone(),
                role: authority.role,
                origin: origin(&holder, certificate),
                signer: Signer::ItsOwnKey,
                not_before,
                not_after,
                key: KeyChoice::Reuse,
                subject_alt_names: None,
                destination: holder,
                point_kubeconfig: None,
                trust_bundle: None,
            });
            self.changed
                .push((authority.name.clone(), authority.used_by.clone()));
            self.notice(
                "ca-renewed-with-same-key",
                &authority.name,
                "same name and key, so every certificate that it signed stays valid; copies of it on other hosts must be replaced too".to_owned(),
            );
            self.renewed_authorities.push((authority, not_after));
        }
        Ok(())
    }

    fn renew(&mut self, entry: &'a Entry) -> Result<(), Refusal> {
        let not_before = self.request.start.resolve(self.now)?;
        let asked_end = self.request.end.resolve(self.now)?;
        let (signer, authority_end) = match self.signer(entry) {
            Ok(signer) => signer,
            Err(reason) if self.request.selection == Selection::All => {
                // One expired or external CA among several must not stop the others.
                let refusal = Refusal::NotRenewable {
                    name: entry.name.clone(),
                    reason,
                };
                let hint = refusal.hint().map(|hint| format!("; {hint}"));
                self.notice(
                    refusal.code(),
                    &entry.name,
                    format!("not renewed: {refusal}{}", hint.unwrap_or_default()),
                );
                return Ok(());
            }
            Err(reason) => {
                return Err(Refusal::NotRenewable {
                    name: entry.name.clone(),
                    reason,
                });
            }
        };
        let not_after = match authority_end {
            Some(end) if end < asked_end => end,
            _ => asked_end,
        };
        if not_after <= not_before {
            return Err(Refusal::EmptyValidity {
                name: entry.name.clone(),
                not_before,
                not_after,
            });
        }
        if self.is_fresh(entry, not_after) {
            let end = entry.certificate().map(|c| c.validity().not_after);
            self.notice(
                "fresh",
                &entry.name,
                format!(
                    "left as it is: valid until {}; --force renews it all the same",
                    end.unwrap_or_default()
                ),
            );
            return Ok(());
        }
        if not_after < asked_end {
            self.notice(
                "clamped-to-ca",
                &entry.name,
                format!("ends with its CA at {not_after} instead of {asked_end}"),
            );
        }
        if not_after <= self.now {
            self.notice(
                "ends-in-the-past",
                &entry.name,
                format!("will have expired already, at {not_after}"),
            );
        }
        let key = self.key(entry)?;
        let subject_alt_names = self
            .request
            .names
            .apply(
                &entry.name,
                &entry
                    .certificate()
                    .map(|c| c.subject_alt_names())
                    .unwrap_or_default(),
            )?
            .map(|names| names.iter().map(ToString::to_string).collect());
        let (destination, point_kubeconfig) = self.destination(entry);
        let origin = match entry.certificate() {
            Some(certificate) => origin(&entry.holder, certificate),
            None => self.kubelet_client_origin(entry),
        };
        let trust_bundle = self.trust_bundle(entry);
        self.add_basis(entry, &signer, &destination, trust_bundle.as_deref());
        self.basis
            .extend(point_kubeconfig.as_ref().map(|user| user.path.clone()));
        if !matches!(signer, Signer::Request { .. }) {
            self.changed
                .push((entry.name.clone(), entry.used_by.clone()));
        }
        self.issuances.push(Issuance {
            name: entry.name.clone(),
            role: entry.role,
            origin,
            signer,
            not_before,
            not_after,
            key,
            subject_alt_names,
            destination,
            point_kubeconfig,
            trust_bundle,
        });
        Ok(())
    }

    /// Who signs, and when the signer itself ends.
    fn signer(&self, entry: &Entry) -> Result<(Signer, Option<Timestamp>), NotRenewable> {
        if let Some(directory) = &self.request.install {
            return Ok((
                Signer::Installed {
                    directory: directory.clone(),
                    authority: self
                        .authority_of(entry)
                        .map(|authority| authority.certificate_path.clone()),
                },
                None,
            ));
        }
        if let Some(directory) = &self.request.csr_dir {
            return Ok((
                Signer::Request {
                    directory: directory.clone(),
                },
                None,
            ));
        }
        // An authority renewed by this very plan is judged as it will be.
        let renewed = self.authority_of(entry).and_then(|authority| {
            self.renewed_authorities
                .iter()
                .find(|(renewed, _)| renewed.name == authority.name)
        });
        if let Some((authority, end)) = renewed
            && let (Some(certificate), Some(key)) = (authority.issuing(), &authority.key_path)
        {
            return Ok((authority_signer(authority, certificate, key), Some(*end)));
        }
        match signing_authority(self.inventory, entry, self.now)? {
            SigningAuthority::SelfMade => Ok((Signer::OneTimeAuthority, None)),
            SigningAuthority::Authority {
                authority,
                certificate,
            } => {
                let key = authority.key_path.clone().unwrap_or_default();
                Ok((
                    authority_signer(authority, certificate, &key),
                    Some(certificate.validity().not_after),
                ))
            }
        }
    }

    /// The authority that signed the entry, else the one that should have.
    fn authority_of(&self, entry: &Entry) -> Option<&'a Authority> {
        entry
            .certificate()
            .and_then(|certificate| self.inventory.issuer_of(certificate))
            .map(|(authority, _)| authority)
            .or_else(|| {
                self.inventory
                    .authority(entry.expected_authority.as_deref()?)
            })
    }

    /// Whether nothing about the certificate needs a change: it was just renewed.
    fn is_fresh(&self, entry: &Entry, not_after: Timestamp) -> bool {
        if self.request.force
            || self.request.selection != Selection::All
            || !self.request.is_plain()
            || self.request.csr_dir.is_some()
            || self.request.install.is_some()
            || !self.renewed_authorities.is_empty()
        {
            return false;
        }
        let Some(certificate) = entry.certificate() else {
            return false;
        };
        let thresholds = crate::assess::Thresholds::default();
        let findings =
            crate::assess::checks::entry(self.inventory, entry, self.now, &thresholds);
        // A finding that a renewal would not mend (the mode of a file) must not renew for ever.
        let mendable = findings.iter().any(|finding| {
            matches!(
                finding.code.as_str(),
                "expired"
                    | "not-yet-valid"
                    | "expires-soon"
                    | "not-signed-by-ca"
                    | "signed-by-other-ca"
                    | "key-mismatch"
                    | "key-missing"
                    | "ca-data-stale"
                    | "not-a-symlink"
                    | "embedded-kubelet-certificate"
            )
        });
        let left = certificate.validity().remaining(self.now).as_secs();
        let planned = not_after.duration_since(self.now).as_secs();
        !mendable && left.saturating_mul(10) >= planned.saturating_mul(9)
    }

    fn key(&mut self, entry: &Entry) -> Result<KeyChoice, Refusal> {
        if self.request.reuse_key {
            let refuse = |reason: &str| Refusal::KeyNotReusable {
                name: entry.name.clone(),
                reason: reason.to_owned(),
            };
            return match (&entry.key, entry.certificate()) {
                (KeyState::Present { public_key, .. }, Some(certificate)) => {
                    if public_key == certificate.public_key() {
                        Ok(KeyChoice::Reuse)
                    } else {
                        Err(refuse("it belongs to another certificate"))
                    }
                }
                (KeyState::Unreadable(reason), _) => Err(refuse(reason)),
                _ => Err(refuse("there is none")),
            };
        }
        let key_type = match &self.request.key_type {
            Some(key_type) => key_type.clone(),
            None => self.kept_key_type(entry),
        };
        Ok(KeyChoice::Generate { key_type })
    }

    fn kept_key_type(&mut self, entry: &Entry) -> String {
        let Some(certificate) = entry.certificate() else {
            // What the kubelet itself would make.
            return "ecdsa:p256".to_owned();
        };
        let algorithm = certificate.public_key().algorithm();
        let (key_type, kept) = match algorithm {
            KeyAlgorithm::Rsa { bits: 2048 } => ("rsa:2048", true),
            KeyAlgorithm::Rsa { bits: 3072 } => ("rsa:3072", true),
            KeyAlgorithm::Rsa { bits: 4096 } => ("rsa:4096", true),
            KeyAlgorithm::Rsa { bits } if bits < 2048 => ("rsa:2048", false),
            KeyAlgorithm::Rsa { .. } => ("rsa:4096", false),
            KeyAlgorithm::EcdsaP256 => ("ecdsa:p256", true),
            KeyAlgorithm::EcdsaP384 => ("ecdsa:p384", true),
            KeyAlgorithm::Ed25519 => ("ed25519", true),
            _ => ("ecdsa:p384", false),
        };
        if !kept {
            self.notice(
                "key-type-changed",
                &entry.name,
                format!("its key of type {algorithm} cannot be made anew: {key_type} instead"),
            );
        }
        key_type.to_owned()
    }

    /// Where the new certificate goes, and the kubeconfig that must be pointed there.
    fn destination(&self, entry: &Entry) -> (Holder, Option<KubeconfigUser>) {
        let stamp = self.now.strftime("%Y-%m-%d-%H-%M-%S");
        match &entry.holder {
            Holder::CertificateStore { link, .. } => (
                rotating(link, &stamp.to_string()),
                entry.embedded_copy.clone(),
            ),
            Holder::Kubeconfig { path, user } if entry.role == Role::KubeletClient => {
                let link = self.kubelet_store().join("kubelet-client-current.pem");
                let copy = KubeconfigUser {
                    path: path.clone(),
                    user: user.clone(),
                };
                (rotating(&link, &stamp.to_string()), Some(copy))
            }
            other => (other.clone(), None),
        }
    }

    fn kubelet_store(&self) -> PathBuf {
        self.inventory
            .component(ComponentKind::Kubelet)
            .and_then(|kubelet| kubelet.host_path("cert-dir"))
            .unwrap_or_else(|| PathBuf::from("/var/lib/kubelet/pki"))
    }

    fn kubelet_client_origin(&mut self, entry: &Entry) -> Origin {
        let node = self.inventory.node_name.clone().unwrap_or_default();
        self.notice(
            "subject-from-node-name",
            &entry.name,
            format!("there is no certificate to take the subject from: it will be system:node:{node}"),
        );
        Origin::Client {
            common_name: format!("system:node:{node}"),
            organizations: vec!["system:nodes".to_owned()],
        }
    }

    fn trust_bundle(&self, entry: &Entry) -> Option<PathBuf> {
        if !matches!(entry.holder, Holder::Kubeconfig { .. }) || entry.trusts.is_empty() {
            return None;
        }
        let authority = self
            .inventory
            .authority(entry.expected_authority.as_deref()?)?;
        (!authority.certificates.is_empty()).then(|| authority.certificate_path.clone())
    }

    fn add_basis(
        &mut self,
        entry: &Entry,
        signer: &Signer,
        destination: &Holder,
        trust_bundle: Option<&Path>,
    ) {
        self.basis.push(entry.holder.path().to_owned());
        self.basis
            .extend(entry.holder.key_path().map(Path::to_owned));
        self.basis.push(destination.path().to_owned());
        if let Signer::Authority {
            certificate, key, ..
        } = signer
        {
            self.basis.push(certificate.clone());
            self.basis.push(key.clone());
        }
        self.basis.extend(trust_bundle.map(Path::to_owned));
    }

    fn notice(&mut self, code: &str, object: &str, message: String) {
        self.notices.push(Notice {
            code: code.to_owned(),
            object: object.to_owned(),
            message,
        });
    }

    /// Kubeconfigs that only need the renewed authority's new certificate.
    fn trust_updates(&mut self) -> Vec<TrustUpdate> {
        let mut updates = Vec::new();
        for (authority, _) in &self.renewed_authorities {
            for entry in &self.inventory.entries {
                let Holder::Kubeconfig { path, user } = &entry.holder else {
                    continue;
                };
                let trusts = entry
                    .trusts
                    .iter()
                    .any(|ca| authority.certificates.contains(ca));
                let issued = self
                    .issuances
                    .iter()
                    .any(|issuance| issuance.trust_bundle.is_some() && issuance.name == entry.name);
                if trusts && !issued {
                    updates.push(TrustUpdate {
                        kubeconfig: path.clone(),
                        user: user.clone(),
                        bundle: authority.certificate_path.clone(),
                    });
                    self.basis.push(path.clone());
                    self.changed
                        .push((entry.name.clone(), entry.used_by.clone()));
                }
            }
        }
        updates
    }

    fn finish(mut self) -> Plan {
        let trust_updates = self.trust_updates();
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
        let basis = self
            .basis
            .iter()
            .map(|path| BasisFile {
                path: path.clone(),
                sha256: self.inventory.files.get(path).cloned().flatten(),
            })
            .collect();
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
            trust_updates,
            components,
            static_pod_folders: self.inventory.static_pod_folders.clone(),
            notices: self.notices,
        }
        .with_id()
    }
}

fn is_named(entry: &Entry, name: &str) -> bool {
    entry.name == name
        || entry.holder.path() == Path::new(name)
        || (entry.role == Role::KubeletClient && name == "kubelet.conf")
}

fn known(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn origin(holder: &Holder, certificate: &Certificate) -> Origin {
    Origin::Certificate {
        holder: holder.clone(),
        fingerprint_sha256: hex::encode(certificate.fingerprint_sha256()),
        subject: certificate.subject().to_string(),
        not_after: certificate.validity().not_after,
    }
}

fn authority_signer(authority: &Authority, certificate: &Certificate, key: &Path) -> Signer {
    Signer::Authority {
        name: authority.name.clone(),
        certificate: authority.certificate_path.clone(),
        key: key.to_owned(),
        fingerprint_sha256: hex::encode(certificate.fingerprint_sha256()),
    }
}

/// The next file of a kubelet certificate store: `kubelet-client-2026-11-22-10-00-00.pem`, as the
/// kubelet names it.
fn rotating(link: &Path, stamp: &str) -> Holder {
    let prefix = link
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let prefix = prefix.trim_end_matches("current.pem").to_owned();
    Holder::CertificateStore {
        target: Some(link.with_file_name(format!("{prefix}{stamp}.pem"))),
        link: link.to_owned(),
    }
}
