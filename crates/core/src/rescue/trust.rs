//! The CA data of kubeconfigs: brought up to date where the CA changes, or where what is embedded is
//! another one or has ended.

use super::Scene;
use super::authorities::{Fate, is_same};
use super::files::HostFiles;
use crate::assess::trust::trust_authority;
use crate::findings::code;
use crate::model::{AuthorityName, EmbeddedTrust};
use crate::plan::TrustUpdate;
use kubepki_x509::ValidityState;

/// Decides about every kubeconfig of a host.
pub(super) fn update(scene: &Scene<'_>, host: usize, files: &mut HostFiles) {
    let Some(evidence) = scene.evidence.hosts.get(host) else {
        return;
    };
    let inventory = &evidence.inventory;
    for trust in &inventory.embedded_trust {
        let by_likeness = trust_authority(inventory, trust);
        let is_called_wrong = is_called_wrong(scene, host, trust);
        let authority = by_likeness.or_else(|| {
            is_called_wrong
                .then(|| inventory.authority(AuthorityName::Cluster.as_str()))
                .flatten()
        });
        let Some(authority) = authority else { continue };
        let Some(why) = why(scene, files, trust, &authority.certificate_path).or_else(|| {
            is_called_wrong.then(|| "the CA that it trusts is not the cluster's".to_owned())
        }) else {
            continue;
        };
        files.notice(
            code::CA_DATA_STALE,
            &trust.kubeconfig.display().to_string(),
            why,
        );
        files.trust(
            TrustUpdate {
                kubeconfig: trust.kubeconfig.clone(),
                cluster: trust.cluster.clone(),
                bundle: authority.certificate_path.clone(),
            },
            &trust.used_by,
        );
    }
}

fn why(
    scene: &Scene<'_>,
    files: &HostFiles,
    trust: &EmbeddedTrust,
    bundle: &std::path::Path,
) -> Option<String> {
    let consensus = &scene.consensus;
    let (_, leader) = consensus.leader(AuthorityName::Cluster)?;
    let position = |ca| consensus.position(ca);
    let changes = trust.certificates.iter().any(|ca| {
        position(ca).is_some_and(|index| {
            matches!(
                consensus.fate(index),
                Fate::Renewed { .. } | Fate::Replaced { .. }
            )
        })
    });
    if changes {
        return Some("its CA data follows the CA".to_owned());
    }
    let accepted =
        |ca| position(ca).is_some_and(|index| consensus.is_accepted(AuthorityName::Cluster, index));
    if !trust.certificates.iter().any(accepted) {
        // A proxy's CA, which is nobody's here, is left alone.
        let alike = files.changes_authority(bundle)
            || trust
                .certificates
                .iter()
                .any(|ca| ca.subject() == leader.certificate.subject());
        return alike.then(|| "the CA that it trusts is not the cluster's".to_owned());
    }
    let newest = leader.certificate.validity();
    let ended = trust
        .certificates
        .iter()
        .filter(|ca| is_same(ca, &leader.certificate))
        .all(|ca| ca.validity().state(scene.now) == ValidityState::Expired);
    (ended
        && newest.state(scene.now) == ValidityState::Valid
        && trust
            .certificates
            .iter()
            .any(|ca| is_same(ca, &leader.certificate)))
    .then(|| "the CA that it holds has expired, and was renewed since".to_owned())
}

fn is_called_wrong(scene: &Scene<'_>, host: usize, trust: &EmbeddedTrust) -> bool {
    let path = trust.kubeconfig.display().to_string();
    scene.diagnosis.findings.iter().any(|finding| {
        finding.code == code::WRONG_CA_DATA
            && finding.host.as_deref() == Some(scene.name(host))
            && finding.object == path
    })
}
