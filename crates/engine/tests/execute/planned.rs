//! What must be so of every plan, over random clusters: a host's plan stays within its inventory, no
//! key is handed over, what is given exists by then, and whoever serves comes before who asks.

use crate::cluster::{expire_cluster_authority, worker};
use crate::kubeadm::control_plane;
use crate::machine::Machine;
use crate::pki;
use crate::site::{CA, CA_KEY};
use kubepki_core::model::{ComponentKind, Inventory};
use kubepki_core::plan::{
    ClusterOptions, ClusterPlan, Gate, HostView, Issuance, KeyChoice, Origin, Pace, Plan,
    RenewRequest, Selection, Signer, Step, plan_cluster_renewal,
};
use kubepki_engine::discover::{DiscoverOptions, discover};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const MOST: usize = 5;

/// Machines are made once; what differs from case to case are the files on them.
fn machines() -> &'static [Machine] {
    static ALL: OnceLock<Vec<Machine>> = OnceLock::new();
    ALL.get_or_init(|| {
        let names: Vec<String> = (1..=MOST).map(|number| format!("cp{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let control_planes = names
            .iter()
            .enumerate()
            .map(|(index, name)| control_plane(name, &format!("10.0.0.{}", index + 1), &names));
        let workers = (1..=4).map(|number| worker(&format!("w{number}")));
        control_planes.chain(workers).collect()
    })
}

#[derive(Clone, Debug)]
struct Case {
    control_planes: usize,
    workers: usize,
    /// By host, whether the CA on it has expired.
    expired: Vec<bool>,
    /// By control plane, whether it has the CA's key.
    has_key: Vec<bool>,
    /// Whether etcd has hosts of its own: the first control plane loses its API server.
    external_etcd: bool,
    /// Whether workers lack a CA file.
    bare_workers: bool,
    renew_expired_ca: bool,
    no_restart: bool,
    batch: u32,
}

fn cases() -> impl Strategy<Value = Case> {
    (
        1..=MOST,
        0..=4_usize,
        prop::collection::vec(prop::bool::weighted(0.3), MOST + 4),
        prop::collection::vec(prop::bool::weighted(0.7), MOST),
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        0..4_u32,
    )
        .prop_map(
            |(control_planes, workers, expired, has_key, flags, batch)| Case {
                control_planes,
                workers,
                expired,
                has_key,
                external_etcd: flags.0 && control_planes > 1,
                bare_workers: flags.1,
                renew_expired_ca: flags.2,
                no_restart: flags.3,
                batch,
            },
        )
}

fn inventories(case: &Case) -> Vec<Inventory> {
    let all = machines();
    let control_planes = all[..case.control_planes].iter().cloned();
    let workers = all[MOST..MOST + case.workers].iter().cloned();
    let mut made = Vec::new();
    for (index, mut machine) in control_planes.chain(workers).enumerate() {
        let is_worker = index >= case.control_planes;
        if case.expired[index] {
            expire_cluster_authority(&mut machine);
        }
        if is_worker {
            if case.bare_workers {
                machine.remove(CA);
            }
        } else if !case.has_key[index] {
            machine.remove(CA_KEY);
        }
        if case.external_etcd && index == 0 {
            for component in [
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
            ] {
                machine.remove(&format!("/etc/kubernetes/manifests/{component}.yaml"));
            }
            machine
                .processes
                .retain(|process| process.argv[0].ends_with("etcd") || process.in_host_namespace);
        }
        made.push(discover(&machine, &DiscoverOptions::default(), pki::now()).unwrap());
    }
    made
}

fn planned(case: &Case, inventories: &[Inventory]) -> ClusterPlan {
    let views: Vec<HostView<'_>> = inventories
        .iter()
        .map(|inventory| HostView {
            name: &inventory.host,
            inventory,
        })
        .collect();
    let mut request = RenewRequest::new(Selection::All);
    request.renew_expired_ca = case.renew_expired_ca;
    request.no_restart = case.no_restart;
    request.force = true;
    let options = ClusterOptions {
        batch: case.batch,
        only: Vec::new(),
    };
    plan_cluster_renewal(&views, &request, &options, pki::now()).unwrap()
}

/// Paths that a host's inventory knows, and new files of its kubelet's store.
fn is_known(inventory: &Inventory, path: &std::path::Path) -> bool {
    let mut entries = inventory.entries.iter();
    inventory.files.contains_key(path)
        || inventory
            .authorities
            .iter()
            .any(|it| it.certificate_path == path)
        || entries.any(|entry| entry.holder.path() == path || entry.holder.key_path() == Some(path))
        || path.starts_with("/var/lib/kubelet/pki")
}

fn stays_at_home(inventory: &Inventory, plan: &Plan) {
    assert_eq!(plan.host, inventory.host);
    for path in plan.touched_files() {
        assert!(
            is_known(inventory, &path),
            "{}: {}",
            plan.host,
            path.display()
        );
        assert!(
            !path.ends_with("ca.key"),
            "{}: {}",
            plan.host,
            path.display()
        );
    }
    for file in &plan.basis {
        assert_eq!(inventory.files.get(&file.path), Some(&file.sha256));
    }
    let mut seen = BTreeSet::new();
    for issuance in &plan.issuances {
        assert!(
            seen.insert(&issuance.name),
            "{} twice on {}",
            issuance.name,
            plan.host
        );
        assert!(issuance.not_after > issuance.not_before);
    }
}

fn signer_is_right(issuance: &Issuance, host: &str, by_name: &BTreeMap<&str, &Inventory>) {
    let fingerprints = |inventory: &Inventory| -> Vec<String> {
        inventory
            .authorities
            .iter()
            .flat_map(|it| &it.certificates)
            .map(crate::site::hex)
            .collect()
    };
    match &issuance.signer {
        Signer::Elsewhere {
            host: signer,
            name,
            key,
            fingerprint_sha256,
            ..
        } => {
            assert_ne!(signer, host, "{}", issuance.name);
            let inventory = by_name[signer.as_str()];
            let authority = inventory.authority(name).unwrap();
            assert!(authority.key.public_key().is_some());
            assert_eq!(authority.key_path.as_ref(), Some(key));
            assert_eq!(
                crate::site::hex(authority.issuing().unwrap()),
                *fingerprint_sha256
            );
        }
        Signer::Authority {
            fingerprint_sha256, ..
        } => {
            assert!(fingerprints(by_name[host]).contains(fingerprint_sha256));
        }
        Signer::Given { .. } => assert_eq!(issuance.key, KeyChoice::Reuse),
        _ => {}
    }
}

/// What is handed over exists on its host, or is issued there by an earlier stage, or an earlier step
/// of the same one.
fn given_exists(plan: &ClusterPlan, by_name: &BTreeMap<&str, &Inventory>) {
    let mut issued: BTreeSet<(String, String)> = BTreeSet::new();
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        let Step::Carry { host, plan } = step else {
            continue;
        };
        for issuance in &plan.issuances {
            match &issuance.signer {
                Signer::Given {
                    host,
                    name,
                    fingerprint_sha256: None,
                } => assert!(
                    issued.contains(&(host.clone(), name.clone())),
                    "{host} {name}"
                ),
                Signer::Given {
                    host,
                    fingerprint_sha256: Some(fingerprint),
                    ..
                } => {
                    let mut held = by_name[host.as_str()]
                        .authorities
                        .iter()
                        .flat_map(|it| &it.certificates);
                    assert!(held.any(|it| crate::site::hex(it) == *fingerprint));
                }
                _ => {}
            }
            if matches!(issuance.origin, Origin::Certificate { .. }) {
                issued.insert((host.clone(), issuance.name.clone()));
            }
        }
    }
}

