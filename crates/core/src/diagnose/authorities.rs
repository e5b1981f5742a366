//! Certification authorities as the components use them: one that both clients and front proxies are
//! believed by, one that signs and is not trusted, a key where nothing signs.

use super::draft::{Draft, Ledger};
use super::remedy;
use super::scene::{Scene, file, named};
use super::suspects::{Signer, SignerId, Signers, sides};
use super::trust::bundle_code_of;
use crate::connections::{Judgement, Place, Side, Slot, SlotId, Use};
use crate::findings::code;
use crate::layouts::component_files::TRUST_BUNDLES;
use crate::model::{ComponentKind, Inventory, KeyState, Role, Severity};
use kubepki_x509::Certificate;

/// Findings about authorities.
pub(super) fn check(scene: &Scene<'_>, ledger: &mut Ledger) {
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        keys_at_rest(scene, inventory, ledger);
        etcd_asks_nobody(scene, inventory, ledger);
    }
    same_for_clients_and_proxies(scene, ledger);
    signer_is_trusted(scene, ledger);
}

/// <https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/>: the two must not
/// be the same, or any client may claim to be anybody.
fn same_for_clients_and_proxies(scene: &Scene<'_>, ledger: &mut Ledger) {
    for (id, slot) in trust_slots(scene, "requestheader-client-ca-file") {
        if slot.party.component != Some(ComponentKind::KubeApiserver) {
            continue;
        }
        let clients = trust_slots(scene, "client-ca-file")
            .find(|(_, other)| other.party == slot.party)
            .map(|(id, other)| (scene.trusted(id), other));
        let Some((clients, other)) = clients else {
            continue;
        };
        let shared = scene.trusted(id).iter().find(|ca| {
            clients
                .iter()
                .any(|client| client.public_key() == ca.public_key())
        });
        let Some(shared) = shared else { continue };
        let component = slot.party.host.as_deref().and_then(|host| {
            scene
                .inventory(host)?
                .component(ComponentKind::KubeApiserver)
        });
        let allowed: Vec<&str> = component
            .map(|component| {
                component
                    .flags
                    .list("requestheader-allowed-names")
                    .collect()
            })
            .unwrap_or_default();
        let allowed: Vec<&str> = allowed
            .into_iter()
            .filter(|name| !name.is_empty())
            .collect();
        let fact = format!("both trust {}", named(shared));
        let place = super::blame::flag_of(slot).unwrap_or_else(|| slot.place.clone());
        let blamed = [&slot.place, &other.place, &place]
            .into_iter()
            .find(|place| ledger.blames(place, Severity::Critical));
        if let Some(place) = blamed {
            ledger.append(place, &fact, None);
            continue;
        }
        let (severity, limits) = if allowed.is_empty() {
            (
                Severity::Critical,
                "--requestheader-allowed-names is empty: any client of the cluster may claim to be anybody".to_owned(),
            )
        } else {
            (
                Severity::Warning,
                format!(
                    "--requestheader-allowed-names lets only {} do so",
                    allowed.join(", ")
                ),
            )
        };
        ledger.add(
            Draft::new(
                code::CLIENT_CA_IS_REQUESTHEADER_CA,
                severity,
                &place,
                format!(
                    "trusts the same CA as --client-ca-file ({})",
                    shared.subject()
                ),
            )
            .fact(fact)
            .fact(limits)
            .mend("give the front proxy a CA of its own, and let the flag name it"),
        );
    }
}

/// kube-controller-manager takes exactly one certificate to sign with.
fn signing_file(scene: &Scene<'_>, inventory: &Inventory, ledger: &mut Ledger) {
    for authority in &inventory.authorities {
        let flag = authority.used_by.iter().find(|used| {
            used.flag.starts_with("cluster-signing") && used.flag.ends_with("cert-file")
        });
        let Some(flag) = flag else { continue };
        let count = authority.certificates.len();
        if count < 2 {
            continue;
        }
        let place = file(&inventory.host, &authority.certificate_path);
        ledger.add(
            Draft::new(
                code::SIGNING_FILE_BUNDLE,
                Severity::Critical,
                &place,
                format!(
                    "holds {count} certificates, and {} --{} takes exactly 1",
                    flag.component, flag.flag
                ),
            )
            .facts(authority.certificates.iter().map(|ca| format!("it holds {}", named(ca))))
            .mend(remedy::on(
                scene,
                &inventory.host,
                format!(
                    "give the signer a file of its own with the one certificate whose key it has, name it in --{}, and restart {}",
                    flag.flag, flag.component
                ),
            )),
        );
    }
}

