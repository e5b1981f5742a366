//! The kubelet: whether it renews its certificates, and what it serves.
//! <https://kubernetes.io/docs/tasks/tls/certificate-rotation/>

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, place_of};
use crate::assess::renewable::is_self_made;
use crate::connections::Place;
use crate::findings::code;
use crate::model::{Component, ComponentKind, Holder, Inventory, Role, Severity};
use std::path::Path;

/// Findings about kubelets.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        if let Some(kubelet) = inventory.component(ComponentKind::Kubelet) {
            rotation(scene, inventory, kubelet, ledger);
            serving(scene, inventory, ledger);
        }
    }
}

/// A certificate store that nobody turns. Where the certificate is kept in plain files somebody else
/// renews it, and rotation is off on purpose.
fn rotation(scene: &Scene<'_>, inventory: &Inventory, kubelet: &Component, ledger: &mut Ledger) {
    if kubelet.flags.boolean("rotate-certificates") == Some(true) {
        return;
    }
    let has_store = inventory.entries.iter().any(|entry| {
        entry.role == Role::KubeletClient && matches!(entry.holder, Holder::CertificateStore { .. })
    });
    let is_told = kubelet.flags.boolean("rotate-certificates") == Some(false);
    let severity = match (has_store, is_told) {
        (true, true) => Severity::Warning,
        (true, false) | (false, true) => Severity::Info,
        (false, false) => return,
    };
    let place = configuration(inventory, kubelet);
    let message = if is_told {
        "rotateCertificates is false: the kubelet does not renew its client certificate"
    } else {
        "rotateCertificates is not set: the kubelet does not renew its client certificate"
    };
    ledger.add(
        Draft::new(code::ROTATION_OFF, severity, &place, message).mend(remedy::on(
            scene,
            &inventory.host,
            "set rotateCertificates: true and restart the kubelet".to_owned(),
        )),
    );
}

fn configuration(inventory: &Inventory, kubelet: &Component) -> Place {
    let host = inventory.host.clone();
    match kubelet.flags.one("config") {
        Some(path) if !path.is_empty() => Place::File {
            host,
            path: Path::new(path).to_owned(),
        },
        _ => Place::Flag {
            host,
            component: ComponentKind::Kubelet,
            flag: "rotate-certificates".to_owned(),
        },
    }
}

fn serving(scene: &Scene<'_>, inventory: &Inventory, ledger: &mut Ledger) {
    let own = inventory
        .entries
        .iter()
        .find(|entry| entry.role == Role::KubeletServing && is_self_made(entry));
    let Some(entry) = own else { return };
    let place = place_of(&inventory.host, entry);
    if ledger.blames(&place, Severity::Warning) {
        return;
    }
    ledger.add(
        Draft::new(
            code::SELF_SIGNED_SERVING,
            Severity::Info,
            &place,
            "is signed by itself, so whoever calls the kubelet cannot verify it",
        )
        .mend(remedy::on(
            scene,
            &inventory.host,
            "set serverTLSBootstrap: true, restart the kubelet and approve its request".to_owned(),
        )),
    );
}
