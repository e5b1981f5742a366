//! One certificate of the plan: who signs it, with which dates, key and names, and where it goes.

use super::around::Given;
use super::planner::{Planner, origin};
use super::refusal::Refusal;
use super::request::Selection;
use crate::assess::renewable::{
    NotRenewable, SigningAuthority, authority_for, authority_for_new, signing_authority,
};
use crate::layouts::KUBEADM;
use crate::model::{
    Authority, ComponentKind, Entry, Holder, Inventory, KeyState, KubeconfigUser, Role,
};
use crate::plan::document::{Issuance, KeyChoice, Origin, Signer};
use crate::plan::names::spelled;
use jiff::Timestamp;
use kubepki_x509::{Certificate, KeyAlgorithm, ValidityState};
use std::path::{Path, PathBuf};

impl<'a> Planner<'a> {
    pub(in crate::plan) fn renew(&mut self, entry: &'a Entry) -> Result<(), Refusal> {
        let not_before = self.request.start.resolve(self.now)?;
        let asked_end = self.request.end.resolve(self.now)?;
        if let Some(given) = self.issued_elsewhere(entry).cloned() {
            self.share(entry, given);
            return Ok(());
        }
        let (signer, authority_end) = match self.signer(entry) {
            Ok(signer) => signer,
            Err(reason) if self.request.selection == Selection::All => {
                // One expired or external CA among several must not stop the others.
                let is_foreign = self.is_foreign(entry, &reason);
                let message = format!("not renewed: {reason}");
                let refusal = Refusal::NotRenewable {
                    name: entry.name.clone(),
                    reason,
                };
                let hint = refusal.hint().map(|hint| format!("; {hint}"));
                let message = message + &hint.unwrap_or_default();
                let code = if is_foreign {
                    "foreign-ca"
                } else {
                    refusal.code()
                };
                self.notice(code, &entry.name, message);
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
            .map(|names| names.iter().map(spelled).collect());
        let made = self
            .pattern_of(entry)
            .and_then(|pattern| pattern.on(self.inventory).ok());
        let subject_alt_names = match &made {
            Some(made) if subject_alt_names.is_none() => Some(made.names.clone()),
            _ => subject_alt_names,
        };
        self.notice_other_signer(entry, &signer);
        let (destination, point_kubeconfig) = self.destination(entry);
        let origin = match (entry.certificate(), made) {
            (Some(certificate), _) => origin(&entry.holder, certificate),
            (None, Some(made)) => self.origin_of_pattern(entry, made),
            (None, None) => self.kubelet_client_origin(entry),
        };
        self.add_basis(entry, &signer, &destination);
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
            copies: Vec::new(),
        });
        Ok(())
    }

    /// Takes the certificate that another host issues for the key that this one shares with it.
    fn share(&mut self, entry: &'a Entry, given: Given) {
        let Some(certificate) = entry.certificate() else {
            return;
        };
        self.basis.push(entry.holder.path().to_owned());
        self.basis
            .extend(entry.holder.key_path().map(Path::to_owned));
        self.changed
            .push((entry.name.clone(), entry.used_by.clone()));
        self.issuances.push(Issuance {
            name: entry.name.clone(),
            role: entry.role,
            origin: origin(&entry.holder, certificate),
            signer: Signer::Given {
                host: given.host,
                name: given.name,
                fingerprint_sha256: given.fingerprint_sha256,
            },
            not_before: given.not_before,
            not_after: given.not_after,
            key: KeyChoice::Reuse,
            subject_alt_names: given.subject_alt_names,
            destination: entry.holder.clone(),
            point_kubeconfig: None,
            copies: Vec::new(),
        });
    }

