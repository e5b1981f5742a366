//! Breakages of names, usages and identities, of kubelets and workers.

use crate::breakages::{breaks, breaks_cluster, path, reissue, user};
use crate::broken_trust::API_SERVER;
use crate::kubeadm::{Cluster, put};
use crate::machine::Node;
use crate::pki::{BOTH, CLIENT, SERVER, Wish, authorities};
use std::path::{Path, PathBuf};

#[test]
fn a_serving_certificate_without_the_services_address() {
    breaks(&path("apiserver.crt"), "name-missing", |host| {
        let held = [
            "DNS:cp1",
            "DNS:kubernetes.default.svc",
            "DNS:api.example",
            "IP:10.0.0.1",
        ];
        let wish = Wish::new("kube-apiserver", SERVER, &held);
        put(host, "apiserver", &authorities().cluster.issue(&wish));
    });
}

#[test]
fn a_serving_certificate_without_the_name_that_all_ask_for() {
    breaks(&path("apiserver.crt"), "name-missing", |host| {
        let held = [
            "DNS:cp1",
            "DNS:kubernetes.default.svc",
            "IP:10.96.0.1",
            "IP:10.0.0.1",
        ];
        let wish = Wish::new("kube-apiserver", SERVER, &held);
        put(host, "apiserver", &authorities().cluster.issue(&wish));
    });
}

#[test]
fn one_kubeconfig_that_asks_for_another_name() {
    breaks(
        "/etc/kubernetes/scheduler.conf",
        "wrong-server-name",
        |host| {
            host.edit(
                "/etc/kubernetes/scheduler.conf",
                "https://api.example:6443",
                "https://10.0.0.77:6443",
            );
        },
    );
}

#[test]
fn a_server_certificate_for_clients() {
    breaks(&path("apiserver.crt"), "usage-missing", |host| {
        reissue(host, "apiserver", None, |wish| wish.usages = CLIENT);
    });
}

#[test]
fn a_client_certificate_for_servers() {
    breaks(
        &path("apiserver-kubelet-client.crt"),
        "usage-missing",
        |host| {
            reissue(host, "apiserver-kubelet-client", None, |wish| {
                wish.usages = SERVER
            });
        },
    );
}

#[test]
fn an_etcd_peer_that_cannot_be_a_client() {
    let expected = [("cp1:/etc/kubernetes/pki/etcd/peer.crt", "usage-missing")];
    breaks_cluster(Cluster::three(), &expected, |cluster| {
        reissue(cluster.host(), "etcd/peer", None, |wish| {
            wish.usages = SERVER
        });
    });
}

#[test]
fn an_etcd_certificate_of_another_node() {
    breaks(
        &path("etcd/server.crt"),
        "copied-from-another-node",
        |host| {
            let held = ["DNS:cp2", "IP:10.0.0.2"];
            let wish = Wish::new("cp2", BOTH, &held);
            put(host, "etcd/server", &authorities().etcd.issue(&wish));
        },
    );
}

#[test]
fn etcds_certificate_copied_from_another_host() {
    let expected = [(
        "cp3:/etc/kubernetes/pki/etcd/server.crt",
        "copied-from-another-node",
    )];
    breaks_cluster(Cluster::three(), &expected, |cluster| {
        for ending in ["crt", "key"] {
            let file = path(&format!("etcd/server.{ending}"));
            let contents = cluster.machines[0].bytes(&file);
            cluster.machines[2].write(&file, contents);
        }
    });
}

#[test]
fn a_front_proxy_of_another_name() {
    breaks(
        &path("front-proxy-client.crt"),
        "identity-refused",
        |host| {
            reissue(host, "front-proxy-client", None, |wish| {
                wish.common_name = "aggregator"
            });
        },
    );
}

