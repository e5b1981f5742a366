//! Whole renewals over several hosts, carried out.

use crate::kubeadm::{Cluster, PKI, control_plane, write_kubeconfig};
use crate::machine::Machine;
use crate::pki::{self, CLIENT, SERVER, Wish, authorities};
use crate::site::{CA, CA_KEY, STORE, Sites, plans};
use kubepki_core::model::Inventory;
use kubepki_core::plan::{
    ClusterOptions, HostView, KeyChoice, RenewRequest, Selection, Signer, plan_cluster_renewal,
};
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_x509::Certificate;

pub fn worker(name: &str) -> Machine {
    let mut machine = Cluster::worker().machines.remove(0);
    let old = machine.name.clone();
    machine.name = name.to_owned();
    machine.write("/etc/hostname", format!("{name}\n"));
    let node = format!("system:node:{name}");
    let wish = Wish::new(&node, CLIENT, &[]).of(&["system:nodes"]);
    let pair = authorities().cluster.issue(&wish);
    let dated = "/var/lib/kubelet/pki/kubelet-client-2026-02-21-12-00-00.pem";
    machine.write(dated, format!("{}{}", pair.pem(), pair.key));
    machine.edit(
        "/etc/kubernetes/kubelet.conf",
        &format!("system:node:{old}"),
        &node,
    );
    machine
}

/// Puts an expired self of the cluster's CA into every place that holds it.
pub fn expire_cluster_authority(machine: &mut Machine) {
    let expired = authorities().cluster.again(-4000, -10);
    machine.write(CA, expired.pem());
    let confs: Vec<String> = machine
        .nodes
        .keys()
        .map(|path| path.display().to_string())
        .filter(|path| path.ends_with(".conf"))
        .collect();
    let encoded = |pem: &str| crate::kubeadm::base64(pem);
    for conf in confs {
        let (old, new) = (
            encoded(&authorities().cluster.pem()),
            encoded(&expired.pem()),
        );
        if machine.text(&conf).contains(&old) {
            machine.edit(&conf, &old, &new);
        }
    }
}

fn three_and_one() -> Vec<Machine> {
    let names = ["cp1", "cp2", "cp3"];
    let mut machines: Vec<Machine> = names
        .iter()
        .enumerate()
        .map(|(index, name)| control_plane(name, &format!("10.0.0.{}", index + 1), &names))
        .collect();
    machines.push(worker("w1"));
    machines
}

fn all() -> RenewRequest {
    RenewRequest::new(Selection::All)
}

fn signed_by(certificate: &Certificate, authority: &Certificate) {
    certificate.verify_issued_by(authority).unwrap();
}