    /// Whether somebody else sees to the certificate: no authority of this cluster is expected to
    /// have signed it, and it is valid.
    fn is_foreign(&self, entry: &Entry, reason: &NotRenewable) -> bool {
        matches!(reason, NotRenewable::UnknownAuthority { .. })
            && entry.expected_authority.is_none()
            && entry.certificate().is_some_and(|certificate| {
                certificate.validity().state(self.now) == ValidityState::Valid
            })
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
                .find(|(renewed, _)| is_same_authority(renewed, authority))
        });
        if let Some((authority, end)) = renewed
            && let (Some(certificate), Some(key)) = (authority.issuing(), &authority.key_path)
            && authority.key.public_key() == Some(certificate.public_key())
        {
            return Ok((authority_signer(authority, certificate, key), Some(*end)));
        }
        let signing = match self.pattern_of(entry) {
            Some(pattern) => {
                pattern.on(self.inventory)?;
                authority_for_new(self.inventory, entry, self.now)
            }
            None => signing_authority(self.inventory, entry, self.now),
        };
        let authority = match signing {
            Ok(authority) => authority,
            Err(reason) => return self.elsewhere(entry, reason),
        };
        match authority {
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
    pub(in crate::plan) fn authority_of(&self, entry: &Entry) -> Option<&'a Authority> {
        authority_for(self.inventory, entry)
    }

    /// A certificate that changes its signer is worth a word: who trusts only the old one will not
    /// believe it any more.
    fn notice_other_signer(&mut self, entry: &Entry, signer: &Signer) {
        let Signer::Authority { name, .. } = signer else {
            return;
        };
        let (Some(certificate), Some(authority)) =
            (entry.certificate(), self.inventory.authority(name))
        else {
            return;
        };
        let signed = authority
            .certificates
            .iter()
            .any(|ca| certificate.verify_issued_by(ca).is_ok());
        if signed {
            return;
        }
        let until_now = match self.inventory.issuer_of(certificate) {
            Some((other, _)) => format!("{} signed it until now", other.name),
            None => format!(
                "none of the authorities on this host signed it (issuer {})",
                certificate.issuer()
            ),
        };
        self.notice(
            "other-signer",
            &entry.name,
            format!("{until_now}; {name} will"),
        );
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
        let findings = crate::assess::checks::entry(self.inventory, entry, self.now, &thresholds);
        // A finding that a renewal would not mend (the mode of a file) must not renew for ever.
        let mendable = findings.iter().any(|finding| {
            matches!(
                finding.code.as_str(),
                "expired"
                    | "not-yet-valid"
                    | "not-signed-by-ca"
                    | "signed-by-other-ca"
                    | "key-mismatch"
                    | "key-missing"
                    | "key-unreadable"
                    | "key-unusable"
                    | "not-a-symlink"
            ) || finding.code.as_str() == "embedded-kubelet-certificate"
                && keeps_a_store(self.inventory)
        });
        let left = certificate.validity().remaining(self.now).as_secs();
        let planned = not_after.duration_since(self.now).as_secs();
        !mendable && left.saturating_mul(10) >= planned.saturating_mul(9)
    }

    fn key(&mut self, entry: &Entry) -> Result<KeyChoice, Refusal> {
        let is_shared = self.is_shared(entry);
        if is_shared && !self.request.reuse_key {
            self.notice(
                "shared-key",
                &entry.name,
                "several hosts share this certificate and its key: keys do not travel, so the key stays, and the new certificate is handed to the other hosts".to_owned(),
            );
        }
        if self.request.reuse_key || is_shared {
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
                (KeyState::Unreadable(reason) | KeyState::Unusable(reason), _) => {
                    Err(refuse(reason))
                }
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
        let (key_type, kept) = key_type_like(&algorithm);
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
        destination(self.inventory, entry, self.now)
    }

    fn kubelet_client_origin(&mut self, entry: &Entry) -> Origin {
        let (node, source) = match &self.inventory.node_name {
            Some(node) => (node.name.clone(), node.source.clone()),
            None => (String::new(), String::new()),
        };
        self.notice(
            "subject-from-node-name",
            &entry.name,
            format!("there is no certificate to take the subject from: it will be system:node:{node}, after {source}"),
        );
        Origin::Client {
            common_name: format!("system:node:{node}"),
            organizations: vec!["system:nodes".to_owned()],
        }
    }

    fn add_basis(&mut self, entry: &Entry, signer: &Signer, destination: &Holder) {
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
    }
}

/// Where a new certificate goes, and the kubeconfig that must be pointed there.
pub(crate) fn destination(
    inventory: &Inventory,
    entry: &Entry,
    now: Timestamp,
) -> (Holder, Option<KubeconfigUser>) {
    let stamp = now.strftime("%Y-%m-%d-%H-%M-%S");
    match &entry.holder {
        Holder::CertificateStore { link, .. } => (
            rotating(link, &stamp.to_string()),
            entry.embedded_copy.clone(),
        ),
        Holder::Kubeconfig { path, user }
            if entry.role == Role::KubeletClient && keeps_a_store(inventory) =>
        {
            let link = kubelet_store(inventory).join("kubelet-client-current.pem");
            let copy = KubeconfigUser {
                path: path.clone(),
                user: user.clone(),
            };
            (rotating(&link, &stamp.to_string()), Some(copy))
        }
        other => (other.clone(), None),
    }
}

/// Whether the kubelet renews its client certificate by itself, and so goes by its store. One that does
/// not reads its kubeconfig alone, as whoever made the node by hand wrote it.
fn keeps_a_store(inventory: &Inventory) -> bool {
    inventory
        .component(ComponentKind::Kubelet)
        .is_none_or(|kubelet| kubelet.flags.boolean("rotate-certificates") == Some(true))
}

fn kubelet_store(inventory: &Inventory) -> PathBuf {
    inventory
        .component(ComponentKind::Kubelet)
        .and_then(|kubelet| kubelet.host_path("cert-dir"))
        .unwrap_or_else(|| PathBuf::from(KUBEADM.kubelet_pki_folder))
}

/// The type of a key like this one, and whether it is the very same.
pub(crate) fn key_type_like(algorithm: &KeyAlgorithm) -> (&'static str, bool) {
    match algorithm {
        KeyAlgorithm::Rsa { bits: 2048 } => ("rsa:2048", true),
        KeyAlgorithm::Rsa { bits: 3072 } => ("rsa:3072", true),
        KeyAlgorithm::Rsa { bits: 4096 } => ("rsa:4096", true),
        KeyAlgorithm::Rsa { bits } if *bits < 2048 => ("rsa:2048", false),
        KeyAlgorithm::Rsa { .. } => ("rsa:4096", false),
        KeyAlgorithm::EcdsaP256 => ("ecdsa:p256", true),
        KeyAlgorithm::EcdsaP384 => ("ecdsa:p384", true),
        KeyAlgorithm::Ed25519 => ("ed25519", true),
        _ => ("ecdsa:p384", false),
    }
}

/// Whether both are the same CA, be it in several files.
pub(super) fn is_same_authority(renewed: &Authority, other: &Authority) -> bool {
    renewed.certificate_path == other.certificate_path
        || renewed
            .issuing()
            .is_some_and(|ca| other.certificates.contains(ca))
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