fn order_is_right(case: &Case, plan: &ClusterPlan, by_name: &BTreeMap<&str, &Inventory>) {
    let names: Vec<&str> = plan
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    let order = ["authorities", "trust", "etcd", "control-planes", "workers"];
    let mut places = names
        .iter()
        .map(|name| order.iter().position(|it| it == name).unwrap());
    assert!(places.clone().is_sorted() && places.all(|place| place < order.len()));
    let has = |host: &str, kind| by_name[host].component(kind).is_some();
    for stage in &plan.stages {
        let hosts: Vec<&str> = stage.steps.iter().map(Step::host).collect();
        let api: Vec<&str> = hosts
            .iter()
            .copied()
            .filter(|host| has(host, ComponentKind::KubeApiserver))
            .collect();
        match stage.name.as_str() {
            "control-planes" => {
                assert_eq!(stage.pace, Pace::OneByOne);
                assert_eq!(api, hosts);
            }
            "workers" => {
                assert!(api.is_empty());
                assert_eq!(
                    stage.pace,
                    Pace::Batches {
                        size: case.batch.max(1)
                    }
                );
            }
            "authorities" | "trust" => {
                let restarts = stage.steps.iter().any(
                    |step| matches!(step, Step::Carry { plan, .. } if !plan.components.is_empty()),
                );
                assert!(!restarts);
                continue;
            }
            _ => assert!(api.is_empty() && hosts.iter().all(|it| has(it, ComponentKind::Etcd))),
        }
        gates_are_there(case, &stage.gate, &hosts, by_name);
    }
}

