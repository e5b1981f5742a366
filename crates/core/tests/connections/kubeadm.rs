//! A cluster as kubeadm makes it: every connection is there, and each break fails what it breaks.

use crate::authority::{Authority, NOW, gone_by, stray_key};
use crate::world::{Shape, World};
use kubepki_core::connections::{
    Failure, FailureReason, Graph, Judgement, Material, Side, Verdict,
};
use kubepki_core::connections::{derive, verify_all};
use kubepki_core::diagnose::Evidence;
use kubepki_core::model::ComponentKind;
use kubepki_x509::ExtendedKeyUsage;
use kubepki_x509::path::{PathError, Uncached};
use std::path::Path;

pub fn derived(world: &World) -> (Graph, Material) {
    let hosts = world.evidence();
    derive(&Evidence {
        hosts: &hosts,
        cluster: None,
    })
}

pub fn judged(world: &World) -> Vec<(String, Verdict)> {
    let (graph, material) = derived(world);
    let verdicts = verify_all(&graph, &material, NOW, &Uncached);
    let ids = graph.connections.iter().map(|found| found.id.clone());
    ids.zip(verdicts).collect()
}

/// The ids of what fails.
fn broken(world: &World) -> Vec<String> {
    let judged = judged(world).into_iter();
    let failed = judged.filter(|(_, verdict)| !verdict.holds());
    failed.map(|(id, _)| id).collect()
}

fn failure(world: &World, id: &str) -> Failure {
    let judged = judged(world);
    let (_, verdict) = judged.iter().find(|(other, _)| other == id).unwrap();
    verdict.failures().next().unwrap().clone()
}

fn one() -> World {
    World::new(Shape::default())
}

const ALL: [&str; 13] = [
    "etcd@cp1->etcd@cp1",
    "kube-apiserver->etcd",
    "etcd-healthcheck->etcd",
    "etcd gateway->etcd",
    "admin.conf->kube-apiserver",
    "kube-controller-manager->kube-apiserver",
    "kubelet->kube-apiserver",
    "kube-scheduler->kube-apiserver",
    "kube-apiserver->kubelet",
    "kube-apiserver->aggregated API servers",
    "pods->kube-apiserver",
    "administrator->kube-controller-manager",
    "front-proxy->kube-controller-manager",
];

#[test]
fn one_host_has_every_connection_and_all_hold() {
    let world = one();
    let judged = judged(&world);
    let ids: Vec<&str> = judged.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ALL);
    for (id, verdict) in &judged {
        for judgement in [&verdict.server, &verdict.client] {
            let fine = matches!(judgement, Judgement::Verified | Judgement::NotApplicable);
            assert!(fine, "{id}: {judgement:?}");
        }
    }
    let verified = |id: &str| {
        let (_, verdict) = judged.iter().find(|(other, _)| other == id).unwrap();
        (
            verdict.server == Judgement::Verified,
            verdict.client == Judgement::Verified,
        )
    };
    assert_eq!(verified("etcd@cp1->etcd@cp1"), (true, true));
    assert_eq!(verified("kube-apiserver->etcd"), (true, true));
    assert_eq!(verified("kubelet->kube-apiserver"), (true, true));
    // kubeadm does not tell the API server how to verify kubelets.
    assert_eq!(verified("kube-apiserver->kubelet"), (false, true));
    assert_eq!(
        verified("kube-apiserver->aggregated API servers"),
        (false, true)
    );
    assert_eq!(verified("pods->kube-apiserver"), (true, false));
    assert_eq!(verified("etcd gateway->etcd"), (false, true));
}

#[test]
fn several_hosts_are_told_apart() {
    let world = World::new(Shape {
        control_planes: 2,
        workers: 1,
        balanced: true,
        ..Shape::default()
    });
    let judged = judged(&world);
    let ids: Vec<&str> = judged.iter().map(|(id, _)| id.as_str()).collect();
    for id in [
        "etcd@cp1->etcd@cp2",
        "etcd@cp2->etcd@cp1",
        "kube-apiserver@cp1->etcd@cp1",
        "kube-apiserver@cp2->etcd@cp2",
        "kubelet@w3->kube-apiserver@cp1",
        "kubelet@w3->kube-apiserver@cp2",
        "kube-apiserver@cp2->kubelet@w3",
        "admin.conf@cp1->kube-apiserver@cp2",
        "pods@cp1->kube-apiserver@cp2",
    ] {
        assert!(ids.contains(&id), "{id} is not among {ids:#?}");
    }
    assert!(!ids.contains(&"kube-apiserver@cp1->etcd@cp2"), "{ids:#?}");
    assert!(judged.iter().all(|(_, verdict)| verdict.holds()));
}

#[test]
fn an_expired_client_certificate_fails_its_own_connection_alone() {
    let mut world = one();
    let mut leaf = world.machines[0].certificates[&world.path("apiserver-etcd-client.crt")]
        .leaf
        .clone();
    leaf.validity = gone_by();
    let expired = world.etcd_ca().issue(&leaf);
    let path = world.path("apiserver-etcd-client.crt");
    world.machines[0].certificates.insert(path, expired);
    assert_eq!(broken(&world), ["kube-apiserver->etcd"]);
    let failure = failure(&world, "kube-apiserver->etcd");
    assert_eq!(failure.side, Side::Client);
    assert!(matches!(
        failure.reason,
        FailureReason::Path(PathError::Expired { .. })
    ));
}

