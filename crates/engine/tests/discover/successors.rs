//! What a rotation puts beside an authority is found, with its key, and nobody takes it for the
//! authority itself.

use crate::kubeadm::{Cluster, PKI};
use crate::machine::Machine;
use crate::pki::{Authority, key, key_pem, now};
use kubepki_core::model::{Inventory, Role};
use kubepki_engine::discover::{DiscoverOptions, discover};
use std::path::Path;

fn found(machine: &Machine) -> Inventory {
    discover(machine, &DiscoverOptions::default(), now()).unwrap()
}

fn host() -> Machine {
    Cluster::kubeadm().machines.remove(0)
}

#[test]
fn a_successor_is_an_authority_of_its_own() {
    let mut machine = host();
    let before = found(&machine);
    let next = Authority::new("kubernetes@20261122T114500Z");
    machine.write(&format!("{PKI}/ca-next.crt"), next.pem());
    machine.write_mode(&format!("{PKI}/ca-next.key"), next.key(), 0o600);
    let after = found(&machine);
    assert_eq!(after.authorities.len(), before.authorities.len() + 1);
    let path = format!("{PKI}/ca-next.crt");
    let successor = after.authority(&path).unwrap();
    assert_eq!(successor.role, Role::Other);
    assert_eq!(successor.issuing(), Some(next.certificate()));
    assert_eq!(
        successor.key.public_key(),
        Some(next.certificate().public_key())
    );
    assert_eq!(
        successor.key_path.as_deref(),
        Some(Path::new(&format!("{PKI}/ca-next.key")))
    );
    // The authority keeps its name, and what it signed.
    let own = after.authority("ca").unwrap();
    assert_eq!(own.certificate_path, Path::new(&format!("{PKI}/ca.crt")));
    let admin = after.entry("admin.conf").unwrap().certificate().unwrap();
    assert_eq!(after.issuer_of(admin).unwrap().0.name, "ca");
}

#[test]
fn a_signing_certificate_takes_no_name_away() {
    let mut machine = host();
    let ca = machine.text(&format!("{PKI}/ca.crt"));
    machine.write(&format!("{PKI}/ca-signer.crt"), ca.clone());
    let manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
    let flag = "--cluster-signing-cert-file=";
    machine.edit(
        manifest,
        &format!("{flag}{PKI}/ca.crt"),
        &format!("{flag}{PKI}/ca-signer.crt"),
    );
    let split = found(&machine);
    let own = split.authority("ca").unwrap();
    assert_eq!(own.certificate_path, Path::new(&format!("{PKI}/ca.crt")));
    let signer = split.authority(&format!("{PKI}/ca-signer.crt")).unwrap();
    assert_eq!(
        signer.key_path.as_deref(),
        Some(Path::new(&format!("{PKI}/ca.key")))
    );
    // Left behind when the flag is back, it is still found.
    machine.edit(
        manifest,
        &format!("{flag}{PKI}/ca-signer.crt"),
        &format!("{flag}{PKI}/ca.crt"),
    );
    let left = found(&machine);
    let signer = left.authority(&format!("{PKI}/ca-signer.crt")).unwrap();
    assert!(signer.used_by.is_empty());
    assert_eq!(signer.role, Role::Other);
}

#[test]
fn the_next_service_account_key_is_found() {
    let mut machine = host();
    let next = key();
    let path = format!("{PKI}/sa-next.key");
    machine.write_mode(&path, key_pem(&next), 0o600);
    machine.write(&format!("{PKI}/sa-next.pub"), next.public_key().to_pem());
    let inventory = found(&machine);
    let keys = inventory.service_account_keys.iter();
    let names: Vec<&Path> = keys.map(|key| key.path.as_path()).collect();
    assert!(names.contains(&Path::new(&path)), "{names:?}");
    assert!(
        names.contains(&Path::new(&format!("{PKI}/sa-next.pub"))),
        "{names:?}"
    );
}
