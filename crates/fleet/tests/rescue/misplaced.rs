//! Clusters with files that are valid, and in the wrong place.

use crate::folders::mends;
use crate::kubeadm::PKI;
use crate::world::{CONTROL_PLANES, World, issuance, issued, standing, troubles};
use kubepki_core::plan::{Origin, Signer};
use kubepki_core::rescue::{Area, RescueRequest, Standing};

const LEAFS: [&str; 7] = [
    "apiserver",
    "apiserver-kubelet-client",
    "apiserver-etcd-client",
    "front-proxy-client",
    "etcd/server",
    "etcd/peer",
    "etcd/healthcheck-client",
];

#[test]
fn certificates_of_one_node_copied_over_anothers() {
    let mut world = World::healthy();
    world.well[1] = false;
    let first = world.machine("cp1").clone();
    for leaf in LEAFS {
        for end in ["crt", "key"] {
            let path = format!("{PKI}/{leaf}.{end}");
            world.machine("cp2").write(&path, first.bytes(&path));
        }
    }
    let found = world.rescue();
    assert_eq!(
        issued(&found, "cp2"),
        ["apiserver", "etcd-peer", "etcd-server"]
    );
    for host in ["cp1", "cp3", "w1", "w2"] {
        assert!(issued(&found, host).is_empty(), "{host}");
    }
    let peer = issuance(&found, "cp2", "etcd-peer");
    assert!(
        matches!(&peer.origin, Origin::Template { common_name: Some(name), .. } if name == "cp2")
    );
    let names = peer.subject_alt_names.as_ref().unwrap();
    assert!(
        names.contains(&"IP:10.0.0.2".to_owned()) && !names.contains(&"IP:10.0.0.1".to_owned())
    );
    assert!(names.contains(&"DNS:cp2".to_owned()) && !names.contains(&"DNS:cp1".to_owned()));
    let served = issuance(&found, "cp2", "apiserver")
        .subject_alt_names
        .clone()
        .unwrap();
    assert!(served.contains(&"DNS:api.example".to_owned()));
    assert!(!served.contains(&"DNS:cp1".to_owned()));
    assert!(matches!(peer.signer, Signer::Authority { .. }));
    let blamed = troubles(&found);
    assert!(blamed.iter().any(|(host, object, code)| {
        host == "cp2" && object == "etcd-server" && code == "copied-from-another-node"
    }));
    assert!(blamed.iter().all(|(host, ..)| host == "cp2"), "{blamed:#?}");
    assert_eq!(
        standing(&found, Area::Etcd),
        Standing::Degraded,
        "two of three are a quorum"
    );
    let changed = mends(&world, &RescueRequest::default());
    assert_eq!(changed.len(), 6, "{changed:#?}");
}

#[test]
fn api_servers_that_lost_their_names() {
    let mut world = World::healthy().down();
    let before: Vec<Vec<String>> = CONTROL_PLANES
        .iter()
        .map(|host| crate::kubeadm::names(world.machine(host))[5..].to_vec())
        .collect();
    for host in CONTROL_PLANES {
        world.reissue(host, "apiserver", |wish| wish.names = &[]);
    }
    let found = world.rescue();
    for (host, mut before) in CONTROL_PLANES.iter().zip(before) {
        assert_eq!(issued(&found, host), ["apiserver"]);
        let names = &issuance(&found, host, "apiserver").subject_alt_names;
        let mut names = names.clone().unwrap();
        names.sort();
        before.sort();
        assert_eq!(names, before, "all of them, from flags and kubeconfigs");
    }
    mends(&world, &RescueRequest::default());
}

/// What only kubeadm was told stands in a file that whoever called it left on one of the hosts.
#[test]
fn names_that_no_certificate_has_come_from_kubeadms_configuration() {
    let mut world = World::healthy().down();
    for host in CONTROL_PLANES {
        world.reissue(host, "apiserver", |wish| wish.names = &[]);
    }
    world.machine("cp2").write(
        "/etc/kubernetes/kubeadm-config.yaml",
        "apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\napiServer:\n  certSANs: [public.example, 192.0.2.7]\n",
    );
    let found = world.rescue();
    for host in CONTROL_PLANES {
        let names = &issuance(&found, host, "apiserver").subject_alt_names;
        let names = names.clone().unwrap();
        for name in ["DNS:public.example", "IP:192.0.2.7"] {
            assert!(names.contains(&name.to_owned()), "{name} in {names:?}");
        }
    }
    let notices = format!("{:?}", found.plan);
    assert!(notices.contains("kubeadm-config.yaml on cp2"), "{notices}");
}

