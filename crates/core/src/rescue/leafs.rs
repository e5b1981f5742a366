//! One certificate of one host: who signs it, here or elsewhere, until when, and where it goes.

use super::Scene;
use super::authorities::{Fate, authority_at, expected, is_same};
use super::files::{HostFiles, authority_end, fingerprint, key_type, own};
use super::repair::Content;
use crate::assess::renewable::is_self_made;
use crate::model::{Entry, Role};
use crate::plan::names::spelled;
use crate::plan::renew::destination;
use crate::plan::{Issuance, KeyChoice, Origin, Signer};
use jiff::Timestamp;
use std::path::Path;

impl HostFiles {
    pub(super) fn entry(
        &mut self,
        scene: &Scene<'_>,
        host: usize,
        entry: &Entry,
        content: Content,
    ) -> Result<(), String> {
        let inventory = match scene.evidence.hosts.get(host) {
            Some(host) => &host.inventory,
            None => return Ok(()),
        };
        let (signer, end) = signer(scene, host, entry, &content)?;
        let not_after = end.map_or(scene.not_after, |end| end.min(scene.not_after));
        if not_after <= scene.now || not_after <= scene.not_before {
            return Err(format!("its CA ends at {not_after}, and so would it"));
        }
        let (destination, point_kubeconfig) = destination(inventory, entry, scene.now);
        let (origin, names, key_type) = match content {
            Content::Own { names } => {
                let Some(certificate) = entry.certificate() else {
                    return Err("there is no certificate to renew".to_owned());
                };
                (
                    own(&entry.holder, certificate),
                    names,
                    key_type(certificate),
                )
            }
            Content::Template {
                template,
                common_name,
                names,
            } => (
                Origin::Template {
                    certificate_pem: template.certificate.to_pem(),
                    source: template.source,
                    common_name,
                },
                names,
                key_type(&template.certificate),
            ),
            Content::Client {
                common_name,
                organizations,
            } => (
                Origin::Client {
                    common_name,
                    organizations,
                },
                None,
                "ecdsa:p256".to_owned(),
            ),
        };
        self.basis.push(entry.holder.path().to_owned());
        self.basis
            .extend(entry.holder.key_path().map(Path::to_owned));
        self.basis.push(destination.path().to_owned());
        self.basis
            .extend(point_kubeconfig.as_ref().map(|user| user.path.clone()));
        if let Signer::Authority {
            certificate, key, ..
        } = &signer
        {
            self.basis.push(certificate.clone());
            self.basis.push(key.clone());
        }
        self.changed
            .push((entry.name.clone(), entry.used_by.clone()));
        self.issuances.push(Issuance {
            name: entry.name.clone(),
            role: entry.role,
            origin,
            signer,
            not_before: scene.not_before,
            not_after,
            key: KeyChoice::Generate { key_type },
            subject_alt_names: names.map(|names| names.iter().map(spelled).collect()),
            destination,
            point_kubeconfig,
            copies: Vec::new(),
        });
        Ok(())
    }
}

/// Who signs, and when the signer itself ends.
fn signer(
    scene: &Scene<'_>,
    host: usize,
    entry: &Entry,
    content: &Content,
) -> Result<(Signer, Option<Timestamp>), String> {
    let consensus = &scene.consensus;
    let hosts = scene.evidence.hosts;
    let name = expected(entry);
    let by_itself = entry.role == Role::KubeletServing && is_self_made(entry);
    if by_itself && matches!(content, Content::Own { .. }) {
        return Ok((Signer::OneTimeAuthority, None));
    }
    let current = entry
        .certificate()
        .and_then(|certificate| consensus.issuer_of(certificate))
        .filter(|index| name.is_none_or(|name| consensus.is_accepted(name, *index)));
    let leader = || {
        name.and_then(|name| consensus.leader(name))
            .map(|(index, _)| index)
    };
    let Some(index) = current.or_else(leader) else {
        return Err("it is not known which CA signs it".to_owned());
    };
    // A rotation's other CA may have lost its key already: then the leader signs.
    let usable = |index: usize| match consensus.fate(index) {
        Fate::Replaced { at } => Some((at, Some(authority_end(scene)))),
        Fate::Renewed { at } => {
            let at = consensus.signer(hosts, index, host).unwrap_or(at);
            Some((at, Some(authority_end(scene))))
        }
        Fate::Stays => {
            let at = consensus.signer(hosts, index, host)?;
            let end = consensus.known.get(index)?.certificate.validity().not_after;
            Some((at, Some(end)))
        }
        Fate::Lost => None,
    };
    let found = usable(index)
        .map(|found| (index, found))
        .or_else(|| leader().and_then(|leader| Some((leader, usable(leader)?))));
    let Some((index, (at, end))) = found else {
        return Err(
            "the key of its CA is on none of the hosts: bring the key back, or make a new CA with --new-ca"
                .to_owned(),
        );
    };
    let (Some(authority), Some(known)) = (authority_at(hosts, at), consensus.known.get(index))
    else {
        return Err("its CA cannot be found again".to_owned());
    };
    let (Some(key), Some(certificate)) = (
        authority.key_path.clone(),
        authority
            .certificates
            .iter()
            .find(|ca| is_same(ca, &known.certificate)),
    ) else {
        return Err("its CA cannot be found again".to_owned());
    };
    let (name, path) = (authority.name.clone(), authority.certificate_path.clone());
    let is_new = matches!(consensus.fate(index), Fate::Replaced { .. });
    let fingerprint_sha256 = match is_new && at.host != host {
        true => String::new(),
        false => fingerprint(certificate),
    };
    let signer = if at.host == host {
        Signer::Authority {
            name,
            certificate: path,
            key,
            fingerprint_sha256,
        }
    } else {
        Signer::Elsewhere {
            host: scene.name(at.host).to_owned(),
            name,
            certificate: path,
            key,
            fingerprint_sha256,
        }
    };
    Ok((signer, end))
}
