//! Healthy clusters: nothing to warn of.

use crate::kubeadm::{Cluster, PKI, base64, leafs, names, put, write_kubeconfig};
use crate::machine::Node;
use crate::pki::{Authority, CLIENT, SERVER, Wish, authorities};
use kubepki_core::diagnose::{Diagnosis, State};
use kubepki_core::model::{ComponentKind, Severity};

pub fn show(diagnosis: &Diagnosis) -> String {
    let findings = diagnosis
        .findings
        .iter()
        .map(|finding| format!("{finding:#?}\n"));
    findings.collect()
}

fn quiet(cluster: &Cluster) {
    let diagnosis = cluster.diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
    assert!(diagnosis.connections.len() > 3);
    for connection in &diagnosis.connections {
        for place in [&connection.on_disk, &connection.loaded, &connection.on_wire] {
            assert_ne!(place.state, State::Failed, "{connection:#?}");
        }
    }
}

#[test]
fn a_cluster_as_kubeadm_makes_it() {
    quiet(&Cluster::kubeadm());
}

#[test]
fn three_control_planes() {
    quiet(&Cluster::three());
}

#[test]
fn files_alone() {
    quiet(&Cluster::kubeadm().files_only());
}

#[test]
fn a_worker() {
    let diagnosis = Cluster::worker().diagnose();
    assert!(
        diagnosis.worst() < Some(Severity::Warning),
        "{}",
        show(&diagnosis)
    );
}

/// kubeadm 1.29 and later: administrators of a group of their own, another kubeconfig that bypasses RBAC,
/// a serving certificate from the cluster.
#[test]
fn a_cluster_as_kubeadm_makes_it_today() {
    let mut cluster = Cluster::kubeadm();
    let all = authorities();
    let host = cluster.host();
    for (file, user, organization) in [
        ("admin.conf", "kubernetes-admin", "kubeadm:cluster-admins"),
        (
            "super-admin.conf",
            "kubernetes-super-admin",
            "system:masters",
        ),
    ] {
        let organizations = [organization];
        let pair = all
            .cluster
            .issue(&Wish::new(user, CLIENT, &[]).of(&organizations));
        write_kubeconfig(host, file, user, &all.cluster.pem(), &pair);
    }
    let names = ["DNS:cp1", "IP:10.0.0.1"];
    let wish = Wish::new("system:node:cp1", SERVER, &names).of(&["system:nodes"]);
    let pair = all.cluster.issue(&wish);
    let store = "/var/lib/kubelet/pki";
    host.remove(&format!("{store}/kubelet.crt"));
    host.remove(&format!("{store}/kubelet.key"));
    let dated = format!("{store}/kubelet-server-2026-02-21-12-00-00.pem");
    host.write(&dated, format!("{}{}", pair.pem(), pair.key));
    let link = format!("{store}/kubelet-server-current.pem");
    host.nodes.insert(link.into(), Node::Link(dated.into()));
    let configuration = "/var/lib/kubelet/config.yaml";
    host.edit(
        configuration,
        "rotateCertificates: true",
        "rotateCertificates: true\nserverTLSBootstrap: true",
    );
    cluster.observe();
    quiet(&cluster.clone().files_only());
    let live = cluster.live[0].as_mut().unwrap();
    for fact in &mut live.served {
        if fact.component == Some(ComponentKind::Kubelet)
            && let Ok(chain) = &mut fact.outcome
        {
            chain.chain = vec![pair.certificate.clone()];
        }
    }
    quiet(&cluster);
}

/// The keys of the CAs are kept elsewhere.
#[test]
fn external_authorities() {
    let mut cluster = Cluster::kubeadm();
    for base in ["ca", "etcd/ca", "front-proxy-ca"] {
        cluster.host().remove(&format!("{PKI}/{base}.key"));
    }
    let flags = ["--cluster-signing-cert-file", "--cluster-signing-key-file"];
    let manifest = "/etc/kubernetes/manifests/kube-controller-manager.yaml";
    let text = cluster.host().text(manifest);
    let kept = text
        .lines()
        .filter(|line| !flags.iter().any(|flag| line.contains(flag)));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    cluster.host().write(manifest, text);
    for process in &mut cluster.host().processes {
        process
            .argv
            .retain(|argument| !flags.iter().any(|flag| argument.starts_with(flag)));
    }
    quiet(&cluster.clone().files_only());
    quiet(&cluster);
}

/// Clients are signed by one CA and servers by another, as some distributions have it.
#[test]
fn one_authority_for_clients_and_one_for_servers() {
    let mut cluster = Cluster::kubeadm();
    let servers = Authority::new("server-ca");
    let host = cluster.host();
    let names = names(host);
    let copy = host.clone();
    let (_, _, wish) = leafs(&copy, &names).remove(0);
    put(host, "apiserver", &servers.issue(&wish));
    host.write(&format!("{PKI}/server-ca.crt"), servers.pem());
    let old = base64(authorities().cluster.pem());
    for file in [
        "admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
        "kubelet.conf",
    ] {
        host.edit(
            &format!("/etc/kubernetes/{file}"),
            &old,
            &base64(servers.pem()),
        );
    }
    let (from, to) = (
        "--root-ca-file=/etc/kubernetes/pki/ca.crt",
        "--root-ca-file=/etc/kubernetes/pki/server-ca.crt",
    );
    host.edit(
        "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        from,
        to,
    );
    for process in &mut host.processes {
        for argument in &mut process.argv {
            if argument == from {
                *argument = to.to_owned();
            }
        }
    }
    cluster.observe();
    quiet(&cluster.clone().files_only());
    quiet(&cluster);
}
