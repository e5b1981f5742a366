//! What flags and kubeconfigs make of a connection: who is called, by which name, and who is believed.

use crate::authority::{Authority, NOW};
use crate::kubeadm::derived;
use crate::world::{BOTH, Shape, World};
use kubepki_core::connections::{Connection, Judgement, Place, Verdict, verify};
use kubepki_core::model::{ComponentKind, Role};
use kubepki_x509::path::{ServerName, Uncached};
use std::path::{Path, PathBuf};

const ETCD: ComponentKind = ComponentKind::Etcd;
const SERVER: ComponentKind = ComponentKind::KubeApiserver;

fn judged(world: &World, id: &str) -> (Connection, Verdict) {
    let (graph, material) = derived(world);
    let connection = graph
        .connection(id)
        .unwrap_or_else(|| panic!("no {id}"))
        .clone();
    let verdict = verify(&graph, &material, &connection, NOW, &Uncached);
    (connection, verdict)
}

fn exists(world: &World, id: &str) -> bool {
    derived(world).0.connection(id).is_some()
}

fn one() -> World {
    World::new(Shape::default())
}

fn is_unknown(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Unknown(_))
}

#[test]
fn a_kubeconfig_that_verifies_nobody_has_nothing_to_verify() {
    let mut world = one();
    let admin = Path::new("/etc/kubernetes/admin.conf");
    world.machines[0]
        .kubeconfigs
        .get_mut(admin)
        .unwrap()
        .unverified = true;
    let (connection, verdict) = judged(&world, "admin.conf->kube-apiserver");
    assert_eq!(connection.client_trusts, None);
    assert_eq!(verdict.server, Judgement::NotApplicable);
    assert_eq!(verdict.client, Judgement::Verified);
}

#[test]
fn a_kubeconfig_asks_for_the_name_that_it_is_told_to() {
    let mut world = one();
    let admin = Path::new("/etc/kubernetes/admin.conf");
    let file = world.machines[0].kubeconfigs.get_mut(admin).unwrap();
    file.server = "https://192.0.2.1:6443".to_owned();
    assert!(!judged(&world, "admin.conf->kube-apiserver").1.holds());
    let file = world.machines[0].kubeconfigs.get_mut(admin).unwrap();
    file.tls_server_name = Some("kubernetes".to_owned());
    let (connection, verdict) = judged(&world, "admin.conf->kube-apiserver");
    assert!(verdict.holds());
    assert_eq!(
        connection.names[0].name,
        ServerName::Dns("kubernetes".to_owned())
    );
    assert!(matches!(
        connection.names[0].asked_by,
        Place::KubeconfigCluster { .. }
    ));
    assert_eq!(connection.address, Some(("192.0.2.1".to_owned(), 6443)));
}

#[test]
fn a_kubeconfig_towards_somebody_elses_proxy_is_not_judged_by_our_server() {
    let mut world = one();
    let proxy = Authority::root("proxy");
    let user = world.cluster_ca().client("somebody", None);
    let home = "/root/.kube/config";
    let trust = vec![proxy.anchor];
    world.machines[0].kubeconfig(
        home,
        Role::Other,
        "https://rancher.example/k8s",
        trust,
        user,
    );
    let (_, verdict) = judged(&world, "/root/.kube/config->kube-apiserver");
    assert!(
        is_unknown(&verdict.server) && is_unknown(&verdict.client),
        "{verdict:?}"
    );
}

#[test]
fn plain_text_is_no_connection() {
    let mut world = one();
    let plain = Some("http://127.0.0.1:2379");
    world.machines[0].set(SERVER, "etcd-servers", plain);
    assert!(!exists(&world, "kube-apiserver->etcd"));
}

#[test]
fn etcd_elsewhere_is_known_only_from_this_side() {
    let mut world = one();
    let servers = "https://etcd-a.example:2379,https://etcd-b.example:2379";
    world.machines[0].set(SERVER, "etcd-servers", Some(servers));
    let (_, verdict) = judged(&world, "kube-apiserver->etcd@etcd-b.example");
    assert!(
        is_unknown(&verdict.server) && is_unknown(&verdict.client),
        "{verdict:?}"
    );
    // But what is wrong whoever trusts it is wrong there.
    let path = world.path("apiserver-etcd-client.crt");
    let server_only = world.etcd_ca().server("kube-apiserver-etcd-client", &[]);
    world.machines[0].certificates.insert(path, server_only);
    assert!(
        !judged(&world, "kube-apiserver->etcd@etcd-b.example")
            .1
            .holds()
    );
}

#[test]
fn who_demands_a_certificate_and_gets_none() {
    let mut world = one();
    world.machines[0].set(SERVER, "etcd-certfile", None);
    world.machines[0].set(SERVER, "etcd-keyfile", None);
    let (connection, verdict) = judged(&world, "kube-apiserver->etcd");
    assert!(
        matches!(verdict.client, Judgement::Failed(_)),
        "{verdict:?}"
    );
    assert!(connection.client_presents.is_some());
    for flag in ["trusted-ca-file", "client-cert-auth"] {
        world.machines[0].set(ETCD, flag, None);
    }
    assert_eq!(
        judged(&world, "kube-apiserver->etcd").1.client,
        Judgement::NotApplicable
    );
}