fn gates_are_there(case: &Case, gate: &Gate, hosts: &[&str], by_name: &BTreeMap<&str, &Inventory>) {
    if case.no_restart {
        assert_eq!(*gate, Gate::None);
        return;
    }
    let asked = |wanted: &dyn Fn(&Gate) -> Option<Vec<String>>| -> Vec<String> {
        gate.parts().iter().find_map(wanted).unwrap_or_default()
    };
    let with = |kind| -> Vec<String> {
        let mut found = hosts
            .iter()
            .filter(|host| by_name[**host].component(kind).is_some());
        found.by_ref().map(|host| (*host).to_owned()).collect()
    };
    let etcd = asked(&|gate| match gate {
        Gate::EtcdHealthy { hosts } => Some(hosts.clone()),
        _ => None,
    });
    assert_eq!(etcd, with(ComponentKind::Etcd));
    let api = asked(&|gate| match gate {
        Gate::ApiServersReady { hosts } => Some(hosts.clone()),
        _ => None,
    });
    assert_eq!(api, with(ComponentKind::KubeApiserver));
    let nodes = asked(&|gate| match gate {
        Gate::NodesReady { nodes } => Some(nodes.clone()),
        _ => None,
    });
    assert_eq!(nodes.len(), hosts.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn plans_of_random_clusters_keep_their_promises(case in cases()) {
        let inventories = inventories(&case);
        let by_name: BTreeMap<&str, &Inventory> =
            inventories.iter().map(|it| (it.host.as_str(), it)).collect();
        let plan = planned(&case, &inventories);
        for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
            let Step::Carry { host, plan } = step else { unreachable!() };
            stays_at_home(by_name[host.as_str()], plan);
            for issuance in &plan.issuances {
                signer_is_right(issuance, host, &by_name);
            }
        }
        given_exists(&plan, &by_name);
        order_is_right(&case, &plan, &by_name);
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert!(!json.contains("PRIVATE KEY"));
        prop_assert_eq!(ClusterPlan::from_json(&json).unwrap(), plan);
    }
}

#[test]
fn an_edited_cluster_plan_is_noticed() {
    let case = Case {
        control_planes: 1,
        workers: 1,
        expired: vec![false; MOST + 4],
        has_key: vec![true; MOST],
        external_etcd: false,
        bare_workers: false,
        renew_expired_ca: false,
        no_restart: false,
        batch: 1,
    };
    let plan = planned(&case, &inventories(&case));
    let json = serde_json::to_string(&plan).unwrap();
    assert!(ClusterPlan::is_kind_of(&json));
    let edited = json.replacen("\"workers\"", "\"labourers\"", 1);
    let error = ClusterPlan::from_json(&edited).unwrap_err();
    assert!(
        error.to_string().contains("was changed after it was made"),
        "{error}"
    );
    let other = json.replacen("\"ClusterPlan\"", "\"Plan\"", 1);
    assert!(
        ClusterPlan::from_json(&other)
            .unwrap_err()
            .to_string()
            .contains("expected a Plan or ClusterPlan")
    );
}