#[test]
fn a_worker_is_renewed_with_a_ca_key_that_lies_elsewhere_and_its_own_never_leaves() {
    let sites = Sites::new([control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")]);
    let plan = sites.plan(&all()).unwrap();
    let (_, _, of_worker) = *plans(&plan).last().unwrap();
    let client = of_worker
        .issuances
        .iter()
        .find(|it| it.name == "kubelet-client")
        .unwrap();
    assert!(
        matches!(&client.signer, Signer::Elsewhere { host, name, .. } if host == "cp1" && name == "ca"),
        "{client:?}"
    );
    let old = sites.site("w1").certificate(STORE);
    sites.carry(&plan);
    let new = sites.site("w1").certificate(STORE);
    assert_eq!(new.subject(), old.subject());
    assert_ne!(new.public_key(), old.public_key());
    assert_eq!(new.validity().not_after, client.not_after);
    signed_by(&new, authorities().cluster.certificate());
    let key = sites.site("w1").read(STORE);
    let half = kubepki_keys::public_half(&kubepki_sealed::Sealed::new(key)).unwrap();
    assert_eq!(half.public_key, *new.public_key());
    assert!(!sites.site("w1").path(CA_KEY).exists());
    assert!(sites.plan(&all()).unwrap().is_empty());
}

#[test]
fn an_expired_ca_is_renewed_once_and_every_host_gets_the_same() {
    let mut machines = three_and_one();
    machines.iter_mut().for_each(expire_cluster_authority);
    let sites = Sites::new(machines);
    let mut request = all();
    let plan = sites.plan(&request).unwrap();
    assert!(
        plan.notices
            .iter()
            .any(|notice| notice.code == "ca-expired"),
        "{:?}",
        plan.notices
    );
    request.renew_expired_ca = true;
    let plan = sites.plan(&request).unwrap();
    let names: Vec<&str> = plan.stages.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["authorities", "trust", "control-planes", "workers"]);
    let own = plans(&plan)
        .iter()
        .flat_map(|(_, _, plan)| &plan.issuances)
        .filter(|it| it.signer == Signer::ItsOwnKey)
        .count();
    assert_eq!(own, 1);
    let keys: Vec<Vec<u8>> = ["cp1", "cp2", "cp3"]
        .map(|name| sites.site(name).read(CA_KEY))
        .into();
    sites.carry(&plan);
    let renewed = sites.site("cp1").certificate(CA);
    assert!(renewed.validity().not_after > pki::now() + pki::days(3000));
    assert_eq!(
        renewed.public_key(),
        authorities().cluster.certificate().public_key()
    );
    for site in &sites.0 {
        assert_eq!(site.certificate(CA), renewed, "{}", site.name);
        signed_by(&site.certificate(STORE), &renewed);
        let inventory = site.inventory();
        for trust in &inventory.embedded_trust {
            assert_eq!(
                trust.certificates,
                std::slice::from_ref(&renewed),
                "{}",
                trust.kubeconfig.display()
            );
        }
    }
    for (name, key) in ["cp1", "cp2", "cp3"].into_iter().zip(keys) {
        assert_eq!(sites.site(name).read(CA_KEY), key);
        let leaf = sites
            .site(name)
            .certificate(&format!("{PKI}/apiserver.crt"));
        assert!(leaf.validity().not_after > pki::now() + pki::days(300));
    }
    let again = sites.plan(&request).unwrap();
    assert!(again.is_empty(), "{again:#?}");
}

#[test]
fn a_ca_that_an_interrupted_run_renewed_on_one_host_is_handed_to_the_others() {
    let mut machines = three_and_one();
    machines
        .iter_mut()
        .skip(1)
        .for_each(expire_cluster_authority);
    let sites = Sites::new(machines);
    let mut request = all();
    request.renew_expired_ca = true;
    let plan = sites.plan(&request).unwrap();
    let given: Vec<&str> = plans(&plan)
        .iter()
        .filter(|(_, _, plan)| {
            let mut issuances = plan.issuances.iter();
            issuances.any(|it| {
                it.name == "ca"
                    && matches!(&it.signer, Signer::Given { host, fingerprint_sha256: Some(_), .. } if host == "cp1")
            })
        })
        .map(|(_, host, _)| *host)
        .collect();
    assert_eq!(given, ["cp2", "cp3", "w1"]);
    sites.carry(&plan);
    for site in &sites.0 {
        assert_eq!(site.certificate(CA), *authorities().cluster.certificate());
    }
}

#[test]
fn a_certificate_that_hosts_share_keeps_its_key_and_is_the_same_on_all() {
    let mut machines = vec![
        control_plane("cp1", "10.0.0.1", &["cp1"]),
        worker("w1"),
        worker("w2"),
    ];
    let names = ["DNS:w1", "DNS:w2"];
    let shared = authorities()
        .cluster
        .issue(&Wish::new("kube-node", SERVER, &names).lasting(-300, 20));
    for machine in machines.iter_mut().skip(1) {
        machine.write("/etc/kubernetes/pki/kube-node.crt", shared.pem());
        machine.write("/etc/kubernetes/pki/kube-node.key", shared.key.clone());
        machine.edit(
            "/lib/systemd/system/kubelet.service",
            "--config=/var",
            "--tls-cert-file=/etc/kubernetes/pki/kube-node.crt --tls-private-key-file=/etc/kubernetes/pki/kube-node.key --config=/var",
        );
    }
    let sites = Sites::new(machines);
    let request = RenewRequest::new(Selection::Named(vec![
        "/etc/kubernetes/pki/kube-node.crt".to_owned(),
    ]));
    let plan = sites.plan(&request).unwrap();
    assert!(
        plan.notices
            .iter()
            .any(|notice| notice.code == "shared-key")
    );
    let all = plans(&plan);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(
        all.iter()
            .all(|(_, _, plan)| plan.issuances[0].key == KeyChoice::Reuse)
    );
    assert!(matches!(
        &all[0].2.issuances[0].signer,
        Signer::Elsewhere { .. }
    ));
    assert!(matches!(&all[1].2.issuances[0].signer, Signer::Given { host, .. } if host == "w1"));
    sites.carry(&plan);
    let path = "/etc/kubernetes/pki/kube-node.crt";
    let new = sites.site("w1").certificate(path);
    assert_eq!(new, sites.site("w2").certificate(path));
    assert_eq!(new.public_key(), shared.certificate.public_key());
    assert!(new.validity().not_after > shared.certificate.validity().not_after);
    for name in ["w1", "w2"] {
        let key = sites.site(name).read("/etc/kubernetes/pki/kube-node.key");
        assert_eq!(key, shared.key.as_bytes());
    }
}

#[test]
fn a_name_is_refused_only_when_no_host_has_it() {
    let sites = Sites::new([control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")]);
    let named = |name: &str| RenewRequest::new(Selection::Named(vec![name.to_owned()]));
    let plan = sites.plan(&named("apiserver")).unwrap();
    assert_eq!(plan.hosts(), ["cp1"]);
    let refusal = sites.plan(&named("apiservr")).unwrap_err();
    assert_eq!(refusal.code(), "unknown-certificate");
    assert!(
        refusal.to_string().contains("on any of the 2 hosts"),
        "{refusal}"
    );
    assert_eq!(
        sites.plan(&named("ca")).unwrap_err().code(),
        "is-an-authority"
    );
}

#[test]
fn a_copied_administrators_kubeconfig_is_the_same_on_both_hosts_again() {
    let mut machines = vec![control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")];
    let wish = Wish::new("kubernetes-admin", CLIENT, &[]).of(&["system:masters"]);
    let admin = authorities().cluster.issue(&wish);
    for machine in &mut machines {
        let trust = authorities().cluster.pem();
        write_kubeconfig(machine, "admin.conf", "kubernetes-admin", &trust, &admin);
    }
    let sites = Sites::new(machines);
    let plan = sites
        .plan(&RenewRequest::new(Selection::Named(vec![
            "admin.conf".to_owned(),
        ])))
        .unwrap();
    sites.carry(&plan);
    let of = |name: &str| {
        let inventory = sites.site(name).inventory();
        let entry = inventory.entry("admin.conf").unwrap();
        (
            entry.certificate().unwrap().clone(),
            entry.key.public_key().cloned(),
        )
    };
    assert_eq!(of("cp1"), of("w1"));
    assert_ne!(of("cp1").0, admin.certificate);
}

#[test]
fn a_kubelet_that_lost_its_certificate_gets_one_of_its_node_even_with_a_renewed_ca() {
    let mut machines = vec![control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")];
    machines.iter_mut().for_each(expire_cluster_authority);
    machines[1].remove("/var/lib/kubelet/pki/kubelet-client-2026-02-21-12-00-00.pem");
    let sites = Sites::new(machines);
    let mut request = all();
    request.renew_expired_ca = true;
    sites.carry(&sites.plan(&request).unwrap());
    let new = sites.site("w1").certificate(STORE);
    assert_eq!(
        new.subject().to_string(),
        "O=system:nodes, CN=system:node:w1"
    );
    signed_by(&new, &sites.site("cp1").certificate(CA));
}

#[test]
fn hosts_that_only_get_a_ca_take_it_up_too() {
    let mut machines = three_and_one();
    machines.iter_mut().for_each(expire_cluster_authority);
    let sites = Sites::new(machines);
    let mut request = RenewRequest::new(Selection::Named(vec!["scheduler.conf".to_owned()]));
    request.renew_expired_ca = true;
    let plan = sites.plan(&request).unwrap();
    let (_, host, last) = *plans(&plan).last().unwrap();
    assert_eq!(host, "w1");
    assert!(last.issuances.is_empty() && !last.components.is_empty());
    assert_eq!(last.trust_updates.len(), 1);
    sites.carry(&plan);
    let renewed = sites.site("cp1").certificate(CA);
    let inventory = sites.site("w1").inventory();
    assert_eq!(inventory.embedded_trust[0].certificates, [renewed]);
}

#[test]
fn etcd_that_would_not_come_up_host_by_host_is_left_to_a_rescue() {
    let names = ["cp1", "cp2", "cp3"];
    let expired = |name: &str, index: usize| {
        let mut machine = control_plane(name, &format!("10.0.0.{index}"), &names);
        let wish = Wish::new(name, pki::BOTH, &["IP:10.0.0.1"]).lasting(-400, -20);
        let pair = authorities().etcd.issue(&wish);
        crate::kubeadm::put(&mut machine, "etcd/peer", &pair);
        machine
    };
    let machines = [
        expired("cp1", 1),
        expired("cp2", 2),
        control_plane("cp3", "10.0.0.3", &names),
    ];
    let plan = |machines: &[Machine], request: &RenewRequest| {
        let inventories: Vec<Inventory> = machines
            .iter()
            .map(|machine| discover(machine, &DiscoverOptions::default(), pki::now()).unwrap())
            .collect();
        let views: Vec<HostView<'_>> = inventories
            .iter()
            .map(|inventory| HostView {
                name: &inventory.host,
                inventory,
            })
            .collect();
        plan_cluster_renewal(&views, request, &ClusterOptions::default(), pki::now())
    };
    let refusal = plan(&machines, &all()).unwrap_err();
    assert_eq!(refusal.code(), "etcd-without-quorum");
    let text = refusal.to_string();
    assert!(
        text.contains("cp1, cp2") && text.contains("2 of 3"),
        "{text}"
    );
    assert!(refusal.hint().unwrap().contains("kubepki rescue"));
    let mut files_only = all();
    files_only.no_restart = true;
    plan(&machines, &files_only).unwrap();
    // One member of three does not stop the others.
    let machines = [
        expired("cp1", 1),
        control_plane("cp2", "10.0.0.2", &names),
        control_plane("cp3", "10.0.0.3", &names),
    ];
    plan(&machines, &all()).unwrap();
}

#[test]
fn cas_whose_keys_lie_on_different_hosts_are_renewed_where_their_keys_are() {
    let names = ["cp1", "cp2"];
    let mut machines: Vec<Machine> = ["10.0.0.1", "10.0.0.2"]
        .iter()
        .zip(names)
        .map(|(address, name)| control_plane(name, address, &names))
        .collect();
    let front_proxy = authorities().front_proxy.again(-4000, -10).pem();
    let front_proxy_ca = format!("{PKI}/front-proxy-ca.crt");
    for machine in &mut machines {
        expire_cluster_authority(machine);
        machine.write(&front_proxy_ca, front_proxy.clone());
    }
    machines[0].remove(&format!("{PKI}/front-proxy-ca.key"));
    machines[1].remove(CA_KEY);
    let sites = Sites::new(machines);
    let mut request = all();
    request.renew_expired_ca = true;
    sites.carry(&sites.plan(&request).unwrap());
    for path in [CA, &front_proxy_ca] {
        let renewed = sites.site("cp1").certificate(path);
        assert!(renewed.validity().not_after > pki::now(), "{path}");
        assert_eq!(renewed, sites.site("cp2").certificate(path));
    }
    assert!(sites.plan(&request).unwrap().is_empty());
}

#[test]
fn an_expired_ca_whose_key_is_nowhere_is_told() {
    let mut machines = vec![control_plane("cp1", "10.0.0.1", &["cp1"]), worker("w1")];
    machines.iter_mut().for_each(expire_cluster_authority);
    machines[0].remove(CA_KEY);
    let sites = Sites::new(machines);
    let mut request = all();
    request.renew_expired_ca = true;
    let plan = sites.plan(&request).unwrap();
    let told = plan
        .left_out()
        .find(|notice| notice.code == "ca-not-renewable")
        .unwrap();
    assert!(told.object.starts_with("ca on "), "{told:?}");
    assert!(told.message.contains("on none of the hosts"), "{told:?}");
    assert!(!plan.stages.iter().any(|stage| stage.name == "authorities"));
}