#[test]
fn another_clusters_ca_in_the_clusters_place_fails_all_that_goes_by_it() {
    let mut world = one();
    let other = Authority::root("kubernetes").anchor;
    let path = world.path("ca.crt");
    world.machines[0].bundles.insert(path, vec![other]);
    assert_eq!(
        broken(&world),
        [
            "admin.conf->kube-apiserver",
            "kube-controller-manager->kube-apiserver",
            "kubelet->kube-apiserver",
            "kube-scheduler->kube-apiserver",
            "kube-apiserver->kubelet",
            "pods->kube-apiserver",
            "administrator->kube-controller-manager",
        ]
    );
    let failure = failure(&world, "pods->kube-apiserver");
    assert!(matches!(
        failure.reason,
        FailureReason::Path(PathError::UnknownAuthority { .. })
    ));
}

#[test]
fn a_server_without_the_name_asked_for() {
    let mut world = one();
    let path = world.path("apiserver.crt");
    let mut leaf = world.machines[0].certificates[&path].leaf.clone();
    leaf.names.retain(|name| name != "10.96.0.1");
    let lacking = world.cluster_ca().issue(&leaf);
    world.machines[0].certificates.insert(path, lacking);
    assert_eq!(broken(&world), ["pods->kube-apiserver"]);
    let failure = failure(&world, "pods->kube-apiserver");
    let FailureReason::Path(PathError::NameMismatch { asked, .. }) = failure.reason else {
        panic!("{failure:?}");
    };
    assert_eq!(asked.to_string(), "10.96.0.1");
}

#[test]
fn etcds_serving_certificate_without_client_usage_fails_its_gateway() {
    let mut world = one();
    let path = world.path("etcd/server.crt");
    let mut leaf = world.machines[0].certificates[&path].leaf.clone();
    leaf.usages = vec![ExtendedKeyUsage::ServerAuth];
    let lacking = world.etcd_ca().issue(&leaf);
    world.machines[0].certificates.insert(path, lacking);
    assert_eq!(broken(&world), ["etcd gateway->etcd"]);
}

#[test]
fn a_key_of_another() {
    let mut world = one();
    let path = world.path("front-proxy-client.crt");
    world.machines[0].certificates.get_mut(&path).unwrap().key = stray_key();
    let expected = [
        "kube-apiserver->aggregated API servers",
        "front-proxy->kube-controller-manager",
    ];
    assert_eq!(broken(&world), expected);
    assert_eq!(
        failure(&world, expected[0]).reason,
        FailureReason::KeyDiffers
    );
}

#[test]
fn a_kubelet_under_another_nodes_name() {
    let mut world = one();
    let other = world
        .cluster_ca()
        .client("system:node:w9", Some("system:nodes"));
    let kubeconfig = Path::new("/etc/kubernetes/kubelet.conf");
    world.machines[0]
        .kubeconfigs
        .get_mut(kubeconfig)
        .unwrap()
        .user = Some(other);
    assert_eq!(broken(&world), ["kubelet->kube-apiserver"]);
    let failure = failure(&world, "kubelet->kube-apiserver");
    let FailureReason::Identity { expected, found } = failure.reason else {
        panic!("{failure:?}");
    };
    assert_eq!(expected, "CN=system:node:cp1, O=system:nodes");
    assert!(found.contains("system:node:w9"), "{found}");
    // Without the Node authorizer nobody minds.
    world.machines[0].set(
        ComponentKind::KubeApiserver,
        "authorization-mode",
        Some("RBAC"),
    );
    assert_eq!(broken(&world), [""; 0]);
}

#[test]
fn a_scheduler_that_comes_as_somebody_else() {
    let mut world = one();
    let kubeconfig = Path::new("/etc/kubernetes/scheduler.conf");
    let other = world.cluster_ca().client("somebody", None);
    world.machines[0]
        .kubeconfigs
        .get_mut(kubeconfig)
        .unwrap()
        .user = Some(other);
    assert_eq!(broken(&world), ["kube-scheduler->kube-apiserver"]);
    // An administrator may do everything.
    let admin = world
        .cluster_ca()
        .client("somebody", Some("system:masters"));
    world.machines[0]
        .kubeconfigs
        .get_mut(kubeconfig)
        .unwrap()
        .user = Some(admin);
    assert_eq!(broken(&world), [""; 0]);
}

#[test]
fn a_peer_certificate_copied_from_another_member() {
    let mut world = World::new(Shape {
        control_planes: 2,
        ..Shape::default()
    });
    let path = world.path("etcd/peer.crt");
    let copied = world.machines[1].certificates[&path].clone();
    world.machines[0].certificates.insert(path, copied);
    assert_eq!(broken(&world), ["etcd@cp1->etcd@cp1", "etcd@cp2->etcd@cp1"]);
}
