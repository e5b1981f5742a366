//! Certificates from the successor: what an entry says now, signed anew for a new key.

use super::draft::Draft;
use super::error::LowerError;
use super::scene::Scene;
use crate::layouts::{Reload, reload};
use crate::model::ComponentKind;
use crate::plan::EndRule;
use crate::plan::document::{Issuance, KeyChoice, Signer};
use crate::plan::renew::{destination, key_type_like, origin};
use crate::rotation::root::Root;

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
