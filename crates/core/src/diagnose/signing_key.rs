//! A controller manager whose signing key is not there: as after a rescue with a new CA, whose key is
//! made on one host and never carried to another by this program. Measured on v1.20.2: it comes to lead,
//! says `error starting controllers: … open …/ca.key: no such file or directory`, and ends with 255.

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, file};
use crate::findings::code;
use crate::layouts::component_files::AUTHORITY_KEY_PAIRS;
use crate::model::{Authority, ComponentKind, Inventory, KeyState, Severity};
use std::collections::BTreeSet;
use std::path::Path;

/// Findings about keys that controller managers are told to sign with.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        let Some(manager) = inventory.component(ComponentKind::KubeControllerManager) else {
            continue;
        };
        let pairs = AUTHORITY_KEY_PAIRS
            .iter()
            .filter(|row| row.component == manager.kind);
        let named = pairs.filter_map(|row| {
            let key = manager.host_path(row.key)?;
            let certificate = manager.host_path(row.certificate)?;
            Some((row.key, key, certificate))
        });
        let mut told = BTreeSet::new();
        for (flag, key, certificate) in named {
            let authority = inventory.authorities.iter().find(|authority| {
                authority.certificate_path == certificate
                    && authority.key_path.as_deref() == Some(&key)
                    && authority.key == KeyState::Absent
            });
            if let Some(authority) = authority
                && told.insert(key.clone())
            {
                missing(scene, inventory, authority, flag, &key, ledger);
            }
        }
    }
}

fn missing(
    scene: &Scene<'_>,
    inventory: &Inventory,
    authority: &Authority,
    flag: &str,
    key: &Path,
    ledger: &mut Ledger,
) {
    let place = file(&inventory.host, key);
    if ledger.blames(&place, Severity::Warning) {
        return;
    }
    let holder = scene.evidence.hosts.iter().find_map(|host| {
        let mut others = host.inventory.authorities.iter();
        let other = others.find(|other| {
            let key = other.key.public_key();
            let mut certificates = authority.certificates.iter();
            key.is_some() && certificates.any(|ca| Some(ca.public_key()) == key)
        })?;
        Some((host.inventory.host.as_str(), other.key_path.as_deref()?))
    });
    let path = key.display();
    let (fact, mend) = match holder {
        Some((host, from)) => (
            format!("the key is {}", scene.on_host(&file(host, from))),
            format!(
                "carry it over by a way that you trust: ssh {host} sudo cat {} | ssh {} 'sudo install -m 0600 /dev/stdin {path}'",
                from.display(),
                inventory.host
            ),
        ),
        None => (
            "no host that was looked at has it".to_owned(),
            format!(
                "bring {path} back from a backup; where the CA is another's to keep, set --{flag}= of kube-controller-manager to nothing"
            ),
        ),
    };
    ledger.add(
        Draft::new(
            code::SIGNING_KEY_MISSING,
            Severity::Warning,
            &place,
            format!("is not there, and kube-controller-manager --{flag} names it"),
        )
        .fact(fact)
        .fact("the controller manager here ends whenever it comes to lead; another signs meanwhile, if it has the key")
        .mend(remedy::on(scene, &inventory.host, mend)),
    );
}
