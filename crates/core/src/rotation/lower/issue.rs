//! Certificates from the successor: what an entry says now, signed anew for a new key.

use super::draft::Draft;
use super::error::LowerError;
use super::scene::Scene;
use crate::layouts::{KUBEADM, Reload, reload};
use crate::model::{ComponentKind, Holder};
use crate::plan::EndRule;
use crate::plan::document::{Issuance, KeyChoice, Signer};
use crate::plan::file_edit::FileEdit;
use crate::plan::renew::{destination, key_type_like, origin};
use crate::rotation::plan::sent_along;
use crate::rotation::root::Root;
use kubepki_x509::{Certificate, pem};
use std::path::Path;

/// Flags by which a component presents what anybody can ask it for.
const SERVED: [(ComponentKind, &str); 3] = [
    (ComponentKind::KubeApiserver, "tls-cert-file"),
    (ComponentKind::Etcd, "cert-file"),
    (ComponentKind::Etcd, "peer-cert-file"),
];

/// Issues an entry again. Whoever re-reads at once is awaited on every host; of those that poll their
/// files the first host's is, so that nothing bad is served by all of them, and the others follow
/// without waiting one after another: the proof of the round asks them all.
pub(super) fn issue(
    scene: &mut Scene<'_>,
    draft: &mut Draft<'_>,
    root: Root,
    name: &str,
) -> Result<(), LowerError> {
    let missing = || LowerError::NoEntry {
        host: draft.host.to_owned(),
        entry: name.to_owned(),
    };
    let entry = draft.inventory.entry(name).ok_or_else(missing)?;
    let certificate = entry.certificate().ok_or_else(missing)?;
    let new = scene.new_one(root)?;
    let not_before = scene.request.start.resolve(scene.now)?;
    let asked_end = EndRule::default().resolve(scene.now)?;
    let not_after = new.not_after.map_or(asked_end, |end| end.min(asked_end));
    let (destination, point_kubeconfig) = destination(draft.inventory, entry, scene.now);
    let key_type = key_type_like(&certificate.public_key().algorithm()).0;
    let issuance = Issuance {
        name: entry.name.clone(),
        role: entry.role,
        origin: origin(&entry.holder, certificate),
        signer: signer(scene, draft.host, root)?,
        not_before,
        not_after,
        key: KeyChoice::Generate {
            key_type: key_type.to_owned(),
        },
        subject_alt_names: None,
        destination,
        point_kubeconfig,
        copies: Vec::new(),
    };
    draft.reads.push(entry.holder.path().to_owned());
    draft
        .reads
        .extend(entry.holder.key_path().map(ToOwned::to_owned));
    let served = entry
        .used_by
        .iter()
        .any(|used| SERVED.contains(&(used.component, used.flag.as_str())));
    if let (true, Holder::Files { certificate, .. }) = (served, &issuance.destination) {
        let had_one = entry.chain.len() > 1;
        let chain = match had_one || !is_kubeadms(certificate) {
            true => behind(scene, root),
            false => Vec::new(),
        };
        if !chain.is_empty() || had_one {
            draft.edit(FileEdit::Chain {
                path: certificate.clone(),
                pem: chain.iter().map(Certificate::to_pem).collect(),
            });
        }
    }
    draft.issuances.push(issuance);
    for used in &entry.used_by {
        let is_halted = scene
            .halted
            .contains(&(draft.host.to_owned(), used.component));
        if !is_halted && SERVED.contains(&(used.component, used.flag.as_str())) {
            let within_seconds = match reload(used.component, &used.flag) {
                Reload::Live { within_seconds } => {
                    let polled = (used.component, used.flag.clone());
                    if !scene.awaited.insert(polled) {
                        continue;
                    }
                    within_seconds
                }
                _ => 5,
            };
            draft.reload(used.component, within_seconds, &entry.name);
        }
    }
    Ok(())
}

/// Whether a file is called as one of kubeadm's, whose `certs check-expiration` and `certs renew` want
/// exactly one certificate in it (`wanted exactly one certificate, got 2`, measured with 1.20).
fn is_kubeadms(certificate: &Path) -> bool {
    KUBEADM
        .certificates
        .iter()
        .any(|row| certificate.ends_with(format!("{}.crt", row.file_base)))
}

/// What a server sends along behind its certificate: the intermediates above it, for clients elsewhere
/// that trust only the root. Nothing where the old generation is above them: everybody trusts the
/// successor itself, and what is presented is to lead to that alone.
fn behind(scene: &Scene<'_>, root: Root) -> Vec<Certificate> {
    let chain = sent_along(&scene.successor_chain(root));
    let leads_back = |certificate: &Certificate| {
        let old = scene.picture.root(root).into_iter().flat_map(|it| &it.old);
        let mut old = old.flat_map(|it| pem::certificates(it.pem.as_bytes()).unwrap_or_default());
        old.any(|old| certificate.verify_issued_by(&old).is_ok())
    };
    match chain.iter().any(leads_back) {
        true => Vec::new(),
        false => chain,
    }
}

fn signer(scene: &Scene<'_>, host: &str, root: Root) -> Result<Signer, LowerError> {
    let picture = scene.root(root)?;
    let fingerprint_sha256 = scene.new_one(root)?.fingerprint_sha256.clone();
    if let Some((certificate, key)) = scene.new_pair(host, picture)? {
        return Ok(Signer::Authority {
            name: certificate.display().to_string(),
            certificate,
            key,
            fingerprint_sha256,
        });
    }
    let (host, certificate, key) = scene.new_signer(root)?;
    Ok(Signer::Elsewhere {
        host,
        name: certificate.display().to_string(),
        certificate,
        key,
        fingerprint_sha256,
    })
}