#[test]
fn the_schedulers_certificate_in_the_controller_managers_kubeconfig() {
    breaks(
        "/etc/kubernetes/controller-manager.conf",
        "copy-of-other-file",
        |host| {
            host.copy(
                "/etc/kubernetes/scheduler.conf",
                "/etc/kubernetes/controller-manager.conf",
            );
        },
    );
}

#[test]
fn a_controller_manager_under_another_name() {
    breaks(
        "/etc/kubernetes/controller-manager.conf",
        "identity-refused",
        |host| {
            let ca = &authorities().cluster;
            user(
                host,
                "controller-manager.conf",
                "controller-manager",
                ca,
                ca,
                200,
            );
        },
    );
}
const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

#[test]
fn a_file_instead_of_the_kubelets_link() {
    breaks(CURRENT, "not-a-symlink", |host| {
        let contents = host.bytes(CURRENT);
        host.remove(CURRENT);
        host.write(CURRENT, contents);
    });
}

#[test]
fn a_link_that_leads_nowhere() {
    breaks(CURRENT, "broken-link", |host| {
        let target = match &host.nodes[Path::new(CURRENT)] {
            Node::Link(target) => target.clone(),
            Node::File { .. } => PathBuf::new(),
        };
        host.nodes.remove(&target);
    });
}

#[test]
fn a_kubelet_that_does_not_renew() {
    breaks("/var/lib/kubelet/config.yaml", "rotation-off", |host| {
        host.edit(
            "/var/lib/kubelet/config.yaml",
            "rotateCertificates: true",
            "rotateCertificates: false",
        );
    });
}

#[test]
fn a_kubelet_that_cannot_be_verified_where_it_should_be() {
    breaks(
        "/var/lib/kubelet/pki/kubelet.crt",
        "untrusted-issuer",
        |host| {
            let line = "--client-ca-file=/etc/kubernetes/pki/ca.crt";
            let more = "--kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt";
            host.edit(API_SERVER, line, &format!("{line}\n    - {more}"));
            for process in &mut host.processes {
                if process.argv[0] == "kube-apiserver" {
                    process.argv.push(more.to_owned());
                }
            }
        },
    );
}
#[test]
fn a_worker_with_another_clusters_ca() {
    let expected = [("/etc/kubernetes/pki/ca.crt", "wrong-authority-file")];
    breaks_cluster(Cluster::worker(), &expected, |cluster| {
        cluster
            .host()
            .write(&path("ca.crt"), authorities().foreign.pem());
    });
}

#[test]
fn a_worker_with_a_ca_key() {
    let expected = [("/etc/kubernetes/pki/ca.key", "ca-key-not-needed")];
    breaks_cluster(Cluster::worker(), &expected, |cluster| {
        cluster
            .host()
            .write(&path("ca.key"), authorities().cluster.key());
    });
}

/// The pod does not see the host's file, whether there is one or not.
#[test]
fn a_flag_that_names_what_no_volume_mounts() {
    breaks("kube-scheduler --kubeconfig", "missing", |host| {
        host.edit(
            "/etc/kubernetes/manifests/kube-scheduler.yaml",
            "--kubeconfig=/etc/kubernetes/scheduler.conf",
            "--kubeconfig=/srv/scheduler.conf",
        );
    });
}

/// As after a rescue with a new CA: its key lies on one control plane, and nobody carries it.
#[test]
fn a_signing_key_on_one_host_only() {
    let expected = [("cp2:/etc/kubernetes/pki/ca.key", "signing-key-missing")];
    let remove = |cluster: &mut Cluster| cluster.machines[1].remove(&path("ca.key"));
    breaks_cluster(Cluster::three(), &expected, remove);
    let mut cluster = Cluster::three();
    remove(&mut cluster);
    let diagnosis = cluster.diagnose();
    let mut findings = diagnosis.findings.iter();
    let finding = findings
        .find(|finding| finding.code == "signing-key-missing")
        .unwrap();
    let remedy = &finding.remedy;
    assert!(remedy.contains("ssh cp1 sudo cat"), "{remedy}");
}