/// What the controller manager signs with has to be trusted by the API server of the same host.
fn signer_is_trusted(scene: &Scene<'_>, ledger: &mut Ledger) {
    for (id, slot) in trust_slots(scene, "client-ca-file") {
        if slot.party.component != Some(ComponentKind::KubeApiserver) {
            continue;
        }
        let Some(inventory) = slot
            .party
            .host
            .as_deref()
            .and_then(|host| scene.inventory(host))
        else {
            continue;
        };
        let trusted = scene.trusted(id);
        if trusted.is_empty() {
            continue;
        }
        for authority in &inventory.authorities {
            let flag = authority.used_by.iter().find(|used| {
                used.flag == "cluster-signing-cert-file"
                    || used.flag == "cluster-signing-kubelet-client-cert-file"
                    || used.flag == "cluster-signing-kube-apiserver-client-cert-file"
            });
            let (Some(flag), Some(ca)) = (flag, authority.issuing()) else {
                continue;
            };
            if trusted
                .iter()
                .any(|known| SignerId::of(known) == SignerId::of(ca))
            {
                continue;
            }
            let signing = file(&inventory.host, &authority.certificate_path);
            let fact = format!(
                "{} --{} signs with {}, which {} does not hold",
                flag.component,
                flag.flag,
                named(ca),
                slot.place
            );
            let blamed = [&signing, &slot.place]
                .into_iter()
                .find(|place| ledger.blames(place, Severity::Critical));
            if let Some(place) = blamed {
                ledger.append(place, &fact, None);
                continue;
            }
            let place = Place::Flag {
                host: inventory.host.clone(),
                component: flag.component,
                flag: flag.flag.clone(),
            };
            ledger.add(
                Draft::new(
                    code::SIGNER_NOT_TRUSTED,
                    Severity::Critical,
                    &place,
                    format!("signs with {}, which kube-apiserver --client-ca-file does not hold", named(ca)),
                )
                .fact(fact)
                .mend(format!("add {signing} to {} on every API server, or let the signer go back to a CA that they trust", slot.place)),
            );
        }
    }
}

/// A CA's key on a host that runs neither the controller manager nor an API server.
fn keys_at_rest(scene: &Scene<'_>, inventory: &Inventory, ledger: &mut Ledger) {
    let controls = [
        ComponentKind::KubeApiserver,
        ComponentKind::KubeControllerManager,
    ]
    .into_iter()
    .any(|kind| inventory.component(kind).is_some());
    // Whether the host runs nothing or nothing was found is not the same.
    let is_node = inventory.component(ComponentKind::Kubelet).is_some();
    if controls || !is_node {
        return;
    }
    let has_etcd = inventory.component(ComponentKind::Etcd).is_some();
    for authority in &inventory.authorities {
        if has_etcd && authority.role == Role::EtcdCa {
            continue;
        }
        let (KeyState::Present { .. }, Some(path)) = (&authority.key, &authority.key_path) else {
            continue;
        };
        ledger.add(
            Draft::new(
                code::CA_KEY_NOT_NEEDED,
                Severity::Warning,
                &file(&inventory.host, path),
                format!(
                    "the key of {} lies on a host that runs neither kube-apiserver nor kube-controller-manager",
                    authority.name
                ),
            )
            .fact("whoever has this file can make any identity that this CA vouches for")
            .mend(remedy::on(
                scene,
                &inventory.host,
                format!("shred -u {}", path.display()),
            )),
        );
    }
}

/// etcd demands a certificate of its clients when it is told so or given a CA to check them by.
fn etcd_asks_nobody(scene: &Scene<'_>, inventory: &Inventory, ledger: &mut Ledger) {
    let Some(etcd) = inventory.component(ComponentKind::Etcd) else {
        return;
    };
    for (certificate, bundle, flag, whom) in [
        ("cert-file", "trusted-ca-file", "client-cert-auth", "client"),
        (
            "peer-cert-file",
            "peer-trusted-ca-file",
            "peer-client-cert-auth",
            "peer",
        ),
    ] {
        let asks = etcd.flags.boolean(flag) == Some(true) || etcd.flags.is_set(bundle);
        if asks || !etcd.flags.is_set(certificate) {
            continue;
        }
        let place = Place::Flag {
            host: inventory.host.clone(),
            component: ComponentKind::Etcd,
            flag: flag.to_owned(),
        };
        ledger.add(
            Draft::new(
                code::FLAG_MISSING,
                Severity::Warning,
                &place,
                format!("not set: anybody is accepted as a {whom}"),
            )
            .mend(remedy::on(
                scene,
                &inventory.host,
                format!("set --{flag}=true and --{bundle}, and restart etcd"),
            )),
        );
    }
}