#[test]
fn one_api_server_that_lost_its_names_has_its_siblings() {
    let mut world = World::healthy();
    for host in CONTROL_PLANES {
        let own = crate::kubeadm::names(world.machine(host));
        let names: Vec<&str> = own[5..]
            .iter()
            .map(String::as_str)
            .chain(["DNS:public.example"])
            .collect();
        let names: &[&str] = Box::leak(names.into_boxed_slice());
        let _ = own;
        world.reissue(host, "apiserver", |wish| {
            let copy: Vec<&str> = names
                .iter()
                .map(|name| &*Box::leak((*name).to_owned().into_boxed_str()))
                .collect();
            wish.names = Box::leak(copy.into_boxed_slice());
        });
    }
    world.reissue("cp3", "apiserver", |wish| wish.names = &[]);
    let found = world.rescue();
    let names = issuance(&found, "cp3", "apiserver")
        .subject_alt_names
        .clone()
        .unwrap();
    assert!(
        names.contains(&"DNS:public.example".to_owned()),
        "{names:?}"
    );
    assert!(issued(&found, "cp1").is_empty());
}

#[test]
fn wrong_ca_files_in_the_middle_of_a_rotation() {
    let mut world = World::healthy();
    world.well = [true, false, false];
    let foreign = crate::pki::authorities().foreign.pem();
    world
        .machine("cp2")
        .write(&format!("{PKI}/ca.crt"), foreign);
    world.machine("cp3").copy(
        &format!("{PKI}/front-proxy-ca.crt"),
        &format!("{PKI}/etcd/ca.crt"),
    );
    let found = world.rescue();
    assert_eq!(issued(&found, "cp2"), ["ca"]);
    assert_eq!(issued(&found, "cp3"), ["etcd-ca"]);
    for host in ["cp1", "w1", "w2"] {
        assert!(issued(&found, host).is_empty(), "{host}");
    }
    let ca = issuance(&found, "cp2", "ca");
    let right = crate::pki::authorities()
        .cluster
        .certificate()
        .fingerprint_sha256();
    assert!(
        matches!(&ca.signer, Signer::Given { fingerprint_sha256: Some(found), .. } if *found == hex::encode(right))
    );
    let blamed = troubles(&found);
    assert!(
        blamed.iter().any(|(host, object, code)| {
            host == "cp2" && object == "ca" && code == "wrong-authority-file"
        }),
        "{blamed:#?}"
    );
    assert!(blamed.iter().any(|(host, object, code)| {
        host == "cp3" && object == "etcd-ca" && code == "wrong-authority-file"
    }));
    let changed = mends(&world, &RescueRequest::default());
    assert_eq!(
        changed,
        [
            "cp2:/etc/kubernetes/pki/ca.crt",
            "cp3:/etc/kubernetes/pki/etcd/ca.crt"
        ]
    );
}

#[test]
fn lost_files_come_back_from_siblings_and_from_kubeadms_table() {
    let mut world = World::healthy();
    for path in [
        "etcd/peer.crt",
        "etcd/peer.key",
        "apiserver-etcd-client.crt",
        "front-proxy-client.key",
    ] {
        world.machine("cp2").remove(&format!("{PKI}/{path}"));
    }
    let found = world.rescue();
    assert_eq!(
        issued(&found, "cp2"),
        ["apiserver-etcd-client", "etcd-peer", "front-proxy-client"]
    );
    let peer = issuance(&found, "cp2", "etcd-peer");
    assert!(
        matches!(&peer.origin, Origin::Template { source, common_name: Some(name), .. }
        if source.contains("cp1") && name == "cp2"),
        "{peer:#?}"
    );
    mends(&world, &RescueRequest::default());
    // Nowhere else: the table says what it has to be.
    for host in ["cp1", "cp3"] {
        world
            .machine(host)
            .remove(&format!("{PKI}/apiserver-etcd-client.crt"));
    }
    mends(&world, &RescueRequest::default());
}
