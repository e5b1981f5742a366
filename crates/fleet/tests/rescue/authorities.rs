//! Clusters whose CAs have ended or lost their keys.

use crate::folders::mends;
use crate::kubeadm::PKI;
use crate::world::{
    CONTROL_PLANES, HOSTS, World, files, issuance, issued, stages, standing, summary,
};
use kubepki_core::plan::{KeyChoice, Signer};
use kubepki_core::rescue::{Area, RescueRequest, Standing};

#[test]
fn cas_that_expired_are_renewed_with_their_own_keys_and_given_to_all() {
    let world = World::healthy().later(3550 + 30).down();
    let found = world.rescue();
    let ca = issuance(&found, "cp1", "ca");
    assert_eq!(
        (&ca.signer, &ca.key),
        (&Signer::ItsOwnKey, &KeyChoice::Reuse)
    );
    for host in ["cp2", "cp3"] {
        for name in ["ca", "etcd-ca", "front-proxy-ca"] {
            let given = issuance(&found, host, name);
            assert!(
                matches!(&given.signer, Signer::Given { host, fingerprint_sha256: None, .. } if host == "cp1"),
                "{given:#?}"
            );
        }
    }
    for host in HOSTS {
        let plan = files(&found, host).unwrap();
        assert!(plan.issuances.iter().any(|it| it.name == "ca"), "{host}");
        assert!(!plan.trust_updates.is_empty(), "{host}: kubeconfigs follow");
    }
    assert_eq!(
        found.plan.stages[0].steps[0].host(),
        "cp1",
        "who issues goes first"
    );
    assert_eq!(standing(&found, Area::Authorities), Standing::Broken);
    assert!(summary(&found, Area::Authorities).starts_with("ca expired at "));
    assert!(
        !stages(&found).contains(&"halt"),
        "the same key needs no stop"
    );
    mends(&world, &RescueRequest::default());
}

#[test]
fn a_ca_whose_key_lies_on_one_host_alone_signs_for_the_others() {
    let mut world = World::healthy().later(265 + 365).down();
    for host in ["cp1", "cp3"] {
        world.machine(host).remove(&format!("{PKI}/etcd/ca.key"));
    }
    let found = world.rescue();
    let signer = |host: &str| issuance(&found, host, "etcd-peer").signer.clone();
    assert!(matches!(signer("cp2"), Signer::Authority { .. }));
    for host in ["cp1", "cp3"] {
        assert!(matches!(signer(host), Signer::Elsewhere { host, .. } if host == "cp2"));
    }
    mends(&world, &RescueRequest::default());
}

fn lost() -> World {
    let mut world = World::healthy().later(265 + 365).down();
    for host in CONTROL_PLANES {
        world.machine(host).remove(&format!("{PKI}/ca.key"));
    }
    world
}

#[test]
fn a_lost_key_is_said_and_nothing_of_it_is_promised() {
    let found = lost().rescue();
    assert!(!issued(&found, "cp1").contains(&"apiserver".to_owned()));
    assert!(issued(&found, "cp1").contains(&"etcd-peer".to_owned()));
    let left: Vec<&str> = found
        .left
        .iter()
        .map(|notice| notice.object.as_str())
        .collect();
    assert!(
        left.contains(&"apiserver on cp1") && left.contains(&"kubelet-client on w2"),
        "{left:?}"
    );
    assert!(
        found
            .left
            .iter()
            .any(|notice| notice.message.contains("--new-ca"))
    );
}

#[test]
fn a_lost_key_with_consent_gives_a_new_ca_and_everything_anew() {
    let world = lost();
    let request = RescueRequest {
        new_ca: true,
        ..RescueRequest::default()
    };
    let found = world.rescue_with(&request);
    assert_eq!(stages(&found)[0], "halt", "nobody believes both");
    let ca = issuance(&found, "cp1", "ca");
    assert!(matches!(ca.key, KeyChoice::Generate { .. }));
    assert_eq!(ca.signer, Signer::ItsOwnKey);
    assert!(
        matches!(&issuance(&found, "w1", "ca").signer, Signer::Given { host, fingerprint_sha256: None, .. } if host == "cp1")
    );
    let folders = crate::folders::Folders::of(&world);
    let planned = folders.plan(&request);
    let outcome = folders.carry_out(&planned.plan);
    assert!(outcome.is_done(), "{outcome:#?}");
    let grave: Vec<_> = folders
        .doctor()
        .findings
        .into_iter()
        .filter(|finding| finding.severity >= kubepki_core::model::Severity::Critical)
        .collect();
    assert!(grave.is_empty(), "{grave:#?}");
    let files = folders.files();
    let pem = &files["cp1:/etc/kubernetes/pki/ca.crt"];
    for host in HOSTS {
        assert_eq!(
            pem,
            &files[&format!("{host}:/etc/kubernetes/pki/ca.crt")],
            "{host}"
        );
    }
    assert!(files.contains_key("cp1:/etc/kubernetes/pki/ca.key"));
    assert!(
        !files.contains_key("cp2:/etc/kubernetes/pki/ca.key"),
        "keys do not travel"
    );
    let again = folders.plan(&RescueRequest::default());
    assert!(again.plan.is_empty(), "{:#?}", again.plan);
}

#[test]
fn a_ca_made_by_a_second_kubeadm_init_is_outvoted() {
    let mut world = World::healthy();
    world.well[2] = false;
    let foreign = &crate::pki::authorities().foreign;
    let machine = world.machine("cp3");
    machine.write(&format!("{PKI}/ca.crt"), foreign.pem());
    let names = crate::kubeadm::names(machine);
    let copy = machine.clone();
    for (base, authority, wish) in crate::kubeadm::leafs(&copy, &names) {
        let is_clusters = std::ptr::eq(authority, &crate::pki::authorities().cluster);
        if is_clusters {
            crate::kubeadm::put(machine, base, &foreign.issue(&wish));
        }
    }
    let found = world.rescue();
    assert_eq!(
        issued(&found, "cp3"),
        ["apiserver", "apiserver-kubelet-client", "ca"]
    );
    for host in ["cp1", "cp2", "w1", "w2"] {
        assert!(issued(&found, host).is_empty(), "{host}");
    }
    mends(&world, &RescueRequest::default());
}