/// Bundles that no connection proves here (a worker's `client-ca-file`) against what the rest says.
pub(super) fn unproved(scene: &Scene<'_>, signers: &Signers, ledger: &mut Ledger) {
    slots_unproved(scene, signers, ledger);
    for host in scene.evidence.hosts {
        let inventory = &host.inventory;
        signing_file(scene, inventory, ledger);
        for authority in &inventory.authorities {
            let place = file(&inventory.host, &authority.certificate_path);
            let in_graph = scene.slots().any(|(_, slot)| slot.place == place);
            let name = authority.role.authority();
            // What is only signed with need not be trusted yet: a rotation begins so.
            let is_trusted = authority.used_by.iter().any(|used| {
                let mut bundles = TRUST_BUNDLES.iter();
                bundles.any(|row| row.component == used.component && row.flag == used.flag)
            });
            let (Some(name), true) = (name, is_trusted && !in_graph) else {
                continue;
            };
            let reference = signers.reference(name, Side::Client);
            let reference = reference.or_else(|| signers.reference(name, Side::Server));
            if let Some(reference) = reference {
                contradicted(
                    scene,
                    signers,
                    &place,
                    &authority.certificates,
                    reference,
                    ledger,
                );
            }
        }
    }
}

fn slots_unproved(scene: &Scene<'_>, signers: &Signers, ledger: &mut Ledger) {
    for (id, slot) in scene.slots() {
        let (Use::Trust, Some(authority)) = (slot.purpose, slot.authority) else {
            continue;
        };
        let bundle = scene.trusted(id);
        let changeable = matches!(
            slot.place,
            Place::File { .. } | Place::KubeconfigCluster { .. }
        );
        let flag_is_blamed = super::blame::flag_of(slot)
            .is_some_and(|flag| ledger.blames(&flag, Severity::Critical));
        if bundle.is_empty()
            || !changeable
            || flag_is_blamed
            || ledger.blames(&slot.place, Severity::Critical)
        {
            continue;
        }
        let Some(side) = side_of(scene, id) else {
            continue;
        };
        if is_proved(scene, id) {
            continue;
        }
        let Some(reference) = signers.reference(authority, side) else {
            continue;
        };
        contradicted(scene, signers, &slot.place, bundle, reference, ledger);
    }
}

fn contradicted(
    scene: &Scene<'_>,
    signers: &Signers,
    place: &Place,
    bundle: &[Certificate],
    reference: &Signer,
    ledger: &mut Ledger,
) {
    let fits = bundle.iter().any(|ca| SignerId::of(ca) == reference.id);
    // Where nothing but copies speaks for the other CA, none of them is the better witness.
    let is_seen = signers.certificate(&reference.id).is_some();
    if bundle.is_empty() || fits || !reference.is_used() || !is_seen {
        return;
    }
    let held: Vec<String> = bundle.iter().map(named).collect();
    let expected = signers
        .certificate(&reference.id)
        .map_or_else(|| reference.id.name().to_string(), named);
    let from = reference.held_elsewhere(place).map_or_else(
        || "put".to_owned(),
        |place| format!("copy it from {place}: put"),
    );
    ledger.add(
        Draft::new(
            bundle_code_of(scene, place),
            Severity::Critical,
            place,
            format!("holds {}, expected {expected}", held.join(" and ")),
        )
        .fact(reference.told())
        .mend(format!("{from} the right CA into {}", scene.on_host(place))),
    );
}

fn side_of(scene: &Scene<'_>, id: SlotId) -> Option<Side> {
    scene.graph.connections.iter().find_map(|connection| {
        [Side::Server, Side::Client]
            .into_iter()
            .find(|side| sides(connection, *side).1 == Some(id))
    })
}

/// Whether a connection verifies by a bundle.
fn is_proved(scene: &Scene<'_>, id: SlotId) -> bool {
    scene
        .graph
        .connections
        .iter()
        .zip(&scene.verdicts)
        .any(|(connection, verdict)| {
            (connection.client_trusts == Some(id) && verdict.server == Judgement::Verified)
                || (connection.server_trusts == Some(id) && verdict.client == Judgement::Verified)
        })
}

fn trust_slots<'a>(
    scene: &'a Scene<'_>,
    flag: &'a str,
) -> impl Iterator<Item = (SlotId, &'a Slot)> {
    scene
        .slots()
        .filter(move |(_, slot)| slot.purpose == Use::Trust && slot.flag.as_deref() == Some(flag))
}