#[test]
fn without_a_ca_file_the_systems_own_authorities_count() {
    let mut world = one();
    world.machines[0].set(SERVER, "etcd-cafile", None);
    let (_, verdict) = judged(&world, "kube-apiserver->etcd");
    // None of those signed what an authority of this host signed.
    assert!(
        matches!(verdict.server, Judgement::Failed(_)),
        "{verdict:?}"
    );
    let path = world.path("etcd/server.crt");
    let bought = Authority::root("public").issue(&world.machines[0].certificates[&path].leaf);
    world.machines[0].certificates.insert(path, bought);
    let (_, verdict) = judged(&world, "kube-apiserver->etcd");
    assert!(is_unknown(&verdict.server), "{verdict:?}");
}

#[test]
fn a_member_allows_certain_names_alone() {
    let mut world = one();
    world.machines[0].set(ETCD, "peer-cert-allowed-cn", Some("cp1"));
    assert!(judged(&world, "etcd@cp1->etcd@cp1").1.holds());
    world.machines[0].set(ETCD, "peer-cert-allowed-cn", Some("somebody"));
    assert!(!judged(&world, "etcd@cp1->etcd@cp1").1.holds());
    world.machines[0].set(ETCD, "peer-cert-allowed-cn", None);
    world.machines[0].set(
        ETCD,
        "client-cert-allowed-hostname",
        Some("clients.example"),
    );
    assert!(!judged(&world, "kube-apiserver->etcd").1.holds());
}

#[test]
fn a_client_of_etcd_has_to_come_from_where_its_certificate_says() {
    let mut world = one();
    let path = world.path("apiserver-etcd-client.crt");
    for (names, holds) in [
        (&["10.0.0.11"][..], true),
        (&["10.9.9.9"][..], false),
        // What a name stands for, only etcd's resolver knows.
        (&["10.9.9.9", "somewhere.example"][..], true),
    ] {
        let leaf = crate::authority::leaf("client", None, BOTH, names);
        let made = world.etcd_ca().issue(&leaf);
        world.machines[0].certificates.insert(path.clone(), made);
        let (_, verdict) = judged(&world, "kube-apiserver->etcd");
        assert_eq!(verdict.holds(), holds, "{names:?}: {verdict:?}");
    }
}

#[test]
fn kubelets_are_called_by_the_address_that_is_preferred() {
    let mut world = World::new(Shape {
        verifies_kubelets: true,
        ..Shape::default()
    });
    let name = |world: &World| {
        judged(world, "kube-apiserver->kubelet").0.names[0]
            .name
            .clone()
    };
    assert_eq!(name(&world), ServerName::Dns("cp1".to_owned()));
    let machine = &mut world.machines[0];
    machine.set(
        SERVER,
        "kubelet-preferred-address-types",
        Some("InternalIP,Hostname"),
    );
    machine.set(ComponentKind::Kubelet, "node-ip", Some("10.0.0.11"));
    assert_eq!(name(&world), ServerName::Ip("10.0.0.11".parse().unwrap()));
    assert_eq!(
        judged(&world, "kube-apiserver->kubelet").1.server,
        Judgement::Verified
    );
}

#[test]
fn a_server_chooses_its_certificate_by_the_name_asked_for() {
    let mut world = one();
    let public = Authority::root("public");
    let path = PathBuf::from("/pki/public.crt");
    let made = public.server("api.example", &["api.example"]);
    world.machines[0].certificates.insert(path, made);
    let sni = Some("/pki/public.crt,/pki/public.key");
    world.machines[0].set(SERVER, "tls-sni-cert-key", sni);
    let user = world.cluster_ca().client("somebody", None);
    let trust = vec![public.anchor];
    world.machines[0].kubeconfig(
        "/root/.kube/config",
        Role::Other,
        "https://api.example:6443",
        trust,
        user,
    );
    let (_, verdict) = judged(&world, "/root/.kube/config->kube-apiserver");
    assert_eq!(verdict.server, Judgement::Verified);
    assert_eq!(
        judged(&world, "admin.conf->kube-apiserver").1.server,
        Judgement::Verified
    );
}

#[test]
fn members_that_were_not_looked_at_are_called_all_the_same() {
    let mut world = World::new(Shape {
        control_planes: 2,
        ..Shape::default()
    });
    world.machines.truncate(1);
    let (connection, verdict) = judged(&world, "etcd@cp1->etcd@cp2");
    assert!(
        is_unknown(&verdict.server) && is_unknown(&verdict.client),
        "{verdict:?}"
    );
    assert_eq!(connection.address, Some(("10.0.0.12".to_owned(), 2380)));
}
