//! Clients of the API server and of etcd that kubeadm knows nothing of.

use crate::kubeadm::{Cluster, PKI, write_kubeconfig};
use crate::machine::Machine;
use crate::pki::{CLIENT, Wish, authorities, now};
use kubepki_core::connections::{Judgement, Verdict, derive, verify};
use kubepki_core::diagnose::{Evidence, HostEvidence};
use kubepki_core::model::{ComponentKind, Inventory, KubeconfigTrust};
use kubepki_engine::discover::{DiscoverOptions, discover};
use kubepki_engine::ports::Process;
use kubepki_x509::path::Uncached;
use std::path::Path;

fn found(machine: &Machine) -> Inventory {
    discover(machine, &DiscoverOptions::default(), now()).unwrap()
}

fn host() -> Machine {
    Cluster::kubeadm().machines.remove(0)
}

fn verdict(machine: &Machine, id: &str) -> Verdict {
    let hosts = [HostEvidence {
        inventory: found(machine),
        live: None,
    }];
    let (graph, material) = derive(&Evidence {
        hosts: &hosts,
        cluster: None,
    });
    let ids: Vec<&str> = graph
        .connections
        .iter()
        .map(|found| found.id.as_str())
        .collect();
    let Some(connection) = graph.connection(id) else {
        panic!("{id} is not among {ids:#?}");
    };
    verify(&graph, &material, connection, now(), &Uncached)
}

fn start(machine: &mut Machine, argv: &[&str]) {
    machine.processes.push(Process {
        pid: 4000,
        started: now(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        in_host_namespace: true,
        unit: None,
    });
}

/// A kubeconfig with a token, that trusts what is in `ca` or names it.
fn with_token(ca: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: local\n  cluster:\n    server: https://10.96.0.1:443\n    {ca}\nusers:\n- name: plugin\n  user:\n    token: abc\ncontexts:\n- name: c\n  context:\n    cluster: local\n    user: plugin\ncurrent-context: c\n"
    )
}

fn embedded(pem: &str) -> String {
    format!(
        "certificate-authority-data: {}",
        crate::kubeadm::base64(pem)
    )
}

const VERIFIED: (Judgement, Judgement) = (Judgement::Verified, Judgement::Verified);
const WITH_TOKEN: (Judgement, Judgement) = (Judgement::Verified, Judgement::NotApplicable);

fn sides(verdict: Verdict) -> (Judgement, Judgement) {
    (verdict.server, verdict.client)
}

#[test]
fn a_network_plugins_kubeconfig_is_a_client_by_token() {
    let mut machine = host();
    let path = "/etc/cni/net.d/calico-kubeconfig";
    let id = "cni /etc/cni/net.d/calico-kubeconfig->kube-apiserver";
    machine.write(path, with_token(&embedded(&authorities().cluster.pem())));
    assert_eq!(sides(verdict(&machine, id)), WITH_TOKEN);
    machine.write(
        path,
        with_token(&embedded(&authorities().front_proxy.pem())),
    );
    assert!(!verdict(&machine, id).holds());
    let inventory = found(&machine);
    let mut uses = inventory.kubeconfigs.iter();
    let plugin = uses.find(|found| found.path == Path::new(path)).unwrap();
    assert_eq!(plugin.other_credentials, ["token"]);
    assert!(plugin.credential.is_none() && plugin.used_by.is_empty());
    // Nobody can renew it, so that it is no entry.
    assert!(
        inventory
            .entries
            .iter()
            .all(|entry| entry.holder.path() != Path::new(path))
    );
}

#[test]
fn the_proxys_kubeconfig_is_named_by_its_configuration_and_may_name_its_ca() {
    let mut machine = host();
    let file = format!("certificate-authority: {PKI}/ca.crt");
    machine.write("/var/lib/kube-proxy/kubeconfig", with_token(&file));
    let configuration = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclientConnection:\n  kubeconfig: /var/lib/kube-proxy/kubeconfig\n";
    machine.write("/var/lib/kube-proxy/config.yaml", configuration);
    start(
        &mut machine,
        &["kube-proxy", "--config=/var/lib/kube-proxy/config.yaml"],
    );
    let id = "kube-proxy->kube-apiserver";
    assert_eq!(sides(verdict(&machine, id)), WITH_TOKEN);
    let inventory = found(&machine);
    let mut uses = inventory.kubeconfigs.iter();
    let proxys = uses.find(|found| found.path == Path::new("/var/lib/kube-proxy/kubeconfig"));
    let trust = &proxys.unwrap().cluster.as_ref().unwrap().trust;
    let KubeconfigTrust::File(file) = trust else {
        panic!("{trust:?}");
    };
    assert_eq!(
        (file.path.as_path(), file.certificates.len()),
        (Path::new("/etc/kubernetes/pki/ca.crt"), 1)
    );
    machine.write(
        "/var/lib/kube-proxy/kubeconfig",
        with_token("certificate-authority: gone.crt"),
    );
    assert!(!verdict(&machine, id).holds());
}

#[test]
fn a_clouds_controller_manager_is_a_component() {
    let mut machine = host();
    let pair = authorities()
        .cluster
        .issue(&Wish::new("cloud", CLIENT, &[]));
    write_kubeconfig(
        &mut machine,
        "cloud.conf",
        "cloud",
        &authorities().cluster.pem(),
        &pair,
    );
    start(
        &mut machine,
        &[
            "/usr/bin/openstack-cloud-controller-manager",
            "--kubeconfig=/etc/kubernetes/cloud.conf",
        ],
    );
    let component = found(&machine);
    assert!(
        component
            .component(ComponentKind::CloudControllerManager)
            .is_some()
    );
    assert_eq!(
        sides(verdict(
            &machine,
            "cloud-controller-manager->kube-apiserver"
        )),
        VERIFIED
    );
}

#[test]
fn a_kubeconfig_at_home_is_a_client() {
    let mut machine = host();
    machine.copy("/etc/kubernetes/admin.conf", "/root/.kube/config");
    machine.copy("/etc/kubernetes/admin.conf", "/home/ada/.kube/config");
    for path in ["/root/.kube/config", "/home/ada/.kube/config"] {
        let id = format!("{path}->kube-apiserver");
        assert_eq!(sides(verdict(&machine, &id)), VERIFIED);
    }
}

#[test]
fn a_client_of_etcd_is_told_by_who_signed_it() {
    let mut machine = host();
    let etcd = &authorities().etcd;
    let client = etcd.issue(&Wish::new("calico", CLIENT, &[]));
    let stranger = authorities()
        .cluster
        .issue(&Wish::new("felix", CLIENT, &[]));
    machine.write("/etc/calico/certs/cert.crt", client.pem());
    machine.write("/etc/calico/certs/cert.key", client.key.clone());
    machine.write("/etc/calico/certs/ca_cert.crt", etcd.pem());
    // One by another authority, one without a key, one that etcd's own flags name.
    machine.write("/etc/calico/certs/other.crt", stranger.pem());
    machine.write("/etc/calico/certs/other.key", stranger.key.clone());
    machine.write("/etc/etcd/copy.crt", client.pem());
    let inventory = found(&machine);
    let clients: Vec<&Path> = inventory
        .etcd_clients
        .iter()
        .map(|found| found.credential.holder.path())
        .collect();
    assert_eq!(clients, [Path::new("/etc/calico/certs/cert.crt")]);
    let id = "/etc/calico/certs/cert.crt->etcd";
    assert_eq!(sides(verdict(&machine, id)), VERIFIED);
    machine.write("/etc/calico/certs/ca_cert.crt", authorities().cluster.pem());
    assert!(!verdict(&machine, id).holds());
}

#[test]
fn the_kubelets_folder_of_configuration_is_laid_over_its_file() {
    let mut machine = host();
    machine.write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\nport: 10250\nauthentication:\n  x509:\n    clientCAFile: /etc/kubernetes/pki/ca.crt\n");
    let folder = "/etc/kubernetes/kubelet.conf.d";
    machine.write(
        &format!("{folder}/20-last.conf"),
        "kind: KubeletConfiguration\nauthentication:\n  x509:\n    clientCAFile: trust/other.crt\n",
    );
    machine.write(&format!("{folder}/10-first.conf"), "kind: KubeletConfiguration\nport: 10350\nauthentication:\n  x509:\n    clientCAFile: /first.crt\n");
    machine.write(
        &format!("{folder}/notes.txt"),
        "kind: KubeletConfiguration\nport: 1\n",
    );
    let unit = "/lib/systemd/system/kubelet.service";
    machine.edit(
        unit,
        "--config=",
        &format!("--config-dir={folder} --config="),
    );
    let inventory = found(&machine);
    let kubelet = inventory.component(ComponentKind::Kubelet).unwrap();
    assert_eq!(kubelet.flags.one("port"), Some("10350"));
    assert_eq!(
        kubelet.flags.one("client-ca-file"),
        Some("/etc/kubernetes/kubelet.conf.d/trust/other.crt")
    );
    assert_eq!(
        kubelet.flags.one("pod-manifest-path"),
        Some("/etc/kubernetes/manifests")
    );
}

#[test]
fn a_bootstrap_kubeconfig_that_was_left_is_a_client() {
    let mut machine = host();
    let path = "/etc/kubernetes/bootstrap-kubelet.conf";
    machine.write(path, with_token(&embedded(&authorities().cluster.pem())));
    assert_eq!(
        sides(verdict(&machine, "bootstrap-kubelet.conf->kube-apiserver")),
        WITH_TOKEN
    );
}
